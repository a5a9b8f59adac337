"""Results of trials as training jobs leave them, made up: the loader's tests read them.

Parquet is written by pyarrow, as the jobs do, and not by the DuckDB that is to read it.
"""

import hashlib
import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from taskonomy_catalogue.records import (
    DIGEST_KEY,
    LOSSES_FILE,
    BestGuess,
    Result,
    best_guesses,
    write_result,
    write_trial,
)
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
THREE = ("normals", "reshading", "curvature")


def study_document(name: str = "rooms", **spec: Any) -> dict[str, Any]:
    """A small study's file: three tasks and random projections, orders 1 and 2.

    A test may change what it gets: nothing in it is another test's.
    """
    document = {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": name},
        "spec": {
            "data": {"dataset": "s3://rooms/v1"},
            "tasks": {"subset": [*THREE, "random"]},
            "transfers": {"orders": [1, 2], "candidates": "exhaustive"},
        }
        | spec,
    }
    return deepcopy(document)


def small_study(name: str = "rooms", **spec: Any) -> Study:
    """`study_document`, read."""
    return parse_study(study_document(name, **spec), origin="study.yaml")


def trials_of(study: Study) -> list[Trial | BestGuess]:
    """Everything a study measures, best guesses last."""
    return [*enumerate_trials(study), *best_guesses(study)]


def held_out(target: str, images: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Image ids of a target's held-out set, ascending and spread over all of UBIGINT."""
    seed = int.from_bytes(hashlib.sha256(target.encode()).digest()[:8])
    draw = np.random.default_rng(seed)
    return np.unique(draw.integers(0, 2**64 - 1, size=2 * images, dtype=np.uint64))[:images]


@dataclass
class Artifacts:
    """An artifact root that trials leave their results in."""

    root: Path
    study: str = "rooms"
    images: int = 50

    def folder(self, trial: Trial | BestGuess) -> Path:
        return self.root / digest(trial)

    def leave(self, trial: Trial | BestGuess, **changes: Any) -> Path:
        """Write a trial's folder as a job does; return it.

        Args:
            trial: what was trained.
            changes: of the losses (`ids`, `losses`, `footer`, `table`), else of the result.
        """
        folder = self.folder(trial)
        folder.mkdir(parents=True, exist_ok=True)
        write_trial(folder, trial)
        ids = changes.pop("ids", None)
        if ids is None:
            ids = held_out(trial.target.id, self.images)
        losses = changes.pop("losses", None)
        if losses is None:
            losses = losses_of(trial, len(ids))
        table = changes.pop("table", None)
        if table is None:
            table = pa.table({"image_id": pa.array(ids, pa.uint64()), "loss": losses})
        footer = changes.pop("footer", {DIGEST_KEY: digest(trial)})
        pq.write_table(table.replace_schema_metadata(footer), folder / LOSSES_FILE)
        write_result(folder, result_of(trial, self.study, losses, **changes))
        return folder

    def leave_all(self, study: Study) -> list[Trial | BestGuess]:
        """Write the results of all trials of a study; return them."""
        trials = trials_of(study)
        for trial in trials:
            self.leave(trial)
        return trials

    def remove(self, trial: Trial | BestGuess) -> None:
        shutil.rmtree(self.folder(trial))

    def __iter__(self) -> Iterator[Path]:
        return iter(sorted(self.root.iterdir()))


def losses_of(trial: Trial | BestGuess, images: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Losses that are always the same for a trial, with ties between trials (quarters)."""
    draw = np.random.default_rng(int(digest(trial)[:15], 16))
    return (draw.integers(1, 40, size=images) / 4).astype(np.float32)


def result_of(trial: Trial | BestGuess, study: str, losses: Any, **changes: Any) -> Result:
    """The `result.json` of a trial with these losses."""
    values = np.asarray(losses, np.float64)
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if len(finite) else 0.0
    content = {
        "digest": digest(trial),
        "kind": trial.kind,
        "study": study,
        "job": f"{study}-{digest(trial)[:10]}",
        "status": "complete",
        "steps": 100,
        "images": len(losses),
        "mean_loss": mean,
        "gpu_seconds": 12.5,
        "started_at": STARTED,
        "finished_at": STARTED + timedelta(minutes=5),
        "versions": {"taskonomy": "0.1.0"},
    }
    return Result.model_validate(content | changes)
