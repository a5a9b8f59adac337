"""What the objects of the rooms are: their classes, and their values in semantic segmentation.

The sixteen kinds that the published segmentation names keep its values; other objects and the room
itself are its background. `class_object` is a probability for each of `KINDS`, in this order.
"""

from typing import Literal, get_args

from taskonomy_jobs.data.layout import SEMANTIC_CLASSES

RoomKind = Literal["bathroom", "bedroom", "corridor", "kitchen", "living room", "office"]
ROOM_KINDS: tuple[RoomKind, ...] = get_args(RoomKind)
"""Types of room; `class_scene` is a probability for each, in this order."""

UNCERTAIN = 0
BACKGROUND = 1
"""Stored values of segment_semantic that name no object."""

ROOM = "room"
KINDS: tuple[str, ...] = (
    ROOM,
    *SEMANTIC_CLASSES[1:],
    "ball",
    "basket",
    "bathtub",
    "bench",
    "bin",
    "bookcase",
    "cabinet",
    "coffee table",
    "curtain",
    "desk",
    "door",
    "extractor hood",
    "lamp",
    "laptop",
    "mirror",
    "nightstand",
    "picture",
    "radiator",
    "rug",
    "stool",
    "towel",
    "wardrobe",
    "washing machine",
    "window",
)

SEMANTIC_VALUE: tuple[int, ...] = tuple(
    SEMANTIC_CLASSES.index(kind) + 1 if kind in SEMANTIC_CLASSES else BACKGROUND for kind in KINDS
)
"""The value of each kind in segment_semantic."""

FAMILIAR: dict[RoomKind, tuple[RoomKind, ...]] = {
    "bathroom": ("kitchen",),
    "bedroom": ("living room",),
    "corridor": ("office",),
    "kitchen": ("living room", "bathroom"),
    "living room": ("bedroom", "office"),
    "office": ("living room", "corridor"),
}
"""Types a room may be taken for: they share the rest of a scene label's probability."""
