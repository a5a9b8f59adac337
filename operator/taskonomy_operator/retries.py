"""Whether a trial that ended without a result is started again: the retry table.

| how its job ended                                   | what follows                               |
|-----------------------------------------------------|--------------------------------------------|
| 64: a bad trial                                     | never again                                |
| it was stopped from outside (Ctrl-C, eviction, the  | again, at once, as often as it happens     |
| machine went down)                                  |                                            |
| 75, or nobody saw it end: whoever watched was       | again, and no retry is used up; at most    |
| killed too                                          | `MOST_INTERRUPTIONS` times in a row        |
| anything else, alone in its job                     | again while `retries` last                 |
| anything else, in a pack whose other trials are     | again in a pack half as large, and no      |
| not told apart                                      | retry is used up: alone, it shows who did  |

Each row but the first two waits longer the more often it applies. Pure: facts in, a verdict out.
"""

from dataclasses import dataclass, replace
from typing import Literal

from taskonomy_catalogue.launch import Exit

MOST_INTERRUPTIONS = 50
"""Times in a row a trial may ask to be tried again before it counts as failed: at the longest wait,
four hours of a server that is away."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
"""Seconds before the first and before any further attempt; doubled in between."""

Verdict = Literal["again", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt at a trial ended, with no result."""

    code: int | None
    """Exit code, negative for the signal that ended it; None: nobody saw it end."""
    reason: str = ""
    """What the job said of this trial, in its own words."""
    stopped: bool = False
    """Whether it was told to stop from outside, or the machine went down under it."""
    alone: bool = True
    """Whether its end is its own: it was alone in its job, or the job named it."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is known of the attempts at a trial that ended without a result."""

    crashes: int = 0
    """Those that count against `retries`."""
    interruptions: int = 0
    """Those in a row that do not."""
    halvings: int = 0
    """Packs that went down with it: the next is so many times half as large."""
    is_bad: bool = False
    """Whether it was found to be a bad trial."""
    last: End | None = None
    """The latest of them."""

    def after(self, end: End) -> "Attempts":
        """Return what is known after one more."""
        if end.code == Exit.BAD_TRIAL and end.alone:
            return replace(self, is_bad=True, last=end)
        if end.stopped:
            return replace(self, interruptions=0, last=end)
        if end.code in (Exit.TRY_AGAIN, None):
            return replace(self, interruptions=self.interruptions + 1, last=end)
        if not end.alone:
            return replace(self, halvings=self.halvings + 1, last=end)
        return replace(self, crashes=self.crashes + 1, interruptions=0, last=end)

    def verdict(self, retries: int) -> Verdict:
        """Return whether another attempt is due, given how many retries the study allows."""
        spent = self.crashes > retries or self.interruptions > MOST_INTERRUPTIONS
        return "never" if self.is_bad or spent else "again"

    def wait(self) -> float:
        """Return the seconds to wait before the next attempt."""
        if self.last is None or self.last.stopped:
            return 0.0
        if not self.last.alone and self.last.code not in (Exit.TRY_AGAIN, None):
            return 0.0
        times = max(self.crashes, self.interruptions) - 1
        return float(min(FIRST_WAIT * 2 ** max(0, min(times, 10)), LONGEST_WAIT))

    def why(self) -> str:
        """Return why it has no result, in words."""
        return "" if self.last is None else _words(self.last)


def _words(end: End) -> str:
    if end.reason:
        return end.reason
    if end.code is None:
        return "ended unseen and left no result"
    if end.code < 0:
        return f"was ended by signal {-end.code}{_HINTS.get(-end.code, '')}"
    if end.code == 0:
        return "ended as if done and left no result"
    return f"ended with exit code {end.code}"


_HINTS = {9: " (out of memory, most likely)"}
"""What a signal most likely means to the person who reads of it."""
