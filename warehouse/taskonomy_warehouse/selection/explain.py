"""Why a request has no taxonomy: a target nothing serves, or a budget too small for all of them."""

from collections import Counter

from taskonomy_warehouse.selection.data import Problem, undominated
from taskonomy_warehouse.selection.model import chosen_transfers, create_cheapest_model
from taskonomy_warehouse.selection.solvers import Solver, SolverFailed


def why_infeasible(problem: Problem, budget: float, solver: Solver) -> str:
    """Return one sentence that names the target at fault, or the budget that would do."""
    unserved = [target for target in problem.targets if not problem.by_target[target]]
    if unserved:
        return "; ".join(_why_unserved(problem, target) for target in unserved)
    too_dear = {t: cost for t, cost in _cheapest_alone(problem).items() if cost > budget}
    least = _cheapest_together(problem, solver)
    if least is None:
        return (
            "no choice of sources lets every chosen source be served by its own network "
            "(--sources-serve-themselves) and still serves every target"
        )
    if least <= budget:
        raise SolverFailed(
            f"{solver.label} finds no taxonomy within budget {budget:.10g} and one that costs "
            f"{least:.10g}: its rounding is to blame; try the other --solver"
        )
    need = f"the smallest budget that serves every target is {least:.10g}"
    if too_dear:
        target, cost = max(too_dear.items(), key=lambda item: item[1])
        return (
            f"target {target!r} cannot be served within budget {budget:.10g}: "
            f"its cheapest transfer costs {cost:.10g}; {need}"
        )
    return f"budget {budget:.10g} serves each target alone and not all of them together; {need}"


def _why_unserved(problem: Problem, target: str) -> str:
    reasons = problem.left_out.get(target, Counter())
    if not reasons:
        return f"target {target!r} cannot be served: no transfer to it was measured"
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    more = sum(reasons.values()) - sum(count for _, count in reasons.most_common(3))
    rest = f" and {more} more" if more else ""
    return f"target {target!r} cannot be served: every transfer to it is left out ({listed}{rest})"


def _cheapest_alone(problem: Problem) -> dict[str, float]:
    """Return, per target, the cost of its cheapest transfer if it were the only target."""
    costs = {target: float("inf") for target in problem.targets}
    for candidate in problem.candidates:
        labels = sum(problem.label_cost[s] for s in candidate.sources)
        costs[candidate.target] = min(costs[candidate.target], labels + candidate.cost)
    return costs


def _cheapest_together(problem: Problem, solver: Solver) -> float | None:
    reduced = undominated(problem)
    model = create_cheapest_model(reduced)
    if solver.solve(model).status == "infeasible":
        return None
    _, cost = problem.sources_and_cost(chosen_transfers(model, reduced))
    return cost
