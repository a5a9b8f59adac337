"""Where a ray meets a shape, and what the surface is like there: normal and both curvatures.

Shapes are rows of one float64 table (`Column` names the columns). A ray is an origin and a unit
direction. Every answer is the closed form of the shape but the torus, whose first root is found by
sphere tracing on its exact distance and polished by Newton's method to the last bits.

Curvature is positive where the surface bulges towards the viewer: 1/r twice on a ball, 1/r and 0 on
a cylinder, negative in the coves of a room seen from inside.
"""

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.compiled import kernel

Table = NDArray[np.float64]


class Shape(IntEnum):
    """What kind of shape a row is; its sizes are the columns A, B, C and ROUND."""

    BOX = 0
    """Half sizes A, B, C; edges and corners rounded with radius ROUND."""
    CYLINDER = 1
    """Radius A, half height B along the local z axis, flat caps."""
    SPHERE = 2
    """Radius A."""
    TORUS = 3
    """Ring radius A around the local z axis, tube radius B."""
    SHELL = 4
    """A room seen from inside: the inner side of a rounded box."""


class Column(IntEnum):
    """Columns of the table of shapes."""

    KIND = 0
    X = 1
    """Centre in the world, metres, three columns."""
    TURN = 4
    """Rotation from the world to the shape, nine columns, row by row."""
    A = 13
    B = 14
    C = 15
    ROUND = 16
    BOUND = 17
    """Radius of a ball around the centre that holds the shape."""
    MATERIAL = 18
    OBJECT = 19


COLUMNS = 20
NEAR = 1e-6
"""Metres: a hit nearer than this is the surface the ray starts from."""
NONE = math.inf

# Plain numbers for the compiled code, which reads no enumerations.
_KIND, _X, _TURN, _A, _B, _C = 0, 1, 4, 13, 14, 15
_ROUND = 16
_BOX, _CYLINDER, _SPHERE, _TORUS, _SHELL = 0, 1, 2, 3, 4


@kernel
def to_local(row: Table, x: float, y: float, z: float, move: bool) -> tuple[float, float, float]:
    """A world point (`move`) or direction in the shape's own frame."""
    if move:
        x, y, z = x - row[_X], y - row[_X + 1], z - row[_X + 2]
    return (
        row[4] * x + row[5] * y + row[6] * z,
        row[7] * x + row[8] * y + row[9] * z,
        row[10] * x + row[11] * y + row[12] * z,
    )


@kernel
def meets(row: Table, x: float, y: float, z: float, u: float, v: float, w: float) -> float:
    """Distance along a world ray (x, y, z) + t·(u, v, w) to a shape; infinite if it misses."""
    a, b, c = to_local(row, x, y, z, True)
    d, e, f = to_local(row, u, v, w, False)
    kind = int(row[_KIND])
    if kind == _CYLINDER:
        return _meets_cylinder(row[_A], row[_B], a, b, c, d, e, f)
    if kind == _SPHERE:
        return _ball_root(row[_A], a, b, c, d, e, f, False)
    if kind == _TORUS:
        return _meets_torus(row[_A], row[_B], a, b, c, d, e, f)
    return _meets_box(row, a, b, c, d, e, f, kind == _SHELL)


@kernel
def _ball_root(
    radius: float, x: float, y: float, z: float, u: float, v: float, w: float, far: bool
) -> float:
    half = x * u + y * v + z * w
    # The distance of the centre to the ray, squared: no cancellation far from the ball.
    a, b, c = x - half * u, y - half * v, z - half * w
    inside = radius * radius - (a * a + b * b + c * c)
    if inside < 0.0:
        return NONE
    root = math.sqrt(inside)
    t = -half + root if far else -half - root
    return t if t > NEAR else NONE


@kernel
def _meets_cylinder(
    radius: float, half: float, x: float, y: float, z: float, u: float, v: float, w: float
) -> float:
    best = NONE
    t = _tube_root(radius, x, y, u, v, False)
    if abs(z + t * w) <= half:
        best = t
    if w != 0.0:  # the cap that faces the ray
        t = (-math.copysign(half, w) - z) / w
        p, q = x + t * u, y + t * v
        if NEAR < t < best and p * p + q * q <= radius * radius:
            best = t
    return best


