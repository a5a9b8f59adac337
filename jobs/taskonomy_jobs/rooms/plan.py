"""A room's floor plan: where pieces may stand or hang without running into one another."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from taskonomy_jobs.rooms.parts import Piece, Placed
from taskonomy_jobs.rooms.style import Style

Make = Callable[[Style], Piece]
Box = tuple[float, float, float, float, float, float]
"""x low and high, y low and high, z low and high; metres in the world."""

WALLS = ("south", "east", "north", "west")
WALL_YAW = {
    "south": 0.0,
    "east": 0.5 * math.pi,
    "north": math.pi,
    "west": -0.5 * math.pi,
}
"""How a piece is turned whose back is to a wall; a piece that is not turned looks north, to +y."""

ATTEMPTS = 60
GAP = 0.03


@dataclass(slots=True)
class Plan:
    """What stands where. The room is an upright box; its floor is z = 0."""

    room: Box
    style: Style
    boxes: list[Box] = field(default_factory=list)
    """What nothing else may stand in: pieces, and the free space before doors."""
    solid: list[Box] = field(default_factory=list)
    """What a camera may not be in."""
    placed: list[Placed] = field(default_factory=list)

    @property
    def rng(self) -> np.random.Generator:
        """The room's source of chance."""
        return self.style.rng

    def at_wall(self, make: Make, bottom: float = 0.0, wall: str | None = None) -> Piece | None:
        """Put a piece with its back to a wall, at a height, or leave it if there is no place."""
        piece = make(self.style)
        for _ in range(ATTEMPTS):
            side = wall or WALLS[int(self.rng.integers(4))]
            low, high = self._along(side)
            if high - low < piece.width + 2 * GAP:
                continue
            u = self.rng.uniform(low + 0.5 * piece.width + GAP, high - 0.5 * piece.width - GAP)
            if self._try(piece, *self.spot(side, float(u), 0.5 * piece.depth + GAP), bottom, side):
                return piece
        return None

    def in_corner(self, make: Make) -> Piece | None:
        """Put a piece into a corner of the room, its back to one of the walls."""
        piece = make(self.style)
        for _ in range(ATTEMPTS):
            side = WALLS[int(self.rng.integers(4))]
            low, high = self._along(side)
            if high - low < piece.width + 2 * GAP:
                continue
            reach = 0.5 * piece.width + GAP
            u = low + reach if self.rng.random() < 0.5 else high - reach
            if self._try(piece, *self.spot(side, u, 0.5 * piece.depth + GAP), 0.0, side):
                return piece
        return None

    def in_the_open(self, make: Make, margin: float = 0.35) -> Piece | None:
        """Put a piece somewhere on the floor, turned by a multiple of 90°."""
        piece = make(self.style)
        x0, x1, y0, y1, _, _ = self.room
        reach = 0.5 * max(piece.width, piece.depth) + (0.02 if piece.walkable else margin)
        if x1 - x0 < 2 * reach or y1 - y0 < 2 * reach:
            return None
        for _ in range(ATTEMPTS):
            x = float(self.rng.uniform(x0 + reach, x1 - reach))
            y = float(self.rng.uniform(y0 + reach, y1 - reach))
            if self._try(piece, x, y, 0.0, WALLS[int(self.rng.integers(4))]):
                return piece
        return None

    def beside(self, host: Placed, host_piece: Piece, make: Make, *, turn: float) -> Piece | None:
        """Put a piece next to one that stands: `turn` is the side of it, 0 its front, π its back.

        The piece looks at its host.
        """
        piece, angle = make(self.style), host.yaw + turn
        facing = abs(math.sin(turn)) > 0.5
        away = 0.5 * (host_piece.width if facing else host_piece.depth)
        away += 0.5 * piece.depth - 0.3 * piece.depth * (piece.height > host_piece.height)
        x, y = host.at[0] - away * math.sin(angle), host.at[1] + away * math.cos(angle)
        side = _nearest_wall(angle + math.pi)
        tucked = self._is_inside(piece, x, y, side)
        if tucked and self._try(piece, x, y, 0.0, side, but=_box_of(host_piece, host)):
            return piece
        return None

    def on_top(self, host: Placed, host_piece: Piece, make: Make) -> bool:
        """Stand a small piece on a piece's top, clear of what stands there; tell if it fitted."""
        if host_piece.top is None:
            return False
        piece = make(self.style)
        w, d, height = host_piece.top
        if piece.width > w or piece.depth > d:
            return False
        for _ in range(8):
            a = float(self.rng.uniform(-0.5, 0.5)) * (w - piece.width)
            b = float(self.rng.uniform(-0.5, 0.5)) * (d - piece.depth)
            c, s = math.cos(host.yaw), math.sin(host.yaw)
            x, y = host.at[0] + c * a - s * b, host.at[1] + s * a + c * b
            bottom = host.at[2] + height
            at = Placed(piece.things[0], (x, y, bottom), host.yaw)
            if _hits(_box_of(piece, at), self.boxes, _box_of(host_piece, host)):
                continue
            self._keep(piece, x, y, bottom, host.yaw)
            return True
        return False

    def fits(self, piece: Piece, x: float, y: float, yaw: float) -> bool:
        """Put a piece at an exact place if that is free and inside the room; tell if it was."""
        side = _nearest_wall(yaw)
        return self._is_inside(piece, x, y, side) and self._try(piece, x, y, 0.0, side)

    def spot(self, side: str, u: float, out: float) -> tuple[float, float]:
        """Floor position at `u` along a wall and `out` from it."""
        x0, x1, y0, y1, _, _ = self.room
        return {
            "south": (u, y0 + out),
            "north": (u, y1 - out),
            "west": (x0 + out, u),
            "east": (x1 - out, u),
        }[side]

    def reserve(self, box: Box) -> None:
        """Keep a space free of pieces; cameras may be there."""
        self.boxes.append(box)

    def fix(self, piece: Piece, x: float, y: float, z: float, side: str) -> None:
        """Put a piece where it is wanted, whatever stands there."""
        self._keep(piece, x, y, z, WALL_YAW[side])

    def _along(self, side: str) -> tuple[float, float]:
        x0, x1, y0, y1, _, _ = self.room
        return (x0, x1) if side in ("south", "north") else (y0, y1)

    def _is_inside(self, piece: Piece, x: float, y: float, side: str) -> bool:
        box = _box_of(piece, Placed(piece.things[0], (x, y, 0.0), WALL_YAW[side]))
        return all(
            box[2 * i] >= self.room[2 * i] and box[2 * i + 1] <= self.room[2 * i + 1]
            for i in range(2)
        )

    def _try(
        self, piece: Piece, x: float, y: float, z: float, side: str, but: Box | None = None
    ) -> bool:
        yaw = WALL_YAW[side]
        box = _box_of(piece, Placed(piece.things[0], (x, y, z), yaw))
        if box[5] > self.room[5] - 0.02 or (not piece.walkable and _hits(box, self.boxes, but)):
            return False
        self._keep(piece, x, y, z, yaw)
        return True

    def _keep(self, piece: Piece, x: float, y: float, z: float, yaw: float) -> None:
        self.placed.extend(Placed(thing, (x, y, z), yaw) for thing in piece.things)
        if not piece.walkable:
            box = _box_of(piece, self.placed[-1])
            self.boxes.append(box)
            self.solid.append(box)


def _box_of(piece: Piece, at: Placed) -> Box:
    """Upright box around a piece that is turned by a multiple of 90°."""
    across = abs(math.sin(at.yaw)) > 0.5
    w, d = (piece.depth, piece.width) if across else (piece.width, piece.depth)
    x, y, z = at.at
    return (x - 0.5 * w, x + 0.5 * w, y - 0.5 * d, y + 0.5 * d, z, z + piece.height)


def _hits(box: Box, others: list[Box], but: Box | None = None) -> bool:
    return any(
        other != but
        and all(
            box[2 * i] < other[2 * i + 1] - 1e-9 and other[2 * i] < box[2 * i + 1] - 1e-9
            for i in range(3)
        )
        for other in others
    )


def _nearest_wall(yaw: float) -> str:
    return min(WALLS, key=lambda side: -math.cos(WALL_YAW[side] - yaw))
