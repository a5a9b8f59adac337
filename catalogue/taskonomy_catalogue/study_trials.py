"""From a study to its trials: every network that it asks for.

`enumerate_trials` lists them, stage by stage; `higher_order_candidates` chooses the combinations of
sources worth trying; `AskedTrials` tells whose a trial is that somebody found.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

from taskonomy_catalogue.errors import SettingRefused, did_you_mean
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_parts import Kind, Stage, Transfers
from taskonomy_catalogue.tasks import Task
from taskonomy_catalogue.trials import (
    Optimiser,
    SourceEncoder,
    Trial,
    TrialData,
    TrialTask,
    digest,
    untrained_encoder_digest,
)

Ranking = Mapping[str, Sequence[str]]
"""By target id, the ids of its sources, best first-order transfer first."""


def enumerate_trials(study: Study, ranking: Ranking | None = None) -> Iterator[Trial]:
    """Yield every trial of a study: task-specific, scratch, then transfers by ascending order.

    The order is always the same: within a stage by target, then by candidate, then by seed. Above
    order 1 a target's transfers appear once it is ranked, so a growing ranking only adds trials.

    Args:
        study: what is asked.
        ranking: the sources of each target that is ranked already, best first; not needed by the
            exhaustive policy.

    Raises:
        SettingRefused: the ranking names a target or source that is not of the study.
    """
    yield from task_specific_trials(study)
    yield from scratch_trials(study)
    for order in study.spec.transfers.orders:
        yield from transfer_trials(study, order, ranking)


def task_specific_trials(study: Study) -> Iterator[Trial]:
    """Yield the task-specific network of every source and target that is trained at all.

    A target that is no source has one too: `quality` is measured against it (section 3.3).
    """
    for task in study.dictionary():
        if task.is_trained:
            for seed in study.spec.training.task_specific.seeds:
                yield _trial(study, "task-specific", task, seed)


def scratch_trials(study: Study) -> Iterator[Trial]:
    """Yield, for every target, the network trained from scratch on the images transfers see."""
    for target in study.targets():
        for seed in study.spec.training.scratch.seeds:
            yield _trial(study, "scratch", target, seed)


def transfer_trials(study: Study, order: int, ranking: Ranking | None = None) -> Iterator[Trial]:
    """Yield the transfers of one order to every target that can be served yet.

    Raises:
        SettingRefused: the ranking names a target or source that is not of the study.
    """
    _check_ranking(study, ranking or {})
    encoders = {source.id: _encoder(study, source) for source in study.sources()}
    for target in study.targets():
        for sources in _candidates(study, target, order, ranking or {}):
            frozen = tuple(encoders[source] for source in sources)
            for seed in study.spec.training.transfer.seeds:
                yield _trial(study, "transfer", target, seed, frozen)


def higher_order_candidates(
    target: str, ranked_sources: Sequence[str], order: int, policy: Transfers
) -> Iterator[tuple[str, ...]]:
    """Yield the source combinations of one order that are worth trying for a target.

    The paper's beam (section 3.2): all pairs and triples of the five best first-order sources, all
    quadruples of the six best, and from order 5 on the k best alone. With fewer sources ranked
    than that, those there are get combined; with fewer than `order`, nothing is yielded.

    Args:
        target: the target's id; its own encoder is left out unless the policy lets it in.
        ranked_sources: source ids, best first-order transfer first.
        order: sources in one transfer, from 1.
        policy: the study's `transfers`.

    Yields:
        Source ids in canonical (sorted) order; combinations of better sources first.

    Raises:
        SettingRefused: a source is ranked twice.
    """
    twice = [source for source, count in Counter(ranked_sources).items() if count > 1]
    if twice:
        raise SettingRefused(f"the ranking of target {target!r} holds {twice[0]!r} twice")
    own = policy.uses_own_encoder(order)
    usable = [source for source in ranked_sources if own or source != target]
    for combination in combinations(usable[: policy.pool(order, len(usable))], order):
        yield tuple(sorted(combination))


def count_trials(study: Study) -> dict[Stage, int]:
    """Return how many trials each training stage will have once every target is ranked."""
    training, transfers = study.spec.training, study.spec.transfers.orders
    by_order = {order: study.spec.transfers_of_order(order) for order in transfers}
    trained = sum(task.is_trained for task in study.dictionary())
    first, every = by_order.get(1, 0), sum(by_order.values())
    return {
        "task-specific": trained * len(training.task_specific.seeds),
        "scratch": len(study.targets()) * len(training.scratch.seeds),
        "first-order": first * len(training.transfer.seeds),
        "higher-order": (every - first) * len(training.transfer.seeds),
    }


class AskedTrials:
    """Every trial a study may ask for, whatever its ranking turns out to be: `trial in asked`.

    Which combinations of sources are worth training above order 1 depends on results that come in
    over time. Whether a trial is one of this study's networks does not: the same target, sources,
    orders, seeds and settings. So a reader of results needs no ranking, and the order in which
    results arrive changes nothing.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def __contains__(self, trial: Trial) -> bool:
        """Return whether the study may ask for exactly this trial, digest and all."""
        if trial.kind == "transfer":
            return self._is_asked_transfer(trial)
        tasks = self._trained if trial.kind == "task-specific" else self._targets
        task = tasks.get(trial.target.id)
        return (
            task is not None
            and self._has_asked_seed(trial)
            and trial == _trial(self._study, trial.kind, task, trial.seed)
        )

    def _is_asked_transfer(self, trial: Trial) -> bool:
        target = self._targets.get(trial.target.id)
        asked_order = trial.order in self._study.spec.transfers.orders
        if target is None or not asked_order or not self._has_asked_seed(trial):
            return False
        usable = {t.id for t in self._study.spec.usable_sources(target, trial.order)}
        if not usable.issuperset(trial.sources):
            return False
        frozen = tuple(self._encoders[source] for source in trial.sources)
        return trial == _trial(self._study, "transfer", target, trial.seed, frozen)

    def _has_asked_seed(self, trial: Trial) -> bool:
        return trial.seed in self._study.spec.training.of(trial.kind).seeds

    @cached_property
    def _targets(self) -> dict[str, Task]:
        return {task.id: task for task in self._study.targets()}

    @cached_property
    def _trained(self) -> dict[str, Task]:
        return {task.id: task for task in self._study.dictionary() if task.is_trained}

    @cached_property
    def _encoders(self) -> dict[str, SourceEncoder]:
        return {task.id: _encoder(self._study, task) for task in self._study.sources()}


