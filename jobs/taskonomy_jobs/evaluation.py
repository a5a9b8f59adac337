"""What networks are judged by: the loss of every held-out image, in an order that never changes.

Several networks of one target are judged together, so that images and labels are read once. The
workers of a gang share the images and put their losses together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskonomy_jobs.batches import Batch, Feed
from taskonomy_jobs.distributed import Gang
from taskonomy_jobs.students import Inputs

TOGETHER = 32
"""Examples judged together: fixed, so that losses do not vary with the machine's memory."""
VALIDATED = 512
"""Most validation examples, spread evenly over the split."""

Judge = Callable[[Batch, Inputs], Tensor]
"""Returns the loss of every example of a batch, (B,)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Losses of some networks on the same examples."""

    ids: NDArray[np.uint64]
    """(N,): ids of the examples that could be read."""
    losses: NDArray[np.float64]
    """(networks, N)."""
    skipped: int
    """Examples that could not be read."""

    def worst(self, losses: NDArray[np.float64]) -> list[int]:
        """Return the ids of the examples whose loss is not finite."""
        return [int(number) for number in self.ids[~np.isfinite(losses)]]


def judgement(
    judges: Sequence[Judge],
    feed: Feed,
    inputs: Callable[[Batch], Inputs],
    gang: Gang,
    indices: Sequence[int],
    interrupt: Callable[[], None] | None = None,
) -> Judgement:
    """Return every network's loss on some examples.

    Args:
        judges: the networks.
        feed: the examples.
        inputs: returns what networks see of a batch.
        gang: the workers that share the work.
        indices: which examples.
        interrupt: called between batches; may raise to end it.

    Raises:
        TooManyUnreadable: too many examples cannot be read.
    """
    parts = [indices[at : at + TOGETHER] for at in range(0, len(indices), TOGETHER)]
    mine = [index for part in parts[gang.rank :: gang.world] for index in part]
    losses = torch.zeros(len(judges) + 1, len(feed), dtype=torch.float64, device=gang.device)
    for found, batch in feed.readable_ahead(mine, TOGETHER):
        if interrupt:
            interrupt()
        if batch is None:
            continue
        batch = batch.to(gang.device)
        seen = inputs(batch)
        rows = [judge(batch, seen).double() for judge in judges]
        losses[:, found] = torch.stack([torch.ones_like(rows[0]), *rows])
    gang.add_up([losses])
    read = losses[0].cpu().numpy() > 0
    return Judgement(
        ids=feed.shelf.examples.ids[read],
        losses=losses[1:].cpu().numpy()[:, read],
        skipped=len(indices) - int(read.sum()),
    )


def spread(examples: int, most: int = VALIDATED) -> list[int]:
    """Return at most so many indices, evenly spread and ascending."""
    if examples <= most:
        return list(range(examples))
    return [place * examples // most for place in range(most)]
