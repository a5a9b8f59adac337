"""`--snapshot`: what only reads says of a snapshot what it says of the warehouse."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from taskonomy_warehouse.snapshot import publish
from taskonomy_warehouse.warehouse import writing
from taskonomyctl.main import cli

Run = Callable[..., Any]
READING: dict[str, tuple[str, ...]] = {
    "novel-task": ("novel-task", "--orders", "1,2", "-o", "csv"),
    "generalization": ("generalization", "paper", "paper"),
    "taxonomy": ("taxonomy", "--compare", "2:1", "3:1", "-o", "json"),
    "show": ("show", "taxonomy", "--budget", "2", "--order", "1"),
    "export": ("export", "--budget", "3", "--order", "1", "-o", "dot"),
    "sql": ("sql", "-o", "csv", "FROM taxonomy_choice ORDER BY ALL"),
}


@pytest.fixture(scope="module")
def solved(
    paper_warehouse: Path, taskonomyctl: Run, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a warehouse that holds two taxonomies, and its snapshot."""
    folder = tmp_path_factory.mktemp("solved")
    path = Path(shutil.copy(paper_warehouse, folder / "warehouse.duckdb"))
    taskonomyctl("solve", "--study", "paper", "--budgets", "2,3", "--orders", "1", cwd=folder)
    with writing(path) as connection:
        publish(connection, path, str(folder / "snapshot"))
    return folder


def test_all_that_only_reads_can_read_a_snapshot() -> None:
    show = cli.commands["show"]
    assert isinstance(show, click.Group)
    shown = {f"show {name}": each for name, each in show.commands.items()}
    commands: dict[str, click.Command] = {**cli.commands, **shown}
    taking = {
        name
        for name, command in commands.items()
        if "snapshot" in {parameter.name for parameter in command.params}
    }
    assert taking == {"show taxonomy", "report"} | READING.keys() - {"show"}


@pytest.mark.parametrize("words", READING.values(), ids=READING.keys())
def test_a_snapshot_says_what_the_warehouse_says(
    words: tuple[str, ...], solved: Path, taskonomyctl: Run, tmp_path: Path
) -> None:
    expected = taskonomyctl(*words, cwd=solved).stdout
    assert expected
    # In a folder without a warehouse: nothing but the snapshot can have been read.
    done = taskonomyctl(*words, "--snapshot", str(solved / "snapshot"), cwd=tmp_path)
    assert done.stdout == expected


@pytest.mark.slow
def test_a_report_is_written_of_a_snapshot_while_the_warehouse_is_written(
    solved: Path, taskonomyctl: Run, tmp_path: Path
) -> None:
    with writing(solved / "warehouse.duckdb"):
        words = ("report", "--draws", "100", "--snapshot", str(solved / "snapshot"))
        taskonomyctl(*words, cwd=tmp_path)
    assert "paper" in (tmp_path / "report/report.html").read_text()


MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no snapshot": (("show", "taxonomy", "--budget", "2", "--snapshot", "none"), 6, "no snapshot"),
    "nothing to verify": (("novel-task", "--no-verify"), 2, "is a word about --snapshot"),
}


@pytest.mark.parametrize(("words", "code", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_message(
    words: tuple[str, ...], code: int, said: str, taskonomyctl: Run, tmp_path: Path
) -> None:
    assert said in taskonomyctl(*words, code=code, cwd=tmp_path).stderr


def test_a_snapshot_is_verified_unless_asked_not_to(
    solved: Path, taskonomyctl: Run, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(solved / "snapshot", tmp_path / "snapshot"))
    manifest = place / "manifest.json"
    sha256 = next(place.glob("*.sha256")).read_text()[:64]
    manifest.write_text(manifest.read_text().replace(sha256, "0" * 64))
    words = ("novel-task", "--orders", "1", "--snapshot", str(place))
    assert "its sha256 is" in taskonomyctl(*words, code=5, cwd=tmp_path).stderr
    taskonomyctl(*words, "--no-verify", cwd=tmp_path)
