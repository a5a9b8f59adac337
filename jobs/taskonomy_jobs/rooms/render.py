"""What a camera sees of a scene: the exact geometry under the centre of each pixel.

Which shapes a ray can meet at all is found once for each square of pixels (`candidates`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.camera import Camera, Vector
from taskonomy_jobs.rooms.compiled import kernel
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.shapes import Table, meets, surface, to_local

TILE = 8
"""Pixels on a side of the squares that share a list of shapes."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Geometry:
    """What is under the centre of each pixel; H and W are the image's size."""

    distance: Vector
    """(H, W) metres from the camera's centre; infinite where a ray leaves through an opening."""
    depth: Vector
    """(H, W) metres along the view's axis; infinite in the same places."""
    normal: Vector
    """(H, W, 3) unit normals in the camera's frame, towards the camera; 0 where invalid."""
    curvature: Vector
    """(H, W, 2) larger and smaller principal curvature, 1/m; 0 where invalid."""
    shape: Indices
    """(H, W) row of the scene's shapes; −1 where invalid."""
    object: Indices
    """(H, W) object; −1 where invalid."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(H, W) where a surface was met."""
        return self.shape >= 0


def see(scene: Scene, camera: Camera, size: int) -> Geometry:
    """Return the exact geometry that a camera sees, size × size pixels."""
    rotation = np.ascontiguousarray(camera.rotation)
    focal = camera.focal(size)
    distance, depth = np.full((size, size), np.inf), np.full((size, size), np.inf)
    normal, curvature = np.zeros((size, size, 3)), np.zeros((size, size, 2))
    shape = np.full((size, size), -1, np.int64)
    lists = candidates(scene.shapes, camera.location, rotation, focal, size)
    _cast(
        scene.shapes,
        scene.openings,
        camera.location,
        rotation,
        focal,
        lists,
        distance,
        depth,
        normal,
        curvature,
        shape,
    )
    owner = scene.shapes[shape, 19].astype(np.int64)
    owner[shape < 0] = -1
    return Geometry(distance, depth, normal, curvature, shape, owner)


def first_hit(scene: Scene, origins: Vector, directions: Vector) -> tuple[Vector, Indices]:
    """Distances (N,) and shape rows (N,) that rays meet; infinite and −1 through an opening."""
    distance, shape = np.empty(len(origins)), np.empty(len(origins), np.int64)
    _cast_rays(scene.shapes, scene.openings, origins, directions, distance, shape)
    return distance, shape


@kernel
def candidates(shapes: Table, eye: Vector, turn: Table, focal: float, size: int) -> Indices:
    """Rows of shapes that a square of pixels may show: (squares, rows + 1), the count first."""
    across = (size + TILE - 1) // TILE
    lists = np.zeros((across * across, len(shapes) + 1), np.int64)
    half = 0.5 * size
    for square in range(across * across):
        top, left = square // across * TILE, square % across * TILE
        cx, cy = (left + 0.5 * TILE - half) / focal, -(top + 0.5 * TILE - half) / focal
        spread = 0.0
        for corner in range(4):
            x = (left + TILE * (corner & 1) - half) / focal
            y = -(top + TILE * (corner >> 1) - half) / focal
            spread = max(spread, _angle(cx, cy, -1.0, x, y, -1.0))
        for i in range(len(shapes)):
            x, y, z = shapes[i, 1] - eye[0], shapes[i, 2] - eye[1], shapes[i, 3] - eye[2]
            away, radius = math.sqrt(x * x + y * y + z * z), shapes[i, 17]
            if i > 0 and away > radius:
                a = turn[0, 0] * x + turn[1, 0] * y + turn[2, 0] * z
                b = turn[0, 1] * x + turn[1, 1] * y + turn[2, 1] * z
                c = turn[0, 2] * x + turn[1, 2] * y + turn[2, 2] * z
                if _angle(cx, cy, -1.0, a, b, c) > spread + math.asin(radius / away) + 1e-6:
                    continue
            lists[square, 0] += 1
            lists[square, lists[square, 0]] = i
    return lists


@kernel
def _angle(a: float, b: float, c: float, x: float, y: float, z: float) -> float:
    size = math.sqrt((a * a + b * b + c * c) * (x * x + y * y + z * z))
    return math.acos(min(max((a * x + b * y + c * z) / size, -1.0), 1.0))


@kernel
def is_outside(row: Table, openings: Table, x: float, y: float, z: float) -> bool:
    """Whether a point of the shell lies in an opening."""
    a, b, c = to_local(row, x, y, z, True)
    for i in range(len(openings)):
        axis = int(openings[i, 0])
        across, along = (a, b) if axis == 0 else (b, a)
        if (
            across * openings[i, 1] > row[13 + axis] - 1e-3
            and openings[i, 2] < along < openings[i, 3]
            and openings[i, 4] < c < openings[i, 5]
        ):
            return True
    return False


@kernel
def nearest(
    shapes: Table,
    list_: Indices,
    count: int,
    x: float,
    y: float,
    z: float,
    u: float,
    v: float,
    w: float,
) -> tuple[float, int]:
    """Distance to the first of some shapes that a ray meets, and its row; infinite and −1."""
    best, found = math.inf, -1
    for j in range(count):
        i = list_[j]
        t = meets(shapes[i], x, y, z, u, v, w)
        if t < best:
            best, found = t, i
    return best, found


@kernel
def _cast(
    shapes: Table,
    openings: Table,
    eye: Vector,
    turn: Table,
    focal: float,
    lists: Indices,
    distance: Table,
    depth: Table,
    normal: Table,
    curvature: Table,
    shape: Indices,
) -> None:
    size = len(distance)
    across = (size + TILE - 1) // TILE
    for row in range(size):
        for column in range(size):
            a, b = (column + 0.5 - 0.5 * size) / focal, -(row + 0.5 - 0.5 * size) / focal
            length = math.sqrt(a * a + b * b + 1.0)
            u = (turn[0, 0] * a + turn[0, 1] * b - turn[0, 2]) / length
            v = (turn[1, 0] * a + turn[1, 1] * b - turn[1, 2]) / length
            w = (turn[2, 0] * a + turn[2, 1] * b - turn[2, 2]) / length
            list_ = lists[row // TILE * across + column // TILE]
            t, i = nearest(shapes, list_[1:], list_[0], eye[0], eye[1], eye[2], u, v, w)
            if i < 0:
                continue
            x, y, z = eye[0] + t * u, eye[1] + t * v, eye[2] + t * w
            if i == 0 and is_outside(shapes[0], openings, x, y, z):
                continue
            n, m, k, most, least, _, _, _ = surface(shapes[i], x, y, z)
            distance[row, column], depth[row, column] = t, t / length
            for axis in range(3):
                normal[row, column, axis] = (
                    turn[0, axis] * n + turn[1, axis] * m + turn[2, axis] * k
                )
            curvature[row, column, 0], curvature[row, column, 1] = most, least
            shape[row, column] = i


@kernel
def _cast_rays(
    shapes: Table,
    openings: Table,
    origins: Table,
    directions: Table,
    distance: Vector,
    shape: Indices,
) -> None:
    every = np.arange(len(shapes))
    for ray in range(len(origins)):
        x, y, z = origins[ray]
        u, v, w = directions[ray]
        t, i = nearest(shapes, every, len(every), x, y, z, u, v, w)
        if i == 0 and is_outside(shapes[0], openings, x + t * u, y + t * v, z + t * w):
            t, i = math.inf, -1
        distance[ray], shape[ray] = t, i
