"""Adam, as `torch.optim.Adam` computes it, without the compiler that torch's own brings along.

The first optimiser of a process imports `torch._dynamo`, which takes as long as torch itself: too
much for transfers that train for seconds. A test holds the two together to the bit.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """Adam with an L2 penalty (Kingma and Ba 2015), for parameters that share a step."""

    def __init__(self, parameters: Sequence[Tensor], weight_decay: float) -> None:
        """Start with moments of zero."""
        self.parameters = list(parameters)
        self.weight_decay = weight_decay
        self.steps = 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def step(self, learning_rate: float) -> None:
        """Move every parameter along its gradient; those without one stay."""
        self.steps += 1
        moved = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        parameters = [self.parameters[i].detach() for i in moved]
        gradients = [grad for p in self.parameters if (grad := p.grad) is not None]
        if not moved:
            return
        torch._fused_adam_(
            parameters,
            gradients,
            [self.means[i] for i in moved],
            [self.squares[i] for i in moved],
            [],
            [torch.tensor(float(self.steps), device=p.device) for p in parameters],
            lr=learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def gradients(self) -> list[Tensor]:
        """Return the gradient of every parameter; zeros where nothing flowed."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def forget_gradients(self) -> None:
        """Drop the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return steps and moments."""
        return {"steps": self.steps, "means": self.means, "squares": self.squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.steps = state["steps"]
        for own, other in ((self.means, state["means"]), (self.squares, state["squares"])):
            for moment, value in zip(own, other, strict=True):
                moment.copy_(value)
