"""The best guess: the one prediction that fits the training labels best, whatever the image.

What a network must beat to have looked at the image at all (Zamir et al. 2018, table 1, "avg"). By
what the task's networks are compared by (`losses.comparison_loss`), the guess is

- absolute errors: the median at each pixel and channel;
- squared errors: the mean;
- angles: the median direction at each pixel (`directions`);
- cross-entropy: how often each label is there, at each pixel where there are pixels, with the
  weights of rare labels counted in;
- pairs of an embedding: pixels near one another are of one segment. The embedding is the pixel's
  position on a plane, at the scale that fits best: it depends on position alone.

An example's error is a mean over its valid pixels, so a pixel weighs as one of so many. Labels are
gone through once, batch by batch; memory is bounded by the size of one label, not by their number.
"""

import math
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.data.examples import Statistics
from taskonomy_jobs.directions import Directions
from taskonomy_jobs.losses import (
    comparison_loss,
    different_loss,
    pair_kinds,
    same_loss,
)

HISTOGRAMS = 2**29
"""Most bytes that the histograms behind medians take together."""
BINS = 1024
"""Most bins of a histogram. Labels of 8 bits have bins of their own: their median is exact."""
REACH = 8.0
"""Standard deviations that a histogram of a standardised label covers on either side."""


class Labels(Protocol):
    """A batch of B labels."""

    @property
    def target(self) -> Tensor:
        """(B, …), as losses take them."""

    @property
    def mask(self) -> Tensor | None:
        """(B, 1, H, W), above 0.5 where the target is valid; None: everywhere."""


def best_guess(
    batches: Iterable[Labels], statistics: Statistics, task: TrialTask, image_size: int
) -> Tensor:
    """Return the prediction that fits the labels best, shaped as a network's without the batch.

    A task with a loss of its own (`custom.TaskPlugin`) is guessed as its output and the loss it
    names say.

    Args:
        batches: the training labels, each example once.
        statistics: of the training labels.
        task: what is guessed.
        image_size: side of the images that labels are scaled to, in pixels.

    Raises:
        NotFound: there are no labels.
    """
    summary = _summary(task, statistics, image_size)
    count = 0
    for batch in batches:
        count += len(batch.target)
        summary.add(batch.target, batch.mask)
    if count == 0:
        raise NotFound(f"task {task.id!r} has no training labels to make a best guess of")
    return summary.prediction()


def guess_losses(guess: Tensor, batch: Labels, statistics: Statistics, task: TrialTask) -> Tensor:
    """Return the comparison loss of a best guess on each example of a batch, (B,)."""
    prediction = guess.to(batch.target.device).expand(len(batch.target), *guess.shape)
    return comparison_loss(task, prediction, batch.target, batch.mask, statistics)


class _Summary(Protocol):
    """What is kept of the labels seen so far."""

    def add(self, target: Tensor, mask: Tensor | None) -> None: ...

    def prediction(self) -> Tensor: ...


