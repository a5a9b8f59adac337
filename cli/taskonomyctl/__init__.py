"""The command line: one module per command group, thin over the packages that do the work.

`main` gathers the commands and turns errors into messages and exit codes, `options` holds what
commands share, `output` prints tables, JSON and CSV.
"""
