"""The loop: a pack of trials from their first step, or their last checkpoint, to their results.

`Trainer.run` is the story. Students that a crash left at different steps catch up with one another:
each takes part in the steps that it has not taken. A student that fails leaves the pack, a student
that stops early waits for the others; neither changes what the rest computes.
"""

import logging
import time
from collections.abc import Iterator, Sequence

import numpy as np
from torch import nn

from taskonomy_catalogue.errors import InputRefused, TaskonomyError
from taskonomy_catalogue.trials import Optimiser, Trial
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.checkpoint import Checkpoint
from taskonomy_jobs.evaluation import Judgement, judgement, spread
from taskonomy_jobs.folders import TrialFolder
from taskonomy_jobs.job import Job
from taskonomy_jobs.lessons import Lesson
from taskonomy_jobs.model.networks import TransferNetwork
from taskonomy_jobs.packing import OneByOne, Way
from taskonomy_jobs.parts import check_parts
from taskonomy_jobs.reporting import Reporter
from taskonomy_jobs.results import leave_network, leave_result
from taskonomy_jobs.sampling import Order, Slots, total_steps
from taskonomy_jobs.stacking import Stacked
from taskonomy_jobs.students import Student

_log = logging.getLogger(__name__)

VALIDATIONS_TO_STOP_BY = 20
"""Validations over the length of a trial that may stop early."""
VALIDATIONS_TO_LOOK_AT = 5
"""Validations over the length of one that may not: points of a curve."""
LOOKED_AT = 5
"""Examples that such a trial learns from for every one that it is validated on: a short transfer
would otherwise spend a third of its time on points of a curve."""


