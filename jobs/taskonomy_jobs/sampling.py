"""Which examples make which batch: a pure function of seed and step, so that any worker can go on.

Epochs follow one another in one endless stream of positions; step s takes positions
``[s·B, (s+1)·B)``, B the global batch size. Every batch is whole, no example is lost or doubled
within an epoch, and the whole state of the sampler is the number of steps taken. Workers share a
batch by its slots, so a run begun by two goes on with one or three and sees the same examples.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from taskonomy_catalogue.trials import Optimiser
from taskonomy_jobs.data.keys import folded, words

Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Slots:
    """Places of a batch: which example, and the key of every random choice made for it."""

    indices: Indices
    """int64 (B,): index of the example."""
    draws: Keys
    """uint64 (B,): key of its noise, tiles and sampled pixels in this epoch."""

    def __len__(self) -> int:
        return len(self.indices)

    def share(self, rank: int, world: int) -> "Slots":
        """Return the slots of one of `world` workers: contiguous, disjoint, nearly equal."""
        return self[rank * len(self) // world : (rank + 1) * len(self) // world]

    def __getitem__(self, part: slice) -> "Slots":
        return Slots(self.indices[part], self.draws[part])


class Order:
    """The order in which a trial sees its examples."""

    def __init__(self, examples: int, batch_size: int, seed: int) -> None:
        if examples < 1:
            raise ValueError("there is no example to put in order")
        self._examples, self._batch_size, self._seed = examples, batch_size, seed
        self._epoch: tuple[int, Indices] = (-1, np.empty(0, np.int64))

    def batch(self, step: int) -> Slots:
        """Return the whole batch of a step, from 0."""
        positions = np.arange(step * self._batch_size, (step + 1) * self._batch_size)
        epochs, places = np.divmod(positions, self._examples)
        indices = np.empty(self._batch_size, np.int64)
        for epoch in np.unique(epochs):
            of_epoch = epochs == epoch
            indices[of_epoch] = self._permutation(int(epoch))[places[of_epoch]]
        return Slots(indices, keys(self._seed, epochs, indices))

    def offset(self, rank: int, world: int) -> int:
        """Return where a worker's share of a batch begins in it."""
        return rank * self._batch_size // world

    def _permutation(self, epoch: int) -> Indices:
        if self._epoch[0] != epoch:
            # Sorted by hash and not by numpy's generators, whose streams may change with versions.
            order = keys(self._seed, epoch, np.arange(self._examples) + _ORDER)
            self._epoch = (epoch, np.argsort(order, kind="stable"))
        return self._epoch[1]


def total_steps(optimiser: Optimiser, examples: int) -> int:
    """Return how many steps a trial takes if nothing stops it early.

    Epochs are rounded up to whole batches: the last one borrows from the epoch that would follow.
    """
    if optimiser.steps is not None:
        return optimiser.steps
    return ceil((optimiser.epochs or 0) * examples / optimiser.batch_size)


def keys(*parts: int | NDArray[np.int64]) -> Keys:
    """Return uint64 keys of tuples of integers, broadcast: (N,), or (1,) of single integers."""
    return np.atleast_1d(folded(*(words(np.asarray(part)) for part in parts)))


def key(*parts: int) -> int:
    """Return the key of one tuple of integers, a Python integer below 2^64."""
    return int(keys(*parts)[0])


_ORDER = 1 << 40
"""Keeps the keys that sort an epoch apart from those that are draws."""
