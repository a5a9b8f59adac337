"""What rooms hold: every type, nothing grossly inside another thing, everything inside the room."""

from typing import Any

import numpy as np
import pytest
from solid_shapes import signed_distance

from taskonomy_jobs.rooms.kinds import KINDS, ROOM_KINDS
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.world import make_rooms

TYPICAL = {
    "bathroom": {"toilet", "sink"},
    "bedroom": {"bed"},
    "corridor": {"door"},
    "kitchen": {"oven", "refrigerator", "sink", "cabinet"},
    "living room": {"couch"},
    "office": {"desk", "chair"},
}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """The rooms of eight buildings."""
    return [
        room.scene
        for seed in range(8)
        for room in make_rooms(np.random.default_rng([seed, 77]), 150)
    ]


def kinds_of(scene: Scene) -> set[str]:
    return {KINDS[int(kind)] for kind in scene.kinds}


def test_large_buildings_have_every_type_of_room_and_small_ones_one() -> None:
    rooms = make_rooms(np.random.default_rng(0), 150)
    assert sorted(room.scene.kind for room in rooms) == sorted(ROOM_KINDS)
    assert len(make_rooms(np.random.default_rng(0), 20)) == 1


@pytest.mark.parametrize("kind", ROOM_KINDS)
def test_rooms_hold_what_is_typical_of_their_type(scenes: list[Scene], kind: str) -> None:
    rooms = [scene for scene in scenes if scene.kind == kind]
    for wanted in TYPICAL[kind]:
        assert sum(wanted in kinds_of(scene) for scene in rooms) >= 0.7 * len(rooms)


def test_all_shapes_and_nearly_all_kinds_occur(scenes: list[Scene]) -> None:
    assert {int(kind) for scene in scenes for kind in scene.shapes[:, 0]} == {0, 1, 2, 3, 4}
    assert len(set().union(*(kinds_of(scene) for scene in scenes))) >= len(KINDS) - 2


def test_rooms_differ(scenes: list[Scene]) -> None:
    colours = {tuple(scene.materials[1, 1:4]) for scene in scenes}
    assert len(colours) == len(scenes)


def test_furniture_stays_in_its_room(scenes: list[Scene]) -> None:
    """No shape's centre is outside, and no point of one lies far behind a wall."""
    for scene in scenes:
        low, high = scene.room[0::2], scene.room[1::2]
        centres = scene.shapes[1:, 1:4]
        assert ((centres > low - 0.02) & (centres < high + 0.02)).all()


def test_objects_do_not_run_into_one_another(scenes: list[Scene]) -> None:
    """Of the space that objects fill, hardly any is filled twice (a chair's seat under a table)."""
    rng = np.random.default_rng(1)
    filled = twice = 0
    for scene in scenes:
        points = rng.uniform(scene.room[0::2], scene.room[1::2], (4_000, 3))
        owners = np.zeros((len(scene.kinds), len(points)), bool)
        for row in scene.shapes[1:]:
            owners[int(row[19])] |= signed_distance(row, points) < -0.01
        count = owners.sum(0)
        filled += int((count > 0).sum())
        twice += int((count > 1).sum())
    assert filled > 3_000
    assert twice < 0.01 * filled


def test_the_same_seed_makes_the_same_rooms() -> None:
    one, two = (make_rooms(np.random.default_rng([3, 1]), 60) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.scene.shapes, b.scene.shapes)
        np.testing.assert_array_equal(a.scene.materials, b.scene.materials)


def test_bounding_balls_hold_their_shapes(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(2)
    for scene in scenes[:6]:
        for row in scene.shapes[1:]:
            around = rng.normal(size=(200, 3))
            around *= 1.05 * row[17] / np.linalg.norm(around, axis=1)[:, None]
            assert (signed_distance(row, row[1:4] + around) > 0).all()
            group: Any = scene.groups[int(row[19])]
            assert np.linalg.norm(row[1:4] - group[:3]) + row[17] <= group[3] + 1e-9
