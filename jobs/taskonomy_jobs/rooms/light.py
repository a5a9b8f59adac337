"""Pictures of a scene: a few rays a pixel, lit by lamps, sky and sun, with hard shadows."""

import math

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.camera import Camera, Vector
from taskonomy_jobs.rooms.compiled import kernel
from taskonomy_jobs.rooms.render import TILE, Indices, candidates, is_outside, nearest
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.shapes import Table, meets, surface, to_local
from taskonomy_jobs.rooms.textures import colour

METERED_GREY, METERING = 0.24, 0.6
"""The mean light that exposure aims at, and how far it goes there: dark rooms stay darker."""
ALIKE = 0.04
"""Two rays of a pixel that differ by less in each colour stand for the others."""


def photograph(scene: Scene, camera: Camera, size: int) -> NDArray[np.uint8]:
    """Return an sRGB picture, (size, size, 3), of two to four rays a pixel."""
    rotation = np.ascontiguousarray(camera.rotation)
    focal = camera.focal(size)
    lists = candidates(scene.shapes, camera.location, rotation, focal, size)
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
        light,
    )
    metered = (METERED_GREY / max(float(light.mean()), 1e-3)) ** METERING
    return developed(light * scene.exposure * metered)


def developed(light: Vector) -> NDArray[np.uint8]:
    """Map linear light to 8-bit sRGB, with a shoulder so that lamps do not clip hard."""
    film = np.where(light < 0.7, light, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3))
    curve = np.where(film <= 0.0031308, 12.92 * film, 1.055 * np.power(film, 1 / 2.4) - 0.055)
    return np.asarray(np.clip(np.rint(curve * 255.0), 0, 255).astype(np.uint8))


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
    light: Table,
) -> None:
    """Light of each pixel: its diagonal rays, and the two others where those differ."""
    size = len(light)
    across = (size + TILE - 1) // TILE
    for row in range(size):
        for column in range(size):
            list_ = lists[row // TILE * across + column // TILE]
            right, down = column + 0.25 - 0.5 * size, row + 0.25 - 0.5 * size
            a, b, c = _light_along(
                shapes, materials, groups, openings, lights, sky, room,
                eye, turn, focal, list_, right, down,
            )  # fmt: skip
            p, q, r = _light_along(
                shapes, materials, groups, openings, lights, sky, room,
                eye, turn, focal, list_, right + 0.5, down + 0.5,
            )  # fmt: skip
            rays = 2.0
            alike = max(abs(a - p), abs(b - q), abs(c - r)) < ALIKE
            a, b, c = a + p, b + q, c + r
            if not alike:
                rays = 4.0
                for other in range(2):
                    p, q, r = _light_along(
                        shapes, materials, groups, openings, lights, sky, room,
                        eye, turn, focal, list_, right + 0.5 * other, down + 0.5 - 0.5 * other,
                    )  # fmt: skip
                    a, b, c = a + p, b + q, c + r
            light[row, column, 0] = a / rays
            light[row, column, 1] = b / rays
            light[row, column, 2] = c / rays


@kernel
def _light_along(
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
    list_: Indices,
    right: float,
    down: float,
) -> tuple[float, float, float]:
    """Light that comes to the camera from a place of the image, in pixels from its middle."""
    a, b = right / focal, -down / focal
    length = math.sqrt(a * a + b * b + 1.0)
    u = (turn[0, 0] * a + turn[0, 1] * b - turn[0, 2]) / length
    v = (turn[1, 0] * a + turn[1, 1] * b - turn[1, 2]) / length
    w = (turn[2, 0] * a + turn[2, 1] * b - turn[2, 2]) / length
    t, i = nearest(shapes, list_[1:], list_[0], eye[0], eye[1], eye[2], u, v, w)
    x, y, z = eye[0] + t * u, eye[1] + t * v, eye[2] + t * w
    if i < 0 or (i == 0 and is_outside(shapes[0], openings, x, y, z)):
        share = min(max(0.5 + 2.5 * w, 0.0), 1.0)  # the sky fades into a darker ground
        r, g, b = 0.35 * sky[3] + 0.05, 0.35 * sky[4] + 0.05, 0.35 * sky[5] + 0.05
        return r + share * (sky[3] - r), g + share * (sky[4] - g), b + share * (sky[5] - b)
    footprint = 0.5 * t / focal
    return _shade(
        shapes, materials, groups, openings, lights, sky, room,
        i, x, y, z, u, v, w, footprint,
    )  # fmt: skip


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
        if is_outside(shapes[0], openings, ox, oy, oz) and _is_lit(
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
        if groups[g, 6] == 0.0:
            continue
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
