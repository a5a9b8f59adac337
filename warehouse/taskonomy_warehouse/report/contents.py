"""The warehouse -> everything a report shows, as plain data. All of the report's SQL is here."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import duckdb
import numpy as np

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import GROUP_TITLES, Group
from taskonomy_warehouse.published import figure9
from taskonomy_warehouse.random_taxonomies import (
    Floats,
    KnownTaxonomy,
    RandomTaxonomies,
    Significance,
    random_taxonomies,
    significance,
)
from taskonomy_warehouse.report.evidence import Evidence, read_evidence
from taskonomy_warehouse.selection.data import Problem, read_problem
from taskonomy_warehouse.selection.results import SolvedTaxonomy, read_taxonomies
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.taxonomy import order_limit
from taskonomy_warehouse.similarity import SimilarityTree, similarity_tree
from taskonomy_warehouse.warehouse import require_study

HEADLINE_SHARE = 0.9
"""The headline taxonomy is the cheapest that reaches this share of the best objective."""

Progress = Callable[[str], None]
"""Told, in a few words, what is being worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """Where the figures come from."""

    name: str
    source_name: str
    source_sha256: str
    loaded_at: datetime
    scenario: str
    settings: tuple[tuple[str, str], ...]
    """Settings that differ from the defaults, in words: name, value."""
    exponent: float
    """γ of the objective's affinity^γ."""
    solved_at: datetime
    transfers: int
    """Networks measured, task-specific ones included."""
    highest_order: int
    """Most sources of any transfer measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """One task as the page names it."""

    id: str
    title: str
    group: Group

    @property
    def group_title(self) -> str:
        """Return the readable name of its group."""
        return GROUP_TITLES[self.group]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstRandom:
    """One solved taxonomy against random feasible ones of its budget and order."""

    budget: float
    max_order: str
    draws: int
    objective: Significance | None
    gain: Significance | None
    quality: Significance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a report shows."""

    study: StudyFacts
    tasks: tuple[TaskFacts, ...]
    """Every task that something below names, in dictionary order."""
    targets: tuple[str, ...]
    """Targets of the taxonomies, in the order of the similarity tree like all that follow."""
    supervisable: tuple[str, ...]
    """Sources that a taxonomy may supervise."""
    heat_targets: tuple[str, ...]
    """Rows of the heat maps: every target with a first-order transfer, in the scenario or not."""
    heat_sources: tuple[str, ...]
    """Columns of the heat maps."""
    budgets: tuple[float, ...]
    orders: tuple[str, ...]
    """Order limits solved for, lowest first."""
    tree: SimilarityTree
    heat: tuple[HeatCell, ...]
    taxonomies: tuple[SolvedTaxonomy, ...]
    """By order limit, then budget; infeasible ones included."""
    against_random: tuple[AgainstRandom, ...]
    seed: int
    draws: int
    evidence: Evidence
    """How far the figures can be trusted."""
    printed: figure9.Comparison | None
    """Ours against the paper's figure 9, for a study that holds the paper's own measurements."""

    @property
    def solved(self) -> tuple[SolvedTaxonomy, ...]:
        """Return the taxonomies that exist."""
        return tuple(t for t in self.taxonomies if t.choices)

    @property
    def solvers(self) -> tuple[str, ...]:
        """Return the solvers that had a hand in it."""
        return tuple(sorted({t.solver for t in self.taxonomies}))

    @property
    def headline(self) -> SolvedTaxonomy | None:
        """Return the cheapest taxonomy of the widest order limit that comes close to the best."""
        return headline_of(self.taxonomies)


def headline_of(taxonomies: Sequence[SolvedTaxonomy]) -> SolvedTaxonomy | None:
    """Return the cheapest taxonomy of the widest order limit that comes close to the best.

    Args:
        taxonomies: by order limit, then budget.
    """
    for max_order in reversed(list(dict.fromkeys(t.max_order for t in taxonomies))):
        rows = [t for t in taxonomies if t.max_order == max_order and t.choices]
        best = max((t.objective or 0.0 for t in rows), default=0.0)
        for taxonomy in rows:
            if (taxonomy.objective or 0.0) >= HEADLINE_SHARE * best:
                return taxonomy
    return None


