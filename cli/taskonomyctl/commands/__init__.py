"""One module per command group; each reads its options, calls one package and prints."""
