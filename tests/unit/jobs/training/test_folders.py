"""A trial's folder: one writer at a time, whole files, results that the warehouse reads."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from taskonomy_catalogue.records import parse_trial
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import task_specific_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.folders import Busy, TrialFolder, write_whole


@pytest.fixture
def trial(small_study: Callable[..., Study]) -> Trial:
    return next(task_specific_trials(small_study()))


def test_a_claim_writes_the_trial_first(tmp_path: Path, trial: Trial) -> None:
    folder = TrialFolder(tmp_path / "root", trial)
    with folder.claimed():
        content = (folder.path / "trial.json").read_bytes()
    assert parse_trial(content, "trial.json") == trial
    assert folder.path.name == digest(trial)


def test_a_second_claim_names_who_holds_the_first(tmp_path: Path, trial: Trial) -> None:
    first, second = TrialFolder(tmp_path, trial), TrialFolder(tmp_path, trial)
    with first.claimed(), pytest.raises(Busy, match=r"process \d+ on .+ is training it"):
        second.claimed().__enter__()
    with second.claimed():
        pass


def test_a_process_that_is_killed_lets_go(tmp_path: Path, trial: Trial) -> None:
    lock = TrialFolder(tmp_path, trial)
    with lock.claimed():
        pass
    hold = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(lock.path / "lock")], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy):
            lock.claimed().__enter__()
        holder.kill()
    with lock.claimed():
        pass


def test_losses_rise_by_image_and_name_their_trial(tmp_path: Path, trial: Trial) -> None:
    folder = TrialFolder(tmp_path, trial)
    ids = np.array([2**64 - 1, 3, 2**63], np.uint64)
    folder.write_losses(ids, np.array([0.1, 0.2, 0.3]))
    table = pq.read_table(folder.path / "losses.parquet")
    assert table.column("image_id").to_pylist() == [3, 2**63, 2**64 - 1]
    assert np.allclose(table.column("loss").to_numpy(), [0.2, 0.3, 0.1])
    assert [str(kind) for kind in table.schema.types] == ["uint64", "float"]
    assert table.schema.metadata == {b"taskonomy.digest": digest(trial).encode()}


def test_the_curve_has_validation_where_it_was_taken(tmp_path: Path, trial: Trial) -> None:
    folder = TrialFolder(tmp_path, trial)
    folder.write_curve(np.array([3.0, 2.0, 1.5]), {2: 2.5})
    rows = pq.read_table(folder.path / "curve.parquet").to_pylist()
    assert rows == [
        {"step": 1, "loss": 3.0, "validation_loss": None},
        {"step": 2, "loss": 2.0, "validation_loss": 2.5},
        {"step": 3, "loss": 1.5, "validation_loss": None},
    ]


def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fails(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fails)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
