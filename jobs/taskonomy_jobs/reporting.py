"""What a pack says while it is trained: events on standard output, curves and pictures in runs."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from taskonomy_catalogue.launch import Failed, Finished, Progressed, Saved, Started, Validated
from taskonomy_catalogue.records import Result
from taskonomy_jobs.evaluation import spread
from taskonomy_jobs.job import Job, code_of
from taskonomy_jobs.lessons import Lesson
from taskonomy_jobs.pictures import panel
from taskonomy_jobs.students import Student, learning_rate

if TYPE_CHECKING:
    from taskonomy_jobs.tracking import TrialRun

SHOWN = 2
"""Validation images that pictures are made of."""
POINTS = 200
"""Points of a tracked training curve; each is the mean loss of the steps since the last."""


class Reporter:
    """Tells how the students of one pack are getting on."""

    def __init__(self, job: Job, students: Sequence[Student]) -> None:
        self._job = job
        self._runs = {student.digest: job.tracker.start(student.trial) for student in students}
        self._began = self._told = time.monotonic()
        self._steps = 0

    def run(self, student: Student) -> "TrialRun":
        """Return a student's run."""
        return self._runs[student.digest]

    def started(self, student: Student) -> None:
        """Say where a student begins."""
        title = student.trial.title
        self._job.say(
            Started(trial=student.digest, title=title, step=student.step, steps=student.steps)
        )

    def learnt(self, students: Sequence[Student]) -> None:
        """Note a step; say how far everybody is every few seconds."""
        for student in students:
            self._draw_curve(student)
        self._steps += 1
        elapsed = time.monotonic() - self._told
        if elapsed >= self._job.settings.progress_seconds:
            for student in students:
                self._progressed(student, self._steps / elapsed)
            self._steps, self._told = 0, time.monotonic()

    def validated(self, student: Student, loss: float) -> None:
        """Say what a validation gave."""
        self._job.say(Validated(trial=student.digest, step=student.step, loss=loss))
        self.run(student).metrics(student.step, validation_loss=loss)

    def show(self, student: Student, lesson: Lesson) -> None:
        """Log pictures of a few validation images: input | prediction | truth."""
        if not (self._job.launch.tracking and self._job.gang.is_first):
            return
        indices, batch = lesson.val.readable(spread(len(lesson.val), SHOWN))
        if batch is None:
            return
        batch = batch.to(student.device)
        said = student.answer(lesson.inputs(batch)).cpu().numpy()
        for place, index in enumerate(indices):
            example = lesson.val.shelf.whole(index)
            of_it = (example.images, said[place], example.target, example.mask)
            panel_ = panel(student.trial.target, *of_it)
            self.run(student).images(student.step, f"validation {place + 1}", panel_)

    def failed(self, student: Student) -> None:
        """Say why a student takes no further part."""
        assert student.failure is not None  # noqa: S101 - the caller asks only then
        reason, code = str(student.failure), code_of(student.failure)
        self._job.say(Failed(trial=student.digest, reason=reason, code=code))
        self.run(student).fail(reason)

    def saved(self, student: Student) -> None:
        """Say where a student goes on from."""
        self._job.say(Saved(trial=student.digest, step=student.step))

    def finished(self, student: Student, result: Result) -> None:
        """Say that a student has its result."""
        seconds = time.monotonic() - self._began
        self._job.say(Finished(trial=student.digest, mean_loss=result.mean_loss, seconds=seconds))
        self.run(student).finish(result)

    def _draw_curve(self, student: Student) -> None:
        every = max(1, student.steps // POINTS)
        if student.failure is None and (student.step % every == 0 or student.step == 1):
            curves = {"train_loss": student.curve[-every:]}
            if student.opponent:
                curves |= student.opponent.curves(every)
            figures = {name: float(np.mean(values)) for name, values in curves.items() if values}
            rate = learning_rate(student.trial.optimiser, student.step - 1)
            self.run(student).metrics(student.step, **figures, learning_rate=rate)

    def _progressed(self, student: Student, steps_per_second: float) -> None:
        if student.failure is None:
            self._job.say(
                Progressed(
                    trial=student.digest,
                    step=student.step,
                    steps=student.steps,
                    loss=student.curve[-1],
                    images_per_second=steps_per_second * student.trial.optimiser.batch_size,
                )
            )
