"""Semantic labels: what is in a view, by the objects its pixels show."""

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.kinds import (
    BACKGROUND,
    FAMILIAR,
    KINDS,
    ROOM,
    ROOM_KINDS,
    SEMANTIC_VALUE,
    UNCERTAIN,
    RoomKind,
)
from taskonomy_jobs.rooms.render import Geometry
from taskonomy_jobs.rooms.scene import Scene

SMALLEST_SHARE = 1.0 / 1500.0
"""An object that fills less of the image is uncertain: a classifier could not name it."""
SCENE_CERTAINTY = 0.9
ROOM_SHARE = 0.02
"""Weight of bare walls in the object classes: a view of nothing else still has a class."""


def kinds_seen(scene: Scene, geometry: Geometry) -> NDArray[np.int64]:
    """Position in KINDS of what each pixel shows, (H, W); −1 where invalid."""
    kinds = scene.kinds[geometry.object]
    kinds[~geometry.valid] = -1
    return np.asarray(kinds)


def stored_segmentation(scene: Scene, geometry: Geometry) -> NDArray[np.uint8]:
    """0 uncertain (behind openings, and objects too small to tell), 1 background, then classes."""
    values = np.array([*SEMANTIC_VALUE, UNCERTAIN])[kinds_seen(scene, geometry)]
    pixels = np.bincount(geometry.object[geometry.valid], minlength=len(scene.kinds))
    small = pixels < SMALLEST_SHARE * geometry.object.size
    values[small[geometry.object] & (values != BACKGROUND)] = UNCERTAIN
    return values.astype(np.uint8)


def object_classes(scene: Scene, geometry: Geometry) -> NDArray[np.float32]:
    """Probability of each of KINDS: the square roots of their pixels, the room's own held down.

    The root keeps a small object in a view from vanishing beside a wardrobe.
    """
    kinds = kinds_seen(scene, geometry)
    pixels = np.bincount(kinds[kinds >= 0], minlength=len(KINDS)) / kinds.size
    weights = np.sqrt(np.where(pixels > SMALLEST_SHARE, pixels, 0.0))
    weights[KINDS.index(ROOM)] = ROOM_SHARE
    return np.asarray(weights / weights.sum(), np.float32)


def scene_classes(kind: RoomKind) -> NDArray[np.float32]:
    """Probability of each of ROOM_KINDS: mostly the room's type, a little of those like it."""
    weights = np.full(len(ROOM_KINDS), 0.01)
    for like in FAMILIAR[kind]:
        weights[ROOM_KINDS.index(like)] = 0.05
    weights[ROOM_KINDS.index(kind)] = 0.0
    weights *= (1.0 - SCENE_CERTAINTY) / weights.sum()
    weights[ROOM_KINDS.index(kind)] = SCENE_CERTAINTY
    return weights.astype(np.float32)
