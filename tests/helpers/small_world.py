"""A small world of examples in memory, and a study about it: for tests of the training loop.

As a program it is the training command on that world, so that real processes can be killed.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taskonomy_catalogue.launch import Launch
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.trials import TrialData, TrialTask
from taskonomy_jobs import lessons, packing, train
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.data.examples import Example, Part, Statistics
from taskonomy_jobs.data.skips import Unreadable
from taskonomy_jobs.distributed import lone_worker
from taskonomy_jobs.job import Job, StopSignal
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.students import Inputs, Student
from taskonomy_jobs.tracking import open_tracker

SIZES: dict[Part, int] = {"train": 40, "val": 10, "test": 12}
FIRST: dict[Part, int] = {"train": 0, "val": 40, "test": 50}
SIDE = 32


@dataclass
class SmallExamples:
    """Images of one bright square; what is asked about it depends on the task."""

    task: TrialTask
    part: Part
    count: int
    damaged: frozenset[int] = frozenset()
    read: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = np.arange(self.count) + FIRST[self.part]
        more = [(rows + shift) % 62 for shift in range(self.task.images)]
        self.views = np.stack(more, axis=1).astype(np.int64)
        self.ids = np.array([_name(int(row)) for row in rows], np.uint64)

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, draw: int) -> Example:
        self.read.append((index, draw))
        if index in self.damaged:
            raise Unreadable(f"{self.part}/{index}", "is damaged")
        images = np.stack([picture(int(row)) for row in self.views[index]])
        if self.task.id == "denoising":
            noise = np.random.default_rng([draw, int(self.views[index, 0])])
            images = images + noise.normal(0, 0.2, images.shape).astype(np.float32)
        return Example(int(self.ids[index]), images, self._target(index), self._mask(index))

    def _target(self, index: int) -> Any:
        image = picture(int(self.views[index, 0]))
        if self.task.output.kind == "classes":
            target = np.zeros(self.task.output.channels, np.float32)
            target[int(self.views[index, 0]) % 3] = 1
            return target
        if self.task.output.kind == "vector":
            return np.tanh(
                image.mean((1, 2)).repeat(self.task.output.channels)[: self.task.output.channels]
            ).astype(np.float32)
        return np.resize(image, (self.task.output.channels, SIDE, SIDE)).astype(np.float32)

    def _mask(self, index: int) -> Any:
        if self.task.id != "depth" or index % 2:
            return None
        mask = np.ones((1, SIDE, SIDE), np.float32)
        mask[:, :4] = 0
        return mask


def picture(row: int) -> Any:
    """The image of a view, float32 (3, SIDE, SIDE)."""
    draw = np.random.default_rng(row)
    image = np.full((3, SIDE, SIDE), -0.5, np.float32)
    top, left = draw.integers(0, SIDE - 10, 2)
    image[:, top : top + 10, left : left + 10] = draw.uniform(0, 1, (3, 1, 1))
    return image


def _name(row: int) -> int:
    return int.from_bytes(hashlib.sha256(str(row).encode()).digest()[:8])


@dataclass
class World:
    """An artifact root, a study, and what of its examples is damaged or poisoned."""

    root: Path
    sizes: dict[Part, int] = field(default_factory=lambda: dict(SIZES))
    damaged: dict[Part, frozenset[int]] = field(default_factory=dict)
    opened: list[SmallExamples] = field(default_factory=list)

    def open(
        self, _dataset: str, data: TrialData, task: TrialTask, _size: int, part: Part
    ) -> SmallExamples:
        count = self.sizes[part]
        if part == "train":
            count = max(1, round(count * data.fraction))
        examples = SmallExamples(task, part, count, self.damaged.get(part, frozenset()))
        self.opened.append(examples)
        return examples

    def job(self, trials: Path, settings: Settings | None = None) -> Job:
        launch = Launch(
            trials=str(trials), study="small", dataset="memory", artifacts=str(self.root)
        )
        gang = lone_worker()
        tracker = open_tracker("", "small", self.root)
        return Job(launch, settings or Settings(), gang, StopSignal(), tracker)


OPTIONS = ("adversarial", "augment")
"""What of a stage's training only task-specific networks have."""


def make_study(**training: Any) -> Study:
    """A study of small networks: five steps of four images unless told otherwise."""
    own = {"steps": 5, "batchSize": 4, "learningRate": 1e-3} | training
    each = {name: value for name, value in own.items() if name not in OPTIONS}
    tasks = ["depth", "normals", "denoising", "scene-classes", "random"]
    return parse_study(
        {
            "apiVersion": "taskonomy.dev/v1alpha1",
            "kind": "Study",
            "metadata": {"name": "small"},
            "spec": {
                "data": {"dataset": "memory", "transferFraction": 0.5},
                "model": {"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": SIDE},
                "tasks": {"subset": tasks},
                "transfers": {"orders": [1, 2], "candidates": "exhaustive"},
                "training": {"taskSpecific": own, "scratch": each, "transfer": each},
            },
        },
        origin="small",
    )


def live_in(world: World, set_: Callable[[Any, str, Any], object]) -> None:
    """Let lessons be opened in a world, by `setattr` or one that is undone."""
    set_(lessons, "open_examples", world.open)
    set_(lessons, "statistics", lambda examples: Statistics(count=len(examples)))


def main() -> int:
    """Train as the command does, on this world's examples.

    Where ``SMALL_WORLD_LOG`` names a folder, every worker writes down there which examples it
    learnt from: a line ``{"step", "world", "ids"}`` a step. ``SMALL_WORLD_TEST`` says how many
    held-out images there are, ``SMALL_WORLD_POISON`` at which step, from 0, the last worker's
    images are no numbers.
    """
    world = World(Path())
    world.sizes["test"] = int(os.environ.get("SMALL_WORLD_TEST", world.sizes["test"]))
    live_in(world, setattr)
    if poison := os.environ.get("SMALL_WORLD_POISON"):
        _poison(int(poison))
    log = os.environ.get("SMALL_WORLD_LOG")
    if log:
        _log_steps(Path(log) / f"{time.time_ns()}-{os.getpid()}.jsonl")
    return train.main()


def _poison(step: int) -> None:
    accumulate = Student.accumulate
    is_last = int(os.environ.get("RANK", "0")) == int(os.environ.get("WORLD_SIZE", "1")) - 1

    def poisoned(student: Student, batch: Batch, inputs: Inputs, *arguments: int) -> Any:
        if is_last and student.step == step:
            inputs = {name: seen * float("nan") for name, seen in inputs.items()}
        return accumulate(student, batch, inputs, *arguments)

    setattr(Student, "accumulate", poisoned)  # noqa: B010


def _log_steps(path: Path) -> None:
    step = packing.OneByOne.step

    def logged(
        way: packing.OneByOne, students: Sequence[Student], batch: Batch | None, offset: int
    ) -> None:
        taken = students[0].step
        step(way, students, batch, offset)
        ids = [] if batch is None else batch.ids.tolist()
        world = int(os.environ.get("WORLD_SIZE", "1"))
        with path.open("a") as file:
            file.write(json.dumps({"step": taken, "world": world, "ids": ids}) + "\n")
        time.sleep(float(os.environ.get("SMALL_WORLD_PAUSE", "0")))

    setattr(packing.OneByOne, "step", logged)  # noqa: B010 - a method is not to be assigned


if __name__ == "__main__":
    sys.exit(main())
