import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from taskonomy_jobs.data import geometry

LEVEL = [np.pi / 2, 0.0, 0.0]
"""A camera that looks along the world's +y, upright."""


def test_matrices_and_angles_are_static_xyz() -> None:
    angles = np.random.default_rng(0).uniform([-3, -1.5, -3], [3, 1.5, 3], (50, 3))
    expected = Rotation.from_euler("xyz", angles).as_matrix()  # lower case: about fixed axes
    np.testing.assert_allclose(geometry.matrices(angles), expected, atol=1e-12)
    np.testing.assert_allclose(geometry.angles(expected), angles, atol=1e-9)


@pytest.mark.parametrize("middle", [np.pi / 2, -np.pi / 2])
def test_angles_straight_up_give_the_same_rotation(middle: float) -> None:
    matrix = geometry.matrices(np.array([[0.3, middle, 0.8]]))
    np.testing.assert_allclose(geometry.matrices(geometry.angles(matrix)), matrix, atol=1e-9)


def test_relative_pose_of_two_level_cameras() -> None:
    """The second stands 2 m to the east of the first and is turned 90° to the left of it."""
    location = np.array([[[0.0, 0, 1.5], [2.0, 0, 1.5]]])
    rotation = np.array([[LEVEL, [np.pi / 2, 0, np.pi / 2]]])  # the second looks along −x
    pose = geometry.relative_pose(location, rotation)
    # It sees the first straight ahead, 2 m away, turned 90° to the right about its up axis (y).
    np.testing.assert_allclose(pose, [[0, -np.pi / 2, 0, 0, 0, -2]], atol=1e-12)


def test_a_camera_and_itself_have_no_pose_between_them() -> None:
    one = np.random.default_rng(2).normal(size=(4, 1, 3))
    pose = geometry.relative_pose(np.repeat(one, 2, 1), np.repeat(one, 2, 1))
    np.testing.assert_allclose(pose, 0, atol=1e-12)


def test_relative_poses_compose() -> None:
    """From 0 to 2 is from 0 to 1, then from 1 to 2: egomotion's three are consistent."""
    random = np.random.default_rng(3)
    poses = geometry.egomotion(random.normal(size=(9, 3, 3)), random.normal(size=(9, 3, 3)))
    for first, both, second in poses.reshape(9, 3, 6):
        r1, r2 = (geometry.matrices(p[None, :3])[0] for p in (first, second))
        np.testing.assert_allclose(geometry.matrices(both[None, :3])[0], r2 @ r1, atol=1e-9)
        np.testing.assert_allclose(both[3:], r2 @ first[3:] + second[3:], atol=1e-9)


@pytest.mark.parametrize("turn", [0, 30, 60, 100, 170, 200, 260, 300, 350])
def test_vanishing_points_have_x_within_45_degrees_of_the_view(turn: float) -> None:
    """A level camera that looks `turn` degrees to the left of +y, in a world of square rooms."""
    to_world = geometry.matrices(np.array([[np.pi / 2, 0, np.radians(turn)]]))
    axes = to_world  # row i: the world's axis i in the camera's frame
    x, y, z = geometry.vanishing_points(axes).reshape(3, 3)

    assert -x[2] >= np.cos(np.radians(45)) - 1e-9  # the camera looks along −z
    np.testing.assert_allclose(z, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(np.cross(z, x), y, atol=1e-12)
    world = np.round(to_world[0] @ x, 9)
    assert sorted(np.abs(world)) == [0, 0, 1]


def test_room_layout_of_a_room_seen_along_its_length() -> None:
    """A room 4 m wide (world x), 6 m long (world y), 3 m high; the camera looks along +y."""
    location = np.array([[1.0, 0.5, 1.2]])
    # Published: the file's x is the world's y, its y the world's x.
    box = np.array([[[0.0, 6.0], [0.0, 4.0], [0.0, 3.0]]])
    centre, angles, size = np.split(geometry.room_layout(location, np.array([LEVEL]), box)[0], 3)
    # The centre (2, 3, 1.5) is 1 m to the right, 0.3 m up, 2.5 m ahead.
    np.testing.assert_allclose(centre, [1.0, 0.3, -2.5], atol=1e-12)
    # x is ahead: the camera is turned −90° in that world.
    np.testing.assert_allclose(angles, [np.pi / 2, 0, -np.pi / 2], atol=1e-12)
    np.testing.assert_allclose(size, [6, 4, 3], atol=1e-12)


def test_room_layout_does_not_change_when_the_world_is_turned_by_a_quarter() -> None:
    quarter = geometry.matrices(np.array([[0, 0, np.pi / 2]]))[0]
    rotation = geometry.matrices(np.array([[1.4, 0.1, 0.3]]))
    location = np.array([[1.0, 0.5, 1.2]])
    x, y, z = [0.0, 4.0], [-1.0, 6.0], [0.0, 3.0]
    box = np.array([[y, x, z]])
    turned_box = np.array([[x, [-y[1], -y[0]], z]])  # the new x is −y, the new y is x

    before = geometry.room_layout(location, geometry.angles(rotation), box)
    after = geometry.room_layout(
        location @ quarter.T, geometry.angles(quarter @ rotation), turned_box
    )

    np.testing.assert_allclose(after, before, atol=1e-9)
