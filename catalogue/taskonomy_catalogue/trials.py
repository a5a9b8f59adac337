"""Trials: each network of a study, trained once and known by the digest of what it is made from.

`enumerate_trials` lists what a study needs, stage by stage; `higher_order_candidates` chooses the
combinations worth trying; `digest` names a trial by its content, so that no network is trained
twice, across studies too; `upstream` says which other trials it waits for; `AskedTrials` tells
whose a trial is that somebody found.

A trial holds what its result depends on and nothing else: not where data and results lie, what the
pods ask for, or which study asked. Same digest, same result.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from taskonomy_catalogue.errors import SettingRefused, did_you_mean
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_parts import Kind, Model, Stage, Transfers
from taskonomy_catalogue.study_training import Adversarial
from taskonomy_catalogue.tasks import Loss, Output, Task, TaskId

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Comparison = Literal["angle"]
COMPARISONS: Mapping[str, Comparison] = {"normals": "angle"}
"""Tasks, by id, whose networks are compared by their field's own measure instead of the loss they
are trained with. It decides which weights early stopping keeps, so it is part of a trial."""
Ranking = Mapping[str, Sequence[str]]
"""By target id, the ids of its sources, best first-order transfer first."""


def enumerate_trials(study: Study, ranking: Ranking | None = None) -> Iterator["Trial"]:
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


def task_specific_trials(study: Study) -> Iterator["Trial"]:
    """Yield the task-specific network of every source and target that is trained at all.

    A target that is no source has one too: `quality` is measured against it (section 3.3).
    """
    for task in study.dictionary():
        if task.is_trained:
            for seed in study.spec.training.task_specific.seeds:
                yield _trial(study, "task-specific", task, seed)


def scratch_trials(study: Study) -> Iterator["Trial"]:
    """Yield, for every target, the network trained from scratch on the images transfers see."""
    for target in study.targets():
        for seed in study.spec.training.scratch.seeds:
            yield _trial(study, "scratch", target, seed)


def transfer_trials(study: Study, order: int, ranking: Ranking | None = None) -> Iterator["Trial"]:
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

    def __contains__(self, trial: "Trial") -> bool:
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

    def _is_asked_transfer(self, trial: "Trial") -> bool:
        target = self._targets.get(trial.target.id)
        asked_order = trial.order in self._study.spec.transfers.orders
        if target is None or not asked_order or not self._has_asked_seed(trial):
            return False
        usable = {t.id for t in self._study.spec.usable_sources(target, trial.order)}
        if not usable.issuperset(trial.sources):
            return False
        frozen = tuple(self._encoders[source] for source in trial.sources)
        return trial == _trial(self._study, "transfer", target, trial.seed, frozen)

    def _has_asked_seed(self, trial: "Trial") -> bool:
        return trial.seed in self._study.spec.training.of(trial.kind).seeds

    @cached_property
    def _targets(self) -> dict[str, Task]:
        return {task.id: task for task in self._study.targets()}

    @cached_property
    def _trained(self) -> dict[str, Task]:
        return {task.id: task for task in self._study.dictionary() if task.is_trained}

    @cached_property
    def _encoders(self) -> dict[str, "SourceEncoder"]:
        return {task.id: _encoder(self._study, task) for task in self._study.sources()}


def upstream(trial: "Trial") -> tuple[str, ...]:
    """Return the digests of the trials that must be complete before this one can start.

    A transfer waits for the task-specific networks of its sources; an encoder that is never
    trained is made on the spot and waited for by nobody.
    """
    return tuple(encoder.digest for encoder in trial.encoders if encoder.is_trained)


def digest(trial: "Content") -> str:
    """Return the trial's name by content: the sha256 of `canonical_json`, 64 hex digits."""
    return _sha256(canonical_json(trial))


def canonical_json(trial: "Content") -> str:
    """Return the one text that stands for a trial, the same on every Python and machine.

    JSON with keys sorted, no white space and characters unescaped (hash it as UTF-8); floats as
    `repr` writes them, the shortest text that reads back the same. Absent values are left out, so
    that an option added to trials later, absent by default, leaves the digests of old trials alone.
    """
    return _canonical(trial.model_dump(mode="json", exclude_none=True))


# --- what a trial is made of -------------------------------------------------------------------


class Content(BaseModel):
    """Something that is named by the digest of all it holds."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class TrialTask(Content):
    """A task as far as a network's result depends on it; its title, group and role do not count."""

    @classmethod
    def of(cls, task: Task) -> Self:
        """Return that much of a dictionary's task."""
        own = {name: getattr(task, name) for name in cls.model_fields if name != "comparison"}
        return cls(**own, comparison=COMPARISONS.get(task.id))

    id: TaskId
    """Our name for it: input (noise, mask, tiles) and labels are chosen by it."""
    folder: str | None = None
    """Data set folder its label is read from."""
    images: int
    """Images in one example."""
    output: Output
    """What the network returns."""
    loss: Loss
    """What the network is trained with."""
    comparison: Comparison | None = None
    """What networks are compared by on held-out images; absent: by the loss."""


