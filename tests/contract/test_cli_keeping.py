"""What `taskonomyctl solve` keeps when something goes wrong on the way."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskonomy_warehouse.warehouse import WarehouseNotWritten
from taskonomyctl.commands import solve as command

MEASURED = """\
target,order,sources,affinity,win_rate_vs_scratch,win_rate_vs_task_specific
depth,1,self,0.5,0.9,0.5
depth,1,normals,0.5,0.8,0.4
normals,1,self,0.6,0.9,0.5
normals,1,depth,0.4,0.7,0.3
"""
HOLD = (
    "import duckdb, sys; held = duckdb.connect(sys.argv[1], read_only=True);"
    "print('held', flush=True); sys.stdin.read()"
)
SOLVE = ("solve", "--budgets", "1,2", "--orders", "1", "-o", "json")


@pytest.fixture
def folder(tmp_path: Path, taskonomyctl: Callable[..., Any]) -> Path:
    (tmp_path / "measured.csv").write_text(MEASURED)
    taskonomyctl("import", "published", "measured.csv", "--study", "s", cwd=tmp_path)
    return tmp_path


class Holder:
    """Another process with the warehouse open to read, until let go."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"

    def let_go(self) -> None:
        self.process.communicate(b"")


@pytest.fixture
def holders() -> Iterator[list[Holder]]:
    held: list[Holder] = []
    yield held
    for holder in held:
        if holder.process.poll() is None:
            holder.let_go()


def kept(taskonomyctl: Callable[..., Any], folder: Path) -> int:
    query = "SELECT count(*) AS n FROM taxonomy"
    printed = taskonomyctl("sql", query, "--format", "json", cwd=folder).stdout
    return int(json.loads(printed)[0]["n"])


def test_a_busy_warehouse_is_named_before_the_sweep(
    folder: Path, taskonomyctl: Callable[..., Any], holders: list[Holder]
) -> None:
    holders.append(Holder(folder / "warehouse.duckdb"))
    done = taskonomyctl(*SOLVE, cwd=folder, code=6)
    assert f"in use by another process (process {holders[0].process.pid})" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("released", [True, False])
def test_a_warehouse_that_gets_busy_loses_no_answer(
    folder: Path,
    taskonomyctl: Callable[..., Any],
    holders: list[Holder],
    monkeypatch: pytest.MonkeyPatch,
    released: bool,
) -> None:
    solve_then = command._solve_with_progress

    def solve_and_open(*words: Any, **options: Any) -> None:
        solve_then(*words, **options)
        holders.append(Holder(folder / "warehouse.duckdb"))
        if released:
            threading.Timer(0.2, holders[0].let_go).start()

    monkeypatch.setattr(command, "_solve_with_progress", solve_and_open)
    monkeypatch.setattr(command, "WAITS", (0.1, 1, 10) if released else (0.1, 0.1))
    done = taskonomyctl(*SOLVE, cwd=folder, code=0 if released else 6)
    assert [t["status"] for t in json.loads(done.stdout)] == ["optimal", "optimal"]
    assert "waiting to write" in done.stderr
    if not released:
        holders[0].let_go()
    assert kept(taskonomyctl, folder) == (2 if released else 0)


def test_other_settings_under_a_name_are_refused_and_nothing_is_lost(
    folder: Path, taskonomyctl: Callable[..., Any]
) -> None:
    taskonomyctl(*SOLVE, "--scenario", "mine", cwd=folder)
    other = (*SOLVE, "--scenario", "mine", "--affinity-exponent", "1")
    assert "other settings" in taskonomyctl(*other, cwd=folder, code=2).stderr
    assert kept(taskonomyctl, folder) == 2
    broken = (*other, "--replace", "--solver-executable", "nowhere")
    taskonomyctl(*broken, cwd=folder, code=6)
    assert kept(taskonomyctl, folder) == 2
    taskonomyctl(*other, "--replace", "--budgets", "1", cwd=folder)
    assert kept(taskonomyctl, folder) == 1


