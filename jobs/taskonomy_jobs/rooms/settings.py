"""What is asked of `make-rooms`, and the record of it beside the data."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from taskonomy_catalogue.errors import InputRefused, SettingRefused

SIZES = (64, 128, 256)
RECORD = "rooms.json"
VERSION = 1
"""Grows when the same settings would make other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomsSettings:
    """The same settings make the same files, bit for bit."""

    buildings: int
    """How many buildings; at least 3, one for each part of the split."""
    views: int
    """Views of each building."""
    size: int
    """Side of the square images, pixels."""
    seed: int = 0
    """Another seed is another world."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("buildings", self.buildings, 3, 100_000),
            ("views", self.views, 2, 100_000),
            ("seed", self.seed, 0, 2**63 - 1),
        ):
            if not low <= value <= high:
                raise SettingRefused(f"--{name} {value}: give a number from {low} to {high}")
        if self.size not in SIZES:
            raise SettingRefused(f"--size {self.size}: give one of 64, 128 or 256")

    def building(self, index: int) -> str:
        """Return a building's name."""
        return f"building_{index:05d}"


def claim(root: Path, settings: RoomsSettings) -> None:
    """Note the settings in a new folder, or agree with what an earlier run noted there.

    Raises:
        InputRefused: the folder holds something else, or rooms of other settings.
    """
    path, wanted = root / RECORD, {"version": VERSION, **asdict(settings)}
    if path.exists():
        _agree(path, wanted)
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputRefused(root, "holds something that make-rooms did not write; name a new folder")
    root.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    draft.replace(path)


def _agree(path: Path, wanted: dict[str, int]) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputRefused(path, "cannot be read; name a new folder") from error
    if found != wanted:
        there = ", ".join(f"{k} {v}" for k, v in found.items() if wanted.get(k) != v)
        raise InputRefused(
            path, f"the rooms there were made with {there}; ask for the same, or name a new folder"
        )
