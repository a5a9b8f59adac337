"""Labels of what is in a view, on images of a few pixels by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from taskonomy_jobs.data.layout import SEMANTIC_CLASSES
from taskonomy_jobs.rooms.kinds import KINDS, ROOM_KINDS, SEMANTIC_VALUE
from taskonomy_jobs.rooms.render import Geometry
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.semantics import object_classes, scene_classes, stored_segmentation

pytestmark = pytest.mark.slow

NONE = np.zeros((0, 6))
ROOM_WITH = Scene(
    shapes=NONE,
    materials=NONE,
    groups=NONE,
    kinds=np.array([KINDS.index(k) for k in ("room", "chair", "desk", "vase")]),
    openings=NONE,
    lights=NONE,
    sky=np.zeros(12),
    room=np.zeros(6),
    kind="office",
    exposure=1.0,
)


def showing(owners: Any) -> Geometry:
    zero = np.zeros(owners.shape)
    vectors = np.zeros((*owners.shape, 3))
    return Geometry(zero, zero, vectors, vectors[..., :2], owners, owners)


def test_values_are_the_published_classes() -> None:
    assert [KINDS[i] for i, v in enumerate(SEMANTIC_VALUE) if v > 1] == list(SEMANTIC_CLASSES[1:])
    assert SEMANTIC_VALUE[KINDS.index("chair")] == 3
    assert SEMANTIC_VALUE[KINDS.index("vase")] == 17
    assert SEMANTIC_VALUE[KINDS.index("desk")] == 1


def test_segmentation_knows_objects_background_and_what_is_uncertain() -> None:
    owners = np.zeros((64, 64), np.int64)
    owners[:20, :20], owners[30:50, 30:50], owners[60, 60:62], owners[:5, 40:50] = 1, 2, 3, -1
    stored = stored_segmentation(ROOM_WITH, showing(owners))
    assert stored.dtype == np.uint8
    assert (stored[:20, :20] == 3).all()  # chair
    assert (stored[30:50, 30:50] == 1).all()  # a desk is background
    assert (stored[60, 60:62] == 0).all()  # a vase of two pixels: cannot be told
    assert (stored[:5, 40:50] == 0).all()  # behind an opening
    assert stored[25, 25] == 1


def test_object_classes_are_probabilities_by_share_of_pixels() -> None:
    owners = np.zeros((64, 64), np.int64)
    owners[:32, :32], owners[32:48, 32:48] = 1, 2
    classes = object_classes(ROOM_WITH, showing(owners))
    assert classes.dtype == np.float32
    assert classes.shape == (len(KINDS),)
    assert classes.sum() == pytest.approx(1.0)
    chair, desk = classes[KINDS.index("chair")], classes[KINDS.index("desk")]
    assert chair == pytest.approx(2 * desk)  # four times the pixels
    assert classes[KINDS.index("vase")] == 0.0
    bare = object_classes(ROOM_WITH, showing(np.zeros((8, 8), np.int64)))
    assert bare[KINDS.index("room")] == 1.0


@pytest.mark.parametrize("kind", ROOM_KINDS)
def test_scene_classes_are_nearly_certain(kind: Any) -> None:
    classes = scene_classes(replace(ROOM_WITH, kind=kind).kind)
    assert classes.sum() == pytest.approx(1.0)
    assert ROOM_KINDS[int(classes.argmax())] == kind
    assert classes.max() == pytest.approx(0.9)
    assert (classes > 0).all()
