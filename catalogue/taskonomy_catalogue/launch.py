"""How a trial is started and what it says while it runs: where those who start jobs meet them.

`Launch` is the command line of ``taskonomy_jobs.train``, written and read by one class; `Exit` is
what its exit code means; the events are the JSON lines of its standard output. `RankingLaunch` is
the command line of the job that ranks sources between first and higher orders.

A job carries one trial, or several, one a line of its trials file (a *pack*: transfers to one
target of one order, or best guesses). A trial of a pack that fails does not end the others. What a
job has done is told by the `result.json` files it left and by nothing else; exit codes and events
say why one is missing.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn, Self, TextIO

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.records import BestGuess, parse_trial
from taskonomy_catalogue.trials import Trial, canonical_json

TRAIN_MODULE = "taskonomy_jobs.train"
"""What ``python -m`` or torchrun runs to train."""
RANKING_MODULE = "taskonomy_warehouse.ranking"
"""What ``python -m`` runs to rank sources."""
REPLAY_MODULE = "taskonomy_jobs.tracking"
"""What ``python -m`` runs to send what jobs could not, while the tracking server was away."""
TRACKING_BUFFER = "tracking-buffer.jsonl"
"""File of a trial's folder that holds what the tracking server does not have yet."""

STUDIES_FOLDER = "studies"
"""Folder of an artifact root that studies run on this machine are kept in."""


class Exit(IntEnum):
    """What a job's exit code means. Every other code, and every signal, is a crash."""

    DONE = 0
    """Every trial of the job has its result."""
    BAD_TRIAL = 64
    """A trial cannot succeed as it is asked (or the command line is wrong): never retried."""
    TRY_AGAIN = 75
    """Saved and stopped on SIGTERM, or something is away that will be back: start it again, no
    retry is used up. A pack ends so if any of its trials may go on; the `failed` events say which
    may not."""


# --- command lines -----------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """A parser whose refusal is a bad trial: the same words would be refused again."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.BAD_TRIAL, f"{self.prog}: {message}\n")


class CommandLine(BaseModel):
    """Options that are written as ``--name value`` and read back the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    MODULE: ClassVar[str]
    """What is run."""

    def arguments(self) -> list[str]:
        """Return the options as words; empty ones are left out.

        ``--name=value`` is one word, so that no value is taken for an option.
        """
        return [f"--{name}={value}" for name, value in self if value]

    def command(self, python: str = sys.executable) -> list[str]:
        """Return the whole command without torchrun: one process.

        ``-P``: a file of the current folder is never taken for a module.
        """
        return [python, "-P", "-m", self.MODULE, *self.arguments()]

    @classmethod
    def parse(cls, words: Sequence[str] | None = None) -> Self:
        """Read options; what is wrong with them goes to standard error and ends with exit 64.

        Args:
            words: without the program's name; None: those of this process.
        """
        prog = f"python -m {cls.MODULE}"
        parser = _Parser(prog=prog, description=cls.__doc__, allow_abbrev=False)
        for name, field in cls.model_fields.items():
            flags = [f"--{name}", *(["--trial"] if name == "trials" else [])]
            parser.add_argument(
                *flags,
                dest=name,
                required=field.is_required(),
                default=None if field.is_required() else field.default,
                help=field.description,
            )
        given = vars(parser.parse_args(words))
        for name, field in cls.model_fields.items():
            if field.is_required() and not given[name]:
                parser.error(f"--{name} is empty")
        return cls(**given)


class Launch(CommandLine):
    """Train the trials of a file, judge them on the held-out images, and leave their results."""

    MODULE: ClassVar[str] = TRAIN_MODULE

    trials: str = Field(min_length=1)
    """File or URI of the trials: one canonical JSON trial or best guess a line."""
    study: str = Field(min_length=1)
    """Name of the study they are trained for."""
    dataset: str = Field(min_length=1)
    """Where the data set lies."""
    artifacts: str = Field(min_length=1)
    """Where every trial leaves its folder."""
    tracking: str = ""
    """MLflow tracking URI; empty: nothing is tracked."""
    job: str = ""
    """What the job or process is called, for records and logs."""


class RankingLaunch(CommandLine):
    """Rank the sources of every target whose first-order transfers are all there."""

    MODULE: ClassVar[str] = RANKING_MODULE

    study: str = Field(min_length=1)
    """The study's document (JSON)."""
    artifacts: str = Field(min_length=1)
    """Where trials leave their folders."""
    out: str = Field(min_length=1)
    """File the ranking is added to (`rankings.RankingFile`)."""
    targets: str = ""
    """Ids of the targets to rank, separated by commas, with the transfers that are there; empty:
    every target whose first-order transfers are all there."""


