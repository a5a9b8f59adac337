"""Whether a study's tasks can be learnt from a data set, before anything is trained.

A split that is not there, images that are too small or a task without labels would end every
network by itself, one after another, with the same sentence. Opening what they learn from reads
folders and cameras, no image: a moment, once listings are kept.
"""

from collections.abc import Iterable
from typing import get_args

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.records import BestGuess
from taskonomy_catalogue.trials import Trial
from taskonomy_jobs.data.examples import Part, open_examples

MOST_NAMED = 4
"""Complaints that are repeated in full."""


class NotReady(TaskonomyError):
    """Some trials have nothing to learn from; ends with the exit code of the first reason."""

    def __init__(self, errors: list[TaskonomyError]) -> None:
        said = list(dict.fromkeys(map(str, errors)))
        more = [f"{len(said) - MOST_NAMED} more like these"] if len(said) > MOST_NAMED else []
        super().__init__("; ".join(said[:MOST_NAMED] + more))
        self.exit_code = errors[0].exit_code


def check_ready(dataset: str, trials: Iterable[Trial | BestGuess]) -> None:
    """Open the examples of each trial's target, once each.

    Args:
        dataset: the data set's folder, or its ``file://`` URI.
        trials: what is to be trained.

    Raises:
        NotReady: some cannot be opened; the message says what is wrong, each thing once.
    """
    errors: list[TaskonomyError] = []
    seen = set()
    for trial in trials:
        size = trial.image_size if isinstance(trial, BestGuess) else trial.model.image_size
        for part in get_args(Part):
            fraction = trial.data.fraction if part == "train" else 1
            opened = (trial.target.id, size, part, fraction)
            if opened in seen:
                continue
            seen.add(opened)
            try:
                open_examples(dataset, trial.data, trial.target, size, part)
            except TaskonomyError as error:
                errors.append(error)
                break
    if errors:
        raise NotReady(errors)
