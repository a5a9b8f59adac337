"""A taxonomy as solved, and the words for its order limit. No solver and no database here."""

import math
from dataclasses import dataclass
from typing import Literal

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_warehouse.selection.data import Candidate

Status = Literal["optimal", "feasible", "infeasible"]

ALL_ORDERS = "all"
"""The order limit that admits every transfer measured."""

TOLERANCE = 1e-6
"""How far a solver may overrun a budget by rounding, and its objective be from the one recomputed,
in units of the largest cost and the largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """The answer for one budget and order limit."""

    budget: float
    max_order: str
    """Most sources one transfer may have, as a number or ``all``."""
    status: Status
    solver: str
    seconds: float
    """Wall-clock time, writing the model and reading the answer included."""
    reason: str | None = None
    """Why it is infeasible."""
    objective: float | None = None
    bound: float | None = None
    """Upper bound the solver proved, never below the objective."""
    cost: float | None = None
    sources: tuple[str, ...] = ()
    """Sources to supervise, in dictionary order: those that some chosen transfer stands on."""
    transfers: tuple[Candidate, ...] = ()
    """One per target, in dictionary order."""

    @property
    def gap(self) -> float | None:
        """Return (bound − objective) / objective, 0 for a proven optimum."""
        if self.objective is None or self.bound is None:
            return None
        if self.bound == self.objective:
            return 0.0
        return (self.bound - self.objective) / abs(self.objective) if self.objective else math.inf


def order_limit(max_order: str) -> int | None:
    """Return the order limit as a number, None for ``all``.

    Raises:
        SettingRefused: it is neither a whole number from 1 nor ``all``.
    """
    if max_order == ALL_ORDERS:
        return None
    if not max_order.isascii() or not max_order.isdigit() or int(max_order) < 1:
        raise SettingRefused(f"order {max_order!r}: allowed is 1, 2, 3, … or {ALL_ORDERS!r}")
    return int(max_order)
