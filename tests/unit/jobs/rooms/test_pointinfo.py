"""Vanishing points, the room's box and matches against the cameras and rooms they describe."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from taskonomy_jobs.rooms.camera import Camera, aimed, quaternion
from taskonomy_jobs.rooms.pointinfo import match_info, point_info, vanishing_directions

pytestmark = pytest.mark.slow


def turned_by(w: float, x: float, y: float, z: float) -> Any:
    """The rotation of a unit quaternion, by the textbook."""
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.mark.parametrize("yaw", np.linspace(-4.0, 4.0, 17))
@pytest.mark.parametrize("pitch", [-0.5, 0.0, 0.6])
def test_vanishing_directions_are_the_rooms_axes(yaw: float, pitch: float) -> None:
    camera = Camera(np.zeros(3), yaw, pitch, 1.0)
    directions = vanishing_directions(camera)
    world = camera.rotation @ directions
    np.testing.assert_allclose(np.abs(world).max(0), 1.0)  # each is an axis, either way
    np.testing.assert_allclose(world[:, 2], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(np.cross(world[:, 0], world[:, 1]), world[:, 2], atol=1e-12)
    forward = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    assert world[:, 0] @ forward > math.cos(math.pi / 4) - 1e-9
    assert directions[0, 1] < 0.8  # the second points to the left


def test_parallel_edges_of_the_room_meet_at_the_vanishing_point() -> None:
    """The images of the four long edges of a box converge to the projected direction."""
    camera = aimed(np.array([0.5, 0.4, 1.5]), np.array([4.0, 1.6, 1.0]), 1.1)
    direction = vanishing_directions(camera)[:, 0]
    middle = 32 + camera.focal(64) * direction[:2] / -direction[2] * (1, -1)
    for y, z in itertools.product((0.0, 3.0), (0.0, 2.5)):
        far, _ = camera.project(np.array([1e7, y, z]), 64)
        np.testing.assert_allclose(far, middle, atol=1e-3)


def test_json_says_what_the_camera_is(building: Any) -> None:
    for view in building.few(11):
        scene = building.scene(view)
        info: Any = point_info(view, scene.room, scene.kind, 64)
        np.testing.assert_allclose(info["camera_location"], view.camera.location)
        np.testing.assert_allclose(
            turned_by(*info["camera_rotation_final_quaternion"]), view.camera.rotation, atol=1e-12
        )
        assert info["camera_rotation_final"] == list(view.camera.euler)
        assert info["field_of_view_rads"] == view.camera.field_of_view
        assert math.dist(info["camera_location"], info["point_location"]) == pytest.approx(
            info["camera_distance"]
        )
        assert info["point_uuid"] == str(view.point.number)
        assert len(info["nonfixated_points_in_view"]) == len(view.others)
    assert quaternion((math.pi / 2, 0.0, 0.0)) == pytest.approx([2**-0.5, 2**-0.5, 0, 0])


def test_the_box_is_the_room_with_its_published_swap_of_x_and_y(building: Any) -> None:
    """Walls, floor and ceiling seen in the images lie on the box, but for the rounded coves."""
    for view in building.few(15):
        scene = building.scene(view)
        info: Any = point_info(view, scene.room, scene.kind, 64)
        box = info["bounding_box_ranges"]
        ranges = np.array([box["y"], box["x"], box["z"]])  # the world's x is called y
        assert (ranges[:, 0] < view.camera.location).all()
        assert (view.camera.location < ranges[:, 1]).all()
        shell = scene.shapes[0]
        corners = np.array(list(itertools.product(*ranges)))
        np.testing.assert_allclose(
            np.sort(corners, 0)[[0, -1]], [shell[1:4] - shell[13:16], shell[1:4] + shell[13:16]]
        )


def test_matches_of_a_point_are_the_views_that_list_it(building: Any) -> None:
    point = next(v.point for v in building.views if any(v.others))
    number = next(v.others[0][0] for v in building.views if v.others)
    point = next(v.point for v in building.views if v.point.number == number)
    info: Any = match_info(point, building.views, 64)
    found = {(int(m["point_uuid"]), m["view_id"]) for m in info["views"]}
    expected = {
        (v.point.number, v.number)
        for v in building.views
        if number in [other for other, _, _ in v.others]
    }
    assert found == expected
    assert expected
    for match in info["views"]:
        view = next(
            v
            for v in building.views
            if (v.point.number, v.number) == (int(match["point_uuid"]), match["view_id"])
        )
        place, _ = view.camera.project(point.location, 64)
        assert (match["nonfixated_pixel_x"], match["nonfixated_pixel_y"]) == tuple(
            np.floor(place).astype(int)
        )
