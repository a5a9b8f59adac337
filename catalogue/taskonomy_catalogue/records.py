"""What a trial leaves behind: where the jobs that write it and the warehouse that reads it meet.

Under ``<artifacts>/<digest>/``, besides the checkpoints and weights that only jobs read:

- `trial.json`, written first: the trial's canonical JSON; its sha256 is the name of the folder.
- `losses.parquet`, written after the evaluation: one row per held-out image, by rising
  ``image_id``. Columns ``image_id`` UBIGINT and ``loss`` FLOAT, finite, lower is better. The
  footer's key ``taskonomy.digest`` repeats the digest.
- `result.json`, written last: a `Result`, what came out in figures. It is there, so the trial is
  done.

Each file is written under another name and renamed, so that what has its name is whole. A *best
guess* is no network and leaves the same three files: it is the loss of the one prediction that
fits the training labels best, whatever the image (Zamir et al. 2018, table 1, "avg").
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_parts import Name
from taskonomy_catalogue.study_trials import AskedTrials
from taskonomy_catalogue.trials import Content, Digest, Trial, TrialData, TrialTask, canonical_json

TRIAL_FILE = "trial.json"
LOSSES_FILE = "losses.parquet"
RESULT_FILE = "result.json"

LOSSES_COLUMNS = {"image_id": "UBIGINT", "loss": "FLOAT"}
"""Columns of `losses.parquet` in order, by DuckDB type: UINT_64 and FLOAT in Parquet's words."""
DIGEST_KEY = "taskonomy.digest"
"""Key of the Parquet footer, and tag of the MLflow run, that holds the trial's digest."""
STUDY_TAG = "taskonomy.study"
"""Tag of an MLflow run: the study it was trained for."""
FOLDER_TAG = "taskonomy.artifacts"
"""Tag of an MLflow run: the URI of the trial's folder; absent: the run's own artifact folder."""

RecordKind = Literal["task-specific", "scratch", "transfer", "best-guess"]
"""`Kind`, and the best guess."""


# --- the best guess ----------------------------------------------------------------------------


class BestGuess(Content):
    """The constant prediction that fits a target's training labels best, as a thing measured."""

    kind: Literal["best-guess"] = "best-guess"
    """Always best-guess."""
    target: TrialTask
    """The task it guesses."""
    image_size: int
    """Side of the images that labels are scaled to, in pixels."""
    data: TrialData
    """The training images whose labels it is made from: all of the train split."""

    @property
    def seed(self) -> int:
        """Nothing is drawn; 0, so that it stands beside trials in one table."""
        return 0

    @property
    def sources(self) -> tuple[str, ...]:
        """None: it looks at no image."""
        return ()

    @property
    def title(self) -> str:
        """What a reader sees, e.g. ``best-guess curvature``."""
        return f"best-guess {self.target.id}"


Measured = Annotated[Trial | BestGuess, Field(discriminator="kind")]
"""What has losses on held-out images: a network, or the best guess."""


def best_guesses(study: Study) -> Iterator[BestGuess]:
    """Yield the best guess of every target of a study, in dictionary order."""
    data = study.spec.data
    for target in study.targets():
        yield BestGuess(
            target=TrialTask.of(target),
            image_size=study.spec.model.image_size,
            data=TrialData(
                identity=data.identity or data.dataset,
                layout=data.layout,
                splits=data.splits,
                fraction=1.0,
            ),
        )


class AskedRecords:
    """What a study may ask for, best guesses among it: `trial in asked`, whatever the ranking."""

    def __init__(self, study: Study) -> None:
        self._trials = AskedTrials(study)
        self._guesses = {guess.target.id: guess for guess in best_guesses(study)}

    def __contains__(self, trial: Trial | BestGuess) -> bool:
        """Return whether the study may ask for exactly this trial, digest and all."""
        if isinstance(trial, BestGuess):
            return self._guesses.get(trial.target.id) == trial
        return trial in self._trials


# --- the result --------------------------------------------------------------------------------


class Result(BaseModel):
    """What came of a trial; `losses.parquet` beside it holds the losses this sums up."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    version: Literal[1] = 1
    """Version of this format; a reader refuses one it does not know."""
    digest: Digest
    """Of the trial."""
    kind: RecordKind
    """What was trained."""
    study: Name
    """Study it was trained for. Others that ask for the same trial use it too."""
    job: str = Field(default="", max_length=253)
    """Job or process that trained it; empty: not known."""
    status: Literal["complete", "stopped-early"]
    """Whether it ran its full length, or ended when validation stopped getting better."""
    steps: int = Field(ge=0)
    """Optimiser steps taken; 0 for a best guess."""
    images: int = Field(ge=1)
    """Held-out images it was judged on: rows of `losses.parquet`."""
    skipped: int = Field(default=0, ge=0)
    """Held-out images it could not be judged on (unreadable); the rest of the set is there."""
    mean_loss: float
    """Mean of the losses."""
    gpu_seconds: float = Field(ge=0)
    """Seconds of training and evaluation, times the GPUs that were held; on CPUs the seconds."""
    started_at: AwareDatetime
    """When its first attempt began."""
    finished_at: AwareDatetime
    """When it was written."""
    versions: dict[str, str] = Field(default={}, max_length=32)
    """Versions of what made it, such as taskonomy, torch and cuda."""

    @model_validator(mode="after")
    def _time_runs_forward(self) -> Self:
        if self.finished_at < self.started_at:
            raise ValueError("finished_at lies before started_at")
        return self


# --- reading and writing -----------------------------------------------------------------------


def trial_folder(artifacts: str, digest: str) -> str:
    """Return the folder of a trial under an artifact root, which is a path or a URI."""
    return f"{artifacts.rstrip('/')}/{digest}"


def parse_trial(content: bytes, origin: str) -> Trial | BestGuess:
    """Read `trial.json`.

    Args:
        content: the file's bytes.
        origin: its path or URI; the message begins with it.

    Raises:
        InputRefused: it is not a trial; the message names the field and what is wrong.
    """
    return _parsed(_TRIAL, content, origin)


def parse_result(content: bytes, origin: str) -> Result:
    """Read `result.json`; arguments and errors as `parse_trial`."""
    return _parsed(_RESULT, content, origin)


def write_trial(folder: Path, trial: Trial | BestGuess) -> None:
    """Write `trial.json` into a trial's folder."""
    write_whole(folder / TRIAL_FILE, canonical_json(trial))


def write_result(folder: Path, result: Result) -> None:
    """Write `result.json` into a trial's folder: from here on the trial is done.

    Raises:
        FileNotFoundError: `trial.json` or `losses.parquet` is not there yet.
    """
    for name in (TRIAL_FILE, LOSSES_FILE):
        (folder / name).stat()
    write_whole(folder / RESULT_FILE, result.model_dump_json(indent=1))


_TRIAL: TypeAdapter[Trial | BestGuess] = TypeAdapter(Measured)
_RESULT = TypeAdapter(Result)
_Record = TypeVar("_Record")


def _parsed(adapter: TypeAdapter[_Record], content: bytes, origin: str) -> _Record:
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        raise InputRefused(origin, "; ".join(_said(error))) from error


def _said(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        # The first step names the branch of the union and not a field of the file.
        place = [str(p) for p in problem["loc"] if p not in _BRANCHES]
        message = problem["msg"].removeprefix("Value error, ")
        yield f"field {'.'.join(place)}: {message}" if place else message


_BRANCHES = {"task-specific", "scratch", "transfer", "best-guess"}


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or the power going, sees all of it or what was before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
