"""What a solve does beside finding the optimum: stopping, failing, explaining, being kept."""

import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.selection.data import Candidate, Problem, read_problem
from taskonomy_warehouse.selection.results import (
    StudyChanged,
    latest_scenario,
    read_taxonomies,
    write_taxonomies,
)
from taskonomy_warehouse.selection.settings import Settings, TransferCost
from taskonomy_warehouse.selection.solve import no_worse_than, solve_taxonomies
from taskonomy_warehouse.selection.solvers import SolverFailed, SolverName
from taskonomy_warehouse.selection.taxonomy import Taxonomy, order_limit
from taskonomy_warehouse.warehouse import audits, reading, sql

TRIPLE = 3


def hard_problem(tasks: int) -> Problem:
    """Triples worth much and single sources worth little: far from any integral relaxation."""
    chance = random.Random(0)
    names = tuple(f"t{number:02d}" for number in range(tasks))
    candidates: list[Candidate] = []
    for target in names:
        others = [name for name in names if name != target]
        triples = [tuple(chance.sample(others, TRIPLE)) for _ in range(40)]
        for on in [(target,), *triples, *((other,) for other in others)]:
            candidates.append(
                Candidate(
                    transfer_id=len(candidates),
                    target=target,
                    sources=frozenset(on),
                    value=chance.random() * (1.0 if len(on) == TRIPLE else 0.3),
                    own_network=on == (target,),
                )
            )
    return Problem(
        targets=names,
        sources=names,
        label_cost=dict.fromkeys(names, 1.0),
        candidates=tuple(candidates),
    )


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["cbc", "highs"])
def test_a_stopped_solve_is_feasible_with_an_honest_gap(solver: SolverName) -> None:
    problem = hard_problem(40)
    (taxonomy,) = solve_taxonomies(problem, [13.0], ["all"], solver=solver, time_limit=5)
    assert taxonomy.status == "feasible"
    assert taxonomy.objective is not None
    assert taxonomy.bound is not None
    assert taxonomy.gap is not None
    # No taxonomy of this problem is worth more than every target's best transfer.
    candidates = problem.candidates
    ceiling = sum(max(c.value for c in candidates if c.target == t) for t in problem.targets)
    assert taxonomy.objective < taxonomy.bound <= ceiling + 1e-3
    assert taxonomy.gap == pytest.approx(taxonomy.bound / taxonomy.objective - 1)
    assert taxonomy.gap > 0.01
    assert len(taxonomy.sources) <= 13


def test_no_answer_in_time_is_said() -> None:
    with pytest.raises(SolverFailed, match="raise --time-limit"):
        solve_taxonomies(hard_problem(40), [13.0], ["all"], time_limit=0.001)


def test_a_stopped_solve_is_no_worse_than_a_smaller_budget() -> None:
    small = Taxonomy(
        budget=3, max_order="1", status="optimal", solver="cbc", seconds=1,
        objective=2.0, bound=2.0, cost=3.0, sources=("a",),
    )  # fmt: skip
    stopped = replace(
        small, budget=4, status="feasible", objective=1.5, bound=3.0, cost=4.0, sources=("b",)
    )
    kept = no_worse_than(small, stopped)
    assert (kept.budget, kept.status, kept.objective, kept.bound) == (4, "feasible", 2.0, 3.0)
    assert (kept.cost, kept.sources, kept.gap) == (3.0, ("a",), 0.5)
    better = replace(stopped, objective=2.5)
    dearer = replace(small, cost=5.0)
    proven = replace(stopped, status="optimal", bound=1.5)
    assert no_worse_than(small, better) is better
    assert no_worse_than(dearer, stopped) is stopped
    assert no_worse_than(small, proven) is proven
    assert no_worse_than(None, stopped) is stopped


def executable(tmp_path: Path, script: str) -> Path:
    path = tmp_path / "cbc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def small_problem() -> Problem:
    return Problem(
        targets=("a", "b"),
        sources=("a", "b", "c"),
        label_cost={"a": 1.0, "b": 2.0, "c": 0.5},
        candidates=(
            Candidate(transfer_id=0, target="a", sources=frozenset("b"), value=0.5),
            Candidate(transfer_id=1, target="b", sources=frozenset("c"), value=0.5, cost=0.25),
            Candidate(
                transfer_id=2, target="b", sources=frozenset("b"), value=0.9, own_network=True
            ),
        ),
    )


def test_a_solver_that_crashes_is_an_error_and_not_an_answer(tmp_path: Path) -> None:
    broken = executable(tmp_path, "echo 'out of memory' >&2; exit 3")
    with pytest.raises(SolverFailed, match="exit code 3: out of memory"):
        solve_taxonomies(small_problem(), [3.0], ["1"], executable=broken)


def test_a_solver_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match="no solver at nowhere/cbc"):
        solve_taxonomies(small_problem(), [3.0], ["1"], executable=Path("nowhere/cbc"))


WHY = {
    "a target of its own": (0.25, "'a' cannot be served within budget 0.25: its cheapest transfer"),
    "the dearest is named": (1.0, "'a' cannot be served within budget 1: .* costs 2"),
    "all together": (1.9, "smallest budget that serves every target is 2$"),
}


