"""`bootstrap`: taxonomies are solved again as the study asks, and mistakes are told before work."""

import json
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from trial_results import Artifacts, small_study

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.study import Study
from taskonomy_warehouse import bootstrap as module
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.warehouse import writing
from taskonomyctl.commands import bootstrap as command
from taskonomyctl.main import cli

ASKED = {"affinityExponent": 1.0, "budgets": [1, 2]}


def run(warehouse: Path, *arguments: str) -> Result:
    environment = {"TASKONOMY_WAREHOUSE": str(warehouse)}
    return CliRunner().invoke(cli, arguments, env=environment, standalone_mode=False)


def rows(warehouse: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(warehouse, read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of orders 1 and 2 and affinity itself, not its root; loaded and not solved."""
    folder = tmp_path_factory.mktemp("asking")
    return loaded(folder, small_study(taxonomy=ASKED))


def loaded(folder: Path, study: Study) -> Path:
    (folder / "results").mkdir()
    Artifacts(folder / "results").leave_all(study)
    with writing(folder / "warehouse.duckdb") as connection:
        findings = find_in_artifacts(connection, str(folder / "results"))
        assert load(connection, study, findings, origin="rooms.yaml").refusals == ()
    return folder / "warehouse.duckdb"


@pytest.fixture
def warehouse(asking: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "warehouse.duckdb"
    copy.write_bytes(asking.read_bytes())
    return copy


def test_taxonomies_are_solved_again_as_the_study_asks(warehouse: Path) -> None:
    """Its exponent, under the name that `solve` keeps, and the orders that it asks for."""
    result = run(
        warehouse, "bootstrap", "--replicates", "3", "--seed", "9", "--budgets", "1", "-o", "json"
    )
    assert result.exception is None, result.exception
    printed = json.loads(result.stdout)
    assert {(row["budget"], row["order"]) for row in printed} == {(1, 1), (1, 2)}
    assert run(warehouse, "solve", "--orders", "1", "--budgets", "1").exception is None
    ((scenario,),) = rows(warehouse, "SELECT scenario FROM scenario")
    assert scenario != "default"
    counted = rows(warehouse, "SELECT DISTINCT scenario, max_order FROM edge_stability ORDER BY 2")
    assert counted == [(scenario, "1"), (scenario, "2")]
    assert rows(warehouse, "SELECT seed, replicates FROM bootstrap") == [(9, 3)]


@pytest.mark.slow
def test_by_a_scenarios_name_as_it_was_solved_and_else_the_last_solved(warehouse: Path) -> None:
    costly = warehouse.parent / "cost.csv"
    costly.write_text("task,value\nnormals,5\n")
    for name, options in (("dear", ["--label-cost", str(costly)]), ("plain", [])):
        solve = ["solve", "--budgets", "1", "--orders", "1", "--scenario", name, *options]
        assert run(warehouse, *solve).exception is None
    again = ("bootstrap", "--replicates", "3", "--budgets", "1")
    assert run(warehouse, *again, "--scenario", "dear").exception is None
    counted = "SELECT DISTINCT scenario, max_order FROM source_stability"
    assert rows(warehouse, counted) == [("dear", "1")]
    assert ("normals",) not in rows(warehouse, "SELECT source FROM source_stability")
    assert run(warehouse, *again).exception is None
    assert rows(warehouse, counted) == [("plain", "1")]


@pytest.mark.slow
def test_a_scenario_solved_with_other_settings_loses_what_was_counted_of_it(
    warehouse: Path,
) -> None:
    solve = ("solve", "--budgets", "1", "--orders", "1", "--scenario", "mine")
    assert run(warehouse, *solve).exception is None
    assert run(warehouse, "bootstrap", "--replicates", "2", "--budgets", "1").exception is None
    assert run(warehouse, *solve).exception is None
    count = "SELECT count(*) > 0 FROM edge_stability"
    assert rows(warehouse, count) == [(True,)]
    changed = run(warehouse, *solve, "--affinity-exponent", "2", "--replace")
    assert changed.exception is None, changed.exception
    assert rows(warehouse, count) == [(False,)]
    assert rows(warehouse, "SELECT count(*) FROM source_stability") == [(0,)]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (["--budgets", "foo"], SettingRefused, "--budgets 'foo'"),
        (["--budgets", ""], SettingRefused, "--budgets"),
        (["--budgets", "1", "--orders", "two"], SettingRefused, "order 'two'"),
        (["--budgets", "1", "--scenario", "nope"], NotFound, "no scenario 'nope'"),
        (["--orders", "1"], SettingRefused, "--budgets"),
        (["--scenario", "default"], SettingRefused, "--budgets"),
        (["--study", "nope", "--budgets", "1"], NotFound, "no study 'nope'"),
    ],
)
def test_what_cannot_be_solved_is_refused_before_anything_is_resampled(
    warehouse: Path, options: list[str], error: type[Exception], said: str
) -> None:
    assert run(warehouse, "bootstrap", "--replicates", "2", "--seed", "4").exception is None
    result = run(warehouse, "bootstrap", "--replicates", "3", *options)
    assert isinstance(result.exception, error), result.exception
    assert said in str(result.exception)
    assert rows(warehouse, "SELECT seed, replicates FROM bootstrap") == [(4, 2)]


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", "-1"],
        ["--seed", str(2**63)],
        ["--seed", "9" * 25],
        ["--replicates", "1"],
        ["--replicates", "1000000000"],
    ],
)
def test_a_number_out_of_range_is_one_clear_message(warehouse: Path, options: list[str]) -> None:
    result = CliRunner().invoke(cli, ["bootstrap", *options, "--warehouse", str(warehouse)])
    assert result.exit_code == 2
    assert "is not in the range" in result.stderr


def test_the_command_takes_what_the_module_takes() -> None:
    ours = (module.MOST_REPLICATES, module.MOST_SEED)
    assert ours == (command.MOST_REPLICATES, command.MOST_SEED)


def test_the_largest_seed_is_recorded(warehouse: Path) -> None:
    largest = 2**63 - 1
    result = run(warehouse, "bootstrap", "--replicates", "2", "--seed", str(largest))
    assert result.exception is None, result.exception
    assert rows(warehouse, "SELECT seed FROM bootstrap") == [(largest,)]


def test_published_figures_have_no_error_bars(paper_warehouse: Path, tmp_path: Path) -> None:
    copy = tmp_path / "paper.duckdb"
    copy.write_bytes(paper_warehouse.read_bytes())
    for options in ([], ["--budgets", "2", "--orders", "1"]):
        assert "no losses to resample" in str(run(copy, "bootstrap", *options).exception)
