"""What can go wrong because of what somebody gave us, and what happens next.

Every error a user can cause is a `TaskonomyError`: its message names the thing at fault and the
fix, and `exit_code` is what the process ends with. Anything else that escapes is our bug.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path


class TaskonomyError(Exception):
    """A user can put this right: shown as one message, never as a traceback."""

    exit_code = 1


class InputRefused(TaskonomyError):
    """A file was read and refused whole; nothing of it was kept."""

    exit_code = 5

    def __init__(
        self, path: Path | str, reason: str, *, line: int | None = None, column: str | None = None
    ) -> None:
        self.path, self.line, self.column, self.reason = str(path), line, column, reason
        place = [self.path]
        if line is not None:
            place.append(f"line {line}")
        if column is not None:
            place.append(f"column {column}")
        super().__init__(f"{', '.join(place)}: {reason}")


class UnknownTask(TaskonomyError):
    """A name that no task of the dictionary answers to, or that several do."""

    exit_code = 2


class NotFound(TaskonomyError):
    """Something the command needs is not there: a warehouse, a study, a taxonomy, a solver."""

    exit_code = 6


class SettingRefused(TaskonomyError):
    """A setting of a request is out of range or contradicts another."""

    exit_code = 2


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known names, or an empty string."""
    near = difflib.get_close_matches(name.lower(), sorted(set(known)), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
