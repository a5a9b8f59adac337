"""Procedural textures: the colour of a material at a point of a shape.

Materials are rows of one float64 table (`Field` names the columns). Patterns live in metres in the
shape's own frame, so that they turn with it. Detail finer than a pixel fades to its mean
(`footprint`, the pixel's width on the surface in metres), or small images would show moiré.
"""

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.compiled import kernel

Table = NDArray[np.float64]


class Pattern(IntEnum):
    """How a material's two colours are laid out; SCALE is the pattern's size in metres."""

    PLAIN = 0
    """One colour with faint large blotches, like paint."""
    WOOD = 1
    """Grain along the first local axis."""
    PLANKS = 2
    """Boards of wood side by side, each of its own tone."""
    TILES = 3
    """Square tiles; the second colour is the grout."""
    CHECKER = 4
    STRIPES = 5
    """Upright stripes, as on wallpaper."""
    DOTS = 6
    """A lattice of small round figures, as on wallpaper or cloth."""
    FABRIC = 7
    """Fine irregular grain, as of carpet."""
    MARBLE = 8
    """Veins."""
    BRICK = 9
    PAINTING = 10
    """A few large soft areas of three colours."""
    SHELVED = 11
    """Upright slabs of many tones, as of the backs of books."""


class Field(IntEnum):
    """Columns of the table of materials."""

    PATTERN = 0
    FIRST = 1
    """First colour, linear RGB in [0, 1], three columns."""
    SECOND = 4
    SCALE = 7
    CONTRAST = 8
    SEED = 9
    GLOSS = 10
    """Strength of the highlight, 0 is matt."""
    GLOW = 11
    """Light given off, as a multiple of the colour: lamps and screens."""


FIELDS = 12


@kernel
def colour(
    row: Table, x: float, y: float, z: float, n: float, m: float, k: float, footprint: float
) -> tuple[float, float, float]:
    """Linear RGB of a material at a local point with a local normal."""
    pattern = int(row[0])
    mix, tone = _mixture(pattern, row, x, y, z, n, m, k, footprint)
    return (
        min(max((row[1] + mix * (row[4] - row[1])) * tone, 0.0), 1.0),
        min(max((row[2] + mix * (row[5] - row[2])) * tone, 0.0), 1.0),
        min(max((row[3] + mix * (row[6] - row[3])) * tone, 0.0), 1.0),
    )


@kernel
def _mixture(
    pattern: int,
    row: Table,
    x: float,
    y: float,
    z: float,
    n: float,
    m: float,
    k: float,
    footprint: float,
) -> tuple[float, float]:
    """Share of the second colour, and a factor on the brightness."""
    scale, contrast, seed = row[7], row[8], int(row[9])
    fade = min(max(1.6 - 2.0 * footprint / scale, 0.0), 1.0)
    u, v = _flattened(x, y, z, n, m, k)
    blotch = 1.0 + 0.12 * contrast * (smooth(x * 1.7, y * 1.7, z * 1.7, seed) - 0.5)
    if pattern == 1:
        grain = _grain(x / scale, y / scale, z / scale, seed)
        return grain * contrast * fade + 0.4 * contrast * (1.0 - fade), blotch
    if pattern == 2:
        return _planks(u / scale, v / scale, seed, contrast, fade)
    if pattern == 3:
        return _tiles(u / scale, v / scale, seed, contrast, fade, 0.06 + footprint / scale * 0.5)
    if pattern == 4:
        odd = (math.floor(u / scale) + math.floor(v / scale)) % 2
        return contrast * (odd * fade + 0.5 * (1.0 - fade)), blotch
    if pattern == 5:
        wave = 0.5 + 0.5 * math.tanh(4.0 * math.sin(2.0 * math.pi * u / scale))
        return contrast * (wave * fade + 0.5 * (1.0 - fade)), blotch
    if pattern == 6:
        p, q = u / scale, v / scale + 0.5 * (math.floor(u / scale) % 2)
        away = math.hypot(p - math.floor(p) - 0.5, q - math.floor(q) - 0.5)
        dot = min(max((0.3 - away) * 12.0 + 0.5, 0.0), 1.0)
        return contrast * (dot * fade + 0.28 * (1.0 - fade)), blotch
    if pattern == 7:
        grain = smooth(x / scale, y / scale, z / scale, seed)
        coarse = smooth(x / scale * 0.23, y / scale * 0.23, z / scale * 0.23, seed + 1)
        return contrast * (0.5 + fade * (grain - 0.5) + 0.6 * (coarse - 0.5)), blotch
    if pattern == 8:
        warp = 3.0 * smooth(x / scale, y / scale, z / scale, seed)
        vein = abs(math.sin((x + y + 0.7 * z) / scale * 2.2 + 2.0 * warp))
        return contrast * (1.0 - vein) ** 2 * fade + 0.2 * contrast * (1.0 - fade), blotch
    if pattern == 9:
        return _tiles_in_bond(u / scale, v / scale, seed, contrast, fade)
    if pattern == 10:
        one = smooth(u / scale, v / scale, 0.5, seed)
        two = smooth(u / scale * 2.3, v / scale * 2.3, 7.5, seed + 5)
        mix = min(max((one - 0.5) * 5.0 + 0.5, 0.0), 1.0)
        return mix * contrast, 0.45 + 1.1 * two
    if pattern == 11:
        slab = math.floor(u / scale)
        mix, tone = unit(slab, 1, math.floor(v / 0.4), seed), unit(slab, 2, 3, seed)
        return contrast * (mix * fade + 0.5 * (1.0 - fade)), 1.0 + fade * (1.3 * tone - 0.65)
    return 0.0, blotch


