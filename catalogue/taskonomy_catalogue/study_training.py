"""How the networks of a Study are trained: the `training` of its spec, the paper's as default.

Every kind of network has a length, batches, a learning rate and seeds. Task-specific networks may
also be trained against an adversary and on mirrored images; both are off unless asked for, and a
study that does not ask has the trials it always had. The other kinds have neither: a transfer reads
stored representations of the images as they are, and the scratch baseline is what its result is
counted against, so both learn by the same loss from the same images.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from taskonomy_catalogue.refusals import Problem, SpecModel
from taskonomy_catalogue.study_parts import Flag, Kind
from taskonomy_catalogue.tasks import MAX_TASKS

MAX_SEEDS = 16
"""Most repetitions of a stage."""

Decay = Annotated[float, Field(strict=True, ge=0, le=1)]
DecayStep = Annotated[int, Field(strict=True, ge=0, le=100_000_000)]
BatchSize = Annotated[int, Field(strict=True, ge=1, le=65_536)]
BatchSizes = Annotated[dict[str, BatchSize], Field(max_length=MAX_TASKS)]
Seed = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]


class EarlyStopping(SpecModel):
    """When training ends before its time."""

    patience: Annotated[int, Field(strict=True, ge=0, le=1_000)] = 0
    """Validations in a row without a better loss after which training ends; 0: never, as in the
    paper."""


class Adversarial(SpecModel):
    """An adversary, which learns to tell predictions from labels and must not be able to.

    The paper's pixel tasks had one: a conditional GAN's term beside their loss (supplementary
    material).
    """

    weight: Annotated[float, Field(strict=True, gt=0, le=1e6)] = 0.004
    """Weight of the term beside the task's own loss."""
    from_step: Annotated[int, Field(strict=True, ge=0, le=100_000_000)] = 25_000
    """Steps taken without it."""


class Augmentation(SpecModel):
    """What is done to training images, and to their labels with them, at random."""

    flip: Flag = False
    """Whether half of the examples, drawn anew in every epoch, are mirrored left to right."""


class StageTraining(SpecModel):
    """How one kind of network is trained: Adam, its rate lowered once, as in the paper."""

    steps: Annotated[int, Field(strict=True, ge=1, le=100_000_000)] | None = None
    """Optimiser steps to train for; give this or `epochs`."""
    epochs: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """Passes over the training images; 30 if neither this nor `steps` is given."""
    batch_size: BatchSize = 32
    """Examples in one step, over all processes."""
    batch_sizes: BatchSizes = Field(default={})
    """Batch sizes of single targets, by task name."""
    learning_rate: Annotated[float, Field(strict=True, gt=0, le=10)] = 1e-4
    """Adam's learning rate at the first step."""
    weight_decay: Decay = 1e-5
    """Weight of the L2 penalty."""
    lr_decay_step: DecayStep = 5_000
    """Steps after which the learning rate is multiplied by `lrDecayFactor`, once; 0: never."""
    lr_decay_factor: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.1
    """What the learning rate is multiplied by, once, after `lrDecayStep` steps."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MAX_SEEDS)] = (0,)
    """Seeds, one trial each: more than one gives error bars."""
    early_stopping: EarlyStopping = EarlyStopping()
    """When training ends before its time."""

    def rules(self) -> Iterator[Problem]:
        """Yield the rules within a stage: one length, seeds told apart."""
        if self.steps is not None and self.epochs is not None:
            yield Problem("steps", "give steps or epochs, not both; remove one")
        if len(set(self.seeds)) < len(self.seeds):
            yield Problem("seeds", "a seed is given twice; the same trial runs once, so remove it")

    def length(self) -> tuple[int | None, int | None]:
        """Return (steps, epochs), exactly one of them set; 30 epochs unless given."""
        return (self.steps, None) if self.steps is not None else (None, self.epochs or 30)


class TaskSpecificTraining(StageTraining):
    """How task-specific networks are trained."""

    batch_sizes: BatchSizes = Field(default={"egomotion": 8, "pose-nonfixated": 8})
    """Batch sizes of single tasks, by task name; the paper's for triplets and unfixated pairs."""
    weight_decay: Decay = 2e-6
    """Weight of the L2 penalty."""
    lr_decay_step: DecayStep = 80_000
    """Steps after which the learning rate is multiplied by `lrDecayFactor`, once; 0: never."""
    adversarial: Adversarial | None = None
    """An adversary for the tasks that predict images; absent: none, so that losses compare."""
    augment: Augmentation = Augmentation()
    """What is done to training images at random; nothing unless asked for."""

    def rules(self) -> Iterator[Problem]:
        """Yield the rules within the stage, one more: the adversary takes part in training."""
        yield from super().rules()
        if self.adversarial and self.steps and self.adversarial.from_step >= self.steps:
            reason = (
                f"the term is added from step {self.adversarial.from_step} on and training ends "
                f"after {self.steps}; lower it, or remove adversarial"
            )
            yield Problem("adversarial.fromStep", reason)


class TransferTraining(StageTraining):
    """How transfer networks are trained; their encoders are frozen.

    With several task-specific seeds, transfers start from the encoders of the first.
    """

    higher_order_weight_decay: Decay = 1e-6
    """Weight of the L2 penalty of transfers from two sources or more."""


class Training(SpecModel):
    """How long and how each kind of network is trained; the defaults are the paper's."""

    task_specific: TaskSpecificTraining = TaskSpecificTraining()
    """Task-specific networks, on the train split."""
    scratch: StageTraining = StageTraining()
    """The baseline: a target from scratch, on the images that transfers see."""
    transfer: TransferTraining = TransferTraining()
    """Transfers of every order."""

    def of(self, kind: Kind) -> StageTraining:
        """Return how networks of a kind are trained."""
        if kind == "task-specific":
            return self.task_specific
        return self.scratch if kind == "scratch" else self.transfer

    def weight_decay(self, kind: Kind, order: int) -> float:
        """Return the weight of the L2 penalty for a network that reads `order` encoders."""
        return self.transfer.higher_order_weight_decay if order > 1 else self.of(kind).weight_decay
