"""Studies run as real processes: failures, stops, kills, and going on after each."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fake_run import JOBS, FakeRun, environment
from trial_results import small_study

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.records import RESULT_FILE
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import digest
from taskonomy_operator import retries
from taskonomy_operator.journal import Starting, append, read
from taskonomy_operator.local_processes import AlreadyRuns, only_holder
from taskonomy_operator.observe import Runner, Watch, is_locked, status
from taskonomy_operator.running_studies import cancel
from taskonomy_operator.study_folder import Run

TRIALS = 3 + 3 + 3 + 12 + 9
pytestmark = pytest.mark.slow  # every test starts processes
WHY = "has no label here"
ONE: dict[str, Any] = {"transfers": {"orders": [1]}}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.05)
    return FakeRun(tmp_path)


def done_once(fake: FakeRun) -> Any:
    """Every trial has a result, and was brought to its end once."""
    done = Counter(each["digest"] for each in fake.attempts("done"))
    left = {path.parent.name for path in fake.folder.artifacts.glob(f"*/{RESULT_FILE}")}
    assert set(done) == left
    assert set(done.values()) == {1}
    return len(done)


def never_twice_at_once(fake: FakeRun) -> None:
    """No attempt at a trial began while another process was at it, or after it was done."""
    holder: dict[str, Any] = {}
    path = fake.folder.artifacts / "attempts.jsonl"
    for each in map(json.loads, path.read_text().splitlines()):
        name, pid, what = each["digest"], each["pid"], each["what"]
        if what == "begins":
            assert holder.get(name) != "done"
            assert holder.get(name) in (None, "saved") or not alive(holder[name])
        holder[name] = {"begins": pid}.get(what, what)


def alive(pid: Any) -> Any:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Any, seconds: Any = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_a_study_runs_to_its_end_within_its_window(fake: FakeRun) -> None:
    seen, looked, watch = [], [], Watch(fake.folder)

    def show(now: Any) -> None:
        seen.append(now)
        looked.append(watch.look())

    ended = fake.run(show=show)
    assert (ended.phase, ended.done, ended.missing) == ("Completed", TRIALS, ())
    assert done_once(fake) == TRIALS
    assert len({trial.job for each in seen for trial in each.running}) > 3
    assert all(len({trial.job for trial in each.running}) <= JOBS for each in seen)
    assert list((fake.folder.root / "jobs").iterdir()) == []
    assert status(fake.folder).phase == "Completed"
    assert looked[-1].stages == seen[-1].stages
    for mine, theirs in zip(seen, looked, strict=True):  # who only watches may know of more
        assert mine.done <= theirs.done <= TRIALS


def test_a_second_run_trains_nothing(fake: FakeRun) -> None:
    study = small_study(**ONE)
    fake.run(study)
    begun = len(fake.attempts("begins"))
    assert fake.run(study).phase == "Completed"
    assert len(fake.attempts("begins")) == begun


def test_what_another_study_left_is_not_trained_again(fake: FakeRun) -> None:
    fake.run(small_study(**ONE), pack=8)
    begun = {each["digest"] for each in fake.attempts("begins")}
    larger = small_study("larger", transfers={"orders": [1, 2], "candidates": "exhaustive"})
    ended = FakeRun(fake.root, "larger").run(larger)
    assert ended.done == TRIALS
    assert len(fake.attempts("begins")) == TRIALS
    assert len(begun) == TRIALS - 9


def test_failures_are_retried_by_their_kind_and_the_rest_goes_on(fake: FakeRun) -> None:
    told: dict[str, dict[str, Any]] = {
        "task-specific curvature": {"ends": [1, -9, 0]},
        "task-specific normals": {"ends": [64], "reason": WHY},
        "scratch normals": {"ends": [75, 75, 75, 75, 0]},
        "scratch reshading": {"ends": [1]},
    }
    fake.trains(**told)
    ended = fake.run(small_study(retries=2, **ONE))
    begun = Counter(each["title"] for each in fake.attempts("begins"))
    assert ended.phase == "Degraded"
    assert begun["task-specific curvature"] == 3
    assert begun["task-specific normals"] == 1
    assert begun["scratch normals"] == 5
    assert begun["scratch reshading"] == 3
    crash = "ended with exit code 1: RuntimeError: the network fell over"
    assert {(m.title, m.state, m.why) for m in ended.missing} == {
        ("task-specific normals", "failed", WHY),
        ("scratch reshading", "failed", crash),
        *(
            (f"transfer normals → {target}", "blocked", f"needs task-specific normals, which {WHY}")
            for target in ("curvature", "normals", "reshading")
        ),
    }
    assert ended.done == 21 - 5
    fake.trains()
    again = fake.run(small_study(retries=2, **ONE))
    assert again.missing == ended.missing
    assert fake.run(small_study(retries=2, **ONE), retry_failed=True).phase == "Completed"
    assert done_once(fake) == 21


def test_one_bad_transfer_of_a_pack_does_not_harm_the_others(fake: FakeRun) -> None:
    fake.trains(**{"transfer normals → curvature": {"ends": [64]}})
    ended = fake.run(small_study(**ONE), pack=8)
    assert [m.title for m in ended.missing] == ["transfer normals → curvature"]
    assert max(Counter(each["title"] for each in fake.attempts("begins")).values()) == 1


def test_a_pack_that_crashes_is_split_until_the_culprit_is_alone(fake: FakeRun) -> None:
    fake.trains(**{"transfer normals → curvature": {"ends": [-11]}})
    ended = fake.run(small_study(retries=1, **ONE), pack=8)
    assert [(m.title, m.why) for m in ended.missing] == [
        ("transfer normals → curvature", "was ended by signal 11")
    ]
    assert ended.done == 20
    assert done_once(fake) == 20


def test_a_ceiling_on_hours_stops_new_jobs_and_says_so(fake: FakeRun) -> None:
    fake.trains(**{"*": {"seconds": 0.3}})
    ended = fake.run(small_study(gpuHours=1e-4, **ONE))
    assert 0 < ended.done < 21
    assert "spec.gpuHours (0.0001) is used up" in ended.note
    assert ended.phase == "Stopped"
    fake.run(small_study(gpuHours=10.0, **ONE))
    assert done_once(fake) == 21


def test_the_studys_own_parallelism_is_kept(fake: FakeRun) -> None:
    seen: list[Any] = []
    fake.run(small_study(parallelism=1, **ONE), pack=8, show=seen.append)
    assert max(len({trial.job for trial in each.running}) for each in seen) == 1


@pytest.mark.parametrize(("handler", "phase"), [(signal.SIG_IGN, "Completed"), (None, "Stopped")])
def test_a_terminal_that_is_closed_stops_a_run_unless_it_was_told_not_to(
    fake: FakeRun, handler: Any, phase: str
) -> None:
    before = signal.signal(signal.SIGHUP, handler or signal.SIG_DFL)

    def close(_status: Any) -> None:
        if not closed:
            closed.append(True)
            os.kill(os.getpid(), signal.SIGHUP)

    closed: list[bool] = []
    try:
        assert fake.run(small_study(**ONE), pack=8, show=close).phase == phase
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_on_another_machine_is_cancelled_there(fake: FakeRun) -> None:
    fake.folder.keep(small_study(**ONE), Run(folder=".", dataset="."))
    elsewhere = Runner(pid=os.getpid(), host="elsewhere").model_dump_json()
    with (
        only_holder(fake.folder.lock_file, elsewhere, "study 'rooms'"),
        pytest.raises(SettingRefused, match="runs on elsewhere; cancel it there"),
    ):
        cancel(fake.folder)


def test_only_one_process_runs_a_study(fake: FakeRun) -> None:
    fake.trains(**{"*": {"seconds": 1}})
    refused: list[Any] = []

    def try_a_second(_status: Any) -> None:
        if not refused:
            with pytest.raises(
                AlreadyRuns, match=rf"'rooms' runs already \(process {os.getpid()} on "
            ) as error:
                fake.run(small_study(**ONE))
            refused.append(error)
            fake.trains()

    assert fake.run(small_study(**ONE), show=try_a_second).phase == "Completed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_saves_and_goes_on(fake: FakeRun, number: Any) -> None:
    fake.trains(**{"*": {"seconds": 3}})
    runner = fake.start()
    wait_for(lambda: len(fake.attempts("begins")) >= JOBS)
    time.sleep(0.3)
    runner.send_signal(number)
    assert runner.wait(60) == 7
    begun = fake.attempts("begins")
    assert not any(alive(each["pid"]) for each in begun)
    assert {each["digest"] for each in fake.attempts("saved")} == {e["digest"] for e in begun}
    assert status(fake.folder).phase == "Stopped"
    fake.trains()
    assert fake.run().phase == "Completed"
    assert done_once(fake) == TRIALS


def test_a_second_ctrl_c_ends_jobs_at_once(fake: FakeRun) -> None:
    fake.trains(**{"*": {"seconds": 60}})
    runner = fake.start()
    wait_for(lambda: len(fake.attempts("begins")) >= JOBS)
    for each in fake.attempts("begins"):
        os.kill(each["pid"], signal.SIGSTOP)  # a job that does not heed SIGTERM
    runner.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert runner.poll() is None
    runner.send_signal(signal.SIGINT)
    runner.wait(30)
    wait_for(lambda: not any(alive(each["pid"]) for each in fake.attempts("begins")))


@pytest.mark.parametrize("seed", range(2))
def test_a_runner_killed_again_and_again_loses_and_doubles_nothing(
    fake: FakeRun, seed: int
) -> None:
    draw = random.Random(seed)
    fake.trains(**{"*": {"seconds": 0.25}})
    for _ in range(5):
        runner = fake.start()
        with_luck = draw.uniform(0.6, 2.5)
        try:
            runner.wait(with_luck)
        except subprocess.TimeoutExpired:
            runner.kill()
            runner.wait()
    assert fake.run().phase == "Completed"
    assert done_once(fake) == TRIALS
    never_twice_at_once(fake)
    begun = Counter(each["digest"] for each in fake.attempts("begins"))
    assert set(begun.values()) == {1}, "a job that outlived its runner was started again"


def test_jobs_that_outlived_their_runner_are_shown_and_can_be_cancelled(fake: FakeRun) -> None:
    fake.trains(**{"*": {"seconds": 60}})
    runner = fake.start()
    wait_for(lambda: len(list(read(fake.folder.journal_file))) >= 2 * JOBS)
    wait_for(lambda: len(fake.attempts("begins")) >= JOBS)
    runner.kill()
    runner.wait()
    seen = status(fake.folder)
    assert (seen.phase, len(seen.running)) == ("Stopped", JOBS)
    assert "submit again to take them over" in seen.note
    assert cancel(fake.folder) == JOBS
    wait_for(lambda: not any(alive(each["pid"]) for each in fake.attempts("begins")))
    assert len(fake.attempts("saved")) == JOBS
    fake.trains()
    assert fake.run().phase == "Completed"
    assert done_once(fake) == TRIALS


def test_a_job_that_was_never_started_is_started(fake: FakeRun) -> None:
    """The runner died between its journal and its process."""
    study = small_study(**ONE)
    fake.folder.root.mkdir(parents=True)
    name = digest(next(enumerate_trials(study)))
    append(fake.folder.journal_file, Starting(job="rooms-0", kind="train", digests=(name,)))
    assert fake.run(study).phase == "Completed"
    assert not is_locked(fake.folder.job_lock("rooms-0"))
