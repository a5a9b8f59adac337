"""Every first-order transfer of a study, a cell of the heat maps each."""

from dataclasses import dataclass

import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCell:
    """One first-order transfer; None where nothing was measured."""

    target: str
    source: str
    affinity: float
    share: float | None
    """P1: its share of the target's first-order affinities."""
    distance: float | None
    """exp(-20 P1): lower is better."""
    gain: float | None
    quality: float | None


def read_first_order(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[HeatCell, ...]:
    """Return the study's first-order transfers that have an affinity, by target, then source."""
    rows = connection.execute(
        "SELECT target, source, affinity, "
        "CASE WHEN isfinite(share) THEN share END, "
        "CASE WHEN isfinite(distance) THEN distance END, gain, quality "
        "FROM affinity_matrix WHERE study = ? ORDER BY target, source",
        [study],
    ).fetchall()
    return tuple(
        HeatCell(
            target=target,
            source=source,
            affinity=affinity,
            share=share,
            distance=distance,
            gain=gain,
            quality=quality,
        )
        for target, source, affinity, share, distance, gain, quality in rows
    )
