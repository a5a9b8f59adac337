"""Which trials may share a job, and how many: packs.

Transfers to one target, of one order, read the same images and labels and mostly the same
encoders, so one process trains many for little more than the price of one. Best guesses share the
price of a start. Networks whose encoder is trained have a job of their own. What a trial leaves is
the same in a pack as alone.
"""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

from taskonomy_catalogue.records import BestGuess
from taskonomy_catalogue.trials import Trial

DEFAULT_PACK = 32
"""Most trials in a job. All first-order transfers to a target of the paper's dictionary fit; what a
kill loses is bounded by checkpoints, not by this."""


class Group(NamedTuple):
    """Trials that may share a job."""

    kind: str
    """Their kind."""
    target: str
    """Their target; empty where it does not matter."""
    order: int
    """Number of sources."""
    most: int
    """How many may share one job."""


def group_of(trial: Trial | BestGuess, most: int, halvings: int = 0) -> Group:
    """Return the group of a trial.

    Args:
        trial: the trial.
        most: the largest pack; 1: every trial has its own job.
        halvings: packs that crashed with it, each of which halves the next.
    """
    most = max(1, most >> halvings)
    if isinstance(trial, BestGuess):
        return Group(trial.kind, "", 0, most)
    if trial.kind != "transfer":
        return Group(trial.kind, "", 0, 1)
    return Group(trial.kind, trial.target.id if most > 1 else "", trial.order, most)


def pack_sizes(ready: int, most: int, jobs: int = 1) -> Iterator[int]:
    """Yield the sizes of the packs that so many ready trials make, as even as can be.

    Args:
        ready: trials of one group that can start.
        most: most in one pack.
        jobs: packs wanted at least, if there are as many trials: slots that are free for them.
    """
    left = min(max(ceil(ready / most), jobs), ready)
    while left:
        size = ceil(ready / left)
        yield size
        ready, left = ready - size, left - 1