def _summary(task: TrialTask, statistics: Statistics, image_size: int) -> _Summary:
    kind = task.output.kind
    if kind == "embedding":
        return _Distances(task.output.channels, image_size // task.output.stride)
    if kind in ("classes", "class-map"):
        return _Frequencies(task.output.channels, statistics)
    if task.comparison == "angle":
        return _Direction()
    if task.loss == "l2":
        return _Mean()
    return _Median(1.0 if kind == "image" else REACH)


def _shares(mask: Tensor | None, target: Tensor) -> Tensor:
    """Return how much each pixel weighs, (B, 1, H, W): a share of its example's valid pixels.

    For labels without pixels, (B, 1).
    """
    valid = torch.ones_like(target[:, :1]) if mask is None else (mask > 0.5).to(target)
    return valid / valid.flatten(1).sum(1).clamp(min=1).view(-1, *[1] * (valid.ndim - 1))


# --- errors ------------------------------------------------------------------------------------


class _Mean:
    """Weighted mean of each number of a label."""

    def __init__(self) -> None:
        self._sum, self._weight = torch.zeros(()), torch.zeros(())

    def add(self, target: Tensor, mask: Tensor | None) -> None:
        shares = _shares(mask, target).double()
        self._sum = self._sum + torch.where(shares > 0, target * shares, 0.0).sum(0)
        self._weight = self._weight + shares.sum(0)

    def prediction(self) -> Tensor:
        """Return the mean; where no label was ever valid, the mean of the whole."""
        whole = self._sum.sum() / self._weight.expand_as(self._sum).sum().clamp(min=1e-300)
        return torch.where(self._weight > 0, self._sum / self._weight, whole).float()


class _Direction:
    """Weighted median of each pixel's direction."""

    def __init__(self) -> None:
        self._seen = Directions(HISTOGRAMS)

    def add(self, target: Tensor, mask: Tensor | None) -> None:
        self._seen.add(target, _shares(mask, target))

    def prediction(self) -> Tensor:
        """Return the medians, (3, H, W)."""
        return self._seen.prediction()


class _Median:
    """Weighted median of each number of a label, from a histogram of each.

    A bin keeps its weight and the sum of what fell into it, so that its place is the mean of that:
    exact where labels take fewer values than there are bins.
    """

    def __init__(self, reach: float) -> None:
        self._reach = reach
        self._shape: torch.Size = torch.Size()
        self._weights, self._sums = torch.zeros(0), torch.zeros(0)

    def add(self, target: Tensor, mask: Tensor | None) -> None:
        if not self._shape:
            self._start(target)
        shares = _shares(mask, target).expand_as(target)
        values = torch.where(shares > 0, target, 0.0).clamp(-self._reach, self._reach)
        bins = self._weights.shape[1]
        place = ((values / self._reach + 1) / 2 * bins).long().clamp(max=bins - 1)
        row = torch.arange(self._shape.numel(), device=target.device).view(self._shape)
        index = (row * bins + place).flatten()
        self._weights.view(-1).index_add_(0, index, shares.flatten())
        self._sums.view(-1).index_add_(0, index, (shares * values).flatten())

    def _start(self, target: Tensor) -> None:
        self._shape = target.shape[1:]
        numbers = self._shape.numel()
        bins = max(2, min(BINS, HISTOGRAMS // (8 * numbers)))
        self._weights = torch.zeros(numbers, bins, device=target.device)
        self._sums = torch.zeros_like(self._weights)

    def prediction(self) -> Tensor:
        """Return the medians; where no label was ever valid, that of the whole."""
        weights, sums = self._weights, self._sums
        never = weights.sum(1) == 0
        weights[never], sums[never] = weights.sum(0), sums.sum(0)
        reached = weights.cumsum(1) >= weights.sum(1, keepdim=True) / 2
        middle = reached.to(torch.uint8).argmax(1, keepdim=True)
        median = sums.gather(1, middle) / weights.gather(1, middle).clamp(min=1e-30)
        return median.view(self._shape)


# --- labels of classes -------------------------------------------------------------------------


class _Frequencies:
    """Weighted frequency of each class, at each pixel of a class map.

    A label that was never seen is not impossible: to each pixel's labels one example is added that
    is as all pixels are on average, and to those one that is every class alike.
    """

    def __init__(self, classes: int, statistics: Statistics) -> None:
        weights = statistics.weights
        self._classes = classes
        self._rarity = torch.ones(classes) if weights is None else torch.as_tensor(weights)
        self._counts, self._examples = torch.zeros(()), 0

    def add(self, target: Tensor, mask: Tensor | None) -> None:
        self._examples += len(target)
        if target.ndim == 2:
            self._counts = self._counts + target.double().sum(0)
        elif target.is_floating_point():
            rarity = self._rarity.to(target)[target.argmax(1, keepdim=True)]
            weight = rarity * _shares(mask, target)
            self._counts = self._counts + torch.where(weight > 0, target * weight, 0.0).sum(0)
        else:
            self._counts = self._counts + self._whole(target[:, None], mask)

    def _whole(self, target: Tensor, mask: Tensor | None) -> Tensor:
        valid = (target >= 0) & (target < self._classes)
        valid = valid if mask is None else valid & (mask > 0.5)
        known = torch.where(valid, target, 0)
        weight = self._rarity.to(target.device)[known] * _shares(valid.float(), valid.float())
        counts = weight.new_zeros(self._classes, *target.shape[2:])
        for labels, weights in zip(known, weight, strict=True):
            counts.scatter_add_(0, labels, weights)
        return counts

    def prediction(self) -> Tensor:
        """Return logits, (C,) or (C, H, W)."""
        counts = self._counts.flatten(1) if self._counts.ndim > 1 else self._counts[:, None]
        one = counts.sum(0).mean() / self._examples
        average = counts.mean(1, keepdim=True) + one / self._classes
        smooth = counts + one * average / average.sum()
        logits = (smooth / smooth.sum(0)).log()
        return logits.view(self._counts.shape).float()


# --- embeddings --------------------------------------------------------------------------------


class _Distances:
    """How far apart in pixels the pairs of one segment are, and those of two.

    Args:
        channels: of the embedding.
        side: of the map in pixels.
    """

    def __init__(self, channels: int, side: int) -> None:
        self._channels, self._side = channels, side
        longest = 2 * (side - 1) ** 2
        self._same = torch.zeros(longest + 1, dtype=torch.float64)
        self._different = torch.zeros_like(self._same)

    def add(self, target: Tensor, mask: Tensor | None) -> None:
        del mask  # pixels of no segment say so themselves
        for example in target.cpu():
            pixels, segments = example.unbind(-1)
            row, column = pixels // self._side, pixels % self._side
            squared = (row[:, None] - row).square() + (column[:, None] - column).square()
            kinds = [kind[0] for kind in pair_kinds(segments[None])]
            present = sum(bool(kind.any()) for kind in kinds)
            for kind, histogram in zip(kinds, (self._same, self._different), strict=True):
                if kind.any():
                    counted = torch.bincount(squared[kind], minlength=len(histogram))
                    histogram += counted / counted.sum() / present

    def prediction(self) -> Tensor:
        """Return positions in pixels times the best scale, in the first two of C channels."""
        scale = math.sqrt(self._best_scale())
        place = torch.arange(self._side, dtype=torch.float32) * scale
        embedding = torch.zeros(self._channels, self._side, self._side)
        embedding[0], embedding[min(1, self._channels - 1)] = place[:, None], place
        return embedding

    def _best_scale(self) -> float:
        """Return the factor of squared pixel distances with the least loss.

        Tried from "the whole image is one segment" to "every pixel is its own", then finer around
        the best, and finer again, to a few thousandths.
        """
        low, high = -8.0, 2.0
        for _ in range(3):
            tried = torch.logspace(low, high, 41, dtype=torch.float64)
            best = torch.stack([self._loss(scale) for scale in tried]).argmin()
            middle, step = math.log10(tried[best]), (high - low) / 40
            low, high = middle - step, middle + step
        return 10**middle

    def _loss(self, scale: Tensor) -> Tensor:
        squared = scale * torch.arange(len(self._same), dtype=torch.float64)
        return self._same @ same_loss(squared) + self._different @ different_loss(squared)
