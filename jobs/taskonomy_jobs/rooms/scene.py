"""One furnished room as the tables that the ray caster reads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.camera import Vector
from taskonomy_jobs.rooms.kinds import RoomKind
from taskonomy_jobs.rooms.shapes import Table


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a view of a room depends on but the camera. Lengths in metres, world frame."""

    shapes: Table
    """Rows of `shapes.Column`, sorted by object; row 0 is the room's shell, object 0."""
    materials: Table
    """Rows of `textures.Field`. The shell's floor, walls, ceiling and feature wall are 0 to 3."""
    groups: Table
    """A row an object: centre (3), radius, first shape, one past its last shape, and whether it
    casts shadows: lamps do not, or they would stand in their own light."""
    kinds: NDArray[np.int64]
    """What each object is: a position in `kinds.KINDS`."""
    openings: Table
    """A row a window or doorway to the outside: wall's axis (0 or 1), its side (−1 or 1), range
    along the wall (2), range of height (2), in the shell's frame. Nothing is known behind them."""
    lights: Table
    """A row a lamp: position (3), linear RGB power (3)."""
    sky: Vector
    """Linear RGB of ambient light (3), of the sky (3), direction to the sun (3), its RGB (3)."""
    room: Vector
    """The shell's range: x low and high, y low and high, z low and high."""
    kind: RoomKind
    """The type of room."""
    exposure: float
    """Factor on all light."""
