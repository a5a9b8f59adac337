"""What networks learn from: files of a data set, decoded into examples, checked and browsed."""
