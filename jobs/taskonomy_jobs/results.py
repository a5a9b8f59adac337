"""What a finished trial leaves: weights, curve, losses, and last of all its result."""

import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from numpy.typing import NDArray

from taskonomy_catalogue.launch import Launch
from taskonomy_catalogue.records import Result
from taskonomy_jobs.checkpoint import Weights, write_weights
from taskonomy_jobs.folders import TrialFolder
from taskonomy_jobs.students import Student


def leave_network(student: Student) -> None:
    """Write what a student learnt: its weights and its curve."""
    folder = student.folder
    weights = Weights(student.network.state_dict(), student.statistics.to_dict())
    write_weights(folder.weights, weights, folder.digest)
    further = student.adversary.curves() if student.adversary else {}
    folder.write_curve(np.array(student.curve, np.float64), student.validated, further)


def leave_result(
    folder: TrialFolder,
    launch: Launch,
    ids: NDArray[np.uint64],
    losses: NDArray[np.float64],
    *,
    steps: int,
    stopped_early: bool,
    skipped: int,
    gpu_seconds: float,
    started_at: datetime,
) -> Result:
    """Write the losses and then the result: the trial is done.

    Args:
        folder: of the trial, claimed.
        launch: the study and job it was trained by.
        ids: (N,) held-out images.
        losses: (N,) their losses, finite.
        steps: optimiser steps taken.
        stopped_early: whether validation ended it.
        skipped: held-out images that could not be read.
        gpu_seconds: of training and evaluation.
        started_at: when the first attempt began.
    """
    folder.write_losses(ids, losses)
    result = Result(
        digest=folder.digest,
        kind=folder.trial.kind,
        study=launch.study,
        job=launch.job,
        status="stopped-early" if stopped_early else "complete",
        steps=steps,
        images=len(ids),
        skipped=skipped,
        # Of the losses as they are stored, so that a reader who adds them up finds this figure.
        mean_loss=float(losses.astype(np.float32).mean(dtype=np.float64)),
        gpu_seconds=gpu_seconds,
        started_at=started_at,
        finished_at=max(datetime.now(UTC), started_at),
        versions=versions(),
    )
    folder.finish(result)
    return result


@cache
def versions() -> dict[str, str]:
    """Return the versions of what makes results here."""
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for package in ("taskonomy", "numpy", "timm", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if torch.cuda.is_available():
        found["cuda"] = str(torch.version.cuda)
        found["gpu"] = torch.cuda.get_device_name()
    return found
