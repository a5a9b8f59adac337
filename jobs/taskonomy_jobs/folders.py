"""A trial's folder under the artifact root: who may write it, and what is written how.

One process writes a folder at a time: it holds an advisory lock on `lock`, which the kernel lets go
of when the process ends however it ends. Every file is written under another name, flushed and
renamed, so that what has its name is whole.
"""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import Exit
from taskonomy_catalogue.records import (
    DIGEST_KEY,
    LOSSES_FILE,
    RESULT_FILE,
    TRIAL_FILE,
    BestGuess,
    Result,
    trial_folder,
    write_result,
    write_trial,
)
from taskonomy_catalogue.trials import Trial, digest

LOCK_FILE = "lock"
WEIGHTS_FILE = "weights.safetensors"
CURVE_FILE = "curve.parquet"
CHECKPOINT = Path("checkpoint", "state.pt")


class Busy(TaskonomyError):
    """Another process is at work on the trial."""

    exit_code = Exit.TRY_AGAIN


class TrialFolder:
    """The folder of one trial."""

    def __init__(self, artifacts: Path, trial: Trial | BestGuess) -> None:
        self.trial = trial
        self.digest = digest(trial)
        self.path = Path(trial_folder(str(artifacts), self.digest))

    @property
    def is_done(self) -> bool:
        """Whether the trial has its result."""
        return (self.path / RESULT_FILE).exists()

    @property
    def checkpoint(self) -> Path:
        """The file that a trial goes on from."""
        return self.path / CHECKPOINT

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.path / WEIGHTS_FILE

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder; make it and write `trial.json` first.

        Raises:
            Busy: another process holds it; the message says which.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK_FILE).open("a+") as lock:
            _hold(lock.fileno(), self)
            lock.truncate(0)
            lock.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            lock.flush()
            if not (self.path / TRIAL_FILE).exists():
                write_trial(self.path, self.trial)
            yield

    def write_losses(self, ids: NDArray[np.uint64], losses: NDArray[np.floating]) -> None:
        """Write `losses.parquet`: one row a held-out image, by rising id."""
        order = np.argsort(ids, kind="stable")
        table = pa.table(
            {
                "image_id": pa.array(ids[order], pa.uint64()),
                "loss": pa.array(losses[order].astype(np.float32), pa.float32()),
            }
        )
        self._write_table(LOSSES_FILE, table)

    def write_curve(
        self,
        losses: NDArray[np.float64],
        validated: dict[int, float],
        further: Mapping[str, Sequence[float]] = MappingProxyType({}),
    ) -> None:
        """Write `curve.parquet`, a row a step.

        Args:
            losses: the training loss of every step.
            validated: validation losses by steps taken.
            further: more columns; one that is shorter is of the last steps.
        """
        steps = np.arange(1, len(losses) + 1)
        validation = [validated.get(int(step)) for step in steps]
        columns = {
            "step": pa.array(steps, pa.int64()),
            "loss": pa.array(losses, pa.float64()),
            "validation_loss": pa.array(validation, pa.float64()),
        }
        for name, values in further.items():
            before = [None] * (len(steps) - len(values))
            columns[name] = pa.array([*before, *values], pa.float64())
        self._write_table(CURVE_FILE, pa.table(columns))

    def finish(self, result: Result) -> None:
        """Write `result.json`: the trial is done, and what it could go on from is not needed."""
        write_result(self.path, result)
        shutil.rmtree(self.checkpoint.parent, ignore_errors=True)

    def _write_table(self, name: str, table: pa.Table) -> None:
        table = table.replace_schema_metadata({DIGEST_KEY: self.digest})
        write_whole(self.path / name, lambda path: pq.write_table(table, path))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Make a file so that a reader, or the power going, sees all of it or none.

    Args:
        path: the file; its folder is made.
        write: writes the content to the path it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _hold(lock: int, folder: TrialFolder) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _holder(folder.path / LOCK_FILE)
        raise Busy(
            f"{folder.trial.title} ({folder.digest[:10]}): {holder} is training it; "
            "wait for it, or stop it and start this again"
        ) from error


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text())
        return f"process {held['pid']} on {held['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
