"""What `novel-task`, `generalization` and `taxonomy --compare` print."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.warehouse import writing
from taskonomyctl.main import cli

OUTPUTS = ("table", "json", "csv")


def run(warehouse: Path, *arguments: str) -> Result:
    environment = {"TASKONOMY_WAREHOUSE": str(warehouse)}
    return CliRunner().invoke(cli, arguments, env=environment, standalone_mode=False)


def records(result: Result) -> list[dict[str, object]]:
    assert result.exception is None, result.exception
    rows: list[dict[str, object]] = json.loads(result.stdout)
    return rows


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("solved") / "warehouse.duckdb"
    with writing(path) as connection:
        import_published(connection, shipped_measurements(), "paper", published_dictionary())
    assert run(path, "solve", "--budgets", "2,4", "--orders", "1").exception is None
    return path


def test_novel_task_as_json_names_sources_as_asked(paper_warehouse: Path) -> None:
    rows = records(
        run(
            paper_warehouse,
            "novel-task",
            "--target",
            "depth",
            "--orders",
            "1,all",
            "--names",
            "published",
            "-o",
            "json",
        )
    )
    assert [row["order"] for row in rows] == [1, "all", 1, "all"]
    assert [row["target"] for row in rows] == ["rgb2depth"] * 2 + ["mean of 1"] * 2
    assert rows[0]["sources"] == ["reshade"] or len(rows[0]["sources"]) == 1  # type: ignore[arg-type]


def test_novel_task_ends_with_the_means_however_it_is_printed(paper_warehouse: Path) -> None:
    printed = {o: run(paper_warehouse, "novel-task", "--orders", "4", "-o", o) for o in OUTPUTS}
    assert "mean of 22" in printed["table"].stdout.splitlines()[-2]
    assert "0.838194" in printed["table"].stdout
    of_json = records(printed["json"])
    of_csv = list(csv.DictReader(io.StringIO(printed["csv"].stdout)))
    for rows in (of_json, of_csv):
        *targets, last = rows
        assert len(targets) == 22
        assert (last["target"], last["sources"] or None) == ("mean of 22", None)
        for figure in ("gain", "quality"):
            values = [float(str(row[figure])) for row in targets]
            assert float(str(last[figure])) == pytest.approx(sum(values) / 22)


def test_a_study_ranks_as_itself(paper_warehouse: Path) -> None:
    result = run(paper_warehouse, "generalization", "paper", "paper", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert rows[-1] == {"target": "all", "transfers": "1758", "spearman": "1.0"}
    assert len(rows) == 23


def test_what_a_larger_budget_changes(solved: Path) -> None:
    (record,) = records(run(solved, "taxonomy", "--compare", "2:1", "4:1", "-o", "json"))
    assert record["kept"] == ["denoising", "normals"]
    assert record["added"] == ["edges-2d", "keypoints-2d"]
    assert record["dropped"] == []
    assert record["unchanged"] + len(record["changed"]) == 22  # type: ignore[operator, arg-type]
    table = run(solved, "taxonomy", "--compare", "paper:2:1", "paper:4:1").stdout
    assert "only B: edges-2d, keypoints-2d" in table


def test_a_taxonomy_compared_with_itself_does_not_change(solved: Path) -> None:
    (record,) = records(run(solved, "taxonomy", "--compare", "2:1", "2:1", "-o", "json"))
    assert (record["changed"], record["unchanged"]) == ([], 22)


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("8", SettingRefused, "BUDGET:ORDER"),
        ("9:1", NotFound, "no taxonomy of budget 9"),
        ("2:zero", SettingRefused, "order 'zero'"),
    ],
)
def test_what_cannot_be_compared_is_named(
    solved: Path, spec: str, error: type[Exception], said: str
) -> None:
    result = run(solved, "taxonomy", "--compare", "2:1", spec)
    assert isinstance(result.exception, error)
    assert said in str(result.exception)
