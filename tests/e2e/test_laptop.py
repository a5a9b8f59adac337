"""From procedural rooms to affinities on this machine: every part is the real one.

The run is killed with SIGKILL half way, and goes on.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from taskonomy_catalogue.records import RESULT_FILE
from taskonomy_operator.journal import Ended, read
from taskonomy_operator.observe import runner_of
from taskonomy_operator.study_folder import StudyFolder

pytestmark = pytest.mark.slow

STUDY = """
apiVersion: taskonomy.dev/v1alpha1
kind: Study
metadata: {name: small}
spec:
  tasks: {subset: [normals, edges-2d, random]}
  data: {dataset: rooms, splits: rooms, transferFraction: 0.5}
  model: {encoder: resnet-tiny, decoder: tiny, imageSize: 64}
  training:
    taskSpecific: {steps: 2, batchSize: 4}
    scratch: {steps: 2, batchSize: 4}
    transfer: {steps: 2, batchSize: 4}
  transfers: {orders: [1, 2]}
"""
TRIALS = 2 + 2 + 2 + 2 * 3 + 2 * 1


@pytest.fixture
def taskonomyctl(tmp_path: Path) -> Any:
    """Run the command line as a shell does; return what it printed."""

    def run(*words: Any, code: Any = 0) -> Any:
        command = [sys.executable, "-m", "taskonomyctl", *words]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == code, ran.stderr
        return ran.stdout + ran.stderr

    return run


def test_a_study_of_rooms_survives_a_kill_and_ends_in_affinities(
    tmp_path: Path, taskonomyctl: Callable[..., Any]
) -> None:
    rooms = ["rooms", "--buildings", "3", "--views", "6", "--size", "64", "--workers", "2"]
    subprocess.run([sys.executable, "-m", "taskonomy_jobs.rooms", *rooms], cwd=tmp_path, check=True)
    (tmp_path / "study.yaml").write_text(STUDY)
    artifacts = tmp_path / "artifacts"

    assert "runs as process" in taskonomyctl("submit", "--local", "--processes", "2", "--detach")
    folder = StudyFolder(artifacts, "small")
    while len(list(artifacts.glob(f"*/{RESULT_FILE}"))) < 3:
        time.sleep(0.1)
    runner = runner_of(folder)
    assert runner is not None, "it ended before it could be killed"
    os.kill(runner.pid, signal.SIGKILL)
    while runner_of(folder):
        time.sleep(0.05)

    said = taskonomyctl("submit", "--local", "--processes", "2")
    assert f"small: {TRIALS} of {TRIALS} trials done" in said
    ends = [r for r in read(artifacts / "studies/small/journal.jsonl") if isinstance(r, Ended)]
    finished = Counter(name for record in ends for name in record.finished)
    assert len(finished) == TRIALS
    assert set(finished.values()) == {1}
    assert all(record.ends == {} for record in ends)

    listed = json.loads(taskonomyctl("list", "--local", "-o", "json"))
    assert [(each["phase"], each["done"]) for each in listed] == [("Completed", TRIALS)]
    assert "finished, mean loss" in taskonomyctl("logs", "--local", "normals/edges-2d")
    loaded = taskonomyctl("load", "--study", "small", "--from-artifacts", "artifacts")
    assert f"loaded {TRIALS} trials" in loaded
    assert "figures written to MLflow runs" in loaded
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
        sums = warehouse.execute("SELECT target, sum(affinity) FROM affinity GROUP BY 1").fetchall()
    assert {target: round(total, 9) for target, total in sums} == {"edges-2d": 1, "normals": 1}
