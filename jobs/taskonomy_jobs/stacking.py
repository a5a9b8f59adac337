"""Small networks of one shape computed as one: a pack's way to take steps on a GPU.

A transfer's network is so small that a GPU spends its time being told what to do. Here parameters
of all students lie in one tensor each, `torch.func.vmap` runs them side by side, and one optimiser
moves them all. Each student's own parameters are views of its slice, so judging, checkpoints and
weights know nothing of it. Sums run in another order than alone: results agree to rounding, and
`OneByOne` is the way that agrees to the bit.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from taskonomy_jobs.adam import Adam
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.distributed import Gang
from taskonomy_jobs.losses import training_loss
from taskonomy_jobs.model.layers import KeyedDropout, has_batch_norm
from taskonomy_jobs.packing import OneByOne, ids_of
from taskonomy_jobs.precision import mixed_precision
from taskonomy_jobs.students import IMAGES, Inputs, Student


class Stacked:
    """Students side by side; those that cannot be stacked one by one (`packing.Way`)."""

    def __init__(self, gang: Gang, inputs: Callable[[Batch], Inputs], otherwise: OneByOne) -> None:
        """Take steps.

        Args:
            gang: the workers that share each batch.
            inputs: returns what networks see of a batch.
            otherwise: takes the steps of networks that cannot be stacked.
        """
        self._gang, self._inputs, self._otherwise = gang, inputs, otherwise
        self._stack: _Stack | None = None

    def step(self, students: Sequence[Student], batch: Batch | None, offset: int) -> None:
        """Teach every student."""
        if len(students) < 2 or not all(map(_can_be_stacked, students)):
            self._otherwise.step(students, batch, offset)
            return
        if self._stack is None or self._stack.students != list(students):
            self._stack = _Stack(students)
        losses = self._stack.accumulate(batch, self._inputs(batch) if batch else {})
        gradients = self._stack.optimiser.gradients()
        self._gang.add_up([losses, *gradients])
        norms = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
        figures = torch.stack([losses, norms], dim=1).tolist()  # one wait for the GPU
        total = students[0].trial.optimiser.batch_size
        self._stack.learn(figures, ids_of(self._gang, batch, offset, total, chain(*figures)))


def _can_be_stacked(student: Student) -> bool:
    """Return whether a student's network computes the same beside others as alone.

    Batch norm keeps running statistics and keyed dropout draws from a generator: neither can be
    mapped over. An adversary learns beside its own network alone.
    """
    drops = any(isinstance(m, KeyedDropout) and m.share > 0 for m in student.network.modules())
    return student.adversary is None and not drops and not has_batch_norm(student.network)


class _Stack:
    """Networks of some students in one, and the optimiser of them all."""

    def __init__(self, students: Sequence[Student]) -> None:
        self.students = list(students)
        self._network = students[0].network
        each = [dict(student.network.named_parameters()) for student in students]
        self._parameters = {
            name: torch.stack([of[name].detach() for of in each]).requires_grad_()
            for name in each[0]
        }
        self._buffers = {
            name: torch.stack([dict(s.network.named_buffers())[name] for s in students])
            for name, _ in self._network.named_buffers()
        }
        first = students[0]
        stacked = list(self._parameters.values())
        self.optimiser = Adam(stacked, first.trial.optimiser.weight_decay)
        self.optimiser.steps = first.optimiser.steps
        for place in range(len(stacked)):
            self._take_over(place)

    def _take_over(self, place: int) -> None:
        """Make a parameter of every student, and what its optimiser knows of it, views."""
        whole, optimisers = self.optimiser, [s.optimiser for s in self.students]
        whole.means[place] = torch.stack([of.means[place] for of in optimisers])
        whole.squares[place] = torch.stack([of.squares[place] for of in optimisers])
        for row, of in enumerate(optimisers):
            of.parameters[place].data = whole.parameters[place].detach()[row]
            of.means[place] = whole.means[place][row]
            of.squares[place] = whole.squares[place][row]

    def accumulate(self, batch: Batch | None, inputs: Inputs) -> Tensor:
        """Add a batch to the gradients; return every student's share of its mean loss, (m,)."""
        if batch is None:
            return torch.zeros(len(self.students), device=self.students[0].device)
        seen = torch.stack(
            [
                torch.cat([inputs[source] for source in s.trial.sources or (IMAGES,)], dim=2)
                for s in self.students
            ]
        )
        with mixed_precision(seen.device):
            predictions = vmap(self._predicted)(self._parameters, self._buffers, seen)
        losses = [
            training_loss(
                s.trial.target, said.float(), batch.target, batch.mask, s.statistics
            ).sum()
            / s.trial.optimiser.batch_size
            for s, said in zip(self.students, predictions, strict=True)
        ]
        together = torch.stack(losses)
        together.sum().backward()  # type: ignore[no-untyped-call]
        return together.detach()

    def _predicted(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], seen: Tensor
    ) -> Any:
        return functional_call(self._network, (parameters, buffers), (seen,))

    def learn(self, figures: Sequence[Sequence[float]], examples: Sequence[int]) -> None:
        """Take an optimiser step; students whose figures are not finite fail.

        What a failed student's slice becomes touches no other's, and the next step is stacked anew
        without it.
        """
        self.optimiser.step(self.students[0].learning_rate)
        self.optimiser.forget_gradients()
        for student, (loss, norm) in zip(self.students, figures, strict=True):
            student.optimiser.steps = self.optimiser.steps
            if student.is_sound(loss, norm, examples):
                student.advance(loss)
