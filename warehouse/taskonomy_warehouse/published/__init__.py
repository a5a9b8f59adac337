"""Published measurements: read from CSV, checked line by line, imported in one transaction.

`reader` turns a file into transfers or refuses it, `importer` puts them into the warehouse,
`figure9` compares what we solve with what the paper printed. `data/` holds the paper's own numbers.
"""
