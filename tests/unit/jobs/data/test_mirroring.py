"""Examples in a mirror, against cameras and rooms in a world that is mirrored itself."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tiny_data import task

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import Output, paper_dictionary
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.custom import TaskPlugin
from taskonomy_jobs.data import geometry, inputs, mirroring
from taskonomy_jobs.data.encodings import CURVATURE_MEAN, CURVATURE_STD
from taskonomy_jobs.data.examples import Example, Statistics
from taskonomy_jobs.data.mirroring import is_mirrored, mirror_of
from taskonomy_jobs.rooms import labels3d
from taskonomy_jobs.rooms.camera import Camera
from taskonomy_jobs.rooms.render import Geometry, see
from taskonomy_jobs.rooms.scene import Scene

Array = np.ndarray[Any, Any]

SIDE = 12
PLAIN = Statistics(count=1)
TRAINED = [each.id for each in paper_dictionary() if each.is_trained]
ACROSS = np.diag([-1.0, 1.0, 1.0])


def an_example(name: str) -> Example:
    """An example of a task with random content."""
    random = np.random.default_rng([ord(letter) for letter in name])
    output, images = task(name).output, 9 if name == "jigsaw" else task(name).images
    shapes = {
        "image": (output.channels, SIDE, SIDE),
        "class-map": (SIDE, SIDE),
        "vector": (output.channels,),
        "classes": (output.channels,),
    }
    if output.kind == "embedding":
        target: Array = np.stack(
            [random.permutation(SIDE * SIDE)[:50], random.integers(0, 9, 50)], axis=1
        )
    elif name == "colorization":
        target = random.normal(size=(output.channels, SIDE // 4, SIDE // 4)).astype(np.float32)
    else:
        target = random.normal(size=shapes[output.kind]).astype(np.float32)
    mask = (random.random((1, SIDE, SIDE)) > 0.5).astype(np.float32)
    seen = random.normal(size=(images, 3, SIDE, SIDE)).astype(np.float32)
    return Example(7, seen, target, mask if output.kind == "image" else None)


def mirrored(name: str, target: Array, statistics: Statistics = PLAIN) -> Array:
    """A task's target in the mirror."""
    example = Example(7, np.zeros((1, 3, SIDE, SIDE), np.float32), target, None)
    return mirror_of(task(name), statistics)(example).target


@pytest.mark.parametrize("name", TRAINED)
def test_in_two_mirrors_an_example_is_itself(name: str) -> None:
    example = an_example(name)
    statistics = PLAIN
    if task(name).output.kind == "vector":
        random = np.random.default_rng(1)
        mean, std = random.normal(size=(2, task(name).output.channels)).astype(np.float32)
        statistics = Statistics(count=1, mean=mean, std=abs(std) + 1)
    mirror = mirror_of(task(name), statistics)
    once = mirror(example)
    twice = mirror(once)
    assert not np.array_equal(once.images, example.images)
    np.testing.assert_array_equal(twice.images, example.images)
    np.testing.assert_allclose(twice.target, example.target, atol=1e-5)
    assert (once.target.dtype, once.target.shape) == (example.target.dtype, example.target.shape)
    assert (once.mask is None) == (example.mask is None)
    if example.mask is not None and once.mask is not None and twice.mask is not None:
        np.testing.assert_array_equal(once.mask, example.mask[:, :, ::-1])
        np.testing.assert_array_equal(twice.mask, example.mask)


# --- by hand ------------------------------------------------------------------------------------


def test_a_normal_to_the_right_is_one_to_the_left() -> None:
    target = np.zeros((3, 1, 2), np.float32)
    target[:, 0, 0] = 0.6, 0.0, 0.8
    target[:, 0, 1] = 0.0, 1.0, 0.0
    expected = [[[0.0, -0.6]], [[1.0, 0.0]], [[0.0, 0.8]]]
    np.testing.assert_allclose(mirrored("normals", target), np.array(expected, np.float32))


def test_sampled_pixels_move_and_keep_their_segments() -> None:
    target = np.array([[0, 5], [SIDE - 1, 6], [2 * SIDE + 3, 7]])
    expected = [[SIDE - 1, 5], [0, 6], [2 * SIDE + SIDE - 4, 7]]
    assert mirrored("segmentation-2d", target).tolist() == expected


def test_classes_stay_what_they_are() -> None:
    target = np.array([0.0, 1.0], np.float32)
    assert mirrored("point-matching", target).tolist() == [0, 1]


def test_a_pose_turned_to_the_left_is_one_turned_to_the_right() -> None:
    """Pitch .1, yaw .2, roll .3; 1 m to the right, 2 up, 3 back."""
    target = np.array([0.1, 0.2, 0.3, 1.0, 2.0, 3.0])
    expected = [0.1, -0.2, -0.3, -1.0, 2.0, 3.0]
    np.testing.assert_allclose(mirrored("pose-fixated", target), expected)


