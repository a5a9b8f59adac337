"""`taskonomyctl data` starts the jobs' modules and passes on what they say and end with."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tiny_data import TinyData

from taskonomy_catalogue.errors import NotFound
from taskonomyctl.commands import data as commands
from taskonomyctl.main import cli


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that would have been started; each ends with 3."""
    calls: list[list[str]] = []

    def finished(call: list[str]) -> int:
        calls.append(call)
        return 3

    monkeypatch.setattr(commands, "_finished", finished)
    return calls


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (
            ["check", "ROOT", "--splits", "s", "--deep", "-o", "json"],
            "taskonomy_jobs.data check --splits=s --layout=taskonomy --output=json --deep -- ROOT",
        ),
        (
            ["browse", "--out=s.png", "--point", "0", "--", "-odd-"],
            "taskonomy_jobs.data browse --out=s.png --point=0 --layout=taskonomy -- -odd-",
        ),
        (
            ["make-rooms", "OUT", "--buildings", "3", "--views", "5", "--workers", "2"],
            "taskonomy_jobs.rooms --buildings=3 --views=5 --size=64 --seed=0 --workers=2 -- OUT",
        ),
    ],
)
def test_the_module_is_started_with_its_options(
    started: list[list[str]], words: list[str], call: str
) -> None:
    result = CliRunner().invoke(cli, ["data", *words])
    assert started == [[sys.executable, "-m", *call.split()]]
    assert result.exit_code == 3


def test_a_building_has_two_views_or_more(started: list[list[str]]) -> None:
    words = ["data", "make-rooms", "OUT", "--buildings", "3", "--views", "1"]
    result = CliRunner().invoke(cli, words)
    assert (result.exit_code, started) == (2, [])
    assert "1 is not in the range x>=2" in result.output


def test_without_the_jobs_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, started: list[list[str]]
) -> None:
    found = importlib.util.find_spec

    def find_spec(name: str, *rest: Any) -> Any:
        return None if name in ("PIL", "taskonomy_jobs") else found(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    result = CliRunner().invoke(cli, ["data", "check", "ROOT"])
    assert isinstance(result.exception, NotFound)
    assert result.exception.exit_code == 6
    assert "taskonomy_jobs, PIL is not installed; pip install" in str(result.exception)
    assert started == []


@pytest.mark.slow
def test_a_damaged_file_ends_it_with_5(tmp_path: Path) -> None:
    tiny = TinyData(tmp_path)
    tiny.views("a", {0: 2})
    tiny.path("a", 0, 1, "rgb", "png").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "taskonomyctl", "data", "check", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "point_0_view_1_domain_rgb.png: is empty" in done.stdout
