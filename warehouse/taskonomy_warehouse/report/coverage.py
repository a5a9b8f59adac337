"""What of a study is measured, what is missing, and what that keeps from being known."""

from dataclasses import dataclass

import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A first-order transfer that was not measured, and what that blocks (view blocked)."""

    target: str
    source: str
    lacks_encoder: bool
    """Whether the source's own network is missing too."""
    ranked: int
    """Transfers to the target that were ranked without it."""
    taxonomies: int
    """Solved taxonomies that serve the target without the choice of it."""
    transfers: tuple[tuple[str, ...], ...]
    """Higher-order transfers that cannot be chosen before it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBaseline:
    """What a target is judged by, not there or not with every seed (view missing_baseline)."""

    target: str
    kind: str
    """``task-specific``, ``scratch`` or ``best-guess``."""
    seeds: int
    """Seeds that are there; with one of them nothing is blocked."""
    seeds_asked: int
    transfers: int
    """Transfers to the target without a gain (scratch) or a quality (task-specific)."""
    taxonomies: int
    """Solved taxonomies that serve the target without the choice of its own network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which first-order transfers the roles call for are measured, and by what they are judged."""

    cells: int
    measured: int
    """Cells of which one seed at least has an affinity."""
    few_seeds: int
    """Measured cells that have fewer seeds than the study asks for."""
    seeds_asked: int
    holes: tuple[Hole, ...]
    baselines: tuple[MissingBaseline, ...]
    """What is missing of them, by target in dictionary order."""


def read_coverage(connection: duckdb.DuckDBPyConnection, study: str) -> Coverage:
    """Read what is measured of a study, and what its holes block."""
    row = connection.execute(
        "SELECT count(*), count(*) FILTER (measured), "
        "count(*) FILTER (measured AND seeds < seeds_asked), coalesce(max(seeds_asked), 1) "
        "FROM coverage WHERE study = ?",
        [study],
    ).fetchone()
    cells, measured, few_seeds, seeds_asked = row or (0, 0, 0, 1)
    return Coverage(
        cells=cells,
        measured=measured,
        few_seeds=few_seeds,
        seeds_asked=seeds_asked,
        holes=_holes(connection, study),
        baselines=_baselines(connection, study),
    )


def _holes(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[Hole, ...]:
    rows = connection.execute(
        "SELECT target, source, lacks_encoder, ranked, taxonomies, transfers FROM blocked "
        "WHERE study = ? ORDER BY target, source",
        [study],
    ).fetchall()
    return tuple(
        Hole(
            target=target,
            source=source,
            lacks_encoder=lacks_encoder,
            ranked=ranked,
            taxonomies=taxonomies,
            transfers=tuple(map(tuple, transfers)),
        )
        for target, source, lacks_encoder, ranked, taxonomies, transfers in rows
    )


def _baselines(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[MissingBaseline, ...]:
    rows = connection.execute(
        "SELECT m.target, m.kind, m.seeds, m.seeds_asked, m.transfers, m.taxonomies "
        "FROM missing_baseline AS m "
        "JOIN task ON (task.study, task.task) = (m.study, m.target) "
        "WHERE m.study = ? ORDER BY task.position, m.kind",
        [study],
    ).fetchall()
    return tuple(
        MissingBaseline(
            target=target,
            kind=kind,
            seeds=seeds,
            seeds_asked=seeds_asked,
            transfers=transfers,
            taxonomies=taxonomies,
        )
        for target, kind, seeds, seeds_asked, transfers, taxonomies in rows
    )
