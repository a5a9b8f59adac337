"""Rows to standard output as a table, JSON or CSV; progress to standard error."""

import csv
import sys
from collections.abc import Mapping, Sequence

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from taskonomy_warehouse.queries import QueryResult, as_json

UNBOUNDED = 1_000_000_000
"""Columns where no terminal bounds a table: it is as wide as its cells."""

MOST_ROWS = 2_000
"""Rows of a table, on a terminal as in a pipe: it is for reading, and laid out as a whole."""

BETWEEN = 3
"""Blanks between two columns of a table; one more stands before the first and after the last."""

EXACT = 2**53
"""Whole numbers below this are told apart by a float; above, all digits would say too much."""

Row = Mapping[str, object]


def print_rows(rows: Sequence[Row], columns: Sequence[str], output: str) -> None:
    """Print rows: an aligned table, one JSON list of objects, or CSV with a header."""
    if output == "json":
        _write(as_json([dict(row) for row in rows]) + "\n")
    else:
        _print_cells([[row[column] for column in columns] for row in rows], columns, output)


def print_result(result: QueryResult, output: str) -> None:
    """Print what a query returned, as `print_rows`; several columns may have one name.

    Raises:
        QueryRefused: JSON is asked for, whose objects would lose all but one of them.
    """
    if output == "json":
        _write(as_json(result.records()) + "\n")
    else:
        _print_cells(result.rows, result.columns, output, result.more)


class _Console(Console):
    """A console that leaves a reader who went away to `main`, as every other output does."""

    def on_broken_pipe(self) -> None:
        """Raise what rich caught; its own way is to exit with 1, or not at all."""
        raise BrokenPipeError


def stdout_console() -> Console:
    """Return a console for results: the terminal's width, or wide enough for any cell."""
    return _Console(width=None if sys.stdout.isatty() else UNBOUNDED, highlight=False)


def stderr_console() -> Console:
    """Return a console for progress and messages."""
    return _Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Tell the user something on standard error."""
    click.echo(f"taskonomyctl: {message}", err=True)


def number(budget: float) -> int | float:
    """Return a whole number as an integer, so that budget 8 prints as 8, and 1e308 as 1e+308."""
    return int(budget) if budget.is_integer() and abs(budget) < EXACT else budget


def _print_cells(
    rows: Sequence[Sequence[object]], columns: Sequence[str], output: str, more: int = 0
) -> None:
    if output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(value) for value in row] for row in rows)
        return
    whole = _format_of_all_rows()
    shown = rows[:MOST_ROWS] if whole else rows
    _print_table(shown, columns)
    more += len(rows) - len(shown)
    if more:
        click.echo(f"… {more:,} more {'row' if more == 1 else 'rows'}: -o {whole or 'csv'}")


def _format_of_all_rows() -> str | None:
    """Return what the command that runs prints all rows as; None: it has tables alone."""
    context = click.get_current_context(silent=True)
    for option in context.command.params if context else ():
        if "-o" in option.opts and isinstance(option.type, click.Choice):
            return "csv" if "csv" in option.type.choices else "json"
    return None


def _print_table(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> None:
    """Print an aligned table, or a block a row where the terminal is too narrow for its words."""
    console = stdout_console()
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(map(cell_len, " ".join(words).split()), default=0)
        for words in zip(columns, *cells, strict=True)
    ]
    if sum(widths) + BETWEEN * (len(widths) - 1) + 2 > console.width:
        _print_blocks(console, cells, columns)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        numeric = any(_is_number(row[place]) for row in rows)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in cells:  # as `Text`, no cell is taken for markup or an emoji
        table.add_row(*map(Text, row))
    with console.capture() as drawn:
        console.print(table)
    _write(drawn.get())


def _write(text: str) -> None:
    """Write line by line: of one long write, Python does not say that its reader went away."""
    sys.stdout.writelines(text.splitlines(keepends=True))
    sys.stdout.flush()


def _print_blocks(console: Console, rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    for row in rows:
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for column, cell in zip(columns, row, strict=True):
            block.add_row(Text(column, "dim"), Text(cell))
        console.print(block)
        console.print()


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
