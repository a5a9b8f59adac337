"""Train the trials of a file, judge them on the held-out images, and leave their results.

    python -m taskonomy_jobs.train --trials FILE --study NAME --dataset PLACE --artifacts PLACE
    torchrun --nproc-per-node 4 -m taskonomy_jobs.train --trials …

Trials that have a result are passed over, others go on from their checkpoint: after a crash, an
eviction or Ctrl-C the same command is simply started again. What it says while it runs, and what
its exit code means, stand in `taskonomy_catalogue.launch`; what it may be told beside its command
line in `settings`.
"""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from taskonomy_catalogue.errors import InputRefused, TaskonomyError
from taskonomy_catalogue.last_words import VARIABLE, FailedTrial, LastWords
from taskonomy_catalogue.launch import Exit, Failed, Launch, emit, local_path, parse_trials
from taskonomy_catalogue.records import BestGuess
from taskonomy_catalogue.trials import Trial
from taskonomy_jobs.allocation import keep_freed_memory
from taskonomy_jobs.checkpoint import NotYet
from taskonomy_jobs.distributed import Gang, PeerLost, gathered
from taskonomy_jobs.folders import WEIGHTS_FILE, Busy, TrialFolder
from taskonomy_jobs.guessing import make_guess
from taskonomy_jobs.job import Job, Stopped, code_of, stop_signals
from taskonomy_jobs.lessons import open_lesson
from taskonomy_jobs.packing import packs
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.trainer import Trainer

if TYPE_CHECKING:
    from taskonomy_jobs.tracking import Tracker


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    keep_freed_memory()
    launch = Launch.parse(words)
    try:
        with stop_signals() as stop, gathered() as gang, _tracker(launch, gang) as tracker:
            settings = Settings.from_environment()
            job = Job(launch, settings, gang, stop, tracker)
            with last_words(job):
                return train(job)
    except TaskonomyError as error:
        emit(Failed(reason=str(error), code=code_of(error)))
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - what a person reads of it
        return code_of(error)


def train(job: Job) -> int:
    """Train every trial of a job; return the exit code.

    Raises:
        InputRefused: the trials file cannot be read.
        Stopped: the job was told to stop.
        PeerLost: another worker of the gang went away.
    """
    failures: list[TaskonomyError] = []
    measured = read_trials(job.launch.trials)
    for best_guess in (each for each in measured if isinstance(each, BestGuess)):
        failures += _attempt(job, [best_guess])
    for pack in packs(each for each in measured if isinstance(each, Trial)):
        failures += _attempt(job, pack)
    return max((code_of(failure) for failure in failures), default=Exit.DONE)


def _attempt(job: Job, pack: Sequence[Trial | BestGuess]) -> list[TaskonomyError]:
    """Do what is left to do of a pack; return why trials of it failed."""
    folders = [TrialFolder(job.artifacts, trial) for trial in pack]
    with ExitStack() as claims:
        mine, failures = _claimed(job, folders, claims)
        try:
            return failures + (_teach(job, mine) if mine else [])
        except (Stopped, PeerLost):
            raise
        except TaskonomyError as error:  # of what the trials share: their data, their sources
            if job.gang.world > 1:  # the others may not have met it, and would wait for ever
                raise
            for folder in mine:
                _say_failed(job, folder, error)
            return [*failures, error]


def _teach(job: Job, folders: Sequence[TrialFolder]) -> list[TaskonomyError]:
    """Train a pack of trials, or make a best guess, in folders that are claimed."""
    trials = [folder.trial for folder in folders if isinstance(folder.trial, Trial)]
    if trials:
        return Trainer(folders, open_lesson(trials, job), job).run()
    for folder in folders:
        if isinstance(folder.trial, BestGuess):
            make_guess(folder, folder.trial, job)
    return []


@contextmanager
def last_words(job: Job) -> Iterator[None]:
    """Leave how the trials stand where the pod's termination message is read from, if asked to."""
    try:
        yield
    except TaskonomyError as error:
        job.failed.setdefault("", FailedTrial(code=code_of(error), reason=str(error)))
        raise
    finally:
        place = os.environ.get(VARIABLE)
        if place and job.gang.is_first:
            with suppress(OSError, TaskonomyError):  # nobody's training ends for want of a note
                Path(place).write_text(_last_words(job).text(), encoding="utf-8")


def _last_words(job: Job) -> LastWords:
    folders = [TrialFolder(job.artifacts, trial) for trial in read_trials(job.launch.trials)]
    finished = {folder.digest for folder in folders if folder.is_done}
    names = [folder.digest for folder in folders]
    steps = sum(step for name, step in job.saved.items() if name not in finished)
    return LastWords.of(names, finished, job.failed, steps)


# --- whose turn it is --------------------------------------------------------------------------


def _claimed(
    job: Job, folders: Sequence[TrialFolder], claims: ExitStack
) -> tuple[list[TrialFolder], list[TaskonomyError]]:
    """Return the folders this job is to work in, and why it leaves others.

    The first worker of a gang claims for all.
    """
    states = bytearray(len(folders))
    failures: list[TaskonomyError] = []
    for place, folder in enumerate(folders):
        if job.gang.is_first and not folder.is_done:
            try:
                claims.enter_context(folder.claimed())
                _check_sources(job, folder)
                states[place] = not folder.is_done  # another process may just have finished it
            except (Busy, NotYet) as error:
                _say_failed(job, folder, error)
                failures.append(error)
    states = bytearray(job.gang.from_first(bytes(states)))
    return [folder for folder, mine in zip(folders, states, strict=True) if mine], failures


def _check_sources(job: Job, folder: TrialFolder) -> None:
    """Raise `NotYet` if the network of a source has not been trained."""
    for encoder in folder.trial.encoders if isinstance(folder.trial, Trial) else ():
        weights = job.artifacts / encoder.digest / WEIGHTS_FILE
        if encoder.is_trained and not weights.exists():
            raise NotYet(
                f"{folder.trial.title}: the network of source {encoder.task} is not there yet "
                f"({weights}); train it first"
            )


def _say_failed(job: Job, folder: TrialFolder, error: TaskonomyError) -> None:
    job.say(Failed(trial=folder.digest, reason=str(error), code=code_of(error)))


# --- edges -------------------------------------------------------------------------------------


def read_trials(place: str) -> list[Trial | BestGuess]:
    """Return the trials of a file on this machine.

    Raises:
        InputRefused: it cannot be read, or a line is no trial.
    """
    path = local_path(place)
    try:
        return parse_trials(path.read_bytes(), str(path))
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error


@contextmanager
def _tracker(launch: Launch, gang: Gang) -> Iterator["Tracker"]:
    from taskonomy_jobs.tracking import open_tracker

    uri = launch.tracking if gang.is_first else ""
    tracker = open_tracker(uri, launch.study, local_path(launch.artifacts), launch.job)
    try:
        yield tracker
    finally:
        tracker.close()


if __name__ == "__main__":
    sys.exit(main())
