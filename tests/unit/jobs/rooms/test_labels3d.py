"""Stored geometry: units, encodings, and the operators on simple scenes worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest

from taskonomy_jobs.rooms import labels3d
from taskonomy_jobs.rooms.camera import Camera
from taskonomy_jobs.rooms.render import Geometry, see
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.shapes import COLUMNS, Shape

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]

EYE = Camera(np.array([0.0, -2.0, 1.2]), 0.0, 0.0, math.radians(70.0))
"""Looks along +y at the far wall of the room below, 4 m away."""


def row(kind: Shape, centre: tuple[float, float, float], *sizes: float) -> Array:
    made = np.zeros(COLUMNS)
    made[0], made[1:4], made[4:13] = kind, centre, np.eye(3).ravel()
    made[13 : 13 + len(sizes)] = sizes
    made[17] = math.sqrt(sum(s * s for s in sizes[:3]))
    made[19] = 1.0
    return made


def scene(*shapes: Array, openings: Array | None = None) -> Scene:
    """A room of 4 × 8 × 2.4 m, sharp edges, with a few shapes in it."""
    shell = row(Shape.SHELL, (0.0, -2.0, 1.2), 2.0, 4.0, 1.2)
    shell[19] = 0.0
    nothing = np.zeros((0, 6))
    return Scene(
        shapes=np.array([shell, *shapes]),
        materials=np.zeros((4, 12)),
        groups=np.zeros((2, 7)),
        kinds=np.zeros(2, np.int64),
        openings=nothing if openings is None else openings,
        lights=nothing,
        sky=np.zeros(12),
        room=np.array([-2.0, 2.0, -6.0, 2.0, 0.0, 2.4]),
        kind="office",
        exposure=1.0,
    )


def look(*shapes: Array, openings: Array | None = None) -> Geometry:
    return see(scene(*shapes, openings=openings), EYE, 64)


FOCAL = EYE.focal(64)
HOLE = np.array([[1.0, 1.0, -0.5, 0.5, -0.4, 0.4]])
"""A window in the middle of the far wall."""


def test_depth_is_in_512ths_of_a_metre_and_invalid_behind_windows() -> None:
    geometry = look(openings=HOLE)
    stored = labels3d.stored_depth(geometry.depth)
    assert stored.dtype == np.uint16
    assert stored[32, 32] == 65535
    assert stored[32, 20] == round(4.0 * 512)  # the wall beside it: depth, not distance
    assert (stored[geometry.valid] < 64500).all()
    distance = labels3d.stored_depth(geometry.distance)
    a, b = (20.5 - 32) / FOCAL, (32.5 - 32) / FOCAL
    assert distance[32, 20] == round(4.0 * math.sqrt(1 + a * a + b * b) * 512)


def test_normals_are_centred_on_127() -> None:
    geometry = look(openings=HOLE)
    stored = labels3d.stored_normal(geometry)
    np.testing.assert_array_equal(stored[32, 20], (127, 127, 254))  # the wall, towards us
    np.testing.assert_array_equal(stored[63, 32], (127, 254, 127))  # the floor, up
    np.testing.assert_array_equal(stored[0, 32], (127, 0, 127))  # the ceiling, down
    np.testing.assert_array_equal(stored[32, 0], (254, 127, 127))  # the left wall, right
    np.testing.assert_array_equal(stored[32, 32], (127, 127, 127))  # invalid


def test_curvature_is_flat_at_127_and_six_steps_a_dioptre() -> None:
    ball, tube = (
        row(Shape.SPHERE, (-0.6, 0.0, 1.2), 0.4),
        row(Shape.CYLINDER, (0.6, 0.0, 1.2), 0.3, 0.5),
    )
    stored = labels3d.stored_curvature(look(ball, tube))
    np.testing.assert_array_equal(stored[32, 32], (127, 127, 127))
    left, right = (round(32 + x / 2.0 * FOCAL) for x in (-0.6, 0.6))
    np.testing.assert_array_equal(stored[32, left], (127 + 15, 127 + 15, 127))  # 2.5 / m
    np.testing.assert_array_equal(stored[32, right], (127 + 20, 127, 127))  # 3.33 / m


def test_reshading_is_cosine_times_fall_off() -> None:
    geometry = look(openings=HOLE)
    stored = labels3d.stored_reshading(geometry, FOCAL)
    a, b = (20.5 - 32) / FOCAL, (32.5 - 32) / FOCAL
    length = math.sqrt(1 + a * a + b * b)
    expected = 1 / length / (1 + (4.0 * length / labels3d.LIGHT_REACH) ** 2)
    assert stored[32, 20, 0] == round(255 * expected)
    assert stored[32, 32].tolist() == [0, 0, 0]
    assert (stored == stored[..., :1]).all()


def test_an_empty_room_has_creases_and_no_occlusion() -> None:
    np.testing.assert_array_equal(labels3d.jumps(look(), FOCAL), 0.0)


def test_the_outline_of_a_ball_before_a_wall_jumps_by_its_distance() -> None:
    ball = row(Shape.SPHERE, (0.0, 0.0, 1.2), 0.4)
    geometry = look(ball)
    jump = labels3d.jumps(geometry, FOCAL)
    on_ball = geometry.shape == 1
    edge = np.zeros_like(on_ball)
    for axis in (0, 1):
        differs = np.diff(on_ball.astype(int), axis=axis) != 0
        pad = [(0, 1), (0, 0)] if axis == 0 else [(0, 0), (0, 1)]
        edge |= np.pad(differs, pad) | np.pad(differs, [p[::-1] for p in pad])
    np.testing.assert_array_equal(jump > 0, edge)
    assert 1.5 < np.median(jump[edge]) < 2.5  # from the ball's rim, 2 m away, to the wall
    stored = labels3d.stored_occlusion(geometry, FOCAL)
    assert stored[on_ball & ~edge].min() == 0
    assert stored.max() <= round(65535 * labels3d.LARGEST_JUMP)
    assert stored[edge].mean() > 0.00625 * 65535 * 0.8


def test_openings_are_bordered() -> None:
    geometry = look(openings=HOLE)
    jump = labels3d.jumps(geometry, FOCAL)
    assert jump.max() == 1.0
    assert set(np.unique(jump)) == {0.0, 1.0}
    assert jump[32, 32] == 0.0  # in the middle of the hole


def test_keypoints_stand_beside_edges_and_not_in_flat_places() -> None:
    """Interest needs change in two directions: most near a corner, none in the open."""
    box = row(Shape.BOX, (0.0, 0.0, 1.2), 0.5, 0.1, 0.5)
    geometry = look(box)
    interest = labels3d.narf(geometry, FOCAL)
    assert interest.max() <= 1.0
    half = 0.5 / 1.9 * FOCAL
    corner, side = round(32 + 0.85 * half), 32
    near_corner = interest[round(32 - 0.8 * half), corner - 1]
    beside_edge = interest[side, round(32 + 0.8 * half)]
    assert near_corner > 1.5 * beside_edge
    assert interest[32, 32] < 0.05
    assert interest[32, 5] < 0.05
    empty = look(openings=HOLE)
    assert (labels3d.narf(empty, FOCAL)[30:34, 30:34] == 0).all()
