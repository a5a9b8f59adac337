"""Rows to standard output as a table, JSON or CSV; progress to standard error."""

import csv
import sys
from collections.abc import Mapping, Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table

from taskonomy_warehouse.queries import as_json

WIDE = 200
"""Columns of a table that no terminal bounds, so that a pipe sees whole cells."""

Row = Mapping[str, object]


def print_rows(rows: Sequence[Row], columns: Sequence[str], output: str) -> None:
    """Print rows: an aligned table, one JSON list of objects, or CSV with a header."""
    if output == "json":
        click.echo(as_json([dict(row) for row in rows]))
    elif output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(row[column]) for column in columns] for row in rows)
    else:
        _print_table(rows, columns)


def stdout_console() -> Console:
    """Return a console for results: the terminal's width, or wide enough for any cell."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


def stderr_console() -> Console:
    """Return a console for progress and messages."""
    return Console(stderr=True, highlight=False)


def number(budget: float) -> int | float:
    """Return a whole number as an integer, so that budget 8 prints as 8."""
    return int(budget) if budget == int(budget) else budget


def _print_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        values = [row[column] for row in rows]
        numeric = any(_is_number(v) for v in values)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    stdout_console().print(table)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else _plain(value, ", ")
    return text.replace("[", "\\[")


def _plain(value: object, separator: str = "+") -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return separator.join(_plain(item) for item in value)
    return str(value)
