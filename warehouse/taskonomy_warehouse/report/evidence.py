"""How far the figures can be trusted, as plain data: each part is there if the study holds it.

Error bars and sign tests need losses, so published measurements have none; sanity needs a best
guess or random features; agreement with other studies needs others in the warehouse.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import GROUP_TITLES, Group
from taskonomy_warehouse.generalization import Agreement, generalization
from taskonomy_warehouse.novel_task import Mean, Service, means, novel_task
from taskonomy_warehouse.selection.results import SolvedTaxonomy
from taskonomy_warehouse.warehouse import studies


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and its 95 % interval over bootstrap replicates."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTarget:
    """What serves a target in the headline taxonomy, with error bars."""

    target: str
    sources: tuple[str, ...]
    own_network: bool
    affinity: Interval | None
    gain: Interval | None
    quality: Interval | None
    chosen: float | None
    """Share of replicates whose own best taxonomy chooses the same; None: never solved on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBars:
    """The bootstrap over held-out images."""

    replicates: int
    seed: int
    images: int
    served: tuple[ServedTarget, ...]
    sources: tuple[tuple[str, float, bool], ...]
    """Source, share of replicates that supervise it, whether the headline taxonomy does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sane:
    """How often a task-specific network beats what has learnt nothing, or little."""

    target: str
    over_best_guess: float | None
    over_random: float | None
    over_scratch: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Sign tests of the transfers to one target against one baseline."""

    target: str
    baseline: str
    better: int
    worse: int
    undecided: int


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
class GroupEffect:
    """How much more gain a group's targets have from sources of their own group than of another."""

    targets: Group
    rather_than: Group
    count: int
    """Targets that were measured from both."""
    effect: float
    low: float | None
    """Ends of the 95 % interval; None without a bootstrap."""
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which first-order transfers the roles call for are measured."""

    cells: int
    measured: int
    holes: tuple[Hole, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it; a part that the study cannot have is None or empty."""

    error_bars: ErrorBars | None
    sanity: tuple[Sane, ...]
    significance: tuple[Signs, ...]
    groups: tuple[GroupEffect, ...]
    """In the order of `GROUP_TITLES`."""
    coverage: Coverage
    novel: tuple[Service, ...]
    novel_means: tuple[Mean, ...]
    elsewhere: tuple[tuple[str, Agreement], ...]
    """Other studies of the warehouse and how alike they rank transfers."""


def read_evidence(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    headline: SolvedTaxonomy | None,
) -> Evidence:
    """Read what is known of how far a study's figures can be trusted.

    Args:
        connection: an open warehouse; read only.
        study: the study.
        scenario: the settings that its taxonomies were solved with.
        headline: the taxonomy that error bars are shown of.
    """
    novel = _novel(connection, study)
    return Evidence(
        error_bars=_error_bars(connection, study, scenario, headline),
        sanity=_sanity(connection, study),
        significance=_significance(connection, study),
        groups=_groups(connection, study),
        coverage=_coverage(connection, study),
        novel=novel,
        novel_means=tuple(means(novel)),
        elsewhere=tuple(_elsewhere(connection, study)),
    )


def _error_bars(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    headline: SolvedTaxonomy | None,
) -> ErrorBars | None:
    row = connection.execute(
        "SELECT replicates, seed, images FROM bootstrap WHERE study = ?", [study]
    ).fetchone()
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
    )


def _served(connection: duckdb.DuckDBPyConnection, key: Sequence[object]) -> Iterator[ServedTarget]:
    rows = connection.execute(
        """
        SELECT
            e.target, t.sources, t.kind = 'task-specific',
            ci.affinity, affinity_low, affinity_high,
            ci.gain, gain_low, gain_high,
            ci.quality, quality_low, quality_high,
            CASE WHEN EXISTS (FROM edge_stability AS any_edge
                WHERE (any_edge.study, any_edge.scenario, any_edge.budget, any_edge.max_order)
                    = (e.study, e.scenario, e.budget, e.max_order))
                THEN coalesce(s.chosen / s.replicates, 0) END
        FROM taxonomy_edge AS e
        JOIN transfer AS t ON (t.study, t.transfer_id) = (e.study, e.transfer_id)
        JOIN affinity_ci AS ci ON (ci.study, ci.transfer_id) = (e.study, e.transfer_id)
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


def _sanity(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[Sane, ...]:
    rows = connection.execute(
        "SELECT target, over_best_guess, over_random, over_scratch FROM sanity "
        "JOIN task USING (study) WHERE study = ? AND task = target "
        "AND (over_best_guess IS NOT NULL OR over_random IS NOT NULL) ORDER BY position",
        [study],
    ).fetchall()
    return tuple(
        Sane(target=target, over_best_guess=guess, over_random=random, over_scratch=scratch)
        for target, guess, random, scratch in rows
    )


def _significance(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[Signs, ...]:
    rows = connection.execute(
        """
        SELECT
            s.target, baseline, count(*) FILTER (significant AND z > 0),
            count(*) FILTER (significant AND z < 0), count(*) FILTER (NOT significant)
        FROM significance AS s
        JOIN transfer AS t USING (study, transfer_id)
        JOIN task ON (task.study, task.task) = (s.study, s.target)
        WHERE s.study = ? AND t.kind = 'transfer'
        GROUP BY s.target, baseline, position ORDER BY position, baseline
        """,
        [study],
    ).fetchall()
    return tuple(
        Signs(target=target, baseline=baseline, better=better, worse=worse, undecided=open_)
        for target, baseline, better, worse, open_ in rows
    )


def _groups(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[GroupEffect, ...]:
    rows = connection.execute(
        "SELECT target_group, other_group, targets, effect, effect_low, effect_high "
        "FROM group_effect WHERE study = ? AND source_group = target_group",
        [study],
    ).fetchall()
    found = [
        GroupEffect(
            targets=group, rather_than=other, count=count, effect=effect, low=low, high=high
        )
        for group, other, count, effect, low, high in rows
    ]
    place = {group: k for k, group in enumerate(GROUP_TITLES)}
    return tuple(sorted(found, key=lambda e: (place[e.targets], place[e.rather_than])))


def _coverage(connection: duckdb.DuckDBPyConnection, study: str) -> Coverage:
    row = connection.execute("SELECT count(*) FROM coverage WHERE study = ?", [study]).fetchone()
    holes = connection.execute(
        "SELECT target, source, lacks_encoder, ranked, taxonomies, transfers FROM blocked "
        "WHERE study = ? ORDER BY target, source",
        [study],
    ).fetchall()
    cells = int(row[0]) if row else 0
    return Coverage(
        cells=cells,
        measured=cells - len(holes),
        holes=tuple(
            Hole(
                target=target,
                source=source,
                lacks_encoder=lacks_encoder,
                ranked=ranked,
                taxonomies=taxonomies,
                transfers=tuple(map(tuple, transfers)),
            )
            for target, source, lacks_encoder, ranked, taxonomies, transfers in holes
        ),
    )


def _novel(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[Service, ...]:
    try:
        return tuple(novel_task(connection, study))
    except NotFound:
        return ()


def _elsewhere(
    connection: duckdb.DuckDBPyConnection, study: str
) -> Iterator[tuple[str, Agreement]]:
    for other in studies(connection):
        if other != study:
            try:
                yield other, generalization(connection, study, other)
            except NotFound:  # nothing in common
                continue