# --- a trial of a study ------------------------------------------------------------------------


def _candidates(
    study: Study, target: Task, order: int, ranking: Ranking
) -> Iterator[tuple[str, ...]]:
    policy = study.spec.transfers
    if order == 1 or policy.candidates == "exhaustive":
        every = [source.id for source in study.sources()]
        return higher_order_candidates(target.id, every, order, policy)
    return higher_order_candidates(target.id, ranking.get(target.id, ()), order, policy)


def _check_ranking(study: Study, ranking: Ranking) -> None:
    targets, sources = ({t.id for t in tasks} for tasks in (study.targets(), study.sources()))
    for target, ranked in ranking.items():
        if target not in targets:
            hint = did_you_mean(target, targets)
            raise SettingRefused(f"study {study.name!r} has no target {target!r} to rank{hint}")
        for source in ranked:
            if source not in sources:
                hint = did_you_mean(source, sources)
                raise SettingRefused(
                    f"the ranking of target {target!r} names {source!r}, which is no source of "
                    f"study {study.name!r}{hint}"
                )


def _encoder(study: Study, source: Task) -> SourceEncoder:
    """Return a source's encoder: with several task-specific seeds, that of the first."""
    seed = study.spec.training.task_specific.seeds[0]
    if source.is_trained:
        own = _trial(study, "task-specific", source, seed)
        return SourceEncoder(task=source.id, digest=digest(own))
    made = untrained_encoder_digest(study.spec.model.encoder, seed)
    return SourceEncoder(task=source.id, digest=made, initial_seed=seed)


def _trial(
    study: Study, kind: Kind, target: Task, seed: int, encoders: tuple[SourceEncoder, ...] = ()
) -> Trial:
    return Trial(
        kind=kind,
        target=TrialTask.of(target),
        encoders=encoders,
        model=study.spec.model,
        optimiser=_optimiser(study, kind, target, order=len(encoders)),
        data=_data(study, kind),
        seed=seed,
        **(_options(study, target) if kind == "task-specific" else {}),
    )


def _options(study: Study, target: Task) -> dict[str, Any]:
    """Return what a task-specific network is trained with beyond what every network is."""
    training = study.spec.training.task_specific
    return {
        "adversarial": training.adversarial if target.predicts_image else None,
        "flip": training.augment.flip or None,
    }


def _optimiser(study: Study, kind: Kind, target: Task, order: int) -> Optimiser:
    training = study.spec.training.of(kind)
    steps, epochs = training.length()
    return Optimiser(
        steps=steps,
        epochs=epochs,
        batch_size=study.spec.batch_sizes[kind].get(target.id, training.batch_size),
        learning_rate=training.learning_rate,
        weight_decay=study.spec.training.weight_decay(kind, order),
        lr_decay_step=training.lr_decay_step,
        lr_decay_factor=training.lr_decay_factor,
        patience=training.early_stopping.patience,
    )


def _data(study: Study, kind: Kind) -> TrialData:
    data = study.spec.data
    return TrialData(
        identity=data.identity or data.dataset,
        layout=data.layout,
        splits=data.splits,
        fraction=1.0 if kind == "task-specific" else data.transfer_fraction,
    )
