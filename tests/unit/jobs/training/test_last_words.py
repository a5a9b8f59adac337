"""What a job leaves for its pod's termination message: how each of its trials stands."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_world import World

from taskonomy_catalogue.last_words import VARIABLE, parse_last_words
from taskonomy_catalogue.launch import Saved, Started, trials_text
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.job import Job, Stopped
from taskonomy_jobs.train import last_words, train


def transfers_to_depth(study: Study) -> list[Trial]:
    """One transfer whose source is there, as it needs no training, and others that wait."""
    return sorted(
        (
            trial
            for trial in enumerate_trials(study)
            if trial.kind == "transfer" and trial.target.id == "depth" and trial.order == 1
        ),
        key=lambda trial: trial.sources != ("random",),
    )


@pytest.fixture
def trials(small_study: Callable[..., Study]) -> list[Trial]:
    return transfers_to_depth(small_study(steps=2))


@pytest.fixture
def job(world: World, tmp_path: Path, trials: list[Trial]) -> Job:
    file = tmp_path / "trials.jsonl"
    file.write_text(trials_text(trials))
    return world.job(file, None)


def test_each_trial_is_told_apart(
    job: Job, trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "said"))
    with last_words(job):
        assert train(job) == 75
    words = parse_last_words((tmp_path / "said").read_text())
    assert words is not None
    finished, failed = words.by_digest([digest(trial) for trial in trials])
    assert finished == {digest(trials[0])}
    assert {name: each.code for name, each in failed.items()} == {
        digest(trial): 75 for trial in trials[1:]
    }
    assert all("not there yet" in each.reason for each in failed.values())


def test_what_ends_the_whole_job_is_told_too(
    job: Job, trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "said"))
    job.stop.is_given = True
    with pytest.raises(Stopped), last_words(job):
        train(job)
    words = parse_last_words((tmp_path / "said").read_text())
    assert words is not None
    finished, failed = words.by_digest([digest(trial) for trial in trials])
    assert finished == set()
    assert failed[""].code == 75


def test_how_far_it_got_is_told(
    job: Job, trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "said"))
    first, second, *_ = (digest(trial) for trial in trials)
    with last_words(job):
        job.say(Started(trial=first, step=3))
        job.say(Started(trial=second, step=4))
        job.say(Saved(trial=second, step=9))
    words = parse_last_words((tmp_path / "said").read_text())
    assert words is not None
    assert words.reached == (0, 3 + 9)


def test_nobody_is_told_who_does_not_ask(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with last_words(job):
        train(job)


def test_a_note_that_cannot_be_left_ends_no_training(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no" / "such" / "folder"))
    with last_words(job):
        assert train(job) == 75
