"""A trial: one network, trained once and known by the digest of what it is made from.

A trial holds what its result depends on and nothing else: not where data and results lie, what the
pods ask for, or which study asked. Same digest, same result: no network is trained twice, across
studies too. `digest` names a trial by its content; `upstream` says which other trials it waits for.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from taskonomy_catalogue.study_parts import Kind, Model, Stage
from taskonomy_catalogue.study_training import Adversarial
from taskonomy_catalogue.tasks import Loss, Output, Task, TaskId

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Comparison = Literal["angle"]
COMPARISONS: Mapping[str, Comparison] = {"normals": "angle"}
"""Tasks, by id, whose networks are compared by their field's own measure instead of the loss they
are trained with. It decides which weights early stopping keeps, so it is part of a trial."""


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


def untrained_encoder_digest(encoder: str, seed: int) -> str:
    """Return the digest of an encoder that keeps its initial weights, 64 hex digits.

    It stands where a task-specific trial's digest stands for other sources: random projections are
    the same in every study that draws the same architecture from the same seed.
    """
    return _sha256(_canonical({"kind": "untrained", "encoder": encoder, "seed": seed}))


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


def _canonical(content: Any) -> str:
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
