"""Rows to standard output as a table, JSON or CSV; progress to standard error."""

import csv
import sys
from collections.abc import Mapping, Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from taskonomy_warehouse.queries import QueryResult, as_json

UNBOUNDED = 1_000_000_000
"""Columns where no terminal bounds a table: it is as wide as its cells."""

Row = Mapping[str, object]


def print_rows(rows: Sequence[Row], columns: Sequence[str], output: str) -> None:
    """Print rows: an aligned table, one JSON list of objects, or CSV with a header."""
    if output == "json":
        click.echo(as_json([dict(row) for row in rows]))
    else:
        _print_cells([[row[column] for column in columns] for row in rows], columns, output)


def print_result(result: QueryResult, output: str) -> None:
    """Print what a query returned, as `print_rows`; several columns may have one name.

    Raises:
        QueryRefused: JSON is asked for, whose objects would lose all but one of them.
    """
    if output == "json":
        click.echo(as_json(result.records()))
    else:
        _print_cells(result.rows, result.columns, output)


def stdout_console() -> Console:
    """Return a console for results: the terminal's width, or wide enough for any cell."""
    return Console(width=None if sys.stdout.isatty() else UNBOUNDED, highlight=False)


def stderr_console() -> Console:
    """Return a console for progress and messages."""
    return Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Tell the user something on standard error."""
    click.echo(f"taskonomyctl: {message}", err=True)


def number(budget: float) -> int | float:
    """Return a whole number as an integer, so that budget 8 prints as 8."""
    return int(budget) if budget == int(budget) else budget


def _print_cells(rows: Sequence[Sequence[object]], columns: Sequence[str], output: str) -> None:
    if output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(value) for value in row] for row in rows)
    else:
        _print_table(rows, columns)


def _print_table(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> None:
    """Print an aligned table; as `Text`, no cell is taken for markup or an emoji."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        numeric = any(_is_number(row[place]) for row in rows)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    stdout_console().print(table)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _plain(value, ", ")


def _plain(value: object, separator: str = "+") -> str:
    """Return a value as a cell: lists of words joined, other nested values as JSON."""
    if value is None:
        return ""
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return separator.join(value)
    if isinstance(value, list | tuple | dict):
        return as_json(value, indent=None)
    return value.hex() if isinstance(value, bytes) else str(value)
