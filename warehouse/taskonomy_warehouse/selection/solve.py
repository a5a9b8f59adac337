"""The sweep: every budget of every order limit, each model built once and re-solved."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

from taskonomy_warehouse.selection.data import (
    Candidate,
    Problem,
    best_on_the_same_sources,
    undominated,
)
from taskonomy_warehouse.selection.explain import why_infeasible
from taskonomy_warehouse.selection.model import (
    chosen_transfers,
    create_taxonomy_model,
    set_budget,
)
from taskonomy_warehouse.selection.solvers import (
    Answer,
    Solver,
    SolverFailed,
    SolverName,
    create_solver,
)
from taskonomy_warehouse.selection.taxonomy import TOLERANCE, Taxonomy, order_limit

PRINTED_DIGITS = 1e-9
"""CBC prints its bound to 12 digits: what is closer than this to the objective is the objective."""


def solve_taxonomies(
    problem: Problem,
    budgets: Sequence[float],
    max_orders: Sequence[str],
    *,
    solver: SolverName = "cbc",
    executable: Path | None = None,
    time_limit: float | None = None,
    workers: int = 1,
    on_solved: Callable[[Taxonomy], None] = lambda _: None,
) -> list[Taxonomy]:
    """Solve every budget of every order limit, each to proven optimality.

    Args:
        problem: what may be chosen, see `read_problem`.
        budgets: totals of label and transfer cost, fractions allowed.
        max_orders: order limits, ``"1"``, ``"4"``, … or ``"all"``.
        solver: ``cbc`` or ``highs``.
        executable: another CBC than the bundled one.
        time_limit: seconds for one budget; past it the best found is returned as ``feasible``.
        workers: order limits solved at a time, each by a CBC process of its own. HiGHS runs in
            this process and Pyomo redirects the process's output around it: one at a time.
        on_solved: called after each solve, from the thread that solved it.

    Returns:
        One taxonomy per order limit and budget, in the order asked for.

    Raises:
        SolverFailed: a solver ended without an answer, or with one that breaks the problem.
    """
    interrupted = threading.Event()

    def sweep(max_order: str) -> list[Taxonomy]:
        limited = problem.up_to_order(order_limit(max_order))
        own_solver = create_solver(solver, executable)
        taxonomies = []
        for taxonomy in _sweep_budgets(limited, budgets, max_order, own_solver, time_limit):
            on_solved(taxonomy)
            taxonomies.append(taxonomy)
            if interrupted.is_set():
                break
        return taxonomies

    with ThreadPoolExecutor(workers if solver == "cbc" else 1) as pool:
        try:
            return list(chain.from_iterable(pool.map(sweep, max_orders)))
        except BaseException:
            interrupted.set()  # the pool waits for its threads: let them end after this budget
            raise


def _sweep_budgets(
    problem: Problem,
    budgets: Sequence[float],
    max_order: str,
    solver: Solver,
    time_limit: float | None,
) -> Iterator[Taxonomy]:
    reduced = undominated(problem)
    model = create_taxonomy_model(reduced) if all(reduced.by_target.values()) else None
    best: Taxonomy | None = None
    for budget in budgets:
        started = time.perf_counter()
        answer = Answer(status="infeasible", bound=None)
        if model is not None:
            set_budget(model, reduced, budget)
            answer = solver.solve(model, time_limit)
        seconds = time.perf_counter() - started
        if answer.status == "infeasible":
            reason = why_infeasible(problem, budget, solver)
            yield Taxonomy(
                budget=budget,
                max_order=max_order,
                status="infeasible",
                solver=solver.label,
                seconds=seconds,
                reason=reason,
            )
        else:
            chosen = chosen_transfers(model, reduced)
            found = _taxonomy(reduced, chosen, budget, max_order, answer, solver.label, seconds)
            best = no_worse_than(best, found)
            yield best


def no_worse_than(earlier: Taxonomy | None, found: Taxonomy) -> Taxonomy:
    """Return the taxonomy found, its choice replaced by an earlier one that is better and fits.

    A solve that was stopped may hold less than a smaller budget's; what that one chose is feasible
    here too.
    """
    if found.status == "optimal" or earlier is None or earlier.cost is None:
        return found
    fits = earlier.cost <= found.budget and (earlier.objective or 0) > (found.objective or 0)
    if not fits:
        return found
    return replace(
        found,
        objective=earlier.objective,
        cost=earlier.cost,
        sources=earlier.sources,
        transfers=earlier.transfers,
    )


def _taxonomy(
    problem: Problem,
    chosen: tuple[Candidate, ...],
    budget: float,
    max_order: str,
    answer: Answer,
    solver: str,
    seconds: float,
) -> Taxonomy:
    """Recompute objective and cost from the choice itself, and check it against the problem."""
    is_taxonomy = [c.target for c in chosen] == list(problem.targets)
    sources, cost = problem.sources_and_cost(chosen)
    if not is_taxonomy and answer.status == "feasible":  # what a relaxation left behind
        raise SolverFailed(
            f"{solver} found no taxonomy in the time given at budget {budget:g}, "
            f"order {max_order}; raise --time-limit"
        )
    if not is_taxonomy or cost > budget + TOLERANCE * problem.cost_scale:
        raise SolverFailed(
            f"{solver} returned a choice that breaks the problem at budget {budget:g}, "
            f"order {max_order}: {len(chosen)} transfers for {len(problem.targets)} targets, "
            f"cost {cost:g}"
        )
    chosen = tuple(best_on_the_same_sources(problem, chosen))
    sources, cost = problem.sources_and_cost(chosen)
    objective = sum(c.value for c in chosen)
    bound = objective if answer.bound is None else answer.bound * problem.value_scale
    apart = abs(bound - objective)
    if answer.status == "optimal" and apart > TOLERANCE * problem.value_scale:
        raise SolverFailed(
            f"{solver} calls {objective:.9g} optimal and its bound is {bound:.9g} "
            f"at budget {budget:g}, order {max_order}"
        )
    if bound < objective or apart < PRINTED_DIGITS * max(problem.value_scale, objective):
        bound = objective
    return Taxonomy(
        budget=budget,
        max_order=max_order,
        status=answer.status,
        solver=solver,
        seconds=seconds,
        objective=objective,
        bound=bound,
        cost=cost,
        sources=sources,
        transfers=chosen,
    )
