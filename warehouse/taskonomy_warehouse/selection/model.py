"""The boolean integer program in Pyomo, one named piece per formula.

Zamir et al. 2018, section 3.4, with a tighter form of its first constraint. The paper's
|sources|·x_e ≤ Σ y_s lets a fractional solution pay for a source in part; x_e ≤ y_s for each source
does not, and summing it over a target's transfers, of which one is chosen, is tighter again and
takes a row per target and source instead of one per transfer and source.

    x_e ∈ {0,1}  transfer e is chosen        y_s ∈ {0,1}  source s is supervised
"""

import pyomo.environ as pyo

from taskonomy_warehouse.selection.data import Candidate, Problem


def create_taxonomy_model(problem: Problem) -> pyo.ConcreteModel:
    """Return the program whose optimum is the best taxonomy within the budget.

    The budget is a mutable parameter (`set_budget`): built once, the model is solved for every one.
    """
    model = _with_variables(problem)
    model.budget = pyo.Param(mutable=True, domain=pyo.Reals, initialize=0.0)
    total_affinity(model, problem)
    _add_structure(model, problem)
    within_budget(model, problem)
    return model


def set_budget(model: pyo.ConcreteModel, problem: Problem, budget: float) -> None:
    """Set the model's budget; more than everything costs is as good as everything."""
    model.budget.set_value(min(budget, problem.total_cost) / problem.cost_scale)


def create_cheapest_model(problem: Problem) -> pyo.ConcreteModel:
    """Return the program whose optimum is the smallest budget that serves every target."""
    model = _with_variables(problem)
    model.cheapest = pyo.Objective(expr=_cost(model, problem), sense=pyo.minimize)
    _add_structure(model, problem)
    return model


def chosen_transfers(model: pyo.ConcreteModel, problem: Problem) -> tuple[Candidate, ...]:
    """Return the transfers a solved model chose. A variable the solver left unvalued is 0."""
    values = (pyo.value(model.x[e], exception=False) for e in range(len(problem.candidates)))
    return tuple(
        candidate
        for candidate, value in zip(problem.candidates, values, strict=True)
        if value is not None and value > 0.5
    )


def total_affinity(model: pyo.ConcreteModel, problem: Problem) -> None:
    """Maximise Σ_e r_t(e)·A_e^γ·x_e, in units of `Problem.value_scale`."""
    scale = problem.value_scale
    values = (c.value / scale * model.x[e] for e, c in enumerate(problem.candidates))
    model.total_affinity = pyo.Objective(expr=pyo.quicksum(values), sense=pyo.maximize)


def sources_are_chosen(model: pyo.ConcreteModel, problem: Problem) -> None:
    """Σ_{e→t, s∈e} x_e ≤ y_s for every target t and source s: t stands on s only if s is chosen.

    A target has one transfer, so the sum is 0 or 1, and one row does for all of the target's
    transfers from s.
    """
    standing_on: dict[tuple[str, str], list[int]] = {}
    for position, candidate in enumerate(problem.candidates):
        for source in sorted(candidate.sources):
            standing_on.setdefault((candidate.target, source), []).append(position)

    def rule(model: pyo.ConcreteModel, target: str, source: str) -> object:
        positions = standing_on[target, source]
        return pyo.quicksum(model.x[e] for e in positions) <= model.y[source]

    model.sources_are_chosen = pyo.Constraint(list(standing_on), rule=rule)


def one_transfer_per_target(model: pyo.ConcreteModel, problem: Problem) -> None:
    """Σ_{e→t} x_e = 1 for every target t. A target without candidates makes it infeasible."""

    def rule(model: pyo.ConcreteModel, target: str) -> object:
        positions = problem.by_target[target]
        if not positions:
            return pyo.Constraint.Infeasible
        return pyo.quicksum(model.x[e] for e in positions) == 1

    model.one_transfer_per_target = pyo.Constraint(problem.targets, rule=rule)


def within_budget(model: pyo.ConcreteModel, problem: Problem) -> None:
    """Σ_s ℓ_s·y_s + Σ_e τ_e·x_e ≤ budget, in units of `Problem.cost_scale`."""
    model.within_budget = pyo.Constraint(expr=_cost(model, problem) <= model.budget)


def sources_serve_themselves(model: pyo.ConcreteModel, problem: Problem) -> None:
    """y_t ≤ x_{t→t} for every source t that is a target: its own network serves it once supervised.

    A target whose own network was not measured cannot be supervised then.
    """
    own: dict[str, list[int]] = {t: [] for t in problem.targets if t in set(problem.sources)}
    for position, candidate in enumerate(problem.candidates):
        if candidate.own_network:
            own[candidate.target].append(position)

    def rule(model: pyo.ConcreteModel, target: str) -> object:
        return model.y[target] <= pyo.quicksum(model.x[e] for e in own[target])

    model.sources_serve_themselves = pyo.Constraint(list(own), rule=rule)


def _with_variables(problem: Problem) -> pyo.ConcreteModel:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(len(problem.candidates)), domain=pyo.Binary)
    model.y = pyo.Var(problem.sources, domain=pyo.Binary)
    return model


def _add_structure(model: pyo.ConcreteModel, problem: Problem) -> None:
    """Add what makes a choice a taxonomy, whatever it costs."""
    sources_are_chosen(model, problem)
    one_transfer_per_target(model, problem)
    if problem.sources_serve_themselves:
        sources_serve_themselves(model, problem)


def _cost(model: pyo.ConcreteModel, problem: Problem) -> object:
    scale = problem.cost_scale
    labels = [problem.label_cost[s] / scale * model.y[s] for s in problem.sources]
    transfers = [c.cost / scale * model.x[e] for e, c in enumerate(problem.candidates) if c.cost]
    return pyo.quicksum(labels + transfers)
