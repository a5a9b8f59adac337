"""A trial that is only tracked, not trained: points, checkpoints, pictures, resumed after a kill.

``python tracked_trial.py URI STUDY ARTIFACTS INDEX STEPS`` goes on from its checkpoint; point
`step` of every curve has a value that `value` gives again.
"""

import sys
import time
from pathlib import Path

import numpy as np
from trial_results import result_of, small_study

from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.tracking import Panel, TrialRun
from taskonomy_jobs.tracking.tracker import MlflowTracker

EVERY = 10
"""Steps between checkpoints, which come with a validation and a picture."""


def the_trial(study: str, index: int) -> Trial:
    return list(enumerate_trials(small_study(study)))[index]


def value(step: int) -> float:
    return 1 / (1 + step)


def panel(step: int) -> Panel:
    return np.full((16, 48, 3), step % 256, np.uint8)


def train(run: TrialRun, checkpoint: Path, steps: int, pause: float = 0.0) -> None:
    """Log points up to `steps`, from where the checkpoint stands, as a trainer does."""
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for step in range(first + 1, steps + 1):
        run.metrics(step, train_loss=value(step))
        time.sleep(pause)
        if step % EVERY == 0:
            run.metrics(step, validation_loss=value(step))
            run.images(step, "held-out 1", panel(step))
            run.keep()
            made = checkpoint.with_suffix(".made")
            made.write_text(str(step))
            made.replace(checkpoint)


def main(uri: str, study: str, artifacts: Path, index: int, steps: int) -> None:
    trial = the_trial(study, index)
    tracker = MlflowTracker(uri, study, artifacts, "job-1", interval=0.05)
    run = tracker.start(trial)
    checkpoint = artifacts / f"{digest(trial)}.checkpoint"
    sys.stdout.write("started\n")
    sys.stdout.flush()
    train(run, checkpoint, steps, pause=0.005)
    run.finish(result_of(trial, study, np.array([0.25, 0.75])))
    sys.exit(0 if tracker.close(60) else 75)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