def test_vectors_are_mirrored_in_their_own_units() -> None:
    statistics = Statistics(
        1, mean=np.array([0, 1, 0, 0.5, 0, 0], np.float32), std=np.full(6, 2.0, np.float32)
    )
    found = mirrored("pose-fixated", np.array([1, 1, 1, 1, 1, 1], np.float32), statistics)
    # Yaw 3 becomes −3, which is (−3 − 1) / 2; 2.5 m to the right −2.5, which is (−2.5 − .5) / 2.
    np.testing.assert_allclose(found, [1, -2, -1, -1.5, 1, 1])


@pytest.mark.parametrize("number", [0, 1, 57, 99])
def test_jigsaws_pieces_are_the_ones_cut_from_the_mirrored_image(number: int) -> None:
    """Each ninth has its own brightness, rising to the right; where in it is cut does not count."""
    ninths = np.kron(np.arange(9.0).reshape(3, 3), np.ones((16, 16)))
    image = np.stack([ninths, np.tile(np.linspace(0, 1, 16), (48, 3)), ninths]).astype(np.float32)
    order = inputs.jigsaw_permutations()[number]
    target = np.eye(100, dtype=np.float32)[number]
    mirror = mirror_of(task("jigsaw"), PLAIN)
    found = mirror(Example(7, inputs.tiles(image, order, 5), target, None))
    expected = inputs.tiles(image[:, :, ::-1], order, 6)
    np.testing.assert_allclose(found.images[:, [0, 2]], expected[:, [0, 2]], atol=1e-5)
    assert (np.diff(found.images[:, 1], axis=2) <= 1e-6).all()
    assert found.target.tolist() == target.tolist()


# --- cameras in a mirrored world ----------------------------------------------------------------


def cameras(count: int) -> tuple[Array, Array]:
    """Locations and rotations (Euler sxyz) of nearly level cameras with some roll."""
    random = np.random.default_rng(5)
    location = random.normal(size=(count, 3))
    angles = random.uniform([1.2, -0.2, -3], [1.9, 0.2, 3], (count, 3))
    return location, angles


def in_a_mirrored_world(location: Array, angles: Array) -> tuple[Array, Array]:
    """The cameras that see, in the world whose x is −x, the same images left to right."""
    rotation = Rotation.from_euler("xyz", angles).as_matrix()
    return location @ ACROSS, Rotation.from_matrix(ACROSS @ rotation @ ACROSS).as_euler("xyz")


@pytest.mark.parametrize(("name", "count"), [("pose-nonfixated", 2), ("egomotion", 3)])
def test_poses_are_those_of_mirrored_cameras(name: str, count: int) -> None:
    location, angles = cameras(40 * count)
    other_location, other_angles = in_a_mirrored_world(location, angles)
    label = geometry.relative_pose if count == 2 else geometry.egomotion
    here = label(location.reshape(-1, count, 3), angles.reshape(-1, count, 3))
    there = label(other_location.reshape(-1, count, 3), other_angles.reshape(-1, count, 3))
    for before, after in zip(here, there, strict=True):
        np.testing.assert_allclose(mirrored(name, before), after, atol=1e-9)


def test_vanishing_points_and_rooms_are_those_of_mirrored_cameras() -> None:
    location, angles = cameras(60)
    other_location, other_angles = in_a_mirrored_world(location, angles)
    box = np.tile([[-1.0, 6.0], [-2.0, 4.0], [0.0, 3.0]], (60, 1, 1))
    other_box = box.copy()
    other_box[:, 1] = -box[:, 1, ::-1]  # the file's y is the world's x
    rooms = (
        geometry.room_layout(location, angles, box),
        geometry.room_layout(other_location, other_angles, other_box),
    )
    points = tuple(geometry.vanishing_points(geometry.matrices(a)) for a in (angles, other_angles))
    for name, (here, there) in (("room-layout", rooms), ("vanishing-points", points)):
        for before, after in zip(here, there, strict=True):
            np.testing.assert_allclose(mirrored(name, before), after, atol=1e-9)


# --- rooms in a mirrored world ------------------------------------------------------------------


TILTED = Rotation.from_euler("xyz", [0.3, 0.5, 0.7]).as_matrix()
BOX, BALL, RING, WALLS = 0, 2, 3, 4
SHAPES: list[tuple[int, list[float], list[float], Array]] = [
    (WALLS, [0.3, -2.0, 1.2], [2.0, 4.0, 1.2], np.eye(3)),
    (BOX, [-0.7, 0.5, 1.0], [0.5, 0.3, 0.4, 0.1], TILTED),
    (BALL, [0.8, 0.2, 1.6], [0.4], np.eye(3)),
    (RING, [0.5, 0.6, 0.7], [0.4, 0.15], TILTED),
]
"""Kind, centre, sizes and rotation from the world to the shape."""


