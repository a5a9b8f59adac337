"""What a study asks for, in the order it is started in; of one stage, that and what it needs."""

from collections.abc import Iterator
from itertools import chain
from math import comb
from typing import Literal, get_args

from taskonomy_catalogue.records import BestGuess, best_guesses
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import scratch_trials, task_specific_trials, transfer_trials
from taskonomy_catalogue.trials import Trial, digest, upstream

Measured = Trial | BestGuess
"""What leaves losses behind."""

PlanStage = Literal["task-specific", "scratch", "best-guess", "first-order", "higher-order"]
"""What is trained (or guessed) together; the study's later stages compute on what these leave."""
PLAN_STAGES: tuple[PlanStage, ...] = get_args(PlanStage)

_MEANS: dict[PlanStage, tuple[PlanStage, ...]] = {
    "scratch": ("scratch", "best-guess"),  # the baselines
    "higher-order": ("first-order", "higher-order"),
}
"""Stages that asking for one asks for; itself where nothing is said."""


def asked_trials(study: Study, stage: PlanStage | None = None) -> Iterator[Measured]:
    """Yield what is known to be asked before any target is ranked, encoders before their readers.

    Task-specific networks first, as most waits for them, then the baselines, then transfers.

    Args:
        study: what is asked.
        stage: a stage whose trials are wanted, with the encoders they need; None: all.
    """
    if stage is None:
        yield from _every(study)
        return
    means = _MEANS.get(stage, (stage,))
    wanted = [trial for trial in _every(study) if stage_of(trial) in means]
    encoders = {name for trial in wanted if isinstance(trial, Trial) for name in upstream(trial)}
    own = {digest(trial) for trial in wanted}
    for trial in task_specific_trials(study):
        if digest(trial) in encoders - own:
            yield trial
    yield from wanted


def needs_ranking(study: Study, stage: PlanStage | None) -> bool:
    """Return whether transfers follow once targets are ranked."""
    return stage in (None, "higher-order") and study.spec.transfers.candidates != "exhaustive"


def higher_order_of(study: Study) -> dict[str, int]:
    """Return, by target, the transfers of order 2 and above that follow from its ranking."""
    policy, seeds = study.spec.transfers, len(study.spec.training.transfer.seeds)
    found = {}
    for target in study.targets():
        usable = {o: len(study.spec.usable_sources(target, o)) for o in policy.orders if o > 1}
        found[target.id] = seeds * sum(comb(policy.pool(o, n), o) for o, n in usable.items())
    return {target: number for target, number in found.items() if number}


def stage_of(trial: Measured) -> PlanStage:
    """Return the stage a trial belongs to."""
    if isinstance(trial, BestGuess):
        return "best-guess"
    if trial.kind == "transfer":
        return "first-order" if trial.order == 1 else "higher-order"
    return trial.kind


def _every(study: Study) -> Iterator[Measured]:
    yield from chain(task_specific_trials(study), scratch_trials(study), best_guesses(study))
    exhaustive = study.spec.transfers.candidates == "exhaustive"
    for order in study.spec.transfers.orders:
        if order == 1 or exhaustive:
            yield from transfer_trials(study, order)
