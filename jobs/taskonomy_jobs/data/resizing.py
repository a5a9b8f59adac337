"""Scaling down without moving anything: by area, by area over valid pixels, by nearest."""

from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def area(planes: Array, size: int) -> Array:
    """Return planes scaled to size × size, each pixel the mean over the area it covers.

    Args:
        planes: float (..., H, W).
        size: side of the result in pixels.

    Returns:
        float32 (..., size, size).
    """
    planes = planes.astype(np.float32, copy=False)
    if planes.shape[-2:] == (size, size):
        return planes
    if planes.shape[-2] == planes.shape[-1] and planes.shape[-1] % size == 0:
        return _block_means(planes, planes.shape[-1] // size)
    down, across = (_shares(length, size) for length in planes.shape[-2:])
    return np.asarray(down @ planes @ across.T, np.float32)


def valid_area(plane: Array, valid: Array, size: int) -> tuple[Array, Array]:
    """Return a plane scaled by area over its valid pixels alone.

    Args:
        plane: float (H, W).
        valid: bool (H, W).
        size: side of the result in pixels.

    Returns:
        float32 (size, size), 0 where invalid; and bool (size, size), true where at least half of
        the area is valid.
    """
    share = area(valid, size)
    mean = area(np.where(valid, plane, 0), size) / np.maximum(share, np.float32(1e-6))
    enough = share >= 0.5
    return np.where(enough, mean, 0).astype(np.float32), enough


def nearest(plane: Array, size: int) -> Array:
    """Return a plane of labels (..., H, W) scaled to size × size by the pixel at each centre."""
    if plane.shape[-2:] == (size, size):
        return plane
    if plane.shape[-2] == plane.shape[-1] and plane.shape[-1] % size == 0:
        step = plane.shape[-1] // size
        return plane[..., step // 2 :: step, step // 2 :: step]
    rows, columns = (
        ((np.arange(size) + 0.5) * length / size).astype(np.intp) for length in plane.shape[-2:]
    )
    return np.asarray(plane[..., rows[:, None], columns[None, :]])


def _block_means(planes: Array, step: int) -> Array:
    """Return the means of blocks of step × step pixels: the same as by shares, and faster."""
    rows = planes[..., 0::step, :].copy()
    for place in range(1, step):
        rows += planes[..., place::step, :]
    total = rows[..., 0::step].copy()
    for place in range(1, step):
        total += rows[..., place::step]
    total *= np.float32(1 / step**2)
    return total


@lru_cache(maxsize=16)
def _shares(length: int, size: int) -> Array:
    """Return (size, length): the share that each source pixel has in each target pixel."""
    edges = np.arange(size + 1) * (length / size)
    start, end = edges[:-1, None], edges[1:, None]
    pixel = np.arange(length)[None, :]
    overlap = np.minimum(end, pixel + 1) - np.maximum(start, pixel)
    return np.asarray(np.maximum(overlap, 0) * (size / length), np.float32)
