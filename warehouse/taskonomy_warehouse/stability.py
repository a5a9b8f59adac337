"""How sure the taxonomy itself is: solved again on every bootstrap replicate of the affinities.

An edge that every replicate chooses would be chosen on other images too; one in half of them is a
coin toss between near equals. Stands on `bootstrap`, which leaves the replicates in the warehouse.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import fmean

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_warehouse.selection.asked import asked_of, kept_scenarios
from taskonomy_warehouse.selection.data import Problem, read_problem
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.selection.taxonomy import Taxonomy
from taskonomy_warehouse.warehouse import insert_rows, require_study, transaction

Key = tuple[float, str]
"""Budget and order limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be solved again: the settings behind taxonomies that stand, or are to stand."""

    scenario: str
    """The name that `solve` keeps these settings under."""
    settings: Settings
    max_orders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """In how many replicates each choice was made, for one budget and order limit."""

    budget: float
    max_order: str
    replicates: int
    sources: Mapping[str, int]
    """Replicates that supervise each source."""
    edges: Mapping[tuple[str, int], int]
    """Replicates that serve a target with a transfer, by target and transfer id."""


def question_of(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str | None = None,
    max_orders: Sequence[str] = (),
) -> Question:
    """Return what to solve on the replicates, checked to leave something to choose from.

    Args:
        connection: the warehouse.
        study: a trained study.
        scenario: settings by the name they were solved under; None: those solved last, or, where
            nothing was solved, what the study's file asks.
        max_orders: order limits; unless given, those the scenario was solved for, else the
            study's own.

    Raises:
        NotFound: no such study, or no such scenario in it.
        SettingRefused: the settings leave no target or no source.
    """
    require_study(connection, study)
    kept = kept_scenarios(connection, study)
    asked = asked_of(connection, study)
    own = Settings.model_validate(asked.settings)
    name = scenario or next(iter(kept), own.scenario)
    if name not in kept and name != own.scenario:
        solved = f"it was solved as {', '.join(map(repr, kept))}" if kept else "nothing is solved"
        raise NotFound(f"study {study!r} has no scenario {name!r}; {solved}")
    settings, solved_orders = kept.get(name, (own, ()))
    read_problem(connection, study, settings)
    return Question(
        scenario=name,
        settings=settings,
        max_orders=tuple(max_orders) or solved_orders or asked.orders,
    )


def taxonomy_stability(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    settings: Settings,
    budgets: Sequence[float],
    max_orders: Sequence[str],
    *,
    most_replicates: int | None = None,
    workers: int = 1,
    on_replicate: Callable[[int], None] = lambda _: None,
) -> list[Stability]:
    """Solve every budget and order on each replicate, count the choices and keep the counts.

    Args:
        connection: the warehouse, open to write, with the study's bootstrap in it.
        study: a trained study.
        scenario: name of the settings, as `solve` keeps them.
        settings: what is asked of the taxonomy.
        budgets: supervision budgets.
        max_orders: order limits.
        most_replicates: solve the first so many alone; None: all.
        workers: replicates solved at a time, each by a solver process of its own.
        on_replicate: told the number of a replicate that is done, from the thread that did it.

    Raises:
        NotFound: the study has no bootstrap yet.
        SettingRefused: the settings leave no target or no source.
    """
    require_study(connection, study)
    replicates = _read_replicates(connection, study)
    count = min(len(values) for values in replicates.values())
    count = min(count, most_replicates or count)
    problem = read_problem(connection, study, settings)

    def solve(b: int) -> list[Taxonomy]:
        taxonomies = solve_taxonomies(
            resampled(problem, replicates, b, settings), budgets, max_orders
        )
        on_replicate(b)
        return taxonomies

    with ThreadPoolExecutor(workers) as pool:
        solved = list(pool.map(solve, range(count)))
    found = [tally([of[k] for of in solved]) for k in range(len(budgets) * len(max_orders))]
    _write(connection, study, scenario, found)
    return found


def resampled(
    problem: Problem, replicates: Mapping[int, Sequence[float]], b: int, settings: Settings
) -> Problem:
    """Return the problem with the affinities of replicate b in place of the study's."""
    return replace(
        problem,
        candidates=tuple(
            replace(
                c,
                value=settings.importance.get(c.target, 1.0)
                * replicates[c.transfer_id][b] ** settings.affinity_exponent,
            )
            for c in problem.candidates
        ),
    )


def tally(taxonomies: Sequence[Taxonomy]) -> Stability:
    """Count the choices of one budget and order over its replicates; infeasible ones make none."""
    return Stability(
        budget=taxonomies[0].budget,
        max_order=taxonomies[0].max_order,
        replicates=len(taxonomies),
        sources=Counter(source for t in taxonomies for source in t.sources),
        edges=Counter((c.target, c.transfer_id) for t in taxonomies for c in t.transfers),
    )


def _read_replicates(
    connection: duckdb.DuckDBPyConnection, study: str
) -> dict[int, Sequence[float]]:
    """Return each transfer's affinity in every replicate, the mean over its seeds."""
    rows = connection.execute(
        "SELECT m.transfer_id, r.affinity FROM replicate AS r "
        "JOIN transfer AS t USING (study, transfer_id, target) "
        "JOIN transfer_mean AS m USING (study, target, kind, sources) "
        "WHERE r.study = ? AND r.affinity IS NOT NULL ORDER BY t.transfer_id",
        [study],
    ).fetchall()
    if not rows:
        raise NotFound(
            f"study {study!r} has no bootstrap replicates; "
            f"`taskonomyctl bootstrap --study {study}` makes them"
        )
    of_seeds: dict[int, list[Sequence[float]]] = {}
    for transfer_id, affinities in rows:
        of_seeds.setdefault(transfer_id, []).append(affinities)
    return {
        transfer_id: [fmean(drawn) for drawn in zip(*seeds, strict=True)]
        for transfer_id, seeds in of_seeds.items()
    }


def _write(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str, found: Sequence[Stability]
) -> None:
    with transaction(connection):
        for one in found:
            key = [study, scenario, one.budget, one.max_order]
            same = "(study, scenario, budget, max_order) = (?, ?, ?, ?)"
            for table in ("source_stability", "edge_stability"):
                connection.execute(f"DELETE FROM {table} WHERE {same}", key)
            sources = [(*key, source, n, one.replicates) for source, n in one.sources.items()]
            insert_rows(connection, "source_stability", sources)
            edges = [(*key, *edge, n, one.replicates) for edge, n in one.edges.items()]
            insert_rows(connection, "edge_stability", edges)