class ReplayLaunch(CommandLine):
    """Send what the trials of an artifact root could not, while the tracking server was away."""

    MODULE: ClassVar[str] = REPLAY_MODULE

    artifacts: str = Field(min_length=1)
    """Where trials leave their folders."""
    tracking: str = Field(min_length=1)
    """MLflow tracking URI."""
    leave: Literal["", "yes"] = ""
    """yes: what is left is no failure, as somebody comes by again."""


# --- trials files ------------------------------------------------------------------------------


def trials_text(trials: Iterable[Trial | BestGuess]) -> str:
    """Return the content of a trials file: one canonical JSON a line."""
    return "".join(f"{canonical_json(trial)}\n" for trial in trials)


def parse_trials(content: bytes, origin: str) -> list[Trial | BestGuess]:
    """Read a trials file; a `trial.json` is one of one line.

    Args:
        content: the file's bytes.
        origin: its path or URI, for messages.

    Raises:
        InputRefused: a line is no trial, or there is none; the message names the line.
    """
    lines = [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise InputRefused(origin, "holds no trial; write one JSON trial a line")
    trials = []
    for number, line in lines:
        try:
            trials.append(parse_trial(line, origin))
        except InputRefused as error:
            raise InputRefused(origin, error.reason, line=number) from error
    return trials


def submitted_study(artifacts: Path, study: str) -> Path:
    """Return the file that a study submitted on this machine is kept in, its tasks inline."""
    return artifacts / STUDIES_FOLDER / study / "study.json"


def local_path(place: str) -> Path:
    """Return the folder or file that a place on this machine names: a path or ``file://…``.

    Raises:
        InputRefused: the place is a URI of another kind; it has to be mounted first.
    """
    path = place.removeprefix("file://")
    if "://" in path:
        raise InputRefused(place, "is not on this machine; mount it and give the path")
    return Path(path)


# --- events ------------------------------------------------------------------------------------


def _finite(value: Any) -> Any:
    # JSON has no NaN, and a line that says so must not end the training it tells of.
    return None if isinstance(value, float) and not isfinite(value) else value


Figure = Annotated[float | None, BeforeValidator(_finite)]
"""A measured number; null where it is not finite."""


class _Event(BaseModel):
    """One JSON line of a job's standard output."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    """When it happened."""
    trial: str = ""
    """Digest of the trial; empty: of the whole job."""

    def line(self) -> str:
        """Return it as one line of JSON, without the line's end."""
        return self.model_dump_json()


class Started(_Event):
    """A trial begins, or goes on from a checkpoint."""

    event: Literal["started"] = "started"
    title: str = ""
    """What a reader calls it."""
    step: int = 0
    """Steps taken before: 0, or where the checkpoint stands."""
    steps: int = 0
    """Steps it will take if nothing stops it early."""


class Progressed(_Event):
    """So many steps are taken; a few a minute are enough."""

    event: Literal["progress"] = "progress"
    step: int
    """Steps taken."""
    steps: int
    """Steps it will take."""
    loss: Figure
    """Training loss, as it stands."""
    images_per_second: Figure
    """Training images passed through the network in a second."""


class Validated(_Event):
    """The validation split was measured."""

    event: Literal["validated"] = "validated"
    step: int
    """Steps taken."""
    loss: Figure
    """Mean loss over the validation images."""


class SkippedImages(_Event):
    """Images could not be read and were left out."""

    event: Literal["skipped_images"] = "skipped_images"
    count: int
    """How many so far."""
    first: str
    """The first of them, and why."""


class Finished(_Event):
    """A trial has its result."""

    event: Literal["finished"] = "finished"
    mean_loss: Figure
    """Mean loss over the held-out images."""
    seconds: float
    """Wall-clock seconds this attempt took."""


class Failed(_Event):
    """A trial ends without a result; in a pack the others go on."""

    event: Literal["failed"] = "failed"
    reason: str
    """What went wrong, in words for the person who asked for the study."""
    code: int
    """What the process would end with if it had carried this trial alone (`Exit`, or 1)."""


class Saved(_Event):
    """A checkpoint was written because the job was told to stop."""

    event: Literal["saved"] = "saved"
    step: int
    """Steps taken."""


Event = Started | Progressed | Validated | SkippedImages | Finished | Failed | Saved
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def emit(event: Event, stream: TextIO | None = None) -> None:
    """Write an event as one line and send it off at once; standard output unless told otherwise."""
    out = stream or sys.stdout
    out.write(event.line() + "\n")
    out.flush()


def parse_event(line: str) -> Event | None:
    """Read a line of a job's output; None for a line that is no event, as libraries may print."""
    if not line.startswith("{"):
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None