@kernel
def _tube_root(radius: float, x: float, y: float, u: float, v: float, far: bool) -> float:
    """Root of an endless cylinder around the third axis, from the two others."""
    a = u * u + v * v
    if a < 1e-18:
        return NONE
    half = (x * u + y * v) / a
    p, q = x - half * u, y - half * v
    inside = (radius * radius - (p * p + q * q)) / a
    if inside < 0.0:
        return NONE
    root = math.sqrt(inside)
    t = -half + root if far else -half - root
    return t if t > NEAR else NONE


@kernel
def _torus_distance(ring: float, tube: float, x: float, y: float, z: float) -> float:
    r = math.sqrt(x * x + y * y) - ring
    return math.sqrt(r * r + z * z) - tube


@kernel
def _meets_torus(
    ring: float, tube: float, x: float, y: float, z: float, u: float, v: float, w: float
) -> float:
    half = x * u + y * v + z * w
    reach = ring + tube
    inside = reach * reach - (x * x + y * y + z * z - half * half)
    if inside < 0.0:
        return NONE
    t, last = max(-half - math.sqrt(inside), 0.0), -half + math.sqrt(inside)
    for _ in range(200):
        if t > last:
            return NONE
        gap = _torus_distance(ring, tube, x + t * u, y + t * v, z + t * w)
        if gap < 1e-5:
            return _polished(ring, tube, t, x, y, z, u, v, w)
        t += gap
    return NONE


@kernel
def _polished(
    ring: float,
    tube: float,
    t: float,
    x: float,
    y: float,
    z: float,
    u: float,
    v: float,
    w: float,
) -> float:
    """Newton's steps on the distance along the ray; a grazing ray keeps where it came closest."""
    for _ in range(4):
        p, q, s = x + t * u, y + t * v, z + t * w
        r = math.sqrt(p * p + q * q)
        away = math.sqrt((r - ring) ** 2 + s * s)
        slope = ((r - ring) * (p * u + q * v) / r + s * w) / away
        if slope > -1e-4:
            break
        t -= (away - tube) / slope
    return t if t > NEAR else NONE


@kernel
def _meets_box(
    row: Table, x: float, y: float, z: float, u: float, v: float, w: float, inside: bool
) -> float:
    """First root from outside, last root from inside, of a box with rounded edges."""
    start, end, axis = -NONE, NONE, 0
    origin, ray = (x, y, z), (u, v, w)
    for i in range(3):
        size = row[_A + i]
        if ray[i] == 0.0:
            if abs(origin[i]) > size:
                return NONE
            continue
        one = (-math.copysign(size, ray[i]) - origin[i]) / ray[i]
        two = (math.copysign(size, ray[i]) - origin[i]) / ray[i]
        if one > start:
            start = one
            if not inside:
                axis = i
        if two < end:
            end = two
            if inside:
                axis = i
    if start > end or end < NEAR:
        return NONE
    t = end if inside else start
    bevel = row[_ROUND]
    flat = True
    for i in range(3):
        if i != axis and abs(origin[i] + t * ray[i]) > row[_A + i] - bevel:
            flat = False
    if bevel <= 0.0 or flat:
        return t if t > NEAR else NONE
    return _meets_bevel(row, x, y, z, u, v, w, inside)


