"""What an artifact root holds that no study asks for, and its removal.

Only what is surely ours and surely nobody's is removed: a folder whose name is the digest of the
`trial.json` in it, which holds nothing but what a trial leaves, which no study asks for and no
process holds. A folder is renamed before it is emptied, so that nobody sees half a trial, and what
a kill left half emptied is finished by the next removal.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.launch import TRACKING_BUFFER
from taskonomy_catalogue.records import (
    LOSSES_FILE,
    RESULT_FILE,
    TRIAL_FILE,
    AskedRecords,
    parse_trial,
)
from taskonomy_catalogue.trials import digest
from taskonomy_operator.observe import is_locked

LOCK_FILE = "lock"
"""Held by the process that trains the trial."""
LEAVES = {
    TRIAL_FILE,
    LOSSES_FILE,
    RESULT_FILE,
    TRACKING_BUFFER,
    LOCK_FILE,
    "weights.safetensors",
    "curve.parquet",
    "checkpoint",
}
"""What a trial leaves in its folder."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_GOING = re.compile(r"\.gc-[0-9a-f]{64}")

Verdict = Literal["asked", "unasked", "held", "unknown"]
"""unasked: no study asks for it; held: a process is at work on it; unknown: not surely ours."""


@dataclass(frozen=True, slots=True)
class Found:
    """A folder of an artifact root."""

    path: Path
    verdict: Verdict
    title: str = ""
    """What the trial is called; of an unknown folder, what is odd about it."""
    size: int = 0
    """Bytes in it, where that is worth counting."""


def look_through(artifacts: Path, asked: Sequence[AskedRecords]) -> Iterator[Found]:
    """Yield the trial folders of an artifact root, by name.

    Args:
        artifacts: the root.
        asked: what each study asks for.
    """
    for path in sorted(artifacts.iterdir()):
        if _GOING.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            yield Found(path, "unasked", "half removed before", size_of(path))
        elif _DIGEST.fullmatch(path.name):
            yield _judged(path, asked)


def _judged(path: Path, asked: Sequence[AskedRecords]) -> Found:
    if path.is_symlink() or not path.is_dir():
        return Found(path, "unknown", "is no folder")
    try:
        trial = parse_trial((path / TRIAL_FILE).read_bytes(), str(path / TRIAL_FILE))
    except OSError:
        return Found(path, "unknown", f"has no {TRIAL_FILE}")
    except InputRefused as error:
        return Found(path, "unknown", f"{TRIAL_FILE}: {error.reason.splitlines()[0]}")
    if digest(trial) != path.name:
        return Found(path, "unknown", f"is not named after its {TRIAL_FILE}")
    if any(trial in each for each in asked):
        return Found(path, "asked", trial.title)
    odd = sorted(_names(path) - LEAVES)
    if odd:
        return Found(path, "unknown", f"holds {', '.join(odd[:3])}, which no trial leaves")
    if is_locked(path / LOCK_FILE):
        return Found(path, "held", trial.title)
    return Found(path, "unasked", trial.title, size_of(path))


def _names(path: Path) -> set[str]:
    """Return what a folder holds, but for files that a kill left half written."""
    return {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}


def size_of(path: Path) -> int:
    """Return the bytes of a folder's files."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += (Path(folder) / name).lstat().st_size
    return total


def remove(found: Found) -> bool:
    """Remove a folder that no study asks for; return whether it is gone.

    One that a process has taken hold of in the meantime stays.
    """
    if found.verdict != "unasked":
        return False
    path = found.path
    if not _GOING.fullmatch(path.name):
        with (path / LOCK_FILE).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            path = path.rename(path.with_name(f".gc-{path.name}"))
    shutil.rmtree(path)
    return True
