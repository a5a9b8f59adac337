"""The warehouse -> everything a report shows, as plain data.

What is read of each part stands in its own module; below, how the parts come together.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_warehouse.published import figure9
from taskonomy_warehouse.report.against_random import (
    AgainstRandom,
    Progress,
    compare_with_random,
)
from taskonomy_warehouse.report.evidence import Evidence, read_evidence
from taskonomy_warehouse.report.first_order import HeatCell, read_first_order
from taskonomy_warehouse.report.study_facts import StudyFacts, TaskFacts, read_study, read_tasks
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import SolvedTaxonomy, read_taxonomies
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.similarity import SimilarityTree, similarity_tree
from taskonomy_warehouse.warehouse import require_study

HEADLINE_SHARE = 0.9
"""The headline taxonomy is the cheapest that reaches this share of the best objective."""


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
    heat = read_first_order(connection, study)
    tree = similarity_tree(connection, study)
    progress("drawing random taxonomies")
    against_random = tuple(
        compare_with_random(connection, study, problem, taxonomies, seed, draws, progress)
    )
    tasks = read_tasks(connection, study)

    def in_order(wanted: Iterable[str]) -> tuple[str, ...]:
        return _in_tree_order(set(wanted), tree, [task.id for task in tasks])

    return Contents(
        study=read_study(connection, study, scenario, settings, solved_at, tasks),
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
