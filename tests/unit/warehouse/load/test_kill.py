"""Loads killed with SIGKILL at random moments: whatever is left, the next load ends it.

A process that has imported everything forks one real `run_load` after another, and kills it when
told. So a kill falls anywhere between opening the warehouse and publishing the snapshot, and not
into Python's start. Some kills hit what an earlier kill left, as they would in a crash loop.
"""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from trial_results import Artifacts, small_study, study_document
from warehouse_content import content

from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.queries import run_query
from taskonomy_warehouse.snapshot import Snapshot
from taskonomy_warehouse.warehouse import writing

pytestmark = pytest.mark.slow

FORKING = """
import json, os, signal, sys, time
from pathlib import Path
from taskonomy_catalogue.study import parse_study
from taskonomy_warehouse.load import loading
from taskonomy_warehouse.load.session import Request, run_load

loading.BATCH = 150  # losses: three trials
study = parse_study(json.loads(sys.argv[1]), origin="study.yaml")

def loaded(folder, rebuild):
    request = Request(
        warehouse=folder / "warehouse.duckdb", study=study, study_name=None, origin="study.yaml",
        from_artifacts=sys.argv[2], from_tracking=None, rebuild=rebuild,
        losses_stay=sys.argv[3] == "stay", compute=True, win_rates=None,
        publish_to=str(folder / "snapshot"), publish_losses=True, wait=60,
    )
    run_load(request, say=lambda _: None, progress=lambda done, total: None)

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        loaded(Path(order["folder"]), order["rebuild"])
        os._exit(0)
    began = time.monotonic()
    if order["seconds"] is not None:
        time.sleep(order["seconds"])
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(json.dumps([status, time.monotonic() - began]), flush=True)
"""


class Loads:
    """The process that loads on demand."""

    def __init__(self, root: Path, losses: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKING, json.dumps(study_document()), str(root), losses],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, folder: Path, *, kill_after: float | None = None, rebuild: bool = False
    ) -> tuple[int, float]:
        """Load into a folder's warehouse; return how it ended and the seconds it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"folder": str(folder), "seconds": kill_after, "rebuild": rebuild}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status, seconds = json.loads(self._process.stdout.readline())
        return status, seconds

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def loads(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, losses: str) -> Iterator[Loads]:
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    running = Loads(artifacts.root, losses)
    yield running
    running.close()


@pytest.mark.parametrize(("losses", "kills"), [("move in", 30), ("stay", 12)])
def test_whatever_a_kill_leaves_the_next_load_ends(
    artifacts: Artifacts, loads: Loads, tmp_path: Path, losses: str, kills: int
) -> None:
    trials = artifacts.leave_all(small_study())
    artifacts.leave(next(enumerate_trials(small_study())), images=1)  # one is for quarantine
    truth = fresh(artifacts, tmp_path / "truth.duckdb", losses_stay=losses == "stay")
    whole = tmp_path / "whole"
    whole.mkdir()
    status, seconds = loads.run(whole)
    assert status == 0
    draw = random.Random(7)
    folder = tmp_path / "killed"
    ends: list[int] = []
    unfinished = 0
    for number in range(kills):
        if number % 3 == 0 or not folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        rebuild = number % 3 == 2
        status, _ = loads.run(folder, kill_after=draw.uniform(0, seconds), rebuild=rebuild)
        ends.append(status)
        snapshot_is_whole_or_absent(folder / "snapshot")
        healed = tmp_path / f"healed-{number}"
        shutil.copytree(folder, healed)
        unfinished += trials_in(healed, tmp_path) < len(trials) - 1
        assert loads.run(healed)[0] == 0
        with writing(healed / "warehouse.duckdb") as connection:
            assert content(connection) == truth, f"kill {number}"
        assert run_query(Snapshot(str(healed / "snapshot")), "SELECT count(*) FROM transfer").rows
        names = {f.name for f in healed.iterdir()}
        assert names - {"warehouse.duckdb.matrices"} == {
            "warehouse.duckdb",
            "warehouse.duckdb.lock",
            "snapshot",
        }
        assert not list((healed / "snapshot").glob(".*"))
        shutil.rmtree(healed)
    # The kills were kills, and they fell before, amid and after the loading.
    assert ends.count(9) > kills / 2
    assert kills / 12 <= unfinished < kills


def fresh(
    artifacts: Artifacts, path: Path, *, losses_stay: bool
) -> dict[str, list[tuple[object, ...]]]:
    with writing(path) as connection:
        findings = find_in_artifacts(connection, str(artifacts.root))
        load(connection, small_study(), findings, origin="study.yaml", losses_stay=losses_stay)
        return content(connection)


def trials_in(folder: Path, tmp_path: Path) -> int:
    """Return how many trials a folder's warehouse holds; what is no warehouse yet holds none."""
    if not (folder / "warehouse.duckdb").exists():
        return 0
    copy = Path(shutil.copytree(folder, tmp_path / "looked-at"))
    with duckdb.connect(copy / "warehouse.duckdb") as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        query = "SELECT count(*) FROM trial_result" if ("trial_result",) in tables else "SELECT 0"
        rows = connection.execute(query).fetchall()
    shutil.rmtree(copy)
    return int(rows[0][0])


def snapshot_is_whole_or_absent(place: Path) -> None:
    if (place / "manifest.json").exists():
        run_query(Snapshot(str(place)), "SELECT count(*) FROM trial_loss")
