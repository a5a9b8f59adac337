"""How far the figures can be trusted, as plain data: each part is there if the study holds it.

Error bars and sign tests need losses, so published measurements have none; sanity needs a best
guess or random features; agreement with other studies needs others in the warehouse.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import GROUP_TITLES, Group
from taskonomy_warehouse.generalization import Agreement, generalization
from taskonomy_warehouse.novel_task import Mean, Service, means, novel_task
from taskonomy_warehouse.report.coverage import Coverage, read_coverage
from taskonomy_warehouse.report.error_bars import ErrorBars, command_to_resample, read_error_bars
from taskonomy_warehouse.selection.results import SolvedTaxonomy
from taskonomy_warehouse.warehouse import studies


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
class Evidence:
    """All of it; a part that the study cannot have is None or empty."""

    error_bars: ErrorBars | None
    resample: str | None
    """The command that computes them, and counts the headline taxonomy's choices; None where the
    study holds no losses to resample."""
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
        error_bars=read_error_bars(connection, study, scenario, headline),
        resample=command_to_resample(connection, study, scenario, headline),
        sanity=_sanity(connection, study),
        significance=_significance(connection, study),
        groups=_groups(connection, study),
        coverage=read_coverage(connection, study),
        novel=novel,
        novel_means=tuple(means(novel)),
        elsewhere=tuple(_elsewhere(connection, study)),
    )


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
