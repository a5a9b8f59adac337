"""Packs: trials that see the same examples at the same time, trained by one process.

Trials of one target, order, model, optimiser, data and seed differ in their sources alone. A pack
decodes their labels once and takes their steps side by side. `OneByOne` computes each network as if
it were alone, to the bit; `Stacked` (`stacking`) computes small networks as one, for GPUs.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from taskonomy_catalogue.trials import Content, Trial, canonical_json
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.distributed import Gang
from taskonomy_jobs.model.layers import has_batch_norm
from taskonomy_jobs.students import Inputs, Student

_log = logging.getLogger(__name__)


def packs(trials: Iterable[Trial]) -> list[list[Trial]]:
    """Return the trials in packs, each in the order given; targets one after another."""
    together: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        together[_common(trial)].append(trial)
    return list(together.values())


def _common(trial: Trial) -> str:
    """Return what a trial shares with the others of its pack, as text."""
    if trial.kind != "transfer":
        return canonical_json(trial)
    parts: list[Content | int] = [trial.target, trial.optimiser, trial.data, trial.seed]
    shared = [canonical_json(part) if isinstance(part, Content) else str(part) for part in parts]
    return "\n".join([*shared, str(trial.order), trial.model.model_dump_json()])


class Way(Protocol):
    """How the students of a pack take a step."""

    def step(self, students: Sequence[Student], batch: Batch | None, offset: int) -> None:
        """Teach every student, or let it fail, with this worker's share of a batch.

        Args:
            students: those that take this step.
            batch: this worker's share; None if it has none.
            offset: where the share begins in the whole batch.
        """
        ...


class OneByOne:
    """Network after network, each exactly as if it were alone."""

    def __init__(self, gang: Gang, inputs: Callable[[Batch], Inputs], micro_batch: int = 0) -> None:
        """Take steps.

        Args:
            gang: the workers that share each batch.
            inputs: returns what networks see of a batch.
            micro_batch: most examples in one forward pass; 0: the worker's whole share.
        """
        self._gang, self._inputs, self._micro_batch = gang, inputs, micro_batch

    def step(self, students: Sequence[Student], batch: Batch | None, offset: int) -> None:
        """Teach every student (`Way`)."""
        losses = self._accumulated(students, batch, offset)
        gradients = [student.gradients() for student in students]
        self._gang.add_up([*losses, *(one for of in gradients for part in of for one in part)])
        norms = [torch.stack([torch.nn.utils.get_total_norm(p) for p in of]) for of in gradients]
        figures = torch.cat([*losses, *norms]).tolist()  # one wait for the GPU
        total = students[0].trial.optimiser.batch_size
        examples = ids_of(self._gang, batch, offset, total, figures)
        rest = iter(figures)
        each = [list(islice(rest, len(part))) for part in (*losses, *norms)]
        for number, student in enumerate(students):
            student.learn(each[number], each[len(students) + number], examples)

    def _accumulated(
        self, students: Sequence[Student], batch: Batch | None, offset: int
    ) -> list[Tensor]:
        """Return every student's share of its losses; their gradients are accumulated."""
        if batch is None:
            return [student.no_losses() for student in students]
        seen = self._inputs(batch)  # once for all: several students read the same source
        return [self._of_parts(student, batch, seen, offset) for student in students]

    def _of_parts(self, student: Student, batch: Batch, seen: Inputs, offset: int) -> Tensor:
        while True:
            size = self._micro_batch or len(batch)
            try:
                losses = [
                    self._of_part(student, batch, seen, slice(start, start + size), offset)
                    for start in range(0, len(batch), size)
                ]
                return torch.stack(losses).sum(0)
            except torch.OutOfMemoryError:
                if size == 1 or _waits_for_others(student.network):
                    raise
                # Nothing is told to the other workers before all parts are done, so it can be
                # done over in smaller ones.
                self._micro_batch = (size + 1) // 2
                if has_batch_norm(student.network):
                    _log.warning(
                        "the GPU is too small for %d examples at once; parts of %d are normalised "
                        "each by itself, so the result is not quite that of whole batches",
                        size,
                        self._micro_batch,
                    )
                student.forget()
                torch.cuda.empty_cache()

    def _of_part(
        self, student: Student, batch: Batch, seen: Inputs, part: slice, offset: int
    ) -> Tensor:
        total = student.trial.optimiser.batch_size
        inputs = {source: values[part] for source, values in seen.items()}
        return student.accumulate(batch[part], inputs, total, offset + part.start)


def _waits_for_others(network: nn.Module) -> bool:
    """Return whether the workers of a gang must take a network's forward passes in step."""
    return any(isinstance(module, nn.SyncBatchNorm) for module in network.modules())


def ids_of(
    gang: Gang, batch: Batch | None, offset: int, total: int, figures: Iterable[float]
) -> list[int]:
    """Return which examples a step was about, over all workers, if a figure of it is no number.

    They are wanted for the message of a failure alone, so nobody is asked without one.

    Args:
        gang: the workers that share the batch; they hold the same figures.
        batch: this worker's share; None if it has none.
        offset: where the share begins in the whole batch.
        total: examples in the whole batch.
        figures: losses and norms of the step.
    """
    if all(map(math.isfinite, figures)):
        return []
    ids = torch.zeros(total, dtype=torch.int64, device=gang.device)
    if batch is not None:
        share = torch.from_numpy(batch.ids.view(np.int64))
        ids[offset : offset + len(batch)] = share.to(gang.device)
    gang.add_up([ids])
    return [int(each) for each in ids.cpu().numpy().view(np.uint64)]