@kernel
def _meets_bevel(
    row: Table, x: float, y: float, z: float, u: float, v: float, w: float, inside: bool
) -> float:
    """Root on the quarter cylinders and eighth balls that round a box off."""
    bevel = row[_ROUND]
    origin, ray = (x, y, z), (u, v, w)
    best = -NONE if inside else NONE
    for corner in range(8):
        sx = 1.0 if corner & 1 else -1.0
        sy = 1.0 if corner & 2 else -1.0
        sz = 1.0 if corner & 4 else -1.0
        sign = (sx, sy, sz)
        cx, cy, cz = sx * (row[_A] - bevel), sy * (row[_B] - bevel), sz * (row[_C] - bevel)
        t = _ball_root(bevel, x - cx, y - cy, z - cz, u, v, w, inside)
        if (
            t < NONE
            and sx * (x + t * u - cx) >= 0.0
            and sy * (y + t * v - cy) >= 0.0
            and sz * (z + t * w - cz) >= 0.0
        ):
            best = max(best, t) if inside else min(best, t)
        for axis in range(3):
            if sign[axis] > 0.0:  # one edge a pair of corners
                i, j = (axis + 1) % 3, (axis + 2) % 3
                ci = sign[i] * (row[_A + i] - bevel)
                cj = sign[j] * (row[_A + j] - bevel)
                t = _tube_root(bevel, origin[i] - ci, origin[j] - cj, ray[i], ray[j], inside)
                if (
                    t < NONE
                    and sign[i] * (origin[i] + t * ray[i] - ci) >= 0.0
                    and sign[j] * (origin[j] + t * ray[j] - cj) >= 0.0
                    and abs(origin[axis] + t * ray[axis]) <= row[_A + axis] - bevel
                ):
                    best = max(best, t) if inside else min(best, t)
    return best if best > NEAR else NONE


@kernel
def surface(
    row: Table, x: float, y: float, z: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """What the surface is like at a world point on it.

    Returns:
        The unit normal in the world towards the free side, the larger and the smaller principal
        curvature (1/m), and the local point.
    """
    a, b, c = to_local(row, x, y, z, True)
    kind = int(row[_KIND])
    if kind == _SPHERE:
        n, m, k = a / row[_A], b / row[_A], c / row[_A]
        most = least = 1.0 / row[_A]
    elif kind == _CYLINDER:
        n, m, k, most, least = _cylinder_surface(row[_A], row[_B], a, b, c)
    elif kind == _TORUS:
        n, m, k, most, least = _torus_surface(row[_A], row[_B], a, b, c)
    else:
        n, m, k, most, least = _box_surface(row, a, b, c)
        if kind == _SHELL:
            n, m, k = -n, -m, -k
            most, least = -least, -most
    # Back to the world: the rotation's transpose.
    return (
        row[4] * n + row[7] * m + row[10] * k,
        row[5] * n + row[8] * m + row[11] * k,
        row[6] * n + row[9] * m + row[12] * k,
        most,
        least,
        a,
        b,
        c,
    )


@kernel
def _cylinder_surface(
    radius: float, half: float, x: float, y: float, z: float
) -> tuple[float, float, float, float, float]:
    r = math.sqrt(x * x + y * y)
    if half - abs(z) < radius - r:
        return 0.0, 0.0, math.copysign(1.0, z), 0.0, 0.0
    return x / r, y / r, 0.0, 1.0 / radius, 0.0


@kernel
def _torus_surface(
    ring: float, tube: float, x: float, y: float, z: float
) -> tuple[float, float, float, float, float]:
    r = max(math.sqrt(x * x + y * y), 1e-12)
    out = (r - ring) / tube
    around = out / r  # cosine of the tube's angle, over the distance to the axis
    return x / r * out, y / r * out, z / tube, 1.0 / tube, around


@kernel
def _box_surface(
    row: Table, x: float, y: float, z: float
) -> tuple[float, float, float, float, float]:
    """Flat, cylindrical or spherical, by how many coordinates lie beyond the inner box."""
    bevel = row[_ROUND]
    n = x - min(max(x, bevel - row[_A]), row[_A] - bevel)
    m = y - min(max(y, bevel - row[_B]), row[_B] - bevel)
    k = z - min(max(z, bevel - row[_C]), row[_C] - bevel)
    beyond = (abs(n) > 1e-9) + (abs(m) > 1e-9) + (abs(k) > 1e-9)
    if bevel > 0.0 and beyond > 1:
        size = math.sqrt(n * n + m * m + k * k)
        return n / size, m / size, k / size, 1.0 / bevel, (1.0 / bevel if beyond == 3 else 0.0)
    a, b, c = abs(x) - row[_A], abs(y) - row[_B], abs(z) - row[_C]
    if a >= b and a >= c:
        return math.copysign(1.0, x), 0.0, 0.0, 0.0, 0.0
    if b >= c:
        return 0.0, math.copysign(1.0, y), 0.0, 0.0, 0.0
    return 0.0, 0.0, math.copysign(1.0, z), 0.0, 0.0
