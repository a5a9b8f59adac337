"""The solved optimum against brute force over every set of sources: the definition itself."""

from itertools import chain, combinations, pairwise, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskonomy_warehouse.selection.data import Candidate, Problem, undominated
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.selection.solvers import SolverName
from taskonomy_warehouse.selection.taxonomy import Taxonomy

EPS = 1e-9


def brute_force(problem: Problem, budget: float) -> float | None:
    """Best total value over every source set and every assignment; None when there is none."""
    best: float | None = None
    for size in range(len(problem.sources) + 1):
        for chosen in combinations(problem.sources, size):
            supervised = frozenset(chosen)
            labels = sum(problem.label_cost[s] for s in chosen)
            options = [_servants(problem, target, supervised) for target in problem.targets]
            for assignment in product(*options):
                cost = labels + sum(c.cost for c in assignment)
                value = sum(c.value for c in assignment)
                if cost <= budget + EPS and (best is None or value > best):
                    best = value
    return best


def _servants(problem: Problem, target: str, supervised: frozenset[str]) -> list[Candidate]:
    servants = [c for c in problem.candidates if c.target == target and c.sources <= supervised]
    if problem.sources_serve_themselves and target in supervised:
        servants = [c for c in servants if c.own_network]
    return servants


def check_it_is_a_taxonomy(problem: Problem, taxonomy: Taxonomy) -> None:
    assert [c.target for c in taxonomy.transfers] == list(problem.targets)
    supervised = frozenset(taxonomy.sources)
    assert supervised == frozenset(chain.from_iterable(c.sources for c in taxonomy.transfers))
    for choice in taxonomy.transfers:
        assert choice in _servants(problem, choice.target, supervised)
    cost = sum(problem.label_cost[s] for s in supervised) + sum(c.cost for c in taxonomy.transfers)
    assert taxonomy.cost == pytest.approx(cost)
    assert cost <= taxonomy.budget + 1e-6


few_values = st.sampled_from([0.0, 0.1, 0.1, 0.25, 0.5, 0.5, 1.0])  # repeats make ties
any_values = st.floats(0.0, 1.0).map(lambda x: round(x, 6))
costs = st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.25, 3.0])


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Small dictionaries with roles, ties, missing transfers, importances and costs."""
    tasks = [f"t{i}" for i in range(draw(st.integers(1, 5)))]
    roles = [draw(st.sampled_from(["both", "both", "source", "target"])) for _ in tasks]
    sources = tuple(t for t, r in zip(tasks, roles, strict=True) if r != "target") or ("t0",)
    targets = tuple(t for t, r in zip(tasks, roles, strict=True) if r != "source")[:4] or ("t0",)
    values = draw(st.sampled_from([few_values, any_values]))
    transfer_costs = draw(st.sampled_from([st.just(0.0), st.just(0.0), costs]))
    importance = {t: draw(st.sampled_from([0.0, 1.0, 1.0, 2.5])) for t in targets}
    candidates = []
    for target in targets:
        pool = [s for order in range(1, 5) for s in combinations(sources, order) if target not in s]
        drawn = draw(st.lists(st.sampled_from(pool), max_size=6, unique=True)) if pool else []
        candidates += [(target, frozenset(on), draw(transfer_costs), False) for on in drawn]
        if target in sources and draw(st.booleans()):
            candidates.append((target, frozenset([target]), 0.0, True))
    return Problem(
        targets=targets,
        sources=sources,
        label_cost={s: draw(st.sampled_from([1.0, 1.0, 0.5, 2.0, 0.0])) for s in sources},
        candidates=tuple(
            Candidate(
                transfer_id=i,
                target=target,
                sources=on,
                value=importance[target] * draw(values),
                cost=cost,
                own_network=own,
            )
            for i, (target, on, cost, own) in enumerate(candidates)
        ),
        sources_serve_themselves=draw(st.booleans()),
    )


budgets = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 7.25])
orders = st.sampled_from(["1", "2", "3", "4", "all"])


def check(problem: Problem, budget: float, order: str, solver: SolverName) -> None:
    limited = problem.up_to_order(None if order == "all" else int(order))
    (taxonomy,) = solve_taxonomies(problem, [budget], [order], solver=solver)
    best = brute_force(limited, budget)
    if best is None:
        assert taxonomy.status == "infeasible"
        assert taxonomy.reason
        assert any(f"'{t}'" in taxonomy.reason for t in problem.targets) or (
            "smallest budget" in taxonomy.reason or "--sources-serve" in taxonomy.reason
        )
    else:
        assert taxonomy.status == "optimal"
        assert taxonomy.objective == pytest.approx(best, abs=1e-6)
        assert taxonomy.bound is not None
        assert taxonomy.bound >= best - 1e-6
        check_it_is_a_taxonomy(limited, taxonomy)


generous = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(generous, max_examples=150)
@given(problems(), budgets, orders)
def test_highs_finds_the_optimum(problem: Problem, budget: float, order: str) -> None:
    check(problem, budget, order, "highs")


@pytest.mark.slow
@settings(generous, max_examples=300)
@given(problems(), budgets, orders)
def test_cbc_finds_the_optimum(problem: Problem, budget: float, order: str) -> None:
    check(problem, budget, order, "cbc")


@settings(generous, max_examples=200)
@given(problems(), budgets)
def test_dropping_dominated_transfers_keeps_the_optimum(problem: Problem, budget: float) -> None:
    kept = undominated(problem)
    assert set(kept.candidates) <= set(problem.candidates)
    best, best_kept = brute_force(problem, budget), brute_force(kept, budget)
    assert (best is None) == (best_kept is None)
    if best is not None:
        assert best_kept == pytest.approx(best, abs=1e-12)


@settings(generous, max_examples=40)
@given(problems())
def test_more_budget_and_higher_orders_never_hurt(problem: Problem) -> None:
    wanted = ["1", "2", "3", "4", "all"]
    rising = [0.5, 1.0, 2.0, 4.0, 8.0]
    solved = solve_taxonomies(problem, rising, wanted, solver="highs")
    worst = float("-inf")
    objective = {
        (t.max_order, t.budget): worst if t.objective is None else t.objective for t in solved
    }
    for order in wanted:
        assert never_falls([objective[order, budget] for budget in rising])
    for budget in rising:
        assert never_falls([objective[order, budget] for order in wanted])


def never_falls(curve: list[float]) -> bool:
    return all(earlier <= later + 1e-6 for earlier, later in pairwise(curve))
