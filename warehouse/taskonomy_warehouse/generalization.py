"""Does a study's ranking of transfers hold elsewhere: Spearman's ρ against another study's.

Transfers of two studies are the same when target, kind and set of sources are. Zamir et al. 2018,
section 5.3, report 0.857 for their affinities on ImageNet and 0.823 on Places.
"""

from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_warehouse.warehouse import require_study

FEWEST = 3
"""Transfers in common that a target's ρ needs: two are always in order or in reverse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAgreement:
    """How alike two studies rank the transfers to one target."""

    target: str
    transfers: int
    """Ranked in both."""
    spearman: float | None
    """Spearman's ρ of the affinities; None below `FEWEST` transfers or where all are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How alike two studies rank transfers."""

    targets: tuple[TargetAgreement, ...]
    """In the first study's order."""
    spearman: float | None
    """Mean of the targets' ρ; None where no target has one."""

    @property
    def transfers(self) -> int:
        """Transfers that the mean stands on: ranked in both studies, to targets that have a ρ."""
        return sum(target.transfers for target in self.targets if target.spearman is not None)


def generalization(connection: duckdb.DuckDBPyConnection, study: str, other: str) -> Agreement:
    """Compare two studies' affinities, target by target.

    Affinities sum to 1 within a target, so they are ranked within it alone; the overall figure is
    the mean over targets. Where a study trained a transfer with several seeds, their mean counts.

    Raises:
        NotFound: a study is not there, or they have no ranked transfer in common.
    """
    require_study(connection, study)
    require_study(connection, other)
    rows = connection.execute(_SPEARMAN, [study, other, FEWEST, study]).fetchall()
    if not rows:
        raise NotFound(
            f"studies {study!r} and {other!r} have no ranked transfer in common: "
            "the same target, from the same sources"
        )
    targets = tuple(
        TargetAgreement(target=target, transfers=transfers, spearman=rho)
        for target, transfers, rho in rows
    )
    known = [t.spearman for t in targets if t.spearman is not None]
    return Agreement(targets=targets, spearman=sum(known) / len(known) if known else None)


_SPEARMAN = """
WITH ranked AS (
    SELECT study, target, kind, list_sort(sources) AS sources, affinity
    FROM transfer_mean
    WHERE affinity IS NOT NULL
),
common AS (
    SELECT target, a.affinity AS one, b.affinity AS other
    FROM (FROM ranked WHERE study = ?) AS a
    JOIN (FROM ranked WHERE study = ?) AS b USING (target, kind, sources)
),
placed AS (  -- equal affinities share the mean of their places
    SELECT
        target,
        rank() OVER (PARTITION BY target ORDER BY one)
            + (count(*) OVER (PARTITION BY target, one) - 1) / 2 AS place,
        rank() OVER (PARTITION BY target ORDER BY other)
            + (count(*) OVER (PARTITION BY target, other) - 1) / 2 AS other_place
    FROM common
)
SELECT
    target,
    count(*) AS transfers,
    CASE WHEN count(*) >= ? AND stddev_pop(place) > 0 AND stddev_pop(other_place) > 0
        THEN corr(place, other_place) END AS spearman
FROM placed
JOIN task ON task.study = ? AND task.task = target
GROUP BY target, task.position
ORDER BY task.position
"""
