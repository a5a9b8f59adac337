"""A published measurements CSV -> checked transfers, or a refusal that names line and column.

Columns: ``target, order, sources, affinity, win_rate_vs_scratch, win_rate_vs_task_specific``;
sources are joined by ``+``. ``self`` is the target's own task-specific network, ``pixels`` the one
trained from scratch, the target's own name a transfer from its own encoder. A blank affinity means
measured and not ranked.
"""

import codecs
import csv
import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from taskonomy_catalogue.errors import InputRefused, UnknownTask
from taskonomy_catalogue.tasks import TaskDictionary
from taskonomy_warehouse.parsing import parse_number

COLUMNS = (
    "target",
    "order",
    "sources",
    "affinity",
    "win_rate_vs_scratch",
    "win_rate_vs_task_specific",
)
OWN_NETWORK = "self"
FROM_SCRATCH = "pixels"

Kind = Literal["task-specific", "transfer", "scratch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTransfer:
    """One row of a published file, in our task ids."""

    target: str
    kind: Kind
    order: int
    sources: tuple[str, ...]
    affinity: float | None
    """Share of the target's affinity in [0, 1]; None where measured and not ranked."""
    gain: float | None
    """Win rate over scratch in [0, 1]."""
    quality: float | None
    """Win rate over the task-specific network in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A whole file that passed every check."""

    path: Path
    sha256: str
    transfers: tuple[PublishedTransfer, ...]


def read_published(path: Path, dictionary: TaskDictionary) -> PublishedFile:
    """Read and check a whole file; one bad line refuses all of it.

    Raises:
        InputRefused: with line, column and reason: unreadable, empty or not UTF-8; a missing
            column; an unknown task; a duplicate transfer; an order that disagrees with its
            sources; a value that is no number or outside [0, 1].
    """
    content = _content(path)
    transfers: list[PublishedTransfer] = []
    first_line: dict[tuple[str, Kind, frozenset[str]], int] = {}
    for row in _rows(path, content):
        transfer = row.transfer(dictionary)
        identity = (transfer.target, transfer.kind, frozenset(transfer.sources))
        if identity in first_line:
            raise row.refused("sources", f"duplicate of line {first_line[identity]}; remove one")
        first_line[identity] = row.line
        transfers.append(transfer)
    if not transfers:
        raise InputRefused(path, "no rows below the header")
    return PublishedFile(
        path=path, sha256=hashlib.sha256(content).hexdigest(), transfers=tuple(transfers)
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the file, and how to refuse it."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def refused(self, column: str, reason: str) -> InputRefused:
        return InputRefused(self.path, reason, line=self.line, column=column)

    def transfer(self, dictionary: TaskDictionary) -> PublishedTransfer:
        target = self._task("target", self.cells["target"], dictionary)
        kind, sources = self._kind_and_sources(target, dictionary)
        return PublishedTransfer(
            target=target,
            kind=kind,
            order=self._order(max(1, len(sources))),
            sources=sources,
            affinity=self._fraction("affinity"),
            gain=self._fraction("win_rate_vs_scratch"),
            quality=self._fraction("win_rate_vs_task_specific"),
        )

    def _kind_and_sources(
        self, target: str, dictionary: TaskDictionary
    ) -> tuple[Kind, tuple[str, ...]]:
        names = [name.strip() for name in self.cells["sources"].split("+")]
        if names == [OWN_NETWORK]:
            return "task-specific", (target,)
        if names == [FROM_SCRATCH]:
            return "scratch", ()
        for word in (OWN_NETWORK, FROM_SCRATCH):
            if word in names:
                raise self.refused("sources", f"{word!r} stands alone; it cannot be combined")
        sources = tuple(self._task("sources", name, dictionary) for name in names)
        if len(set(sources)) < len(sources):
            raise self.refused("sources", f"{self.cells['sources']!r} names a source twice")
        return "transfer", sources

    def _task(self, column: str, name: str, dictionary: TaskDictionary) -> str:
        if not name.strip():
            raise self.refused(column, "blank; name a task")
        try:
            return dictionary.resolve(name).id
        except UnknownTask as error:
            raise self.refused(column, str(error)) from error

    def _order(self, expected: int) -> int:
        text = self.cells["order"].strip()
        if text != str(expected):
            raise self.refused("order", f"{text!r}, and the sources make it {expected}")
        return expected

    def _fraction(self, column: str) -> float | None:
        text = self.cells[column].strip()
        if not text:
            return None
        try:
            value = parse_number(text)
        except ValueError:
            raise self.refused(column, f"{text!r} is not a number") from None
        if math.isnan(value):
            raise self.refused(column, "NaN; leave the cell blank where nothing was measured")
        if not 0 <= value <= 1:
            raise self.refused(column, f"{text} is out of range; allowed is 0 to 1")
        return value


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise InputRefused(path, f"empty file; expected the columns {', '.join(COLUMNS)}")
    return content


def _rows(path: Path, content: bytes) -> Iterator[_Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputRefused(path, "not UTF-8 text; save the file as UTF-8", line=line) from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(lines)]
        _check_header(path, header)
        for cells in lines:
            if not cells:
                continue
            if len(cells) != len(header):
                reason = f"{len(cells)} cells, and the header has {len(header)}"
                raise InputRefused(path, reason, line=lines.line_num)
            yield _Row(path, lines.line_num, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise InputRefused(path, f"not valid CSV: {error}", line=lines.line_num) from error


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        reason = f"missing column; the header must name {', '.join(COLUMNS)}"
        raise InputRefused(path, reason, line=1, column=missing[0])
    doubled = [name for name in header if header.count(name) > 1]
    if doubled:
        raise InputRefused(path, "the column stands twice", line=1, column=doubled[0])
