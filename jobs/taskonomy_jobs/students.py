"""A network in training: what it learns from, how it takes a step, and where it stands.

A `Student` is one trial. Several that see the same examples at the same time make a pack
(`packing`); each has its own weights, optimiser, best validation, early stopping and failure, so
that what comes of it is what would have come of it alone. One whose trial asks for it has an
adversary (`adversary`), which learns in the same steps.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import torch
from torch import Tensor

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import Exit
from taskonomy_catalogue.trials import Optimiser, Trial
from taskonomy_jobs.adam import Adam
from taskonomy_jobs.adversary import Adversary
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.checkpoint import Checkpoint, State
from taskonomy_jobs.data.examples import Statistics
from taskonomy_jobs.folders import TrialFolder
from taskonomy_jobs.losses import comparison_loss, training_loss
from taskonomy_jobs.model.layers import key_dropout
from taskonomy_jobs.model.networks import create_network
from taskonomy_jobs.precision import mixed_precision
from taskonomy_jobs.sampling import key

Inputs = dict[str, Tensor]
"""What networks look at: `IMAGES`, or a source's representations (B, n, 8, 16, 16) by its task."""
IMAGES = "images"
NAMED = 8
"""Examples that a message names at most."""


class Diverged(TaskonomyError):
    """A loss or gradient is no number. With this seed it would be none again."""

    exit_code = Exit.BAD_TRIAL


