"""How each trial of a job ended, from the job's end and what it wrote. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from taskonomy_catalogue.launch import Exit
from taskonomy_operator.retries import End

MOST_WORDS = 500
"""Characters of a reason that are kept."""


class Failure(Protocol):
    """What a job said of a trial that failed: an event, or its last words."""

    @property
    def code(self) -> int:
        """What the job would have ended with if it had carried this trial alone."""

    @property
    def reason(self) -> str:
        """In words."""


def endings(
    unfinished: Sequence[str],
    *,
    in_job: int,
    code: int | None,
    stopped: bool,
    failures: Mapping[str, Failure],
    last_words: str = "",
) -> dict[str, End]:
    """Return how the attempt at each trial without a result ended, by digest.

    Args:
        unfinished: digests of the job's trials that have no result.
        in_job: how many trials the job was to train when it started.
        code: its exit code, negative for a signal; None: nobody saw it end.
        stopped: whether it was told to stop, or the machine went down.
        failures: what it said of trials that failed; under "" of the whole job.
        last_words: the last line it wrote that is no event.
    """
    return {
        name: _named(failures[culprit], stopped)
        if (culprit := name if name in failures else "") in failures
        else _unnamed(code, stopped, in_job == 1, last_words)
        for name in unfinished
    }


def _named(failure: Failure, stopped: bool) -> End:
    again = failure.code == Exit.TRY_AGAIN
    return End(code=failure.code, reason=failure.reason[:MOST_WORDS], stopped=stopped and again)


def _unnamed(code: int | None, stopped: bool, alone: bool, last_words: str) -> End:
    if stopped or not code or not last_words:
        return End(code=code, stopped=stopped, alone=alone)
    how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    return End(code=code, reason=f"{how}: {last_words}"[:MOST_WORDS], alone=alone)


def ranking_ending(
    missing: Collection[str], *, code: int | None, stopped: bool, last_words: str
) -> End | None:
    """Return how a ranking job ended; None: every target it was given is ranked."""
    if not missing:
        return None
    end = _unnamed(code, stopped, True, last_words)
    if end.reason or code:
        return end
    return End(code=code, stopped=stopped, reason=f"left no ranking of {', '.join(missing)}")
