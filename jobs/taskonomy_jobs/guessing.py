"""Best guesses as a job makes them: no network, and the same files as a trial's.

The guess is made of the training labels and judged on the held-out images like everything else
(`best_guess` says what it is). One process is enough, and one processor.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from torch import Tensor

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import Finished, Started
from taskonomy_catalogue.records import BestGuess
from taskonomy_jobs.batches import Batch, Feed
from taskonomy_jobs.best_guess import best_guess, guess_losses
from taskonomy_jobs.distributed import lone_worker
from taskonomy_jobs.evaluation import TOGETHER, Judgement, judgement
from taskonomy_jobs.folders import TrialFolder
from taskonomy_jobs.job import Job
from taskonomy_jobs.lessons import Lesson, open_labels
from taskonomy_jobs.results import leave_result
from taskonomy_jobs.students import Inputs


def make_guess(folder: TrialFolder, guess: BestGuess, job: Job) -> None:
    """Make a best guess, judge it, and leave its result.

    Args:
        folder: its folder, claimed by this job.
        guess: what is guessed.
        job: the run of the command; only the first worker of a gang has work to do here.

    Raises:
        TaskonomyError: the labels cannot be read, or the job was told to stop.
    """
    if not job.gang.is_first:
        return
    started_at, began = datetime.now(UTC), time.monotonic()
    run = job.tracker.start(guess)
    job.say(Started(trial=folder.digest, title=guess.title))
    try:
        judged = _judged(guess, open_labels(guess, job), job)
    except TaskonomyError as error:
        run.fail(str(error))
        raise
    result = leave_result(
        folder,
        job.launch,
        judged.ids,
        judged.losses[0],
        steps=0,
        stopped_early=False,
        skipped=judged.skipped,
        gpu_seconds=time.monotonic() - began,
        started_at=started_at,
    )
    run.finish(result)
    seconds = time.monotonic() - began
    job.say(Finished(trial=folder.digest, mean_loss=result.mean_loss, seconds=seconds))


def _judged(guess: BestGuess, lesson: Lesson, job: Job) -> Judgement:
    labels = _labels(lesson.train, job)
    prediction = best_guess(labels, lesson.statistics, guess.target, guess.image_size)

    def judge(batch: Batch, _: Inputs) -> Tensor:
        return guess_losses(prediction, batch, lesson.statistics, guess.target)

    held_out = range(len(lesson.test))
    return judgement([judge], lesson.test, lesson.inputs, lone_worker(), held_out, job.stop.obey)


def _labels(feed: Feed, job: Job) -> Iterator[Batch]:
    """Yield the training labels, each once, in an order that never changes."""
    for _, batch in feed.readable_ahead(range(len(feed)), TOGETHER):
        job.stop.obey()
        if batch is not None:
            yield batch
