"""Ray against shape: roots by dense sampling, normals and curvature by differences of distances."""

import math
from typing import Any

import numpy as np
import pytest
from solid_shapes import principal_curvatures, signed_distance

from taskonomy_jobs.rooms.camera import rotation_about_x, rotation_about_z
from taskonomy_jobs.rooms.shapes import COLUMNS, Shape, meets, surface

pytestmark = pytest.mark.slow  # compiling

Array = np.ndarray[Any, Any]

TURN = rotation_about_z(0.7) @ rotation_about_x(0.4)


def shape(kind: Shape, a: float, b: float = 0.0, c: float = 0.0, bevel: float = 0.0) -> Array:
    row = np.zeros(COLUMNS)
    row[0], row[1:4], row[4:13] = kind, (0.3, -0.2, 1.1), TURN.T.ravel()
    row[13:17] = a, b, c, bevel
    row[17] = math.sqrt(a * a + b * b + c * c) if kind in (Shape.BOX, Shape.SHELL) else a + b
    return row


SHAPES = {
    "box": shape(Shape.BOX, 0.5, 0.3, 0.2),
    "rounded box": shape(Shape.BOX, 0.5, 0.3, 0.2, 0.12),
    "cylinder": shape(Shape.CYLINDER, 0.3, 0.5),
    "ball": shape(Shape.SPHERE, 0.4),
    "ring": shape(Shape.TORUS, 0.4, 0.13),
    "room": shape(Shape.SHELL, 1.5, 1.2, 1.0, 0.3),
}


def rays(row: Array, count: int, seed: int) -> tuple[Array, Array]:
    """Origins and unit directions, from outside towards the shape, or from inside a room."""
    rng = np.random.default_rng(seed)
    out = 0.5 if row[0] == Shape.SHELL else 2.0
    start = row[1:4] + out * _units(rng, count)
    target = row[1:4] + rng.uniform(-0.6, 0.6, (count, 3))
    ray = _units(rng, count) if row[0] == Shape.SHELL else target - start
    return start, ray / np.linalg.norm(ray, axis=1)[:, None]


def _units(rng: np.random.Generator, count: int) -> Array:
    vectors = rng.normal(size=(count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1)[:, None])


def first_root(row: Array, start: Array, ray: Array) -> float:
    """Where the signed distance along a ray first falls below 0: sampled, then bisected."""
    steps = np.linspace(0.0, 4.5, 9001)
    inside = signed_distance(row, start + steps[:, None] * ray) < 0.0
    if not inside.any():
        return math.inf
    high = steps[int(np.argmax(inside))]
    low = high - steps[1]
    for _ in range(50):
        middle = 0.5 * (low + high)
        if signed_distance(row, start + middle * ray) < 0.0:
            high = middle
        else:
            low = middle
    return float(high)


@pytest.mark.parametrize("name", SHAPES)
def test_a_ray_ends_where_the_solid_begins(name: str) -> None:
    row, hits = SHAPES[name], 0
    for start, ray in zip(*rays(row, 120, 1), strict=True):
        expected = first_root(row, start, ray)
        found = meets(row, *start, *ray)
        if math.isinf(expected):  # a graze shorter than the samples may be found by us alone
            assert math.isinf(found) or abs(signed_distance(row, start + found * ray)) < 1e-7
        else:
            assert found == pytest.approx(expected, abs=1e-7)
            hits += 1
    assert hits > 30


@pytest.mark.parametrize("name", SHAPES)
def test_normal_and_curvature_are_those_of_the_distance(name: str) -> None:
    row, compared = SHAPES[name], 0
    for start, ray in zip(*rays(row, 150, 2), strict=True):
        t = meets(row, *start, *ray)
        if math.isinf(t):
            continue
        point = start + t * ray
        n, m, k, most, least, *_ = surface(row, *point)
        assert np.linalg.norm([n, m, k]) == pytest.approx(1.0)
        assert np.dot([n, m, k], ray) < 1e-9  # towards the free side
        one = principal_curvatures(row, point)
        if not _is_smooth(row, point, one):
            continue
        np.testing.assert_allclose([n, m, k], one[0], atol=2e-3)
        assert (most, least) == pytest.approx((one[1], one[2]), abs=0.05)
        compared += 1
    assert compared > 25


def _is_smooth(row: Array, point: Array, here: tuple[Array, float, float]) -> bool:
    """Whether differences mean something: they are the same a little to all sides."""
    side = np.cross(here[0], (0.36, 0.48, 0.8))
    side *= 4e-3 / np.linalg.norm(side)
    for step in (side, -side, np.cross(here[0], side), -np.cross(here[0], side)):
        there = principal_curvatures(row, point + step)
        if abs(here[1] - there[1]) + abs(here[2] - there[2]) > 0.1:
            return False
    return True


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ball", (1 / 0.4, 1 / 0.4)),
        ("box", (0.0, 0.0)),
    ],
)
def test_known_curvatures_hold_everywhere(name: str, expected: tuple[float, float]) -> None:
    row = SHAPES[name]
    for start, ray in zip(*rays(row, 40, 3), strict=True):
        t = meets(row, *start, *ray)
        if t < math.inf:
            assert surface(row, *(start + t * ray))[3:5] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "local", "expected"),
    [
        ("cylinder", (0.3, 0.0, 0.1), (1 / 0.3, 0.0)),
        ("cylinder", (0.1, 0.05, 0.5), (0.0, 0.0)),
        ("ring", (0.53, 0.0, 0.0), (1 / 0.13, 1 / 0.53)),
        ("ring", (0.27, 0.0, 0.0), (1 / 0.13, -1 / 0.27)),
        ("ring", (0.4, 0.0, 0.13), (1 / 0.13, 0.0)),
        ("rounded box", (0.5, 0.0, 0.0), (0.0, 0.0)),
        ("rounded box", (0.38 + 0.12 * 0.6, 0.18 + 0.12 * 0.8, 0.0), (1 / 0.12, 0.0)),
        ("room", (0.1, 0.2, 1.0), (0.0, 0.0)),
        ("room", (0.0, 0.9 + 0.3 * 0.6, 0.7 + 0.3 * 0.8), (0.0, -1 / 0.3)),
    ],
)
def test_known_curvatures_at_a_point(
    name: str, local: tuple[float, float, float], expected: tuple[float, float]
) -> None:
    row = SHAPES[name]
    point = row[1:4] + TURN @ np.array(local)
    assert surface(row, *point)[3:5] == pytest.approx(expected, abs=1e-9)
