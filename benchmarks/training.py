"""Training through the whole job against a bare forward and backward loop of the same network.

    python benchmarks/training.py [--dataset ROOT --splits NAME] [--steps 40] [--batch 32]

Both train one task-specific network on the same images with the same optimiser. The bare loop has
its batches ready in memory: no decoding, no checks, no curve. `ratio` is images per second of the
job's steps over the bare loop's, the best of the repetitions, which alternate. `first_epoch` is the
job where every image is still to be decoded, and `peak_mib` the most memory the process held.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch  # noqa: TID251 - it measures training

from taskonomy_catalogue.launch import Launch
from taskonomy_catalogue.study import parse_study
from taskonomy_catalogue.study_trials import task_specific_trials
from taskonomy_catalogue.trials import Trial
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.distributed import Gang
from taskonomy_jobs.folders import TrialFolder
from taskonomy_jobs.job import Job, StopSignal
from taskonomy_jobs.lessons import Lesson, open_lesson
from taskonomy_jobs.packing import OneByOne
from taskonomy_jobs.sampling import Order
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.students import IMAGES, Student
from taskonomy_jobs.tracking import open_tracker

REPETITIONS = 3


def main() -> None:
    """Measure and print the figures."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        dataset = options.dataset or _rooms(Path(folder) / "rooms")
        trial = _trial(dataset, options)
        job = _job(Path(folder), dataset)
        lesson = open_lesson([trial], job)
        steps = options.steps
        first = steps * options.batch / _through_the_job(trial, job, lesson, 0, steps)
        jobs, bares = [], []
        for _ in range(REPETITIONS):
            jobs.append(steps * options.batch / _through_the_job(trial, job, lesson, steps, steps))
            bares.append(steps * options.batch / _bare(trial, job, lesson, steps))
    print(
        json.dumps(
            {
                "device": str(job.gang.device),
                "threads": torch.get_num_threads(),
                "network": f"{trial.model.encoder}/{trial.model.decoder}",
                "image_size": trial.model.image_size,
                "batch": options.batch,
                "job_images_per_second": round(max(jobs), 1),
                "bare_images_per_second": round(max(bares), 1),
                "ratio": round(max(jobs) / max(bares), 3),
                "first_epoch": round(first / max(bares), 3),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


def _through_the_job(trial: Trial, job: Job, lesson: Lesson, first: int, steps: int) -> float:
    """Return the seconds that so many steps take as the trainer takes them."""
    student = _student(trial, job, lesson)
    order = Order(len(lesson.train), trial.optimiser.batch_size, trial.seed)
    way = OneByOne(job.gang, lesson.inputs)
    slots = (order.batch(step) for step in range(first, first + steps + 2))
    batches = lesson.train.ahead(slots)
    _step(way, student, next(batches), job)
    began = _now(job)
    for batch in islice(batches, steps):
        _step(way, student, batch, job)
    return _now(job) - began


def _step(way: OneByOne, student: Student, batch: Batch | None, job: Job) -> None:
    way.step([student], None if batch is None else batch.to(job.gang.device), 0)


def _bare(trial: Trial, job: Job, lesson: Lesson, steps: int) -> float:
    """Return the seconds of the same steps with nothing but the network around them."""
    student = _student(trial, job, lesson)
    order = Order(len(lesson.train), trial.optimiser.batch_size, trial.seed)
    ready = [lesson.train.batch(order.batch(step)) for step in range(4)]
    batches = [batch.to(job.gang.device) for batch in ready if batch is not None]
    _bare_step(student, batches[0])
    began = _now(job)
    for step in range(steps):
        _bare_step(student, batches[step % len(batches)])
    return _now(job) - began


def _bare_step(student: Student, batch: Batch) -> None:
    if batch.images is None:
        raise ValueError("a task-specific network sees images")
    student.forget()
    student.accumulate(batch, {IMAGES: batch.images}, len(batch), 0)
    student.optimiser.step(student.learning_rate)


def _now(job: Job) -> float:
    if job.gang.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _student(trial: Trial, job: Job, lesson: Lesson) -> Student:
    folder = TrialFolder(job.artifacts, trial)
    return Student(folder, trial, lesson.statistics, job.gang.device, steps=1 << 30)


# --- what is trained ---------------------------------------------------------------------------


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--dataset", help="a data set; without one rooms are made")
    parser.add_argument("--splits", default="rooms")
    parser.add_argument("--task", default="normals")
    parser.add_argument("--encoder", default="resnet-tiny")
    parser.add_argument("--decoder", default="tiny")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=30)
    return parser.parse_args()


def _rooms(out: Path) -> str:
    command = [sys.executable, "-m", "taskonomy_jobs.rooms", str(out), "--buildings=6"]
    subprocess.run([*command, "--views=24", "--size=64"], check=True, stdout=subprocess.DEVNULL)
    return str(out)


def _trial(dataset: str, options: argparse.Namespace) -> Trial:
    training = {"steps": options.steps, "batchSize": options.batch}
    spec = {
        "data": {"dataset": dataset, "splits": options.splits},
        "tasks": {"subset": [options.task, "random"]},
        "model": {
            "encoder": options.encoder,
            "decoder": options.decoder,
            "imageSize": options.size,
        },
        "training": {"taskSpecific": training},
        "transfers": {"orders": [1]},
    }
    document = {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": "benchmark"},
        "spec": spec,
    }
    return next(task_specific_trials(parse_study(document, origin="benchmark")))


def _job(folder: Path, dataset: str) -> Job:
    launch = Launch(
        trials="none", study="benchmark", dataset=dataset, artifacts=str(folder / "artifacts")
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tracker = open_tracker("", "benchmark", folder)
    return Job(launch, Settings(), Gang(device), StopSignal(), tracker)


if __name__ == "__main__":
    main()