def read_contents(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    *,
    seed: int,
    draws: int,
    progress: Progress,
) -> Contents:
    """Read and compute everything a report shows.

    Raises:
        NotFound: no such study, or nothing solved under the scenario.
    """
    require_study(connection, study)
    taxonomies = tuple(read_taxonomies(connection, study, scenario))
    if not taxonomies:
        raise NotFound(_nothing_solved(connection, study, scenario))
    settings, solved_at = _scenario(connection, study, scenario)
    problem = read_problem(connection, study, settings)
    heat = _heat(connection, study)
    tree = similarity_tree(connection, study)
    progress("drawing random taxonomies")
    against_random = tuple(
        _against_random(connection, study, problem, taxonomies, seed, draws, progress)
    )
    tasks = _tasks(connection, study)

    def in_order(wanted: Iterable[str]) -> tuple[str, ...]:
        return _in_tree_order(set(wanted), tree, [task.id for task in tasks])

    return Contents(
        study=_study(connection, study, scenario, settings, solved_at, tasks),
        tasks=tasks,
        targets=in_order(problem.targets),
        supervisable=in_order(problem.sources),
        heat_targets=in_order(cell.target for cell in heat),
        heat_sources=in_order(cell.source for cell in heat),
        budgets=tuple(sorted({t.budget for t in taxonomies})),
        orders=tuple(dict.fromkeys(t.max_order for t in taxonomies)),
        tree=tree,
        heat=heat,
        taxonomies=taxonomies,
        against_random=against_random,
        seed=seed,
        draws=draws,
        evidence=read_evidence(connection, study, scenario, headline_of(taxonomies)),
        printed=_printed(connection, study, scenario, settings),
    )


def _nothing_solved(connection: duckdb.DuckDBPyConnection, study: str, scenario: str) -> str:
    rows = connection.execute(
        "SELECT DISTINCT scenario FROM taxonomy WHERE study = ? ORDER BY 1", [study]
    ).fetchall()
    if rows:
        solved = ", ".join(repr(name) for (name,) in rows)
        return f"study {study!r} has no scenario {scenario!r}; it was solved as {solved}"
    return f"study {study!r} has no taxonomy yet; run `taskonomyctl solve --study {study}`"


def _scenario(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str
) -> tuple[Settings, datetime]:
    row = connection.execute(
        "SELECT settings, solved_at FROM scenario WHERE study = ? AND scenario = ?",
        [study, scenario],
    ).fetchone()
    if row is None:
        raise NotFound(_nothing_solved(connection, study, scenario))
    return Settings.model_validate_json(row[0]), row[1]


def _study(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    settings: Settings,
    solved_at: datetime,
    tasks: tuple[TaskFacts, ...],
) -> StudyFacts:
    row = connection.execute(
        "SELECT source_name, source_sha256, loaded_at, count(transfer_id), "
        "coalesce(max(transfer_order), 0) "
        "FROM study LEFT JOIN transfer USING (study) WHERE study = ? GROUP BY ALL",
        [study],
    ).fetchone()
    if row is None:
        raise NotFound(f"no study {study!r} in this warehouse")
    source_name, sha256, loaded_at, transfers, highest_order = row
    return StudyFacts(
        name=study,
        source_name=source_name,
        source_sha256=sha256,
        loaded_at=loaded_at,
        scenario=scenario,
        settings=tuple(_settings_in_words(settings, {t.id: t.title for t in tasks})),
        exponent=settings.affinity_exponent,
        solved_at=solved_at,
        transfers=transfers,
        highest_order=highest_order,
    )


def _settings_in_words(settings: Settings, title: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    default = Settings()
    for name, value in settings:
        if value == getattr(default, name):
            continue
        words = name.replace("_", " ")
        if isinstance(value, tuple):
            yield words, ", ".join(title.get(str(task), str(task)) for task in value)
        elif isinstance(value, dict):
            yield words, ", ".join(f"{title.get(k, k)} {v:g}" for k, v in value.items())
        elif isinstance(value, bool):
            yield words, "yes" if value else "no"
        elif isinstance(value, float):
            yield words, f"{value:g}"
        else:
            yield words, value.model_dump_json(exclude_defaults=True)


def _tasks(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[TaskFacts, ...]:
    rows = connection.execute(
        "SELECT task, title, task_group FROM task WHERE study = ? ORDER BY position", [study]
    ).fetchall()
    return tuple(TaskFacts(id=task, title=title, group=group) for task, title, group in rows)


def _heat(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[HeatCell, ...]:
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


def _in_tree_order(
    wanted: Collection[str], tree: SimilarityTree, dictionary: Sequence[str]
) -> tuple[str, ...]:
    """Order tasks as the tree's leaves; those outside the tree follow in dictionary order."""
    order = [*tree.leaves, *(t for t in dictionary if t not in set(tree.leaves))]
    return tuple(task for task in order if task in wanted)


def _printed(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str, settings: Settings
) -> figure9.Comparison | None:
    """Compare with the paper where that means something: its measurements, its settings."""
    if settings != Settings() or not figure9.holds_shipped_measurements(connection, study):
        return None
    comparison = figure9.compare(connection, study, scenario)
    return comparison if comparison.solved else None


def _against_random(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    problem: Problem,
    taxonomies: Sequence[SolvedTaxonomy],
    seed: int,
    draws: int,
    progress: Progress,
) -> Iterator[AgainstRandom]:
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