class Student:
    """One trial's network in training."""

    def __init__(
        self,
        folder: TrialFolder,
        trial: Trial,
        statistics: Statistics,
        device: torch.device,
        steps: int,
    ) -> None:
        self.folder, self.trial, self.statistics = folder, trial, statistics
        self.device, self.steps = device, steps
        self.network = create_network(trial).to(device).to(memory_format=torch.channels_last)
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimiser = Adam(parameters, trial.optimiser.weight_decay)
        self.adversary = Adversary(trial, device) if trial.adversarial else None
        self.step = 0
        self.curve: list[float] = []
        self.validated: dict[int, float] = {}
        self.best: State = {}
        self.best_loss = float("inf")
        self.stale = 0
        self.seconds = 0.0
        self.started_at = datetime.now(UTC)
        self.failure: TaskonomyError | None = None

    @property
    def digest(self) -> str:
        """The trial's digest."""
        return self.folder.digest

    @property
    def stopped_early(self) -> bool:
        """Whether validation has not got better for as long as the trial bears."""
        return 0 < self.trial.optimiser.patience <= self.stale

    @property
    def is_learning(self) -> bool:
        """Whether another step is to be taken."""
        return not (self.failure or self.stopped_early or self.step >= self.steps)

    @property
    def opponent(self) -> Adversary | None:
        """The adversary, if it takes part in the next step."""
        there = self.adversary is not None and self.step >= self.adversary.from_step
        return self.adversary if there else None

    # --- a step ---------------------------------------------------------------------------------

    def predict(self, inputs: Inputs) -> Tensor:
        """Return float32 predictions for a batch, whatever precision the network computes in."""
        seen = [inputs[source] for source in self.trial.sources or (IMAGES,)]
        with mixed_precision(self.device):
            prediction: Tensor = self.network(seen[0] if len(seen) == 1 else torch.cat(seen, dim=2))
        return prediction.float()

    def accumulate(self, batch: Batch, inputs: Inputs, total: int, first: int) -> Tensor:
        """Add a part of a batch to the gradients.

        Args:
            batch: the part.
            inputs: what the network sees of it.
            total: examples in the whole batch, over all parts and workers.
            first: place in the whole batch of the part's first example.

        Returns:
            This part's share of the batch's mean losses: the training loss, (1,), and where the
            adversary takes part its term and the discriminator's loss, (3,).
        """
        key_dropout(self.network, key(self.trial.seed, self.step), first)
        prediction = self.predict(inputs)
        losses = training_loss(
            self.trial.target, prediction, batch.target, batch.mask, self.statistics
        )
        figures = objective = (losses.sum() / total).reshape(1)
        if opponent := self.opponent:
            opposed = opponent.accumulate(batch, inputs[IMAGES], prediction, total)
            objective = figures + opponent.weight * opposed[:1]
            figures = torch.cat([figures, opposed])
        objective.backward()  # type: ignore[no-untyped-call]
        return figures.detach()

    def no_losses(self) -> Tensor:
        """Return what `accumulate` does of no example: zeros."""
        return torch.zeros(3 if self.opponent else 1, device=self.device)

    def gradients(self) -> list[list[Tensor]]:
        """Return the network's gradients and, where it takes part, the discriminator's."""
        opponent = self.opponent
        own = self.optimiser.gradients()
        return [own, opponent.optimiser.gradients()] if opponent else [own]

    def learn(
        self, losses: Sequence[float], norms: Sequence[float], examples: Sequence[int]
    ) -> None:
        """Take an optimiser step with the accumulated gradients, or fail if they are no numbers.

        Args:
            losses: the batch's mean losses, as `accumulate` returns them.
            norms: of each of `gradients`.
            examples: ids of the batch, for the message.
        """
        opponent = self.opponent
        if opponent and not self._is_opponent_sound(losses, norms[1], examples):
            return
        if not self.is_sound(losses[0], norms[0], examples):
            return
        self.optimiser.step(self.learning_rate)
        if opponent:
            opponent.learn(self.learning_rate, losses[1:])
        self.forget()
        self.advance(losses[0])

    def is_sound(self, loss: float, norm: float, examples: Sequence[int]) -> bool:
        """Return whether loss and gradient are numbers; else the student fails."""
        return self._are_finite({"the training loss": loss, "the gradient": norm}, examples)

    def _is_opponent_sound(
        self, losses: Sequence[float], norm: float, examples: Sequence[int]
    ) -> bool:
        """Return whether all that the adversary adds are numbers, if the training loss is one."""
        names = ("the training loss", "the adversarial term", "the discriminator's loss")
        figures = dict(zip(names, losses, strict=True)) | {"the discriminator's gradient": norm}
        return self._are_finite(figures, examples)

    def _are_finite(self, figures: Mapping[str, float], examples: Sequence[int]) -> bool:
        for name, figure in figures.items():
            if not math.isfinite(figure):
                self.fail(f"{name} is not finite", examples)
                return False
        return True

    def advance(self, loss: float) -> None:
        """Note a step that was taken."""
        self.curve.append(loss)
        self.step += 1

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.trial.optimiser, self.step)

    def forget(self) -> None:
        """Drop the accumulated gradients."""
        self.optimiser.forget_gradients()
        if self.adversary:
            self.adversary.optimiser.forget_gradients()

    def fail(self, what: str, examples: Sequence[int]) -> None:
        """Take no further part: a figure at the present step is not finite."""
        named = ", ".join(map(str, examples[:NAMED])) + (", …" if len(examples) > NAMED else "")
        self.forget()
        self.failure = Diverged(
            f"{self.trial.title}: {what} at step {self.step + 1}, learning rate "
            f"{self.learning_rate:g}, examples {named}. The same seed "
            "would end here again: lower training.learningRate, or look at these images' labels"
        )

    # --- judging --------------------------------------------------------------------------------

    def answer(self, inputs: Inputs) -> Tensor:
        """Return predictions for a batch without learning from it."""
        self.network.eval()
        try:
            with torch.inference_mode():
                return self.predict(inputs)
        finally:
            self.network.train()

    def judge(self, batch: Batch, inputs: Inputs) -> Tensor:
        """Return the comparison loss of every example, float32 (B,)."""
        with torch.inference_mode():
            return comparison_loss(
                self.trial.target,
                self.answer(inputs),
                batch.target,
                batch.mask,
                self.statistics,
            ).float()

    def heed(self, loss: float) -> None:
        """Take note of a validation; keep the weights if none was better and training may stop."""
        self.validated[self.step] = loss
        if self.trial.optimiser.patience == 0:
            return
        if loss < self.best_loss:
            self.best_loss, self.stale = loss, 0
            self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        else:
            self.stale += 1

    def take_best(self) -> None:
        """Take the weights that are kept: of the best validation if training may stop early."""
        if self.best:
            self.network.load_state_dict(self.best)

    # --- surviving ------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Return everything that the next step depends on."""
        return Checkpoint(
            digest=self.folder.digest,
            step=self.step,
            network=self.network.state_dict(),
            optimiser=self.optimiser.state_dict(),
            adversary=self.adversary.state_dict() if self.adversary else {},
            best=self.best,
            best_loss=self.best_loss,
            stale=self.stale,
            curve=torch.tensor(self.curve, dtype=torch.float64),
            validated=self.validated,
            seconds=self.seconds,
            started_at=self.started_at.isoformat(),
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Stand where a checkpoint stands."""
        self.network.load_state_dict(checkpoint.network)
        self.optimiser.load_state_dict(checkpoint.optimiser)
        if self.adversary:
            self.adversary.load_state_dict(checkpoint.adversary)
        self.best = {name: tensor.to(self.device) for name, tensor in checkpoint.best.items()}
        self.best_loss, self.stale = checkpoint.best_loss, checkpoint.stale
        self.step, self.curve = checkpoint.step, checkpoint.curve.tolist()
        self.validated = dict(checkpoint.validated)
        self.seconds = checkpoint.seconds
        self.started_at = datetime.fromisoformat(checkpoint.started_at)


def learning_rate(optimiser: Optimiser, step: int) -> float:
    """Return the learning rate of a step, from 0: lowered once, however long training goes on.

    The published networks' settings name one step at which it falls, not an interval.
    """
    is_lowered = 0 < optimiser.lr_decay_step <= step
    return optimiser.learning_rate * (optimiser.lr_decay_factor if is_lowered else 1)