@kernel
def _flattened(x: float, y: float, z: float, n: float, m: float, k: float) -> tuple[float, float]:
    """The two coordinates that lie in the surface: the normal's largest axis is left out."""
    if abs(k) >= abs(n) and abs(k) >= abs(m):
        return x, y
    if abs(n) >= abs(m):
        return y, z
    return x, z


@kernel
def _grain(x: float, y: float, z: float, seed: int) -> float:
    """Rings of a trunk that runs along the first axis, bent by noise."""
    bend = 2.0 * smooth(0.15 * x, y, z, seed)
    ring = 0.5 + 0.5 * math.sin(5.0 * (math.hypot(y + 3.0, z + 1.0) + bend))
    return 0.7 * ring + 0.3 * smooth(0.4 * x, 6.0 * y, 6.0 * z, seed + 1)


@kernel
def _planks(u: float, v: float, seed: int, contrast: float, fade: float) -> tuple[float, float]:
    board = math.floor(v)
    along = u / 7.0 + unit(board, 3, 1, seed)
    piece = math.floor(along)
    tone = unit(board, piece, 0, seed)
    grain = _grain(u * 0.6, (v - board) * 2.0 + 7.0 * tone, 11.0 * tone, seed)
    near = min(v - board, board + 1.0 - v)
    gap = 1.0 - 0.45 * fade * (near < 0.05)
    mix = 0.45 * tone + 0.55 * (grain * fade + 0.5 * (1.0 - fade))
    return contrast * mix, gap * (0.9 + 0.2 * tone)


@kernel
def _tiles(
    u: float, v: float, seed: int, contrast: float, fade: float, width: float
) -> tuple[float, float]:
    i, j = math.floor(u), math.floor(v)
    near = min(min(u - i, i + 1.0 - u), min(v - j, j + 1.0 - v))
    grout = min(max((width - near) / width * 2.0, 0.0), 1.0)
    tone = 1.0 + 0.18 * contrast * fade * (unit(i, j, 0, seed) - 0.5)
    return contrast * (grout * fade + 0.12 * (1.0 - fade)), tone


@kernel
def _tiles_in_bond(
    u: float, v: float, seed: int, contrast: float, fade: float
) -> tuple[float, float]:
    """Bricks: three times as long as high, every second row shifted."""
    j = math.floor(v)
    shifted = u / 3.0 + 0.5 * (j % 2)
    i = math.floor(shifted)
    near = min(min(shifted - i, i + 1.0 - shifted) * 3.0, min(v - j, j + 1.0 - v))
    tone = 1.0 + 0.5 * contrast * fade * (unit(i, j, 0, seed) - 0.5)
    return contrast * (fade * (near < 0.09) + 0.2 * (1.0 - fade)), tone


@kernel
def unit(i: float, j: float, k: float, seed: int) -> float:
    """A number in [0, 1) that depends on a lattice point and a seed, and on nothing else."""
    h = int(i) * 374761393 + int(j) * 668265263 + int(k) * 2147483647 + seed * 1274126177
    h = (h ^ (h >> 13)) * 1274126177 & 0x7FFFFFFF
    h = (h ^ (h >> 16)) * 668265263 & 0x7FFFFFFF
    return float((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@kernel
def smooth(x: float, y: float, z: float, seed: int) -> float:
    """Value noise: lattice numbers, blended smoothly between lattice points; in [0, 1)."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    a, b, c = x - i, y - j, z - k
    a, b, c = a * a * (3.0 - 2.0 * a), b * b * (3.0 - 2.0 * b), c * c * (3.0 - 2.0 * c)
    total = 0.0
    for corner in range(8):
        p, q, r = corner & 1, (corner >> 1) & 1, corner >> 2
        share = (a if p else 1.0 - a) * (b if q else 1.0 - b) * (c if r else 1.0 - c)
        total += share * unit(i + p, j + q, k + r, seed)
    return total
