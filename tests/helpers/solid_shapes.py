"""Shapes of the rooms as signed distances, in numpy: truth that shares no code with the ray caster.

A row is one of the table of shapes (kind, centre, rotation, sizes, bevel). Distances are negative
inside; a room's shell is solid outside.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def signed_distance(row: Array, points: Array) -> Array:
    """Metres from points (..., 3) to the surface of a shape, negative where it is solid."""
    turn = row[4:13].reshape(3, 3)
    local = (points - row[1:4]) @ turn.T
    kind = int(row[0])
    if kind == 1:
        outside = np.stack(
            [np.hypot(local[..., 0], local[..., 1]) - row[13], np.abs(local[..., 2]) - row[14]], -1
        )
        return _corner(outside)
    if kind == 2:
        return np.asarray(np.linalg.norm(local, axis=-1) - row[13])
    if kind == 3:
        around = np.hypot(local[..., 0], local[..., 1]) - row[13]
        return np.asarray(np.hypot(around, local[..., 2]) - row[14])
    rounded = _corner(np.abs(local) - (row[13:16] - row[16])) - row[16]
    return np.asarray(-rounded if kind == 4 else rounded)


def _corner(outside: Array) -> Array:
    inside = np.minimum(outside.max(-1), 0.0)
    return np.asarray(np.linalg.norm(np.maximum(outside, 0.0), axis=-1) + inside)


def nearest_solid(shapes: Array, points: Array) -> Array:
    """Metres to the nearest of many shapes, shape (...)."""
    return np.asarray(np.min([signed_distance(row, points) for row in shapes], axis=0))


def is_sight_free(shapes: Array, eye: Array, point: Array, steps: int = 400) -> bool:
    """Whether nothing solid lies between an eye and a point on a surface, by many samples."""
    shares = (np.arange(steps) + 0.5) / steps
    samples = eye + shares[:, None] * (point - eye)
    left = (1.0 - shares) * np.linalg.norm(point - eye)
    return bool((nearest_solid(shapes, samples)[left > 0.02] > -1e-9).all())


def principal_curvatures(
    row: Array, point: Array, step: float = 1e-3
) -> tuple[Array, float, float]:
    """Normal, larger and smaller curvature from differences of the signed distance.

    The second derivatives of a distance along its level set are the surface's curvatures.
    """
    eye = np.eye(3) * step

    def at(*moves: Array) -> float:
        return float(signed_distance(row, point + sum(moves, np.zeros(3))))

    normal = np.array([at(e) - at(-e) for e in eye]) / (2 * step)
    second = np.array(
        [
            [(at(a, b) - at(a, -b) - at(-a, b) + at(-a, -b)) / (4 * step**2) for a in eye]
            for b in eye
        ]
    )
    normal /= np.linalg.norm(normal)
    flat = np.eye(3) - np.outer(normal, normal)
    values = np.linalg.eigvalsh(flat @ second @ flat)
    along_normal = int(np.argmin(np.abs(values)))
    first, last = np.delete(values, along_normal)
    return normal, float(max(first, last)), float(min(first, last))
