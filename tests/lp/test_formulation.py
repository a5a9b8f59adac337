"""Each constraint family as an LP file, compared with the baseline that a person has read.

To accept a change: read the new file that the failing test names, then copy it over the baseline.
"""

from collections.abc import Callable
from pathlib import Path

import pyomo.environ as pyo
import pytest
from pyomo.repn.tests.lp_diff import load_and_compare_lp_baseline

from taskonomy_warehouse.selection import model as formulation
from taskonomy_warehouse.selection.data import Candidate, Problem

BASELINES = Path(__file__).parent / "baselines"

PROBLEM = Problem(
    targets=("depth", "normals"),
    sources=("depth", "normals", "jigsaw"),
    label_cost={"depth": 1.0, "normals": 1.25, "jigsaw": 0.5},
    candidates=(
        Candidate(
            transfer_id=0,
            target="depth",
            sources=frozenset({"depth"}),
            value=0.9,
            own_network=True,
        ),
        Candidate(
            transfer_id=1, target="depth", sources=frozenset({"normals"}), value=0.5, cost=0.25
        ),
        Candidate(
            transfer_id=2, target="depth", sources=frozenset({"normals", "jigsaw"}), value=0.6
        ),
        Candidate(
            transfer_id=3,
            target="normals",
            sources=frozenset({"normals"}),
            value=0.8,
            own_network=True,
        ),
        Candidate(transfer_id=4, target="normals", sources=frozenset({"jigsaw"}), value=0.125),
    ),
    sources_serve_themselves=True,
)


def budgeted(model: pyo.ConcreteModel, problem: Problem) -> None:
    model.budget = pyo.Param(mutable=True, domain=pyo.Reals, initialize=3.5)
    formulation.within_budget(model, problem)


FAMILIES: dict[str, Callable[[pyo.ConcreteModel, Problem], None]] = {
    "sources_are_chosen": formulation.sources_are_chosen,
    "one_transfer_per_target": formulation.one_transfer_per_target,
    "within_budget": budgeted,
    "sources_serve_themselves": formulation.sources_serve_themselves,
}


def written(model: pyo.ConcreteModel, tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"{name}.lp"
    model.write(str(path), io_options={"symbolic_solver_labels": True})
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_a_constraint_family_is_written_as_agreed(tmp_path: Path, family: str) -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(len(PROBLEM.candidates)), domain=pyo.Binary)
    model.y = pyo.Var(PROBLEM.sources, domain=pyo.Binary)
    formulation.total_affinity(model, PROBLEM)
    FAMILIES[family](model, PROBLEM)
    path = written(model, tmp_path, family)
    base, test = load_and_compare_lp_baseline(str(BASELINES / path.name), str(path))
    assert test == base


def test_the_whole_program_is_written_as_agreed(tmp_path: Path) -> None:
    model = formulation.create_taxonomy_model(PROBLEM)
    model.budget.set_value(3.5)
    path = written(model, tmp_path, "taxonomy")
    base, test = load_and_compare_lp_baseline(str(BASELINES / path.name), str(path))
    assert test == base


def test_the_cheapest_program_is_written_as_agreed(tmp_path: Path) -> None:
    path = written(formulation.create_cheapest_model(PROBLEM), tmp_path, "cheapest")
    base, test = load_and_compare_lp_baseline(str(BASELINES / path.name), str(path))
    assert test == base