@pytest.mark.parametrize(("budget", "words"), WHY.values(), ids=WHY)
def test_an_infeasible_budget_says_why(budget: float, words: str) -> None:
    (taxonomy,) = solve_taxonomies(small_problem(), [budget], ["1"])
    assert taxonomy.status == "infeasible"
    assert taxonomy.reason is not None
    assert re.search(words, taxonomy.reason), taxonomy.reason


def test_budgets_may_be_met_to_the_fraction() -> None:
    # c and its transfer cost 0.75, b costs 2 and serves both: 2 is the cheapest and 2.75 the next.
    solved = solve_taxonomies(small_problem(), [1.999, 2.0, 2.75], ["1"])
    assert [t.status for t in solved] == ["infeasible", "optimal", "optimal"]
    assert solved[1].cost == pytest.approx(2.0)


def test_a_target_nothing_leads_to_is_named() -> None:
    problem = Problem(targets=("a",), sources=("b",), label_cost={"b": 1.0}, candidates=())
    (taxonomy,) = solve_taxonomies(problem, [5.0], ["all"])
    assert taxonomy.reason == "target 'a' cannot be served: no transfer to it was measured"


def test_sources_that_cannot_serve_themselves_are_blamed() -> None:
    problem = Problem(
        targets=("a", "b"),
        sources=("a", "b"),
        label_cost={"a": 1.0, "b": 1.0},
        candidates=(
            Candidate(transfer_id=0, target="a", sources=frozenset("b"), value=0.5),
            Candidate(transfer_id=1, target="b", sources=frozenset("a"), value=0.5),
        ),
        sources_serve_themselves=True,
    )
    (taxonomy,) = solve_taxonomies(problem, [5.0], ["all"])
    assert taxonomy.reason is not None
    assert "--sources-serve-themselves" in taxonomy.reason


@pytest.mark.parametrize("order", ["0", "-1", "1.5", "ALL", "", "²"])
def test_an_order_limit_is_a_whole_number_or_all(order: str) -> None:
    with pytest.raises(SettingRefused, match="allowed is 1, 2, 3"):
        order_limit(order)


def test_transfer_costs_go_from_the_particular_to_the_general() -> None:
    cost = TransferCost(default=1.0, by_target={"a": 2.0}, by_transfer={"a<=b+c": 3.0})
    assert [cost.of("b", ["a"]), cost.of("a", ["b"]), cost.of("a", ["c", "b"])] == [1.0, 2.0, 3.0]


def test_settings_that_differ_have_names_that_differ() -> None:
    assert Settings().scenario == "default"
    assert Settings(label_cost={}).scenario == "default"
    names = {
        Settings(exclude=("a",)).scenario,
        Settings(use=("a",)).scenario,
        Settings(affinity_exponent=1.0).scenario,
        Settings(importance={"a": 2.0}).scenario,
    }
    assert len(names) == 4


