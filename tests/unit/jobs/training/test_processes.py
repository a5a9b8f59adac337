"""Real processes: killed, told to stop, gangs that grow and shrink, two at the same trial."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import small_world

from taskonomy_catalogue.launch import Launch, trials_text
from taskonomy_catalogue.records import RESULT_FILE
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.evaluate import evaluated
from taskonomy_jobs.sampling import Order

pytestmark = pytest.mark.slow

PROGRAM = Path(small_world.__file__)
LONGEST = 120.0


def a_trial(kind: str = "task-specific", target: str = "depth", **training: Any) -> Trial:
    study = small_world.make_study(**training)
    return next(
        trial
        for trial in enumerate_trials(study)
        if trial.kind == kind and trial.target.id == target
    )


class Runs:
    """Starts the training command on the small world, and ends what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.log.mkdir()
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, trials: Sequence[Trial], root: str, *, torchrun: Sequence[str] = (), **more: str
    ) -> subprocess.Popen[str]:
        file = self.folder / "trials.jsonl"
        file.write_text(trials_text(trials))
        launch = Launch(
            trials=str(file), study="small", dataset="memory", artifacts=str(self.folder / root)
        )
        python = [sys.executable]
        if torchrun:
            python += ["-m", "taskonomy_jobs.elastic", *torchrun]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
            "GLOO_SOCKET_IFNAME": "lo",
            "SMALL_WORLD_LOG": str(self.log),
        }
        process = subprocess.Popen(
            [*python, str(PROGRAM), *launch.arguments()],
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def steps(self) -> int:
        """Steps that some worker has written down."""
        return sum(len(path.read_text().splitlines()) for path in self.log.glob("*.jsonl"))

    def wait_for_steps(self, count: int) -> None:
        deadline = time.monotonic() + LONGEST
        while self.steps() < count:
            assert time.monotonic() < deadline, "no worker got that far"
            assert any(process.poll() is None for process in self._started), self.said()
            time.sleep(0.02)

    def said(self) -> str:
        return "\n".join(text or "" for process in self._started for text in process.communicate())

    def learnt(self) -> dict[int, list[tuple[int, list[int]]]]:
        """By step, (world, ids) of the workers that took it last."""
        attempts: defaultdict[int, list[tuple[str, int, list[int]]]] = defaultdict(list)
        for path in sorted(self.log.glob("*.jsonl")):
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                attempts[entry["step"]].append((path.name, entry["world"], entry["ids"]))
        return {
            step: [(world, ids) for _, world, ids in taken[-taken[-1][1] :]]
            for step, taken in attempts.items()
        }

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.communicate()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.end()


def done(process: subprocess.Popen[str]) -> int:
    """The exit code, once it has one."""
    out, err = process.communicate(timeout=LONGEST)
    process.out, process.err = out, err  # type: ignore[attr-defined]
    if process.returncode not in (0, 64, 75, -signal.SIGKILL):
        raise AssertionError(err[-3000:])
    return process.returncode


def curve(runs: Runs, root: str, trial: Trial) -> Any:
    return pq.read_table(runs.folder / root / digest(trial) / "curve.parquet").to_pylist()


def losses(runs: Runs, root: str, trial: Trial) -> Any:
    return pq.read_table(runs.folder / root / digest(trial) / "losses.parquet").to_pylist()


OPTIONS: dict[str, Any] = {"adversarial": {"weight": 0.1, "fromStep": 3}, "augment": {"flip": True}}
"""An adversary after some steps without, and mirrored examples."""


def test_killed_at_random_steps_and_resumed_is_bitwise_never_killed(runs: Runs) -> None:
    trial = a_trial(steps=24, earlyStopping={"patience": 9}, **OPTIONS)
    assert done(runs.start([trial], "whole")) == 0
    often = {"TASKONOMY_CHECKPOINT_SECONDS": "0.1", "SMALL_WORLD_PAUSE": "0.03"}
    drawn = random.Random()
    for _ in range(2):
        before = runs.steps()
        process = runs.start([trial], "killed", **often)
        runs.wait_for_steps(before + drawn.randint(4, 10))
        process.kill()
        assert done(process) == -signal.SIGKILL
    assert (runs.folder / "killed" / digest(trial) / "checkpoint" / "state.pt").exists()
    assert done(runs.start([trial], "killed")) == 0
    assert curve(runs, "killed", trial) == curve(runs, "whole", trial)
    assert losses(runs, "killed", trial) == losses(runs, "whole", trial)


def test_sigterm_saves_and_asks_for_another_try(runs: Runs) -> None:
    trial = a_trial(steps=400)
    process = runs.start([trial], "root", SMALL_WORLD_PAUSE="0.01")
    runs.wait_for_steps(3)
    process.send_signal(signal.SIGTERM)
    assert done(process) == 75
    folder = runs.folder / "root" / digest(trial)
    assert (folder / "checkpoint" / "state.pt").exists()
    assert not (folder / RESULT_FILE).exists()


def test_a_second_process_at_the_same_trial_leaves_it_alone(runs: Runs) -> None:
    trial = a_trial(steps=600)
    first = runs.start([trial], "root", SMALL_WORLD_PAUSE="0.2")
    runs.wait_for_steps(1)
    second = runs.start([trial], "root")
    assert done(second) == 75
    assert f"process {first.pid} on" in second.out  # type: ignore[attr-defined]
    first.terminate()
    assert done(first) == 75


def test_two_workers_learn_what_one_does(runs: Runs) -> None:
    trial = a_trial(steps=8, **OPTIONS)
    assert done(runs.start([trial], "one")) == 0
    assert done(runs.start([trial], "two", torchrun=["--standalone", "--nproc-per-node=2"])) == 0
    for name, steps in (("loss", 8), ("adversarial_loss", 5), ("discriminator_loss", 5)):
        one, two = (
            [row[name] for row in curve(runs, root, trial) if row[name] is not None]
            for root in ("one", "two")
        )
        assert len(one) == steps
        assert two == pytest.approx(one, rel=1e-4)
    for one, two in zip(losses(runs, "one", trial), losses(runs, "two", trial), strict=True):
        assert two["image_id"] == one["image_id"]
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-3)


