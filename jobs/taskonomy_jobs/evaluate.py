"""Judge trained networks again, from their weights, and say what it gives.

    python -m taskonomy_jobs.evaluate --trials FILE --study NAME --dataset PLACE --artifacts PLACE

One JSON line a trial: its mean held-out loss now and as recorded, the largest difference of any
image, and what else the task is measured by (`losses.further_measures`: accuracy, root mean square
and the like, means over images). Nothing is written: results stay what they were when trained.
"""

import json
import sys
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
from torch import Tensor

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import Exit, Launch, local_path
from taskonomy_catalogue.records import LOSSES_FILE
from taskonomy_catalogue.trials import Trial
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.checkpoint import read_weights
from taskonomy_jobs.distributed import lone_worker
from taskonomy_jobs.evaluation import Judge, judgement
from taskonomy_jobs.folders import TrialFolder
from taskonomy_jobs.job import Job, StopSignal, code_of, stop_signals
from taskonomy_jobs.lessons import Lesson, open_lesson
from taskonomy_jobs.losses import further_measures
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.students import Inputs, Student
from taskonomy_jobs.tracking import open_tracker
from taskonomy_jobs.train import read_trials


class Evaluation(Launch):
    """Judge trained networks again, from their weights."""

    MODULE: ClassVar[str] = "taskonomy_jobs.evaluate"


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, as `taskonomy_jobs.train`'s."""
    launch = Evaluation.parse(words)
    try:
        with stop_signals() as stop:
            job, trials = _job(launch, stop), read_trials(launch.trials)
            return max(
                (_told(trial, job) for trial in trials if isinstance(trial, Trial)),
                default=int(Exit.DONE),
            )
    except TaskonomyError as error:
        return _refused(error)


def _told(trial: Trial, job: Job) -> int:
    """Print what a network is measured at, or why it is not; return the exit code of that."""
    try:
        print(json.dumps(evaluated(trial, job)), flush=True)  # noqa: T201 - the answer
    except TaskonomyError as error:
        return _refused(error)
    return int(Exit.DONE)


def _refused(error: TaskonomyError) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return code_of(error)


def evaluated(trial: Trial, job: Job) -> dict[str, object]:
    """Return what a trained network is measured at.

    Raises:
        NotYet: it has no weights yet.
        TaskonomyError: its data cannot be read.
    """
    folder = TrialFolder(job.artifacts, trial)
    weights = read_weights(folder.weights)
    lesson = open_lesson([trial], job)
    student = Student(folder, trial, lesson.statistics, job.gang.device, steps=0)
    student.network.load_state_dict(weights.network)
    measures: dict[str, list[Tensor]] = {}
    judged = judgement(
        [_measuring(student, lesson, measures)],
        lesson.test,
        lesson.inputs,
        job.gang,
        range(len(lesson.test)),
        job.stop.obey,
    )
    losses = dict(zip(judged.ids.tolist(), judged.losses[0].tolist(), strict=True))
    return {
        "trial": folder.digest,
        "title": trial.title,
        "images": len(losses),
        "skipped": judged.skipped,
        "mean_loss": float(np.mean(list(losses.values()))),
        **_recorded(folder, losses),
        **{name: float(np.mean(np.concatenate(parts))) for name, parts in measures.items()},
    }


def _measuring(student: Student, lesson: Lesson, measures: dict[str, list[Tensor]]) -> Judge:
    """Return a judge that notes a network's further measures as it goes."""

    def judge(batch: Batch, inputs: Inputs) -> Tensor:
        about = (batch.target, batch.mask, lesson.statistics)
        further = further_measures(student.trial.target, student.answer(inputs), *about)
        for name, values in further.items():
            measures.setdefault(name, []).append(values.cpu())
        return student.judge(batch, inputs)

    return judge


def _recorded(folder: TrialFolder, losses: dict[int, float]) -> dict[str, object]:
    """Return how the losses recorded in training differ from these; nothing if there are none."""
    path = folder.path / LOSSES_FILE
    if not path.exists():
        return {}
    rows = pq.read_table(path).to_pylist()
    differences = [abs(row["loss"] - losses[row["image_id"]]) for row in rows]
    return {
        "recorded_mean_loss": float(np.mean([row["loss"] for row in rows])),
        "largest_difference": max(differences),
    }


def _job(launch: Evaluation, stop: StopSignal) -> Job:
    settings = Settings.from_environment()
    tracker = open_tracker("", launch.study, local_path(launch.artifacts))
    return Job(launch, settings, lone_worker(), stop, tracker)


if __name__ == "__main__":
    sys.exit(main())