@pytest.fixture
def paper(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    import_published(connection, shipped_measurements(), "paper", published_dictionary())
    return connection


def test_taxonomies_come_back_as_they_were_written(paper: duckdb.DuckDBPyConnection) -> None:
    problem = read_problem(paper, "paper", Settings())
    solved = solve_taxonomies(problem, [8.0, 0.5], ["all", "2"], solver="highs")
    write_taxonomies(paper, "paper", "default", Settings(), solved)
    read = {(t.max_order, t.budget): t for t in read_taxonomies(paper, "paper", "default")}
    assert len(read) == 4
    for taxonomy in solved:
        kept = read[taxonomy.max_order, taxonomy.budget]
        assert (kept.status, kept.objective, kept.bound, kept.gap, kept.cost, kept.reason) == (
            taxonomy.status,
            taxonomy.objective,
            taxonomy.bound,
            taxonomy.gap,
            taxonomy.cost,
            taxonomy.reason,
        )
        assert kept.sources == taxonomy.sources
        served = {(c.target, frozenset(c.sources)) for c in kept.choices}
        assert served == {(c.target, c.sources) for c in taxonomy.transfers}
    for audit in audits():
        assert paper.execute(sql("audits", audit)).fetchall() == []


def test_solving_again_replaces_and_other_settings_start_afresh(
    paper: duckdb.DuckDBPyConnection,
) -> None:
    problem = read_problem(paper, "paper", Settings())
    first = solve_taxonomies(problem, [1.0, 2.0], ["1"], solver="highs")
    write_taxonomies(paper, "paper", "mine", Settings(), first)
    again = solve_taxonomies(problem, [2.0, 3.0], ["1"], solver="highs")
    write_taxonomies(paper, "paper", "mine", Settings(), again)
    assert [t.budget for t in read_taxonomies(paper, "paper", "mine")] == [1.0, 2.0, 3.0]
    other = Settings(affinity_exponent=1.0)
    with pytest.raises(SettingRefused, match="solved with other settings"):
        write_taxonomies(paper, "paper", "mine", other, first[:1])
    assert [t.budget for t in read_taxonomies(paper, "paper", "mine")] == [1.0, 2.0, 3.0]
    write_taxonomies(paper, "paper", "mine", other, first[:1], replace=True)
    assert [t.budget for t in read_taxonomies(paper, "paper", "mine")] == [1.0]
    write_taxonomies(paper, "paper", "other", Settings(), first)
    assert latest_scenario(paper, "paper") == "other"


def test_taxonomies_of_measurements_that_are_gone_are_not_kept(
    paper: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    problem = read_problem(paper, "paper", Settings())
    solved = solve_taxonomies(problem, [2.0], ["1"], solver="highs")
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("\n".join(shipped_measurements().read_text().splitlines()[:-1]))
    import_published(paper, shorter, "paper", published_dictionary(), replace=True)
    with pytest.raises(StudyChanged, match="replaced while it was being solved"):
        write_taxonomies(paper, "paper", "default", Settings(), solved, version=problem.version)
    assert paper.execute("SELECT count(*) FROM taxonomy_edge").fetchone() == (0,)


def test_the_order_of_a_files_lines_is_no_setting() -> None:
    one, other = {"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}
    assert Settings(importance=one).scenario == Settings(importance=other).scenario
    assert Settings(label_cost=one) == Settings(label_cost=other)


def scaled(problem: Problem, *, values: float = 1.0, costs: float = 1.0) -> Problem:
    return replace(
        problem,
        candidates=tuple(
            replace(c, value=c.value * values, cost=c.cost * costs) for c in problem.candidates
        ),
        label_cost={source: cost * costs for source, cost in problem.label_cost.items()},
    )


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["cbc", "highs"])
@pytest.mark.parametrize("values", [1e-9, 1e-5, 1e6])
@pytest.mark.parametrize("costs", [1e-7, 1.0, 1e8])
def test_the_units_of_values_and_costs_do_not_matter(
    paper: duckdb.DuckDBPyConnection, solver: SolverName, values: float, costs: float
) -> None:
    problem = read_problem(paper, "paper", Settings())
    (plain,) = solve_taxonomies(problem, [3.0], ["2"], solver="cbc")
    (other,) = solve_taxonomies(
        scaled(problem, values=values, costs=costs), [3.0 * costs], ["2"], solver=solver
    )
    assert plain.objective is not None
    assert other.status == "optimal"
    assert other.objective == pytest.approx(plain.objective * values, rel=1e-9)
    assert other.gap == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [2.0, 4.0])
def test_solvers_agree_where_values_are_far_apart(
    paper: duckdb.DuckDBPyConnection, exponent: float
) -> None:
    problem = read_problem(paper, "paper", Settings(affinity_exponent=exponent))
    solved = [
        solve_taxonomies(problem, [3.0, 8.0], ["1", "4"], solver=solver)
        for solver in ("cbc", "highs")
    ]
    for one, other in zip(*solved, strict=True):
        assert one.objective == pytest.approx(other.objective, rel=1e-8)


def test_costs_too_far_apart_are_refused(paper: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(SettingRefused, match="too far apart"):
        read_problem(paper, "paper", Settings(label_cost={"normals": 1e8}))


def test_a_target_that_was_asked_for_is_never_dropped(paper: duckdb.DuckDBPyConnection) -> None:
    problem = read_problem(paper, "paper", Settings(target_only=("colorization",)))
    (taxonomy,) = solve_taxonomies(problem, [26.0], ["all"])
    assert taxonomy.reason == (
        "target 'colorization' cannot be served: no transfer to it was measured"
    )


def test_a_task_in_use_is_not_taken_in_again(paper: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(SettingRefused, match="already uses it, as source-only"):
        read_problem(paper, "paper", Settings(use=("colorization",)))
    problem = read_problem(paper, "paper", Settings(use=("object-classes-selected",)))
    assert "object-classes-selected" in problem.sources
    assert "object-classes-selected" not in problem.targets
    assert problem.notes == ()


def test_what_has_no_effect_is_said(paper: duckdb.DuckDBPyConnection) -> None:
    settings = Settings(
        importance={"jigsaw": 2.0},
        label_cost={"object-classes-selected": 2.0},
        transfer_cost=TransferCost(by_transfer={"depth<=jigsaw+random": 1.0}),
    )
    notes = "; ".join(read_problem(paper, "paper", settings).notes)
    assert "--importance of jigsaw" in notes
    assert "--label-cost of object-classes-selected" in notes
    assert "--transfer-cost of depth<=jigsaw+random" in notes


@pytest.mark.slow
def test_an_interrupted_sweep_keeps_what_it_solved(paper_warehouse: Path, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(paper_warehouse.read_bytes())
    command = [sys.executable, "-m", "taskonomyctl", "solve", "--warehouse", str(path)]
    running = subprocess.Popen([*command, "--orders", "4,all"], stderr=subprocess.PIPE, text=True)
    time.sleep(4)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    with reading(path) as connection:
        kept = connection.execute("SELECT count(*) FROM taxonomy").fetchone()
        assert kept is not None
        assert 0 < kept[0] < 52
        for audit in audits():
            assert connection.execute(sql("audits", audit)).fetchall() == []
