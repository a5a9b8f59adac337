"""Which cameras see which points, against sampling along the lines of sight."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from solid_shapes import is_sight_free, signed_distance

from taskonomy_jobs.rooms.views import FARTHEST, MOST_OBLIQUE, NEAREST, STEEPEST

pytestmark = pytest.mark.slow


def test_there_are_exactly_as_many_views_as_asked_for(building: Any) -> None:
    assert len(building.views) == 150
    names = {(view.point.number, view.number) for view in building.views}
    assert len(names) == 150


def test_every_point_has_two_to_five_views_from_different_places(building: Any) -> None:
    sizes = Counter(view.point.number for view in building.views)
    assert set(sizes.values()) <= {2, 3, 4, 5}
    assert sum(size >= 3 for size in sizes.values()) > 0.8 * len(sizes)
    spots = {(view.point.number, view.spot) for view in building.views}
    assert len(spots) == 150


def test_views_of_a_point_have_it_in_the_middle_of_the_image(building: Any) -> None:
    for view in building.views:
        place, depth = view.camera.project(view.point.location, 64)
        np.testing.assert_allclose(place, (32.0, 32.0), atol=1e-9)
        away = float(np.linalg.norm(view.camera.location - view.point.location))
        assert depth == pytest.approx(away)
        assert NEAREST <= away <= FARTHEST
        assert abs(view.camera.pitch) <= STEEPEST
        assert view.obliqueness <= MOST_OBLIQUE


def test_points_lie_on_surfaces_in_free_sight_of_their_cameras(building: Any) -> None:
    for view in building.few(3):
        shapes = building.scene(view).shapes
        nearest = min(abs(float(signed_distance(row, view.point.location))) for row in shapes)
        assert nearest < 1e-6
        assert is_sight_free(shapes, view.camera.location, view.point.location)


def test_other_points_are_listed_if_and_only_if_they_are_in_sight(building: Any) -> None:
    """Brute force over every pair of a view and a point of its room."""
    points = {view.point.number: view.point for view in building.views}
    listed = hidden = 0
    for view in building.few(4):
        shapes = building.scene(view).shapes
        others = {number for number, _, _ in view.others}
        for number, point in points.items():
            if point.room != view.point.room or number == view.point.number:
                assert number not in others
                continue
            place, depth = view.camera.project(point.location, 1)
            in_frame = depth > 0 and bool(((place > 0) & (place < 1)).all())
            is_seen = in_frame and is_sight_free(
                shapes, view.camera.location, point.location, steps=1500
            )
            assert is_seen == (number in others)
            listed += is_seen
            hidden += in_frame and not is_seen
    assert listed > 20
    assert hidden > 0


def test_where_a_listed_point_is_in_the_image(building: Any) -> None:
    points = {view.point.number: view.point for view in building.views}
    for view in building.views:
        for number, column, row in view.others:
            place, _ = view.camera.project(points[number].location, 1)
            assert (column, row) == pytest.approx(tuple(place))


def test_no_camera_stands_in_anything(building: Any) -> None:
    for view in building.few(2):
        for row in building.scene(view).shapes:
            assert signed_distance(row, view.camera.location) > 0.05


def test_cameras_have_no_roll_and_published_angles(building: Any) -> None:
    for view in building.few(10):
        a, b, c = view.camera.euler
        assert b == 0.0
        right = view.camera.rotation[:, 0]
        assert right[2] == pytest.approx(0.0)
        expected = _rotation_z(c) @ _rotation_x(a)
        np.testing.assert_allclose(view.camera.rotation, expected, atol=1e-12)


def _rotation_x(t: float) -> Any:
    return np.array([[1, 0, 0], [0, math.cos(t), -math.sin(t)], [0, math.sin(t), math.cos(t)]])


def _rotation_z(t: float) -> Any:
    return np.array([[math.cos(t), -math.sin(t), 0], [math.sin(t), math.cos(t), 0], [0, 0, 1]])
