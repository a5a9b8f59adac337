"""An adversary: a discriminator that learns beside a network, and what it adds to its loss.

The network is trained on ``loss + weight · term`` from step `from_step` on, the paper's pixel tasks
with weight .004 from step 25,000 (supplementary material). Term and discriminator's loss are those
of Isola et al. (2017), sections 3.1 and 3.3, with D the discriminator's logits::

    term                   −log σ(D(image, prediction))
    discriminator's loss   ½ (−log σ(D(image, label)) − log(1 − σ(D(image, prediction))))

each the mean over patches. Both learn from one and the same prediction, each against the other as
it was before the step. Where a label is not valid, label and prediction are both zero: nothing can
be told there. What networks are compared by knows nothing of all this.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from taskonomy_catalogue.trials import Trial
from taskonomy_jobs.adam import Adam
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.model.discriminator import create_discriminator
from taskonomy_jobs.precision import mixed_precision

CURVES = ("adversarial_loss", "discriminator_loss")
"""What is told of every step that an adversary takes part in."""


class Adversary:
    """The discriminator of one trial in training."""

    def __init__(self, trial: Trial, device: torch.device) -> None:
        """Make it, with weights that follow from the trial's seed.

        Raises:
            ValueError: the trial has no adversary.
        """
        if trial.adversarial is None:
            raise ValueError(f"{trial.title} has no adversary")
        self.weight, self.from_step = trial.adversarial.weight, trial.adversarial.from_step
        self.network = create_discriminator(trial).to(device).to(memory_format=torch.channels_last)
        self.optimiser = Adam(list(self.network.parameters()), trial.optimiser.weight_decay)
        self.curve: list[list[float]] = []
        """`CURVES` of every step that it took part in."""

    def accumulate(self, batch: Batch, seen: Tensor, prediction: Tensor, total: int) -> Tensor:
        """Add a part of a batch to the discriminator's gradients.

        Args:
            batch: the part.
            seen: the images that the network saw of it, (B, n, 3, S, S).
            prediction: (B, C, s, s), with its graph.
            total: examples in the whole batch, over all parts and workers.

        Returns:
            (2,): this part's share of the mean term, with its graph back to the prediction and no
            further, and of the discriminator's mean loss.
        """
        label = _of_valid(batch.target, batch.mask)
        answer = _of_valid(prediction, batch.mask)
        losses = discriminator_loss(self._said(seen, label), self._said(seen, answer.detach()))
        loss = losses.sum() / total
        loss.backward()  # type: ignore[no-untyped-call]
        term = adversarial_term(self._said(seen, answer, learning=False)).sum() / total
        return torch.stack([term, loss.detach()])

    def _said(self, seen: Tensor, answer: Tensor, *, learning: bool = True) -> Tensor:
        """Return the logits, float32 (B, h, w); a gradient reaches the weights only if learning."""
        weights: dict[str, Tensor] = dict(self.network.named_parameters())
        if not learning:
            weights = {name: weight.detach() for name, weight in weights.items()}
        with mixed_precision(seen.device):
            said: Tensor = functional_call(self.network, weights, (seen, answer))
        return said.float()

    def learn(self, rate: float, figures: Sequence[float]) -> None:
        """Take an optimiser step with the accumulated gradients; note term and loss."""
        self.optimiser.step(rate)
        self.curve.append(list(figures))

    def curves(self, last: int = 0) -> dict[str, list[float]]:
        """Return `CURVES` of the last so many steps, 0 for all, as far as it took part in them."""
        return {name: [row[at] for row in self.curve[-last:]] for at, name in enumerate(CURVES)}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that its next step depends on, and its curve."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "curve": torch.tensor(self.curve, dtype=torch.float64).reshape(-1, len(CURVES)),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.curve = state["curve"].tolist()


def adversarial_term(said: Tensor) -> Tensor:
    """Return −log σ(D), the mean over patches, (B,), of logits (B, h, w) about predictions."""
    return functional.softplus(-said).flatten(1).mean(1)


def discriminator_loss(of_label: Tensor, of_prediction: Tensor) -> Tensor:
    """Return the discriminator's loss, (B,), from its logits about labels and predictions."""
    wrong = functional.softplus(-of_label) + functional.softplus(of_prediction)
    return wrong.flatten(1).mean(1) / 2


def _of_valid(answer: Tensor, mask: Tensor | None) -> Tensor:
    return answer if mask is None else torch.where(mask > 0.5, answer, 0.0)
