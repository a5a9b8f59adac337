"""Labels from geometry, as the published files store them.

Exact from the ray caster: both depths, normals, curvature, reshading. Operators on the exact range
image: occlusion edges (`jumps`) and 3D keypoints (`narf`). Sizes of neighbourhoods are given for an
image of 256 pixels and scale with the image.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from taskonomy_jobs.data.layout import (
    CURVATURE_ZERO,
    DEPTH_INVALID,
    DEPTH_UNITS_PER_METRE,
    NORMAL_ZERO,
    ZBUFFER_INVALID_FROM,
)
from taskonomy_jobs.rooms.camera import Vector
from taskonomy_jobs.rooms.compiled import kernel
from taskonomy_jobs.rooms.render import Geometry
from taskonomy_jobs.rooms.shapes import Table

Stored = NDArray[np.uint8] | NDArray[np.uint16]

CURVATURE_STEPS = 6.0
"""Stored steps per 1/m around 127: a radius of 5 cm is 120 steps, what is tighter saturates."""
LIGHT_REACH = 4.0
"""Metres at which the reshading light has lost half of its strength."""
JUMP_SCALE = 0.25
"""Metres of a depth jump that give 63 % of the largest occlusion response."""
SMALLEST_JUMP = 0.01
"""Metres: less is taken for a bend."""
LARGEST_JUMP = 0.0125
"""Response of the deepest jump as a share of full scale: twice the range that is used."""


def stored_depth(metres: Vector) -> NDArray[np.uint16]:
    """Depth in 1/512 m, invalid where infinite. Rooms end far before 125 m where invalid starts."""
    steps = np.rint(np.where(np.isfinite(metres), metres, 0.0) * DEPTH_UNITS_PER_METRE)
    steps = np.minimum(steps, ZBUFFER_INVALID_FROM - 1)
    return np.where(np.isfinite(metres), steps, DEPTH_INVALID).astype(np.uint16)


def stored_normal(geometry: Geometry) -> NDArray[np.uint8]:
    """Camera-frame normals, 127 + 127 n; 127 where invalid."""
    return np.rint(NORMAL_ZERO + 127.0 * geometry.normal).astype(np.uint8)


def stored_curvature(geometry: Geometry) -> NDArray[np.uint8]:
    """Larger and smaller principal curvature in the first two channels, 127 is flat."""
    steps = np.rint(CURVATURE_ZERO + CURVATURE_STEPS * geometry.curvature)
    empty = np.full((*steps.shape[:2], 1), CURVATURE_ZERO)
    return np.concatenate([np.clip(steps, 0, 255), empty], axis=2).astype(np.uint8)


def stored_reshading(geometry: Geometry, focal: float) -> NDArray[np.uint8]:
    """White matt surfaces under one lamp in the camera: cosine times fall-off; 0 where invalid."""
    facing = np.clip(_towards(geometry, focal), 0.0, 1.0)
    distance = np.where(geometry.valid, geometry.distance, 0.0)
    light = facing / (1.0 + (distance / LIGHT_REACH) ** 2)
    grey = np.where(geometry.valid, np.rint(255.0 * light), 0).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _towards(geometry: Geometry, focal: float) -> Vector:
    """Cosine between each pixel's normal and the direction back to the camera."""
    size = len(geometry.depth)
    across = (np.arange(size) + 0.5 - 0.5 * size) / focal
    length = np.sqrt(1.0 + across[None, :] ** 2 + across[:, None] ** 2)
    n = geometry.normal
    along = -n[..., 0] * across[None, :] + n[..., 1] * across[:, None] + n[..., 2]
    return np.asarray(along / length)


def stored_occlusion(geometry: Geometry, focal: float) -> NDArray[np.uint16]:
    """Response to depth discontinuities: 1 − exp(−jump / 25 cm), slightly smoothed."""
    response = 1.0 - np.exp(-jumps(geometry, focal) / JUMP_SCALE)
    smooth = gaussian_filter(response, len(response) / 128.0, mode="nearest", truncate=3.0)
    return np.rint(65535.0 * LARGEST_JUMP * np.clip(smooth, 0.0, 1.0)).astype(np.uint16)


def jumps(geometry: Geometry, focal: float) -> Vector:
    """Metres by which each pixel's surface stands before or behind a neighbour's, (H, W).

    Slanted surfaces jump too from pixel to pixel. So the two tangent planes are compared along both
    rays: where they cross in between, a crease or a bend joins the pixels and nothing jumps; where
    one stays before the other, it hides what is behind it, and the smaller of the two gaps counts.
    The border of an opening counts as a jump of a metre.
    """
    result = np.zeros(geometry.depth.shape)
    _jumps(geometry.depth, geometry.normal, focal, result)
    return result


@kernel
def _jumps(depth: Table, normal: Table, focal: float, result: Table) -> None:
    size = len(depth)
    for row in range(size):
        for column in range(size):
            for step in range(2):
                i, j = row + step, column + 1 - step
                if i >= size or j >= size:
                    continue
                here, there = depth[row, column] < math.inf, depth[i, j] < math.inf
                if not here and not there:
                    continue
                jump = 1.0
                if here and there:
                    one = _off_plane(depth, normal, focal, row, column, i, j)
                    two = -_off_plane(depth, normal, focal, i, j, row, column)
                    jump = min(abs(one), abs(two))
                    if one * two <= 0.0 or jump < SMALLEST_JUMP:
                        continue
                result[row, column] = max(result[row, column], jump)
                result[i, j] = max(result[i, j], jump)


