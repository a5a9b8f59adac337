"""What every part of a training job needs: who it works for, with whom, and when to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.last_words import FailedTrial
from taskonomy_catalogue.launch import (
    Event,
    Exit,
    Failed,
    Launch,
    Saved,
    Started,
    emit,
    local_path,
)
from taskonomy_jobs.batches import Memory
from taskonomy_jobs.distributed import Gang
from taskonomy_jobs.settings import Settings

if TYPE_CHECKING:
    from taskonomy_jobs.tracking import Tracker


class Stopped(TaskonomyError):
    """The job was told to stop; what it has is saved."""

    exit_code = Exit.TRY_AGAIN


@dataclass(slots=True)
class StopSignal:
    """Whether somebody wants the job to stop."""

    is_given: bool = False
    """Set by SIGTERM and by SIGINT."""

    def obey(self) -> None:
        """Raise if the signal was given.

        Raises:
            Stopped: it was.
        """
        if self.is_given:
            raise Stopped("told to stop; start the same command again to go on")


@contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Turn SIGTERM and SIGINT into a wish that the loop grants after the present step."""
    stop = StopSignal()

    def wish(_number: int, _frame: FrameType | None) -> None:
        stop.is_given = True

    former = {number: signal.signal(number, wish) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the training command, as its parts see it."""

    launch: Launch
    """The command line."""
    settings: Settings
    """How this machine runs it."""
    gang: Gang
    """The workers."""
    stop: StopSignal
    """Whether to stop."""
    tracker: "Tracker"
    """Where runs are recorded; a null one on all workers but the first."""
    memory: Memory = field(init=False)
    """What decoded examples may take."""
    failed: dict[str, FailedTrial] = field(default_factory=dict)
    """Why trials have no result, by digest, as far as it was said."""
    saved: dict[str, int] = field(default_factory=dict)
    """The step that a trial's checkpoint stands at, by digest, as far as it was said."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", Memory(self.settings.label_memory))

    @property
    def artifacts(self) -> Path:
        """The artifact root."""
        return local_path(self.launch.artifacts)

    @property
    def decoders(self) -> int:
        """Threads that decode ahead in this worker."""
        return self.settings.decoders or (4 if self.gang.device.type == "cuda" else 1)

    def say(self, event: Event) -> None:
        """Write an event, for all workers once."""
        if isinstance(event, Failed):
            self.failed[event.trial] = FailedTrial(code=event.code, reason=event.reason)
        if isinstance(event, Started | Saved):
            self.saved[event.trial] = event.step
        if self.gang.is_first:
            emit(event)


def code_of(error: TaskonomyError) -> int:
    """Return the exit code that an error means for a job: only what says so may be tried again."""
    return Exit.TRY_AGAIN if error.exit_code == Exit.TRY_AGAIN else Exit.BAD_TRIAL
