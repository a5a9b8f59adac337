"""What other held-out images would change: intervals, and how sure the headline taxonomy is."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from taskonomy_warehouse.selection.results import SolvedTaxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and its 95 % interval over bootstrap replicates."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTarget:
    """What serves a target in the headline taxonomy, with error bars; seeds are averaged."""

    target: str
    sources: tuple[str, ...]
    own_network: bool
    affinity: Interval | None
    gain: Interval | None
    quality: Interval | None
    chosen: float | None
    """Share of replicates whose own best taxonomy chooses the same; None: never solved on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedAgain:
    """Taxonomies that were solved again on every replicate."""

    scenario: str
    max_order: str
    budgets: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBars:
    """The bootstrap over held-out images."""

    replicates: int
    seed: int
    images: int
    served: tuple[ServedTarget, ...]
    sources: tuple[tuple[str, float, bool], ...]
    """Source, share of replicates that supervise it, whether the headline taxonomy does. Empty
    where the headline taxonomy was not solved again on the replicates."""
    solved_again: tuple[SolvedAgain, ...]
    """What was, the headline taxonomy among it or not."""


def read_error_bars(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    headline: SolvedTaxonomy | None,
) -> ErrorBars | None:
    """Return the error bars of the headline taxonomy; None without a bootstrap or a taxonomy."""
    row = _bootstrap(connection, study)
    if row is None or headline is None:
        return None
    replicates, seed, images = row
    key = [study, scenario, headline.budget, headline.max_order]
    return ErrorBars(
        replicates=replicates,
        seed=seed,
        images=images,
        served=tuple(_served(connection, key)),
        sources=_stable_sources(connection, key, headline.sources),
        solved_again=_solved_again(connection, study),
    )


def command_to_resample(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    headline: SolvedTaxonomy | None,
) -> str | None:
    """Return the command that computes the headline taxonomy's error bars and counts its choices.

    The replicates that there are come out again. None: the study holds no losses to resample.
    """
    losses = "SELECT 1 FROM heldout_image WHERE study = ? LIMIT 1"
    if connection.execute(losses, [study]).fetchone() is None:
        return None
    words = ["taskonomyctl", "bootstrap", "--study", study]
    row = _bootstrap(connection, study)
    if row is not None:
        words += ["--replicates", str(row[0]), "--seed", str(row[1])]
    if headline is not None:
        words += ["--budgets", f"{headline.budget:g}", "--orders", headline.max_order]
        words += ["--scenario", scenario]
    return shlex.join(words)


def _bootstrap(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[int, int, int] | None:
    return connection.execute(
        "SELECT replicates, seed, images FROM bootstrap WHERE study = ?", [study]
    ).fetchone()


def _served(connection: duckdb.DuckDBPyConnection, key: Sequence[object]) -> Iterator[ServedTarget]:
    rows = connection.execute(
        """
        SELECT
            e.target, ci.sources, ci.kind = 'task-specific',
            ci.affinity, affinity_low, affinity_high,
            ci.gain, gain_low, gain_high,
            ci.quality, quality_low, quality_high,
            CASE WHEN EXISTS (FROM edge_stability AS any_edge
                WHERE (any_edge.study, any_edge.scenario, any_edge.budget, any_edge.max_order)
                    = (e.study, e.scenario, e.budget, e.max_order))
                THEN coalesce(s.chosen / s.replicates, 0) END
        FROM taxonomy_edge AS e
        JOIN transfer_mean_ci AS ci ON (ci.study, ci.transfer_id) = (e.study, e.transfer_id)
        LEFT JOIN edge_stability AS s
            ON (s.study, s.scenario, s.budget, s.max_order, s.target, s.transfer_id)
             = (e.study, e.scenario, e.budget, e.max_order, e.target, e.transfer_id)
        JOIN task ON (task.study, task.task) = (e.study, e.target)
        WHERE (e.study, e.scenario, e.budget, e.max_order) = (?, ?, ?, ?)
        ORDER BY task.position
        """,
        list(key),
    ).fetchall()
    for target, sources, own, *figures, chosen in rows:
        yield ServedTarget(
            target=target,
            sources=tuple(sources),
            own_network=own,
            affinity=_interval(*figures[:3]),
            gain=_interval(*figures[3:6]),
            quality=_interval(*figures[6:9]),
            chosen=chosen,
        )


def _interval(value: float | None, low: float | None, high: float | None) -> Interval | None:
    if value is None or low is None or high is None:
        return None
    return Interval(value=value, low=low, high=high)


def _stable_sources(
    connection: duckdb.DuckDBPyConnection, key: Sequence[object], supervised: Sequence[str]
) -> tuple[tuple[str, float, bool], ...]:
    rows = connection.execute(
        "SELECT source, chosen / replicates FROM source_stability "
        "WHERE (study, scenario, budget, max_order) = (?, ?, ?, ?) ORDER BY chosen DESC, source",
        list(key),
    ).fetchall()
    never = [(source, 0.0) for source in supervised if source not in dict(rows)] if rows else []
    return tuple((source, share, source in supervised) for source, share in [*rows, *never])


def _solved_again(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[SolvedAgain, ...]:
    rows = connection.execute(
        "SELECT scenario, max_order, list(DISTINCT budget ORDER BY budget) FROM source_stability "
        "WHERE study = ? GROUP BY scenario, max_order ORDER BY scenario, max_order",
        [study],
    ).fetchall()
    return tuple(
        SolvedAgain(scenario=scenario, max_order=max_order, budgets=tuple(budgets))
        for scenario, max_order, budgets in rows
    )