@kernel
def _off_plane(
    depth: Table, normal: Table, focal: float, row: int, column: int, i: int, j: int
) -> float:
    """Metres of depth by which a pixel's tangent plane lies behind a neighbour, on its ray."""
    size = len(depth)
    half = 0.5 * size - 0.5
    n, m, k = normal[row, column]
    a, b = (column - half) / focal, -(row - half) / focal
    c, d = (j - half) / focal, -(i - half) / focal
    top = depth[row, column] * (n * a + m * b - k)
    bottom = n * c + m * d - k
    if bottom > -1e-6:
        return float(depth[row, column] - depth[i, j])
    return float(top / bottom - depth[i, j])


def stored_keypoints(geometry: Geometry, focal: float) -> NDArray[np.uint16]:
    """One and a half times the response of `narf`, full scale."""
    return np.rint(65535.0 * np.clip(1.5 * narf(geometry, focal), 0.0, 1.0)).astype(np.uint16)


def narf(geometry: Geometry, focal: float) -> Vector:
    """Interest in each pixel as a 3D keypoint, in [0, 1], shape (H, W).

    After Steder et al., "Point feature extraction on 3D range scans taking into account object
    boundaries" (ICRA 2011), section IV: the surface must be stable at the point itself and change
    much, in at least two different directions, a little away from it. Change is a border's (an
    occlusion, seen from the near side) or the spread of normals. The support's radius is 16 pixels
    at 256.
    """
    radius = max(3, round(len(geometry.depth) / 16))
    change, direction = np.zeros(geometry.depth.shape), np.zeros(geometry.depth.shape)
    _change(geometry.depth, geometry.normal, jumps(geometry, focal), change, direction)
    interest = np.zeros(geometry.depth.shape)
    _interest(geometry.depth, change, direction, radius, focal, interest)
    return np.asarray(gaussian_filter(interest, radius / 8.0, mode="nearest", truncate=3.0))


@kernel
def _change(depth: Table, normal: Table, jump: Table, change: Table, direction: Table) -> None:
    """How much the surface changes at each pixel, and in which direction across the image."""
    size = len(depth)
    for row in range(size):
        for column in range(size):
            if depth[row, column] == math.inf:
                continue
            xx = yy = xy = 0.0
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    i, j = row + di, column + dj
                    if (di == 0 and dj == 0) or i < 0 or j < 0 or i >= size or j >= size:
                        continue
                    bend = 1.0
                    near = depth[i, j] < math.inf
                    if near:
                        dot = 0.0
                        for c in range(3):
                            dot += normal[row, column, c] * normal[i, j, c]
                        bend = 0.7 * min(max(1.0 - dot, 0.0), 1.0)
                        gap = depth[i, j] - depth[row, column]
                        if jump[row, column] > 0.05 and gap > 0.05:  # a border, on its near side
                            bend = max(bend, min(gap / 0.3, 1.0))
                    weight = bend / (di * di + dj * dj)
                    xx += weight * dj * dj
                    yy += weight * di * di
                    xy += weight * di * dj
            spread = math.sqrt((xx - yy) ** 2 + 4.0 * xy * xy)
            change[row, column] = min((xx + yy + spread) / 5.0, 1.0)
            direction[row, column] = 0.5 * math.atan2(2.0 * xy, xx - yy)


@kernel
def _interest(
    depth: Table, change: Table, direction: Table, radius: int, focal: float, interest: Table
) -> None:
    """Stability at the point times the strongest pair of differing directions around it."""
    size = len(depth)
    strongest = np.zeros(8)
    for row in range(size):
        for column in range(size):
            if depth[row, column] == math.inf:
                continue
            strongest[:] = 0.0
            stable = 1.0
            reach = radius * depth[row, column] / focal
            for i in range(max(row - radius, 0), min(row + radius + 1, size)):
                for j in range(max(column - radius, 0), min(column + radius + 1, size)):
                    score = change[i, j]
                    if score < 0.05:
                        continue
                    flat = math.hypot(i - row, j - column) / radius
                    deep = (depth[i, j] - depth[row, column]) / reach
                    away = math.sqrt(flat * flat + deep * deep)
                    if away > 1.0:
                        continue
                    stable = min(stable, 1.0 - score * max(1.0 - 2.0 * away, 0.0))
                    weight = score * (1.0 - abs(2.0 * away - 1.0))
                    bin_ = int((direction[i, j] / math.pi + 0.5) * 8.0) % 8
                    strongest[bin_] = max(strongest[bin_], weight)
            best = 0.0
            for one in range(8):
                for two in range(one + 1, 8):
                    turn = 1.0 - abs(math.cos((one - two) * math.pi / 8.0))
                    best = max(best, math.sqrt(strongest[one] * strongest[two] * turn))
            interest[row, column] = stable * best