TWO = ["--standalone", "--nproc-per-node=2"]


def test_what_two_workers_measured_is_what_their_weights_measure(
    runs: Runs, world: small_world.World
) -> None:
    """Each keeps running statistics of its own shares; 40 images are judged by both in turn."""
    small = a_trial(target="scene-classes", steps=4)
    model = small.model.model_copy(update={"decoder": "paper"})
    trial = small.model_copy(update={"model": model})
    process = runs.start([trial], "two", torchrun=TWO, SMALL_WORLD_TEST="40")
    assert done(process) == 0
    said = process.err  # type: ignore[attr-defined]
    assert said.count("batch norm sees a batch of 4 in parts of 2 (2 workers on CPUs)") == 1
    world.root, world.sizes = runs.folder / "two", world.sizes | {"test": 40}
    again = evaluated(trial, world.job(runs.folder / "trials.jsonl"))
    assert again["images"] == 40
    assert again["largest_difference"] == 0


def test_whose_loss_is_no_number_is_named_whichever_worker_has_it(runs: Runs) -> None:
    trial = a_trial(steps=4)
    process = runs.start([trial], "two", torchrun=TWO, SMALL_WORLD_POISON="2")
    assert done(process) == 64
    out = process.out  # type: ignore[attr-defined]
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    (reason,) = [event["reason"] for event in events if event["event"] == "failed"]
    assert "the training loss is not finite at step 3" in reason
    indices = Order(small_world.SIZES["train"], 4, seed=0).batch(2).indices
    examples = small_world.SmallExamples(trial.target, "train", small_world.SIZES["train"])
    named = [int(one) for one in reason.split("examples ")[1].split(". ")[0].split(", ")]
    assert named == examples.ids[indices].tolist()


def test_a_gang_that_shrinks_and_grows_loses_and_doubles_no_sample(runs: Runs) -> None:
    trial = a_trial(steps=60)
    pause = {"SMALL_WORLD_PAUSE": "0.05"}
    for workers in (2, 1):
        before = runs.steps()
        gang = [] if workers == 1 else ["--standalone", f"--nproc-per-node={workers}"]
        process = runs.start([trial], "root", torchrun=gang, **pause)
        runs.wait_for_steps(before + 12 * workers)
        process.terminate()
        assert done(process) == 75
    assert done(runs.start([trial], "root", torchrun=["--standalone", "--nproc-per-node=2"])) == 0
    learnt = runs.learnt()
    order = Order(small_world.SIZES["train"], 4, seed=0)
    examples = small_world.SmallExamples(trial.target, "train", small_world.SIZES["train"])
    for step in range(60):
        expected = Counter(examples.ids[order.batch(step).indices].tolist())
        assert Counter(one for _, ids in learnt[step] for one in ids) == expected
    assert {world for taken in learnt.values() for world, _ in taken} == {1, 2}
