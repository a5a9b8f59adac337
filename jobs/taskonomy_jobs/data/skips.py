"""Damaged files: named, counted, passed over up to a stated share, then a clear stop."""

import shlex
from dataclasses import dataclass, field

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.trials import TrialData

ALLOWED_SHARE = 0.01
"""Unreadable files that may be passed over, as a share of the examples, before training stops."""


class Unreadable(Exception):
    """One file of one example cannot be used: missing, damaged, or of another size.

    Not a `TaskonomyError`: the caller passes the example over and tells `Skips`.
    """

    def __init__(self, path: object, why: str) -> None:
        self.path, self.why = str(path), why
        super().__init__(f"{self.path}: {why}")


class TooManyUnreadable(TaskonomyError):
    """More of the data set is damaged than may be passed over."""

    exit_code = 5


@dataclass(slots=True)
class Skips:
    """The files passed over so far; one object for all parts a process reads."""

    examples: int
    """How many examples there are: what the share is of."""
    check: str = "taskonomyctl data check ROOT --deep"
    """The command that lists every damaged file."""
    allowed_share: float = ALLOWED_SHARE
    """Most files that may be passed over, for each example there is."""
    why: dict[str, str] = field(default_factory=dict)
    """By path, what is wrong with it, in the order met; each file counts once."""

    def add(self, error: Unreadable) -> bool:
        """Count a file; return whether it is met for the first time.

        Raises:
            TooManyUnreadable: the share is passed; the message names the first few files.
        """
        if error.path in self.why:
            return False
        self.why[error.path] = error.why
        if len(self.why) > self.allowed_share * self.examples:
            raise TooManyUnreadable(self._message())
        return True

    @property
    def count(self) -> int:
        """How many files were passed over."""
        return len(self.why)

    @property
    def first(self) -> str | None:
        """The first one and what is wrong with it."""
        return next((f"{path}: {why}" for path, why in self.why.items()), None)

    def _message(self) -> str:
        named = "; ".join(f"{path}: {why}" for path, why in list(self.why.items())[:3])
        files = "1 file" if self.count == 1 else f"{self.count} files"
        return (
            f"{files} of {self.examples} examples cannot be read, more than the "
            f"{self.allowed_share:.2%} that may be passed over ({named}). "
            f"`{self.check}` lists every damaged file; replace them, or leave their buildings out "
            "of the split"
        )


def deep_check(dataset: str, data: TrialData) -> str:
    """Return the command that lists every damaged file of a trial's data."""
    words = ["taskonomyctl", "data", "check", dataset, "--deep", "--splits", data.splits]
    return shlex.join([*words, *(["--layout", data.layout] if data.layout != "taskonomy" else [])])