def room(flip: Array) -> Scene:
    """A room with a bevelled box, a ball and a ring; or, by a diagonal of signs, its mirror."""
    shapes = np.zeros((len(SHAPES), 20))
    for row, (kind, centre, sizes, turn) in zip(shapes, SHAPES, strict=True):
        row[0], row[1:4], row[4:13] = kind, flip @ centre, (flip @ turn @ flip).ravel()
        row[13 : 13 + len(sizes)] = sizes
    shapes[:, 17], shapes[1:, 19] = 9.0, 1.0
    nothing = np.zeros((0, 6))
    return Scene(
        shapes=shapes,
        materials=np.zeros((4, 12)),
        groups=np.zeros((2, 7)),
        kinds=np.zeros(2, np.int64),
        openings=nothing,
        lights=nothing,
        sky=np.zeros(12),
        room=np.array([-2.0, 2.0, -6.0, 2.0, 0.0, 2.4]),
        kind="office",
        exposure=1.0,
    )


def labels(geometry: Geometry, focal: float) -> dict[str, Array]:
    """What tasks of pixels are asked of a view, (C, H, W) each."""
    curvature = labels3d.stored_curvature(geometry)[:, :, :2]
    return {
        "normals": np.moveaxis(geometry.normal, -1, 0),
        "depth": geometry.depth[None],
        "distance": geometry.distance[None],
        "curvature": np.moveaxis((curvature - CURVATURE_MEAN) / CURVATURE_STD, -1, 0),
        "reshading": labels3d.stored_reshading(geometry, focal)[None, :, :, 0],
        "occlusion-edges": labels3d.jumps(geometry, focal)[None],
    }


@pytest.mark.slow
def test_labels_are_those_of_a_mirrored_room() -> None:
    eye = np.array([0.4, -2.0, 1.3])
    camera, other = Camera(eye, 0.2, -0.1, 1.2), Camera(ACROSS @ eye, -0.2, -0.1, 1.2)
    seen = see(room(np.eye(3)), camera, 64)
    assert len(np.unique(seen.shape)) == len(SHAPES)
    here = labels(seen, camera.focal(64))
    there = labels(see(room(ACROSS), other, 64), camera.focal(64))
    for name, before in here.items():
        off = np.abs(mirrored(name, before.astype(np.float64)) - there[name]).max(axis=0)
        assert (off < 1e-6).mean() > 0.998, name  # but where a ray grazes an edge, by rounding
    assert np.abs(here["normals"][0]).mean() > 0.2  # x is not just zero


# --- which are mirrored, and which cannot be ----------------------------------------------------


def test_half_of_the_draws_are_mirrored_and_none_of_evaluations() -> None:
    flags = [is_mirrored(draw) for draw in range(2_000)]
    assert not flags[0]
    assert 900 < sum(flags) < 1_100
    assert flags == [is_mirrored(draw) for draw in range(2_000)]


def own_task(kind: str, channels: int, folder: str = "mine") -> TrialTask:
    output = Output.model_validate({"kind": kind, "channels": channels})
    return TrialTask(id="mine", folder=folder, images=1, output=output, loss="l1")


@pytest.mark.parametrize(("kind", "channels"), [("vector", 4), ("image", 2), ("image", 3)])
def test_what_may_hold_directions_is_refused(kind: str, channels: int) -> None:
    with pytest.raises(SettingRefused, match=r"'mine': nothing says what .* `mirror`"):
        mirror_of(own_task(kind, channels), PLAIN)


def test_a_users_task_that_reads_our_folder_is_mirrored_as_ours() -> None:
    target = np.ones((3, 1, 2), np.float32)
    example = Example(7, np.zeros((1, 3, 2, 2), np.float32), target, None)
    found = mirror_of(own_task("image", 3, "normal"), PLAIN)(example).target
    assert found[:, 0, 0].tolist() == [-1, 1, 1]
    own_map = mirror_of(own_task("class-map", 5), PLAIN)
    labels = Example(7, example.images, np.array([[1, 2], [3, 4]]), None)
    assert own_map(labels).target.tolist() == [[2, 1], [4, 3]]


def test_a_plugin_says_what_its_labels_are_in_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: Any) -> tuple[Array, None]:
        raise AssertionError("nothing is read")

    silent, speaking = (
        TaskPlugin(decode=decode),
        TaskPlugin(decode=decode, mirror=lambda label: -label),
    )
    monkeypatch.setattr(mirroring, "plugin", lambda _: silent)
    with pytest.raises(SettingRefused, match="mirror"):
        mirror_of(own_task("classes", 2), PLAIN)
    monkeypatch.setattr(mirroring, "plugin", lambda _: speaking)
    example = Example(7, np.zeros((1, 3, 2, 2), np.float32), np.array([1.0, 2.0]), None)
    assert mirror_of(own_task("vector", 2), PLAIN)(example).target.tolist() == [-1, -2]
