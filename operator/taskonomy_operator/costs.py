"""What a study's stages hold and cost: counted, and measured on trials that have their result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.records import RESULT_FILE, parse_result
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_parts import TrainingStage
from taskonomy_catalogue.study_trials import count_trials
from taskonomy_operator.observe import Known

TRAINING: tuple[TrainingStage, ...] = get_args(TrainingStage)
"""Stages that train networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """One stage of a study."""

    stage: str
    trials: int
    """Trials it will have once every target is ranked."""
    gpu_hours: float | None
    """GPU hours (on CPUs, hours) of all of them; None: nothing tells yet."""
    done: int
    """Trials that have their result, whichever study it was trained for."""
    gpu_hours_left: float | None
    """Of those that have none."""


def stage_costs(known: Known, estimates: Mapping[str, float]) -> list[StageCost]:
    """Return the training stages of a study with what they cost.

    Args:
        known: what is known of it.
        estimates: by stage, hours of one trial: taken where none has been measured.
    """
    counts, done = count_trials(known.study), known.plan.counts()
    found = []
    for stage in TRAINING:
        trials = counts[stage]
        finished = done[stage]["done"] if stage in done else 0
        each = measured_hours(known, stage)
        each = estimates.get(stage) if each is None else each
        found.append(
            StageCost(
                stage=stage,
                trials=trials,
                gpu_hours=_rounded(each, trials),
                done=finished,
                gpu_hours_left=_rounded(each, trials - finished),
            )
        )
    return found


def measured_hours(known: Known, stage: TrainingStage) -> float | None:
    """Return the mean GPU hours of a stage's trials that have their result; None: none has."""
    seconds = []
    for node in known.plan.nodes():
        if node.stage == stage and node.state == "done":
            path = known.folder.artifacts / node.digest / RESULT_FILE
            try:
                seconds.append(parse_result(path.read_bytes(), str(path)).gpu_seconds)
            except (InputRefused, OSError):
                continue  # it is the loader that says what is wrong with it
    return sum(seconds) / len(seconds) / 3600 if seconds else None


def best_guesses_of(study: Study) -> int:
    """Return how many best guesses go with a study: one a target, no network and next to free."""
    return len(study.targets())


def _rounded(each: float | None, trials: int) -> float | None:
    if trials == 0:
        return 0.0
    return None if each is None else round(each * trials, 4)
