"""What a network sees: the image as it is, or noisy, blanked, grey, cut into tiles.

Pure functions of an image, float32 (3, H, W) in [-1, 1], and a key of their random choices. A
task's training and a transfer to it use the same ones, so that a frozen encoder sees what the
target's own network saw; colorization's encoder always sees `grey`.
"""

import math
from functools import cache
from itertools import product as cartesian
from typing import Any

import numpy as np

from taskonomy_jobs.data.colour import lab
from taskonomy_jobs.data.keys import generator, random_words
from taskonomy_jobs.data.resizing import area

Array = np.ndarray[Any, Any]

NOISE_VARIANCE = 0.01
"""Of the Gaussian noise that denoising removes, on intensities in [0, 1]."""
PERMUTATIONS = 100
"""Size of jigsaw's set of tile orders."""
TILES = 9
TILE_SHARE = 0.9
"""Side of the piece cut from a ninth, as a share of its side: where in it is drawn at random, so
that edges that run on betray nothing."""


def grey(image: Array) -> Array:
    """Return the CIE lightness, scaled from [0, 100] to [-1, 1], three times over."""
    return np.repeat(lab(image)[:1] / 50 - 1, 3, axis=0).astype(np.float32)


def noisy(image: Array, draw: int, key: int = 0) -> Array:
    """Return the image with Gaussian noise of `NOISE_VARIANCE`, clipped to the valid range.

    Each value's noise is one of 65,536 quantiles, drawn by 16 random bits: an image itself has 256
    levels, and drawing normal numbers one by one takes as long as decoding it.
    """
    words = random_words(draw, key).random_raw(math.ceil(image.size / 4))
    chosen = words.astype("<u8", copy=False).view("<u2")[: image.size]
    seen = _noise_quantiles().take(chosen).reshape(image.shape)
    seen += image
    np.clip(seen, -1, 1, out=seen)
    return seen


@cache
def _noise_quantiles() -> Array:
    """Return the middle of each 65,536th of the noise, float32, of exactly its variance."""
    from scipy.special import ndtri  # slow to import, and few tasks are noisy

    normal = ndtri((np.arange(1 << 16) + 0.5) / (1 << 16))
    deviation = 2 * np.sqrt(NOISE_VARIANCE)  # [-1, 1] is twice as wide as [0, 1]
    return np.asarray(normal / normal.std() * deviation, np.float32)


def blanked(image: Array) -> Array:
    """Return the image with its centre set to 0: half its height and half its width."""
    height, width = image.shape[1:]
    holed = image.copy()
    holed[:, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 0
    return holed


def tile_size(image_size: int) -> int:
    """Return the side of a jigsaw tile for an image of this side: a quarter of it."""
    return image_size // 4


def tiles(image: Array, permutation: Array, draw: int, key: int = 0) -> Array:
    """Cut the image into 3×3 and return the pieces in another order.

    Args:
        image: float32 (3, H, W).
        permutation: (9,): the place, row by row, that each piece returned is taken from.
        draw: with `key`, where in its ninth each piece is cut.
        key: of the example.

    Returns:
        float32 (9, 3, `tile_size(H)`, `tile_size(W)`).
    """
    unit = image.shape[1] // 3
    side = int(unit * TILE_SHARE)
    shifts = generator(draw, key).integers(0, unit - side + 1, (TILES, 2))
    pieces = []
    for place, (down, right) in zip(permutation.tolist(), shifts.tolist(), strict=True):
        top, left = place // 3 * unit + down, place % 3 * unit + right
        piece = image[:, top : top + side, left : left + side]
        pieces.append(area(piece, tile_size(image.shape[1])))
    return np.stack(pieces)


@cache
def jigsaw_permutations() -> Array:
    """Return jigsaw's classes: int8 (100, 9), tile orders that are as far apart as can be.

    Any two differ in at least 7 of the 9 places. No hundred orders do better: at most 72 can differ
    pairwise in 8 (Deza and Vanstone 1978). They are chosen from the 504 fractional linear maps of
    the projective line over the field of 8 elements, of which only the identity leaves three places
    alone: from the identity on, each next one has the largest summed distance to those before it,
    of these the first in lexicographic order.
    """
    every = np.array(sorted(_fractional_linear_maps()), np.int8)
    chosen, left = [0], np.ones(len(every), bool)
    total = np.zeros(len(every), np.int64)
    for _ in range(PERMUTATIONS - 1):
        left[chosen[-1]] = False
        total += (every != every[chosen[-1]]).sum(1)
        chosen.append(int(np.argmax(np.where(left, total, -1))))
    return every[chosen]


def _fractional_linear_maps() -> set[tuple[int, ...]]:
    """Return z → (az + b) / (cz + d) with ad ≠ bc, as what the nine places 0 to 7 and ∞ go to."""
    infinity = 8
    product = [[_times(x, y) for y in range(8)] for x in range(8)]
    inverse = [0] + [next(y for y in range(8) if product[x][y] == 1) for x in range(1, 8)]

    def divided(over: int, under: int) -> int:
        return product[over][inverse[under]] if under else infinity

    maps = set()
    for a, b, c, d in cartesian(range(8), repeat=4):
        if product[a][d] != product[b][c]:
            images = [divided(product[a][z] ^ b, product[c][z] ^ d) for z in range(8)]
            maps.add((*images, divided(a, c)))
    return maps


def _times(x: int, y: int) -> int:
    """Return the product in the field of 8 elements: polynomials over two, modulo t³ + t + 1."""
    product = 0
    for bit in (0, 1, 2):
        product ^= (x << bit) * (y >> bit & 1)
    for bit in (4, 3):
        product ^= (0b1011 << (bit - 3)) * (product >> bit & 1)
    return product
