"""Files that weigh tasks and price labels and transfers: CSV or TOML in, checked numbers out."""

import csv
import io
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path

from taskonomy_catalogue.errors import InputRefused, UnknownTask
from taskonomy_catalogue.tasks import TaskDictionary
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
        InputRefused: as `read_task_values`; a word that is neither a number nor a file.
    """
    try:
        number = float(value_or_path)
    except ValueError:
        path = Path(value_or_path)
    else:
        return TransferCost(default=_amount("--transfer-cost", (None, None), number))
    if path.suffix.lower() != ".toml" and "sources" in _header(path):
        return TransferCost(by_transfer=_transfer_values(path, dictionary))
    return TransferCost(by_target=read_task_values(path, dictionary))


def _entries(path: Path) -> Iterator[tuple[_Place, str, object]]:
    if path.suffix.lower() == ".toml":
        try:
            entries = tomllib.loads(_text(path))
        except tomllib.TOMLDecodeError as error:
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
    return [name.strip() for name in _text(path).partition("\n")[0].split(",")]


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    rows = csv.DictReader(io.StringIO(_text(path), newline=""), skipinitialspace=True)
    missing = [name for name in columns if name not in (rows.fieldnames or [])]
    if missing:
        reason = f"missing column; the header must be {','.join(columns)}"
        raise InputRefused(path, reason, line=1, column=missing[0])
    for row in rows:
        if None in row or None in row.values():
            raise InputRefused(path, "not as many cells as the header", line=rows.line_num)
        yield rows.line_num, row


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


def _amount(path: Path | str, place: _Place, value: object) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0) or isinstance(value, bool):
        raise _refused(path, place, f"{value!r} is not a number from 0 up")
    return number


def _refused(path: Path | str, place: _Place, reason: str) -> InputRefused:
    return InputRefused(path, reason, line=place[0], column=place[1])