def test_a_solve_that_fails_leaves_the_latest_scenario_alone(
    folder: Path, taskonomyctl: Callable[..., Any]
) -> None:
    taskonomyctl(*SOLVE, cwd=folder)
    fails = (*SOLVE, "--affinity-exponent", "1", "--solver-executable", "nowhere")
    taskonomyctl(*fails, cwd=folder, code=6)
    shown = taskonomyctl("show", "taxonomy", "--budget", "1", "--order", "1", cwd=folder).stdout
    assert "s: budget 1" in shown


def test_a_study_replaced_under_a_solve_is_not_given_its_answers(
    folder: Path, taskonomyctl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    solve_then = command._solve_with_progress

    def solve_and_replace(*words: Any, **options: Any) -> None:
        solve_then(*words, **options)
        (folder / "other.csv").write_text(MEASURED.replace("0.7,0.3", "0.6,0.2"))
        taskonomyctl("import", "published", "other.csv", "--study", "s", "--replace", cwd=folder)

    monkeypatch.setattr(command, "_solve_with_progress", solve_and_replace)
    done = taskonomyctl(*SOLVE, cwd=folder, code=6)
    assert "replaced while it was being solved" in done.stderr
    assert kept(taskonomyctl, folder) == 0


def test_a_solver_that_another_option_excludes_is_refused(
    folder: Path, taskonomyctl: Callable[..., Any]
) -> None:
    words = (*SOLVE, "--solver", "highs", "--solver-executable", "cbc")
    assert "leave it out" in taskonomyctl(*words, cwd=folder, code=2).stderr


FULL = """
import resource, sys
from taskonomy_warehouse.published import importer
from taskonomyctl.commands import solve
from taskonomyctl.main import main

def on_a_full_disk(write):
    def full(*words, **options):
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        return write(*words, **options)
    return full

solve.write_taxonomies = on_a_full_disk(solve.write_taxonomies)
importer._insert = on_a_full_disk(importer._insert)
sys.argv[0] = "taskonomyctl"
main()
"""
"""The command line where no file may grow past 500 bytes once it writes to the warehouse."""


def on_a_full_disk(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FULL, *words], cwd=folder, capture_output=True, text=True
    )


def test_a_disk_that_fills_up_keeps_nothing_and_says_so(
    folder: Path, taskonomyctl: Callable[..., Any]
) -> None:
    done = on_a_full_disk(folder, *SOLVE)
    assert done.returncode == WarehouseNotWritten.exit_code
    assert [t["status"] for t in json.loads(done.stdout)] == ["optimal", "optimal"]
    message = done.stderr.splitlines()[-1]
    assert 'Could not write file "' in message
    assert "nothing of this was kept" in message
    assert "Traceback" not in done.stderr
    assert kept(taskonomyctl, folder) == 0
    taskonomyctl(*SOLVE, cwd=folder)
    assert kept(taskonomyctl, folder) == 2


def test_a_disk_that_fills_up_in_an_import_leaves_the_study_as_it_was(
    folder: Path, taskonomyctl: Callable[..., Any]
) -> None:
    done = on_a_full_disk(folder, "import", "published", "--study", "paper")
    assert done.returncode == WarehouseNotWritten.exit_code
    assert "nothing of this was kept" in done.stderr
    assert done.stderr.count("\n") == 1
    held = taskonomyctl("sql", "FROM study SELECT study", "-o", "csv", cwd=folder).stdout
    assert held == "study\ns\n"


def test_what_is_printed_is_kept_already(
    folder: Path, taskonomyctl: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    monkeypatch.setattr(command, "print_rows", lambda *_: found.append(kept(taskonomyctl, folder)))
    taskonomyctl(*SOLVE, cwd=folder)
    assert found == [2]


def test_answers_are_kept_when_their_reader_is_gone(
    folder: Path, taskonomyctl: Callable[..., Any]
) -> None:
    command = [sys.executable, "-m", "taskonomyctl", *SOLVE]
    done = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout is not None
    done.stdout.close()
    _, said = done.communicate(timeout=60)
    assert done.returncode == 141
    assert b"Traceback" not in said
    assert kept(taskonomyctl, folder) == 2