class SourceEncoder(Content):
    """The frozen encoder of one source of a transfer."""

    task: TaskId
    """The source task."""
    digest: Digest
    """Of the task-specific trial that trains it; of `untrained_encoder_digest` if none does."""
    initial_seed: int | None = None
    """Seed of its weights if it is never trained (random projections); absent if it is."""

    @property
    def is_trained(self) -> bool:
        """Whether a task-specific trial makes its weights."""
        return self.initial_seed is None


class Optimiser(Content):
    """Adam and how long it runs."""

    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps; absent: `epochs` says how long."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes over the training images; absent: `steps` says how long."""
    batch_size: int = Field(ge=1)
    """Examples in one step, over all processes: more nodes do not change the result's meaning."""
    learning_rate: float = Field(gt=0)
    """At the first step."""
    weight_decay: Annotated[float, Field(ge=0), AfterValidator(abs)]  # -0.0 and 0.0 are one trial
    """Weight of the L2 penalty."""
    lr_decay_step: int = Field(ge=0)
    """Steps after which the learning rate is multiplied, once; 0: never."""
    lr_decay_factor: float = Field(gt=0, le=1)
    """What it is multiplied by."""
    patience: int = Field(ge=0)
    """Validations without a better loss before training ends early; 0: never."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of steps and epochs")
        return self


class TrialData(Content):
    """Which images a trial learns from. Validation and test split are the split's own."""

    identity: str = Field(min_length=1)
    """What the data set is, wherever it lies."""
    layout: Literal["taskonomy", "omnidata"]
    """How its files are laid out."""
    splits: str
    """Which buildings are for training, validation and test."""
    fraction: float = Field(gt=0, le=1)
    """Share of the train split learnt from; task-specific networks take all of it."""


def _sorted_by_task(encoders: tuple[SourceEncoder, ...]) -> tuple[SourceEncoder, ...]:
    # The network sees them concatenated, and its first layer is trained from new: which comes
    # first names no different experiment, so one order stands for all.
    return tuple(sorted(encoders, key=lambda encoder: encoder.task))


class Trial(Content):
    """One network, trained once."""

    kind: Kind
    """task-specific, from scratch on the transfer images, or a transfer."""
    target: TrialTask
    """The task it solves."""
    encoders: Annotated[tuple[SourceEncoder, ...], AfterValidator(_sorted_by_task)] = ()
    """Frozen encoders it reads, sorted by task; none unless it is a transfer."""
    model: Model
    """The networks. A scratch trial has no encoder, yet its input is sized by it."""
    optimiser: Optimiser
    """How it is trained."""
    data: TrialData
    """What it learns from."""
    seed: int = Field(ge=0)
    """Of initial weights, order of images and noise."""
    adversarial: Adversarial | None = None
    """The adversary it is trained against; absent: none."""
    flip: Literal[True] | None = None
    """Whether training examples are mirrored at random; absent: never."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.kind == "transfer") != bool(self.encoders):
            raise ValueError("a transfer has at least one source, no other trial has any")
        if self.kind != "task-specific" and (self.adversarial or self.flip):
            raise ValueError("only a task-specific network has an adversary or mirrored examples")
        if self.adversarial and self.target.output.kind != "image":
            raise ValueError("only a network that predicts an image has an adversary")
        if len(set(self.sources)) < len(self.sources):
            raise ValueError("a source is given twice")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Ids of the source tasks, sorted."""
        return tuple(encoder.task for encoder in self.encoders)

    @property
    def order(self) -> int:
        """Number of sources; 0 unless it is a transfer."""
        return len(self.encoders)

    @property
    def stage(self) -> Stage:
        """The stage it belongs to."""
        if self.kind == "transfer":
            return "first-order" if self.order == 1 else "higher-order"
        return self.kind

    @property
    def title(self) -> str:
        """What a reader sees, e.g. ``transfer normals+reshading → curvature``."""
        if self.kind == "transfer":
            return f"transfer {'+'.join(self.sources)} → {self.target.id}"
        return f"{self.kind} {self.target.id}"


def untrained_encoder_digest(encoder: str, seed: int) -> str:
    """Return the digest of an encoder that keeps its initial weights, 64 hex digits.

    It stands where a task-specific trial's digest stands for other sources: random projections are
    the same in every study that draws the same architecture from the same seed.
    """
    return _sha256(_canonical({"kind": "untrained", "encoder": encoder, "seed": seed}))


# --- from a study to its trials ----------------------------------------------------------------


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


def _canonical(content: Any) -> str:
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
