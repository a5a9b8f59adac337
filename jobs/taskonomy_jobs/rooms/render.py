"""What a camera sees of a scene: the exact geometry under each pixel, and a picture.

Geometry is that of the ray through the pixel's centre. The picture averages several rays a pixel,
lit by the room's lamps and the sun with hard shadows. Which shapes a ray can meet at all is found
once for each square of pixels (`_candidates`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.camera import Camera, Vector
from taskonomy_jobs.rooms.compiled import kernel
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.shapes import Table, meets, surface, to_local
from taskonomy_jobs.rooms.textures import colour

TILE = 8
"""Pixels on a side of the squares that share a list of shapes."""
METERED_GREY, METERING = 0.24, 0.6
"""The mean light that exposure aims at, and how far it goes there: dark rooms stay darker."""

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
    lists = _candidates(scene.shapes, camera.location, rotation, focal, size)
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


def photograph(scene: Scene, camera: Camera, size: int, samples: int = 2) -> NDArray[np.uint8]:
    """Return an sRGB picture, (size, size, 3), of samples × samples rays a pixel."""
    rotation = np.ascontiguousarray(camera.rotation)
    focal = camera.focal(size)
    lists = _candidates(scene.shapes, camera.location, rotation, focal, size)
    light = np.zeros((size, size, 3))
    _expose(
        scene.shapes,
        scene.materials,
        scene.groups,
        scene.openings,
        scene.lights,
        scene.sky,
        scene.room,
        camera.location,
        rotation,
        focal,
        lists,
        samples,
        light,
    )
    metered = (METERED_GREY / max(float(light.mean()), 1e-3)) ** METERING
    return developed(light * scene.exposure * metered)


def developed(light: Vector) -> NDArray[np.uint8]:
    """Map linear light to 8-bit sRGB, with a shoulder so that lamps do not clip hard."""
    film = np.where(light < 0.7, light, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3))
    curve = np.where(film <= 0.0031308, 12.92 * film, 1.055 * np.power(film, 1 / 2.4) - 0.055)
    return np.asarray(np.clip(np.rint(curve * 255.0), 0, 255).astype(np.uint8))


def first_hit(scene: Scene, origins: Vector, directions: Vector) -> tuple[Vector, Indices]:
    """Distances (N,) and shape rows (N,) that rays meet; infinite and −1 through an opening."""
    distance, shape = np.empty(len(origins)), np.empty(len(origins), np.int64)
    _cast_rays(scene.shapes, scene.openings, origins, directions, distance, shape)
    return distance, shape


@kernel
def _candidates(shapes: Table, eye: Vector, turn: Table, focal: float, size: int) -> Indices:
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
def _is_outside(row: Table, openings: Table, x: float, y: float, z: float) -> bool:
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
def _nearest(
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
            t, i = _nearest(shapes, list_[1:], list_[0], eye[0], eye[1], eye[2], u, v, w)
            if i < 0:
                continue
            x, y, z = eye[0] + t * u, eye[1] + t * v, eye[2] + t * w
            if i == 0 and _is_outside(shapes[0], openings, x, y, z):
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
        t, i = _nearest(shapes, every, len(every), x, y, z, u, v, w)
        if i == 0 and _is_outside(shapes[0], openings, x + t * u, y + t * v, z + t * w):
            t, i = math.inf, -1
        distance[ray], shape[ray] = t, i


@kernel
def _is_lit(
    shapes: Table,
    groups: Table,
    x: float,
    y: float,
    z: float,
    u: float,
    v: float,
    w: float,
    reach: float,
) -> bool:
    """Whether nothing but the shell stands within `reach` along a ray."""
    for g in range(1, len(groups)):
        a, b, c = groups[g, 0] - x, groups[g, 1] - y, groups[g, 2] - z
        along = a * u + b * v + c * w
        if along < -groups[g, 3] or along > reach + groups[g, 3]:
            continue
        if a * a + b * b + c * c - along * along > groups[g, 3] ** 2:
            continue
        for i in range(int(groups[g, 4]), int(groups[g, 5])):
            a, b, c = shapes[i, 1] - x, shapes[i, 2] - y, shapes[i, 3] - z
            along = a * u + b * v + c * w
            if a * a + b * b + c * c - along * along > shapes[i, 17] ** 2:
                continue
            if meets(shapes[i], x, y, z, u, v, w) < reach:
                return False
    return True


@kernel
def _expose(
    shapes: Table,
    materials: Table,
    groups: Table,
    openings: Table,
    lights: Table,
    sky: Vector,
    room: Vector,
    eye: Vector,
    turn: Table,
    focal: float,
    lists: Indices,
    samples: int,
    light: Table,
) -> None:
    size = len(light)
    across = (size + TILE - 1) // TILE
    for row in range(size):
        for column in range(size):
            list_ = lists[row // TILE * across + column // TILE]
            for sample in range(samples * samples):
                right = column + (sample % samples + 0.5) / samples
                down = row + (sample // samples + 0.5) / samples
                a, b = (right - 0.5 * size) / focal, -(down - 0.5 * size) / focal
                length = math.sqrt(a * a + b * b + 1.0)
                u = (turn[0, 0] * a + turn[0, 1] * b - turn[0, 2]) / length
                v = (turn[1, 0] * a + turn[1, 1] * b - turn[1, 2]) / length
                w = (turn[2, 0] * a + turn[2, 1] * b - turn[2, 2]) / length
                t, i = _nearest(shapes, list_[1:], list_[0], eye[0], eye[1], eye[2], u, v, w)
                x, y, z = eye[0] + t * u, eye[1] + t * v, eye[2] + t * w
                if i < 0 or (i == 0 and _is_outside(shapes[0], openings, x, y, z)):
                    share = min(max(0.5 + 2.5 * w, 0.0), 1.0)
                    for c in range(3):
                        ground = 0.35 * sky[3 + c] + 0.05
                        light[row, column, c] += ground + share * (sky[3 + c] - ground)
                    continue
                footprint = t / focal / samples
                r, g, b = _shade(
                    shapes, materials, groups, openings, lights, sky, room,
                    i, x, y, z, u, v, w, footprint,
                )  # fmt: skip
                light[row, column, 0] += r
                light[row, column, 1] += g
                light[row, column, 2] += b
            for c in range(3):
                light[row, column, c] /= samples * samples


@kernel
def _shade(
    shapes: Table,
    materials: Table,
    groups: Table,
    openings: Table,
    lights: Table,
    sky: Vector,
    room: Vector,
    i: int,
    x: float,
    y: float,
    z: float,
    u: float,
    v: float,
    w: float,
    footprint: float,
) -> tuple[float, float, float]:
    """Linear light that leaves a surface point towards a ray that came along (u, v, w)."""
    n, m, k, _, _, a, b, c = surface(shapes[i], x, y, z)
    p, q, s = to_local(shapes[i], n, m, k, False)
    material = materials[int(shapes[i, 18]) + _side_of_shell(i, m, k)]
    red, green, blue = colour(material, a, b, c, p, q, s, footprint)
    facing = max(-(n * u + m * v + k * w), 0.05)
    ambient = (0.75 + 0.25 * k) * _openness(room, x, y, z, n, m, k)
    ambient += 0.08 * facing
    lr, lg, lb = sky[0] * ambient, sky[1] * ambient, sky[2] * ambient
    shine = 0.0
    for j in range(len(lights)):
        dx, dy, dz = lights[j, 0] - x, lights[j, 1] - y, lights[j, 2] - z
        away = math.sqrt(dx * dx + dy * dy + dz * dz)
        dx, dy, dz = dx / away, dy / away, dz / away
        slant = n * dx + m * dy + k * dz
        if slant <= 0.0:
            continue
        power = slant / (0.4 + away * away)
        if power * lights[j, 3] < 0.004:
            continue
        if _is_lit(shapes, groups, x + 1e-4 * n, y + 1e-4 * m, z + 1e-4 * k, dx, dy, dz, away):
            lr += power * lights[j, 3]
            lg += power * lights[j, 4]
            lb += power * lights[j, 5]
            if material[10] > 0.0:  # Blinn's highlight
                hx, hy, hz = dx - u, dy - v, dz - w
                half = (n * hx + m * hy + k * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
                shine += material[10] * power * lights[j, 3] * max(half, 0.0) ** 40
    slant = n * sky[6] + m * sky[7] + k * sky[8]
    if sky[9] > 0.0 and slant > 0.0:
        t = meets(shapes[0], x, y, z, sky[6], sky[7], sky[8])
        ox, oy, oz = x + t * sky[6], y + t * sky[7], z + t * sky[8]
        if _is_outside(shapes[0], openings, ox, oy, oz) and _is_lit(
            shapes, groups, x + 1e-4 * n, y + 1e-4 * m, z + 1e-4 * k, sky[6], sky[7], sky[8], t
        ):
            lr, lg, lb = lr + slant * sky[9], lg + slant * sky[10], lb + slant * sky[11]
    glow = material[11]
    return (
        red * (lr + glow) + shine,
        green * (lg + glow) + shine,
        blue * (lb + glow) + shine,
    )


@kernel
def _side_of_shell(i: int, m: float, k: float) -> int:
    """Which of the shell's materials a point has, by its normal; 0 for every other shape."""
    if i > 0 or k > 0.7:
        return 0
    if k < -0.7:
        return 2
    return 3 if m < -0.7 else 1


@kernel
def _openness(room: Vector, x: float, y: float, z: float, n: float, m: float, k: float) -> float:
    """Share of ambient light that reaches a point: corners of the room and the floor are darker."""
    open_ = 1.0
    for axis in range(3):
        at = x if axis == 0 else (y if axis == 1 else z)
        across = abs(n if axis == 0 else (m if axis == 1 else k))
        near = min(at - room[2 * axis], room[2 * axis + 1] - at)
        open_ *= 1.0 - 0.35 * (1.0 - across) * math.exp(-max(near, 0.0) / 0.35)
    return open_
