"""The shipped measurements solved with the defaults give the paper's own taxonomies."""

from pathlib import Path

import pytest

from taskonomy_warehouse.selection.data import Problem, read_problem
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.selection.taxonomy import Taxonomy
from taskonomy_warehouse.warehouse import reading

# Optimal objectives by order limit and budget, computed once with an independent program.
BUDGETS = (2, 4, 6, 8, 12, 15, 26)
OPTIMA = {
    "1": (3.436680, 4.559596, 4.924797, 5.202142, 5.608805, 5.759166, 5.914424),
    "4": (3.436680, 4.566369, 5.032826, 5.343930, 5.738409, 5.862769, 5.959921),
}


@pytest.fixture(scope="module")
def problem(paper_warehouse: Path) -> Problem:
    with reading(paper_warehouse) as connection:
        return read_problem(connection, "paper", Settings())


@pytest.fixture(scope="module")
def solved(problem: Problem) -> dict[tuple[str, float], Taxonomy]:
    budgets = [float(b) for b in BUDGETS]
    return {
        (t.max_order, t.budget): t
        for t in solve_taxonomies(problem, budgets, ["1", "4"], workers=2)
    }


def test_the_problem_is_the_papers(problem: Problem) -> None:
    assert (len(problem.targets), len(problem.sources)) == (22, 26)
    assert "object-classes-selected" not in problem.sources


@pytest.mark.parametrize("order", OPTIMA)
def test_optima_to_six_digits(solved: dict[tuple[str, float], Taxonomy], order: str) -> None:
    for budget, objective in zip(BUDGETS, OPTIMA[order], strict=True):
        taxonomy = solved[order, float(budget)]
        assert taxonomy.status == "optimal"
        assert taxonomy.objective == pytest.approx(objective, abs=1e-6)
        assert taxonomy.gap == pytest.approx(0, abs=1e-9)


def test_the_eight_sources_of_order_four(solved: dict[tuple[str, float], Taxonomy]) -> None:
    assert set(solved["4", 8.0].sources) == {
        "autoencoding",
        "scene-classes",
        "curvature",
        "denoising",
        "edges-2d",
        "keypoints-2d",
        "keypoints-3d",
        "normals",
    }


def test_two_sources_share_the_targets(solved: dict[tuple[str, float], Taxonomy]) -> None:
    served: dict[str, set[str]] = {}
    for choice in solved["1", 2.0].transfers:
        (source,) = choice.sources
        served.setdefault(source, set()).add(choice.target)
    assert served["denoising"] - {"denoising"} == {
        "autoencoding",
        "edges-2d",
        "keypoints-2d",
        "segmentation-2d",
    }
    assert len(served["normals"] - {"normals"}) == 16
    assert set(served) == {"denoising", "normals"}


@pytest.mark.slow
def test_both_solvers_agree_on_every_budget(problem: Problem) -> None:
    budgets = [1.0, 3.0, 7.0, 8.0, 13.0, 25.0, 26.0]
    by_cbc, by_highs = (
        solve_taxonomies(problem, budgets, ["1", "3", "all"], solver=solver)
        for solver in ("cbc", "highs")
    )
    for one, other in zip(by_cbc, by_highs, strict=True):
        assert one.objective == pytest.approx(other.objective, abs=1e-6)
        assert (one.status, other.status) == ("optimal", "optimal")
