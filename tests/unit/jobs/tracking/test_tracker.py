"""A tracker never raises into training and never waits; without a server it keeps everything."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trial_results import result_of, small_study

from taskonomy_catalogue.launch import TRACKING_BUFFER
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import digest
from taskonomy_jobs.tracking import open_tracker
from taskonomy_jobs.tracking import tracker as module
from taskonomy_jobs.tracking.description import Description
from taskonomy_jobs.tracking.journal import Journal
from taskonomy_jobs.tracking.mlflow_runs import Away, MlflowRuns, Refused, RunRecord
from taskonomy_jobs.tracking.tracker import MlflowTracker, NoTracker

TRIAL = next(enumerate_trials(small_study()))


def lines(artifacts: Path) -> list[dict[str, Any]]:
    file = artifacts / digest(TRIAL) / TRACKING_BUFFER
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


class Nobody(MlflowRuns):
    """No server at all, without the seconds that finding out takes."""

    def attach(self, run: Description) -> RunRecord:
        raise Away(f"nobody tracks {run.name}")


@pytest.fixture
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MlflowRuns", Nobody)


@pytest.mark.usefixtures("_nobody")
def test_without_a_server_everything_waits_in_the_trials_folder(tmp_path: Path) -> None:
    tracker = MlflowTracker("http://nobody", "rooms", tmp_path, interval=0.01)
    run = tracker.start(TRIAL)
    assert tracker.start(TRIAL) is run
    run.metrics(1, train_loss=0.5, learning_rate=1e-4)
    run.images(1, "held-out → 1", np.zeros((4, 12, 3), np.uint8))
    assert run.keep(10)
    kept = lines(tmp_path)
    run.finish(result_of(TRIAL, "rooms", [0.5]))
    assert not tracker.close(0.5)
    header, metrics, image = kept
    assert Description.model_validate(header).name == TRIAL.title
    assert metrics["values"] == {"train/loss": 0.5, "train/learning_rate": 1e-4}
    assert (image["name"], image["step"]) == ("held-out _ 1", 1)
    assert (tmp_path / digest(TRIAL) / image["file"]).read_bytes().startswith(b"\x89PNG")
    again, end = lines(tmp_path)[3:]
    assert (again["event"], again["name"], again["step"]) == ("image", image["name"], 0)
    assert end["event"] == "finished"


@pytest.mark.usefixtures("_nobody")
def test_what_is_no_number_or_no_picture_is_left_out_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = MlflowTracker("http://nobody", "rooms", tmp_path, interval=0.01)
    run = tracker.start(TRIAL)
    run.metrics(1, train_loss="much")  # type: ignore[arg-type]
    run.images(1, "x", np.zeros((4, 4), np.uint8))
    run.images(1, "x", np.zeros((4, 4, 3), np.float32))
    run.metrics(2, train_loss=float("nan"))
    tracker.close(0.5)
    assert [line["event"] for line in lines(tmp_path)] == ["run", "metrics"]
    assert len([r for r in caplog.records if "left out" in r.message]) == 3


def test_a_server_that_is_no_more_than_an_error_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(MlflowRuns):
        def attach(self, run: Description) -> RunRecord:
            raise RuntimeError(run.name)

    monkeypatch.setattr(module, "MlflowRuns", Broken)
    tracker = MlflowTracker("http://broken", "rooms", tmp_path, interval=0.01)
    tracker.start(TRIAL).metrics(1, train_loss=0.5)
    began = time.monotonic()
    assert not tracker.close(0.5)
    assert time.monotonic() - began < 30
    assert len(lines(tmp_path)) == 2


def test_what_a_server_refuses_twice_is_given_up_and_the_rest_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[int] = []

    class Fussy(MlflowRuns):
        def attach(self, run: Description) -> RunRecord:
            return RunRecord(run.digest, "1")

        def picture(self, *_: Any) -> None:
            raise Refused("no storage here")

        def write(self, record: RunRecord, points: Any) -> None:
            del record
            written.extend(step for _, _, step, _ in points)

    monkeypatch.setattr(module, "MlflowRuns", Fussy)
    tracker = MlflowTracker("http://fussy", "rooms", tmp_path, interval=0.01)
    run = tracker.start(TRIAL)
    run.metrics(1, train_loss=0.5)
    run.images(1, "x", np.zeros((4, 4, 3), np.uint8))
    run.metrics(2, train_loss=0.25)
    assert tracker.close(10)
    assert written == [1, 2]
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == [
        f"tracking of {TRIAL.title} left something out: no storage here"
    ]
    assert list((tmp_path / digest(TRIAL)).iterdir()) == []


@pytest.mark.usefixtures("_nobody")
def test_while_another_process_owns_the_journal_lines_are_held(tmp_path: Path) -> None:
    other = Journal(tmp_path / digest(TRIAL), {"event": "run", "name": "the attempt before"})
    tracker = MlflowTracker("http://nobody", "rooms", tmp_path, interval=0.01)
    run = tracker.start(TRIAL)
    run.metrics(1, train_loss=0.5)
    assert not run.keep(0.2)
    other.close()
    assert run.keep(10)
    tracker.close(0.2)
    assert [line["event"] for line in lines(tmp_path)] == ["run", "metrics"]


def test_without_a_uri_nothing_is_tracked(tmp_path: Path) -> None:
    tracker = open_tracker("", "rooms", tmp_path)
    assert isinstance(tracker, NoTracker)
    run = tracker.start(TRIAL)
    run.metrics(1, train_loss=1.0)
    run.images(1, "x", np.zeros((1, 1, 3), np.uint8))
    run.fail("x")
    run.finish(result_of(TRIAL, "rooms", [0.5]))
    assert run.keep()
    assert tracker.close()
    assert list(tmp_path.iterdir()) == []
