"""Splits: which buildings are for training, validation and test.

A split is a CSV with columns id, train, val, test: one row a building, 1 where it belongs. The
published files end their lines with a bare carriage return; any line end is read, a byte order
mark, blanks around cells and quoted cells too.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from taskonomy_catalogue.errors import InputRefused, NotFound, did_you_mean
from taskonomy_jobs.data.layout import SPLIT_COLUMNS, SPLITS_FOLDER

_PATTERNS = (
    f"{SPLITS_FOLDER}/{{name}}.csv",
    "splits_taskonomy/train_val_test_{name}.csv",
    f"{SPLITS_FOLDER}/train_val_test_{{name}}.csv",
    "train_val_test_{name}.csv",
    "{name}.csv",
)
"""Where a split's name is looked up under the data set, first found first."""


@dataclass(frozen=True, slots=True)
class Split:
    """The buildings of each part, sorted."""

    path: Path
    """The file it was read from."""
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def buildings(self, part: str) -> tuple[str, ...]:
        """Return the buildings of a part: train, val or test."""
        return {"train": self.train, "val": self.val, "test": self.test}[part]

    def part_of(self, building: str) -> str | None:
        """Return the part that a building belongs to, if any."""
        return next((p for p in ("train", "val", "test") if building in self.buildings(p)), None)


def read_split(root: Path, splits: str) -> Split:
    """Return a data set's split.

    Args:
        root: the data set's folder.
        splits: a name (medium, rooms) that is looked up under the data set, or the path of a
            `.csv`, absolute or from the working folder or the data set.

    Raises:
        NotFound: there is no such file; the message lists the names there are.
        InputRefused: the file is no split; the message names line and column.
    """
    path = _split_path(root, splits)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(path, "not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error
    return _parsed(text, path)


def split_names(root: Path) -> list[str]:
    """Return the names of the splits that lie under the data set, sorted."""
    found = set()
    for pattern in _PATTERNS[:-1]:
        before, after = pattern.split("{name}")
        found |= {
            path.relative_to(root).as_posix()[len(before) : -len(after)]
            for path in root.glob(f"{before}*{after}")
        }
    return sorted(name for name in found if not name.startswith("train_val_test_"))


def _split_path(root: Path, splits: str) -> Path:
    if splits.endswith(".csv"):
        places = [Path(splits), root / splits]
    else:
        places = [root / pattern.format(name=splits) for pattern in _PATTERNS]
    for place in places:
        if place.is_file():
            return place
    names = split_names(root)
    hint = did_you_mean(splits, names) or (f"; there are {', '.join(names)}" if names else "")
    raise NotFound(
        f"split {splits!r} is not there: no {' or '.join(str(p) for p in places[:2])}{hint}"
    )


def _parsed(text: str, path: Path) -> Split:
    reader = csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"), newline=""))
    rows = [
        (reader.line_num, [cell.strip() for cell in row])
        for row in reader
        if any(cell.strip() for cell in row)
    ]
    if not rows or tuple(cell.lower() for cell in rows[0][1]) != SPLIT_COLUMNS:
        header = ",".join(rows[0][1]) if rows else ""
        raise InputRefused(
            path, f"its header is {header!r}; write {','.join(SPLIT_COLUMNS)}", line=1
        )
    parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    seen: dict[str, int] = {}
    for line, row in rows[1:]:
        building = _checked(row, line, path)
        if seen.setdefault(building, line) != line:
            raise InputRefused(
                path, f"building {building!r} is already on line {seen[building]}", line=line
            )
        for part, flag in zip(parts, row[1:], strict=True):
            if flag == "1":
                parts[part].append(building)
    return Split(path, *(tuple(sorted(buildings)) for buildings in parts.values()))


def _checked(row: list[str], line: int, path: Path) -> str:
    if len(row) != len(SPLIT_COLUMNS):
        raise InputRefused(path, f"{len(row)} cells; there are {len(SPLIT_COLUMNS)}", line=line)
    for column, flag in zip(SPLIT_COLUMNS[1:], row[1:], strict=True):
        if flag not in ("0", "1"):
            raise InputRefused(path, f"{flag!r} is not 0 or 1", line=line, column=column)
    if row[1:].count("1") > 1:
        raise InputRefused(path, f"building {row[0]!r} is in several parts; keep one", line=line)
    if not row[0] or "/" in row[0] or row[0].startswith("."):
        raise InputRefused(path, f"{row[0]!r} names no building", line=line, column="id")
    return row[0]
