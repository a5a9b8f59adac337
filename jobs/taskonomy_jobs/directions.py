"""The best guess of directions: at each pixel, the one with the least mean angle to the labels'.

That is the median of points on a sphere. It has no closed form; Weiszfeld's steps find it as they
find the median of points on a plane, on the plane that touches the sphere where they stand
(Fletcher, Venkatasubramanian and Joshi, The geometric median on Riemannian manifolds, NeuroImage
2009). Labels are kept as a histogram over an unfolded octahedron, whose cells are of much the same
size; a cell stands for the mean direction of what fell into it.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

CELLS = 32
"""Most cells along each side of the unfolded octahedron: about 5 degrees each."""
STEPS = 60
"""Most of Weiszfeld's steps; they end before where none moves a direction any further."""
STILL = 1e-4
"""Radians that are no movement, and that a label counts as being away at least."""
ROWS = 256
"""Pixels whose medians are found at a time."""


class Directions:
    """Histogram of each pixel's directions.

    Args:
        memory: most bytes it may take.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._side = 0
        self._shape: torch.Size = torch.Size()
        self._weights, self._sums = torch.zeros(0), torch.zeros(0)

    def add(self, target: Tensor, shares: Tensor) -> None:
        """Add labels.

        Args:
            target: (B, 3, H, W) directions of any length; those of none point nowhere.
            shares: (B, 1, H, W), how much each counts; above 0 where it is valid.
        """
        if not self._side:
            self._start(target)
        valid = torch.where(shares > 0, target, 0.0)
        unit = functional.normalize(valid, dim=1).movedim(1, -1)
        cell = _cells(unit, self._side)
        pixel = torch.arange(cell[0].numel(), device=target.device).view(cell[0].shape)
        index = (pixel * self._side**2 + cell).flatten()
        weight = (shares[:, 0] * unit.any(-1)).flatten()
        self._weights.view(-1).index_add_(0, index, weight)
        self._sums.view(-1, 3).index_add_(0, index, weight[:, None] * unit.flatten(0, -2))

    def _start(self, target: Tensor) -> None:
        self._shape = target.shape[2:]
        pixels = self._shape.numel()
        self._side = max(2, min(CELLS, int((self._memory / (16 * pixels)) ** 0.5)))
        self._weights = torch.zeros(pixels, self._side**2, device=target.device)
        self._sums = torch.zeros(pixels, self._side**2, 3, device=target.device)

    def prediction(self) -> Tensor:
        """Return the medians, of length 1, (3, H, W); where none was valid, that of the whole."""
        weights, sums = self._weights, self._sums
        never = weights.sum(1) == 0
        weights[never], sums[never] = weights.sum(0), sums.sum(0)
        parts = zip(torch.split(weights, ROWS), torch.split(sums, ROWS), strict=True)
        medians = torch.cat([_median(*_filled(*part)) for part in parts])
        return medians.T.reshape(3, *self._shape)


def _cells(unit: Tensor, side: int) -> Tensor:
    """Return which cell of an octahedron, unfolded to a square, each direction (…, 3) meets."""
    flat = unit / unit.abs().sum(-1, keepdim=True).clamp(min=1e-12)
    above, (x, y) = flat[..., 2] >= 0, flat[..., :2].unbind(-1)
    u = torch.where(above, x, torch.copysign(1 - y.abs(), x))
    v = torch.where(above, y, torch.copysign(1 - x.abs(), y))
    place = ((torch.stack([u, v], -1) + 1) / 2 * side).long().clamp(0, side - 1)
    return place[..., 0] * side + place[..., 1]


def _filled(weights: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and directions of the cells that something fell into, most of them empty.

    Heaviest first, and of weight 0 where a pixel has fewer of them than another.
    """
    most = int((weights > 0).sum(1).max())
    heaviest, cells = weights.topk(most, dim=1)
    there = sums.gather(1, cells[..., None].expand(-1, -1, 3))
    return heaviest, functional.normalize(there, dim=-1)


def _median(weights: Tensor, directions: Tensor) -> Tensor:
    """Return the median of each row's directions, (R, 3).

    Args:
        weights: (R, N), not all 0 in a row.
        directions: (R, N, 3), of length 1 where the weight is above 0.
    """
    heaviest = directions[torch.arange(len(weights)), weights.argmax(1)]
    mean = (weights[..., None] * directions).sum(1) / weights.sum(1, keepdim=True)
    at = functional.normalize(mean + 1e-6 * heaviest, dim=-1)  # of what cancels out, there is none
    for _ in range(STEPS):
        cosine = directions @ at[..., None]
        tangent = directions - cosine * at[:, None]
        sine = tangent.norm(dim=-1)
        nearness = weights / torch.atan2(sine, cosine[..., 0]).clamp(min=STILL)
        pull = ((weights / sine.clamp(min=STILL))[..., None] * tangent).sum(1)
        step = pull / nearness.sum(1, keepdim=True)
        length = step.norm(dim=-1, keepdim=True)
        at = functional.normalize(at * length.cos() + step * torch.sinc(length / math.pi), dim=-1)
        if length.max() < STILL:
            break
    return at