class Trainer:
    """Trains the trials of one pack."""

    def __init__(self, folders: Sequence[TrialFolder], lesson: Lesson, job: Job) -> None:
        """Make the students of a pack.

        Args:
            folders: of its trials, claimed by this job.
            lesson: what they learn from.
            job: the run of the command.

        Raises:
            SettingRefused: batches are in parts too small for the networks.
        """
        optimiser = _trial(folders[0]).optimiser
        self._job, self._gang, self._lesson = job, job.gang, lesson
        self._steps = total_steps(optimiser, len(lesson.train))
        self._interval = validation_interval(optimiser, self._steps, len(spread(len(lesson.val))))
        self._order = Order(len(lesson.train), optimiser.batch_size, _trial(folders[0]).seed)
        self._students = [_student(folder, lesson, job, self._steps) for folder in folders]
        self._way = _way(job, lesson)
        check_parts(self._students[0].trial, self._students[0].network, job)
        self._reporter = Reporter(job, self._students)
        self._clock = _Clock(job.gang.gpus)

    def run(self) -> list[TaskonomyError]:
        """Train, judge, leave results; return why the students that failed did.

        Raises:
            Stopped: the job was told to stop; every student is saved.
            PeerLost: another worker went away.
            TooManyUnreadable: too much of the data set is damaged.
        """
        self._resume()
        for step, batch in self._batches():
            learning = [s for s in self._students if s.is_learning and s.step == step]
            if learning:
                self._learn(learning, batch)
                self._validate([student for student in learning if self._is_due(student)])
            self._save_if_due()
        self._graduate()
        return [student.failure for student in self._students if student.failure]

    # --- learning -------------------------------------------------------------------------------

    def _batches(self) -> Iterator[tuple[int, Batch | None]]:
        """Yield step after step with this worker's share of its batch, until all have learnt."""
        first = min((s.step for s in self._students if s.is_learning), default=self._steps)
        shares = (self._share(step) for step in range(first, self._steps))
        for step, batch in enumerate(self._lesson.train.ahead(shares), first):
            yield step, None if batch is None else batch.to(self._gang.device)
            if not any(student.is_learning for student in self._students):
                return

    def _share(self, step: int) -> Slots:
        return self._order.batch(step).share(self._gang.rank, self._gang.world)

    def _learn(self, learning: Sequence[Student], batch: Batch | None) -> None:
        self._way.step(learning, batch, self._order.offset(self._gang.rank, self._gang.world))
        self._clock.charge(learning)
        self._reporter.learnt(learning)
        for student in learning:
            if student.failure:
                self._reporter.failed(student)

    def _is_due(self, student: Student) -> bool:
        """Return whether a student is to be validated after the step that it took."""
        is_last = student.step == self._steps
        return student.failure is None and (student.step % self._interval == 0 or is_last)

    def _validate(self, students: Sequence[Student]) -> None:
        if not students or not len(self._lesson.val):
            return
        judged = self._judged(students, test=False)
        for student, losses in zip(students, judged.losses, strict=True):
            loss = float(losses.mean())
            if np.isfinite(loss):
                student.heed(loss)
                self._reporter.validated(student, loss)
                if self._is_worth_a_picture(student):
                    self._reporter.show(student, self._lesson)
            else:
                student.fail("the validation loss is not finite", judged.ids.tolist())
                self._reporter.failed(student)
        self._clock.charge(students)

    def _is_worth_a_picture(self, student: Student) -> bool:
        """Return whether a student is at its first, its middle or its last validation."""
        number = len(student.validated)
        whole = self._steps // self._interval
        return number in (1, max(1, whole // 2)) or student.step == self._steps

    # --- surviving ------------------------------------------------------------------------------

    def _resume(self) -> None:
        for student in self._students:
            checkpoint = self._read_checkpoint(student.folder)
            if checkpoint:
                student.resume(checkpoint)
            self._reporter.started(student)

    def _read_checkpoint(self, folder: TrialFolder) -> Checkpoint | None:
        """Return where a trial stands; the first worker reads, so that all stand in one place."""
        content = b""
        if self._gang.is_first and folder.checkpoint.exists():
            content = folder.checkpoint.read_bytes()
        content = self._gang.from_first(content)
        try:
            place = str(folder.checkpoint)
            return Checkpoint.parse(content, place, folder.digest) if content else None
        except InputRefused as error:
            _log.warning("%s; it is trained anew", error)
            return None

    def _save_if_due(self) -> None:
        told = self._gang.any(self._job.stop.is_given)
        if told or self._clock.unsaved >= self._job.settings.checkpoint_seconds:
            self._save()
        if told:
            for student in self._students:
                if student.failure is None:
                    self._reporter.saved(student)
            self._job.stop.is_given = True
            self._job.stop.obey()

    def _save(self) -> None:
        """Write every student's checkpoint. All workers hold the same, so the first one does."""
        for student in self._students:
            if self._gang.is_first and student.failure is None:
                self._reporter.run(student).keep()
                student.checkpoint().write(student.folder.checkpoint)
        self._clock.saved()

    # --- results --------------------------------------------------------------------------------

    def _graduate(self) -> None:
        """Judge the students by the held-out images and leave their results."""
        if self._clock.unsaved >= min(UNSAVED, self._job.settings.checkpoint_seconds):
            self._save()
        graduates = [student for student in self._students if student.failure is None]
        for student in graduates:
            student.take_best()
        if not graduates:
            return
        judged = self._judged(graduates, test=True)
        self._clock.charge(graduates)
        for student, losses in zip(graduates, judged.losses, strict=True):
            if not np.isfinite(losses).all():
                student.fail("a held-out loss is not finite", judged.worst(losses))
                self._reporter.failed(student)
            elif self._gang.is_first:
                self._leave(student, judged, losses)
        self._gang.wait()

    def _leave(self, student: Student, judged: Judgement, losses: np.ndarray) -> None:
        leave_network(student)
        result = leave_result(
            student.folder,
            self._job.launch,
            judged.ids,
            losses,
            steps=student.step,
            stopped_early=student.stopped_early,
            skipped=judged.skipped,
            gpu_seconds=student.seconds,
            started_at=student.started_at,
        )
        self._reporter.finished(student, result)

    def _judged(self, students: Sequence[Student], *, test: bool) -> Judgement:
        feed = self._lesson.test if test else self._lesson.val
        # Running statistics of batch norm are each worker's own; only the first one's are kept.
        self._gang.take_firsts([each for s in students for each in s.network.buffers()])
        return judgement(
            [student.judge for student in students],
            feed,
            self._lesson.inputs,
            self._gang,
            range(len(feed)) if test else spread(len(feed)),
            self._job.stop.obey if test else None,
        )


UNSAVED = 10.0
"""Seconds of training that are worth saving before the evaluation."""


def validation_interval(optimiser: Optimiser, steps: int, examples: int) -> int:
    """Return after how many steps each a trial is validated; the last step is in any case.

    Args:
        optimiser: of the trial.
        steps: that it takes.
        examples: that one validation looks at.
    """
    if optimiser.patience:
        return max(1, steps // VALIDATIONS_TO_STOP_BY)
    worth = steps * optimiser.batch_size // (LOOKED_AT * max(1, examples))
    return max(1, steps // min(VALIDATIONS_TO_LOOK_AT, max(1, worth)))


def _way(job: Job, lesson: Lesson) -> Way:
    """Return how steps are taken: stacked where there is a GPU to keep busy, unless told."""
    one_by_one = OneByOne(job.gang, lesson.inputs, job.settings.micro_batch)
    on_gpu = "yes" if job.gang.device.type == "cuda" else "no"
    if (job.settings.stacked or on_gpu) == "no" or job.settings.micro_batch:
        return one_by_one
    return Stacked(job.gang, lesson.inputs, one_by_one)


def _student(folder: TrialFolder, lesson: Lesson, job: Job, steps: int) -> Student:
    trial = _trial(folder)
    student = Student(folder, trial, lesson.statistics, job.gang.device, steps)
    if job.gang.world > 1 and job.gang.device.type == "cuda":
        # One worker's share of a batch has not the batch's mean. (There is none of it for CPUs:
        # `check_parts` says so.)
        student.network = nn.SyncBatchNorm.convert_sync_batchnorm(student.network)  # type: ignore[no-untyped-call]
    normalisation = lesson.normalisation(trial)
    if normalisation and isinstance(student.network, TransferNetwork):
        student.network.set_normalisation(*normalisation)
    return student


def _trial(folder: TrialFolder) -> Trial:
    if not isinstance(folder.trial, Trial):
        raise TypeError("a best guess is not trained")
    return folder.trial


class _Clock:
    """Seconds of the job, shared out among the students that used them."""

    def __init__(self, gpus: int) -> None:
        self._gpus = gpus
        self._mark = self._saved = time.monotonic()

    def charge(self, students: Sequence[Student]) -> None:
        """Put the time since the last charge down to some students, in equal parts."""
        now = time.monotonic()
        for student in students:
            student.seconds += (now - self._mark) * self._gpus / len(students)
        self._mark = now

    @property
    def unsaved(self) -> float:
        """Seconds since the last checkpoint."""
        return time.monotonic() - self._saved

    def saved(self) -> None:
        """Note a checkpoint."""
        self._mark = self._saved = time.monotonic()
