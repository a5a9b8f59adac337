"""Files that weigh tasks and price labels and transfers: CSV or TOML in, checked numbers out."""

import csv
import io
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path

from taskonomy_catalogue.errors import InputRefused, SettingRefused, UnknownTask
from taskonomy_catalogue.tasks import TaskDictionary
from taskonomy_warehouse.parsing import parse_number
from taskonomy_warehouse.selection.settings import TransferCost

_Place = tuple[int | None, str | None]
"""Line and column of a value, as far as the format tells."""


def read_task_values(path: Path, dictionary: TaskDictionary) -> dict[str, float]:
    """Read one number per task: CSV with the columns ``task,value``, or TOML ``task = value``.

    Raises:
        InputRefused: the file is unreadable or malformed, names an unknown task or one task
            twice, or holds a value that is not a finite number from 0 up.
    """
    values: dict[str, float] = {}
    for place, name, value in _entries(path):
        task = _task(path, place, name, dictionary)
        if task in values:
            raise _refused(path, place, f"task {name!r} stands twice")
        values[task] = _amount(path, place, value)
    return values


def read_transfer_cost(value_or_path: str, dictionary: TaskDictionary) -> TransferCost:
    """Read τ: one number for all transfers, or a file.

    The file is as for `read_task_values`, a cost per target; or CSV with the columns
    ``target,sources,value``, a cost per transfer, sources joined by ``+``.

    Raises:
        SettingRefused: a number below 0 or not finite, or nothing at all.
        InputRefused: as `read_task_values`; a word that is neither a number nor a file.
    """
    try:
        number = parse_number(value_or_path)
    except ValueError:
        path = Path(value_or_path)
    else:
        if not (math.isfinite(number) and number >= 0):
            raise SettingRefused(f"--transfer-cost {value_or_path!r}: give a number from 0 up")
        return TransferCost(default=number)
    if not value_or_path.strip():
        raise SettingRefused(f"--transfer-cost {value_or_path!r}: give a number or a file")
    if path.suffix.lower() != ".toml" and "sources" in _header(path):
        return TransferCost(by_transfer=_transfer_values(path, dictionary))
    return TransferCost(by_target=read_task_values(path, dictionary))


def _entries(path: Path) -> Iterator[tuple[_Place, str, object]]:
    if path.suffix.lower() == ".toml":
        try:
            entries = tomllib.loads(_text(path))
        except (ValueError, RecursionError) as error:  # of long integers, of deep nesting
            raise InputRefused(path, f"not valid TOML: {error}") from error
        for name, value in entries.items():
            yield (None, name), name, value
        return
    for line, cells in _csv_rows(path, ("task", "value")):
        yield (line, "value"), cells["task"], cells["value"]


def _transfer_values(path: Path, dictionary: TaskDictionary) -> dict[str, float]:
    values: dict[str, float] = {}
    for line, cells in _csv_rows(path, ("target", "sources", "value")):
        target = _task(path, (line, "target"), cells["target"], dictionary)
        names = cells["sources"].split("+")
        sources = [_task(path, (line, "sources"), name, dictionary) for name in names]
        key = TransferCost.key(target, sources)
        if key in values:
            raise InputRefused(path, f"the transfer {key} stands twice", line=line)
        values[key] = _amount(path, (line, "value"), cells["value"])
    return values


def _header(path: Path) -> list[str]:
    return next((cells for _, cells in _lines(path)), [])


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    lines = _lines(path)
    _, header = next(lines, (1, []))
    missing = [name for name in columns if name not in header]
    if missing:
        reason = f"missing column; the header must be {','.join(columns)}"
        raise InputRefused(path, reason, line=1, column=missing[0])
    for line, cells in lines:
        if len(cells) != len(header):
            raise InputRefused(path, "not as many cells as the header", line=line)
        yield line, dict(zip(header, cells, strict=True))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a CSV file that are not blank, each with its number."""
    lines = csv.reader(io.StringIO(_text(path), newline=""), skipinitialspace=True, strict=True)
    try:
        for cells in lines:
            if cells:
                yield lines.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InputRefused(path, f"not valid CSV: {error}", line=lines.line_num) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(path, "not UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error


def _task(path: Path, place: _Place, name: str, dictionary: TaskDictionary) -> str:
    try:
        return dictionary.resolve(name).id
    except UnknownTask as error:
        line, column = place
        column = "task" if line is not None and column == "value" else column
        raise _refused(path, (line, column), str(error)) from error


def _amount(path: Path, place: _Place, value: object) -> float:
    try:
        number = _number(value)
    except OverflowError:  # a whole number of TOML may have any length, and so would the message
        raise _refused(path, place, "too large a number") from None
    if not (math.isfinite(number) and number >= 0):
        raise _refused(path, place, f"{value!r} is not a number from 0 up")
    return number


def _number(value: object) -> float:
    """Return a cell's or a TOML value's number, NaN where it is none."""
    if isinstance(value, str):
        try:
            return parse_number(value)
        except ValueError:
            return math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0
    return math.nan


def _refused(path: Path, place: _Place, reason: str) -> InputRefused:
    return InputRefused(path, reason, line=place[0], column=place[1])
