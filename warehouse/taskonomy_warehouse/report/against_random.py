"""Solved taxonomies against random feasible ones of the same budget and order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import duckdb
import numpy as np

from taskonomy_warehouse.random_taxonomies import (
    KnownTaxonomy,
    RandomTaxonomies,
    Significance,
    random_taxonomies,
    significance,
)
from taskonomy_warehouse.selection.data import Problem
from taskonomy_warehouse.selection.results import SolvedTaxonomy
from taskonomy_warehouse.selection.taxonomy import order_limit
from taskonomy_warehouse.source_set_law import Floats

Progress = Callable[[str], None]
"""Told, in a few words, what is being worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstRandom:
    """One solved taxonomy against random feasible ones of its budget and order."""

    budget: float
    max_order: str
    draws: int
    objective: Significance | None
    gain: Significance | None
    quality: Significance | None


def compare_with_random(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    problem: Problem,
    taxonomies: Sequence[SolvedTaxonomy],
    seed: int,
    draws: int,
    progress: Progress,
) -> Iterator[AgainstRandom]:
    """Yield each solved taxonomy set against random ones of its budget and order limit.

    Args:
        connection: the warehouse.
        study: whose taxonomies they are.
        problem: the integer program they solve, with transfers of every order.
        taxonomies: by order limit, then budget; infeasible ones are passed over.
        seed: of the draws; the same seed gives the same taxonomies.
        draws: random taxonomies per budget and order limit.
        progress: told what is being worked on.
    """
    win_rates = _win_rates(connection, study)
    for max_order, rows in groupby(taxonomies, key=attrgetter("max_order")):
        progress(f"drawing random taxonomies, order {max_order}")
        limited = problem.up_to_order(order_limit(max_order))
        solved = {t.budget: t for t in rows if t.choices}
        figures = _CandidateFigures.of(limited, win_rates)
        known = [_known(limited, taxonomy) for taxonomy in solved.values()]
        numbered = [seed % 2**64, *max_order.encode()]
        for drawn in random_taxonomies(limited, known, draws=draws, seed=numbered):
            yield figures.compare(solved[drawn.budget], drawn)


@dataclass(frozen=True, slots=True)
class _CandidateFigures:
    """What each candidate adds to a taxonomy: one number per candidate, NaN where unmeasured."""

    value: Floats
    gain: Floats
    quality: Floats

    @classmethod
    def of(
        cls, problem: Problem, win_rates: dict[int, tuple[float | None, float | None]]
    ) -> "_CandidateFigures":
        measured = [win_rates[c.transfer_id] for c in problem.candidates]
        return cls(
            np.array([c.value for c in problem.candidates], dtype=float),
            np.array([gain for gain, _ in measured], dtype=float),
            np.array([quality for _, quality in measured], dtype=float),
        )

    def compare(self, optimal: SolvedTaxonomy, drawn: RandomTaxonomies) -> AgainstRandom:
        """Set the solved taxonomy's figures against those of the drawn ones."""
        return AgainstRandom(
            budget=optimal.budget,
            max_order=optimal.max_order,
            draws=len(drawn.chosen),
            objective=significance(optimal.objective, self.value[drawn.chosen].sum(axis=1)),
            gain=significance(optimal.mean_gain, _row_means(self.gain[drawn.chosen])),
            quality=significance(optimal.mean_quality, _row_means(self.quality[drawn.chosen])),
        )


def _row_means(values: Floats) -> Floats:
    """Return each row's mean over what was measured, as SQL's avg does; NaN where nothing was."""
    measured = np.count_nonzero(~np.isnan(values), axis=1)
    sums = np.nansum(values, axis=1)
    return np.where(measured > 0, sums / np.maximum(measured, 1), np.nan)


def _win_rates(
    connection: duckdb.DuckDBPyConnection, study: str
) -> dict[int, tuple[float | None, float | None]]:
    rows = connection.execute(
        "SELECT transfer_id, gain, quality FROM transfer_mean WHERE study = ?", [study]
    ).fetchall()
    return {transfer_id: (gain, quality) for transfer_id, gain, quality in rows}


def _known(problem: Problem, taxonomy: SolvedTaxonomy) -> KnownTaxonomy:
    """Return a solved taxonomy as a point of the integer program."""
    place = {(c.target, c.own_network, c.sources): c.transfer_id for c in problem.candidates}
    return KnownTaxonomy(
        budget=taxonomy.budget,
        sources=frozenset(taxonomy.sources),
        transfers=frozenset(
            place[c.target, c.kind == "task-specific", frozenset(c.sources)]
            for c in taxonomy.choices
        ),
    )
