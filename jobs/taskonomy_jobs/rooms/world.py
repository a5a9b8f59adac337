"""Buildings: a few rooms of different types in one taste, furnished, lit and turned into scenes.

The rooms of a building stand side by side in one world frame, aligned with its axes; no ray leaves
a room but through its windows and open doorways, behind which nothing is known.
"""

import math
from dataclasses import dataclass

import numpy as np

from taskonomy_jobs.rooms.camera import Vector
from taskonomy_jobs.rooms.decoration import ceiling_lamp
from taskonomy_jobs.rooms.furnishing import SIZES, furnish
from taskonomy_jobs.rooms.kinds import KINDS, ROOM, ROOM_KINDS, RoomKind
from taskonomy_jobs.rooms.parts import Material, Piece, Placed, Thing, bounding_ball
from taskonomy_jobs.rooms.plan import WALLS, Box, Plan
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.shapes import Shape
from taskonomy_jobs.rooms.style import Style, colour

VIEWS_PER_ROOM = 25
"""A building has about a room for so many views, one of each type at most."""
COVE = (0.02, 0.09)
"""Radius of the rounded inner edges of a room, metres: scanned rooms have no sharp corners."""


@dataclass(frozen=True, slots=True)
class Room:
    """A scene and what cameras must keep out of."""

    scene: Scene
    solid: tuple[Box, ...]


def make_rooms(rng: np.random.Generator, views: int) -> list[Room]:
    """Return the rooms of a building that is to be seen in so many views."""
    count = min(max(round(views / VIEWS_PER_ROOM), 1), len(ROOM_KINDS))
    kinds = [ROOM_KINDS[int(i)] for i in rng.permutation(len(ROOM_KINDS))[:count]]
    taste, rooms, x = Style.drawn(rng), [], 0.0
    for kind in kinds:
        room = _make_room(taste.varied(rng), kind, x)
        x = float(room.scene.room[1]) + 0.3
        rooms.append(room)
    return rooms


def _make_room(style: Style, kind: RoomKind, x: float) -> Room:
    box = _walls(style, kind, x)
    plan = Plan(box, style)
    openings = _doors_and_windows(plan, kind)
    furnish(plan, kind)
    lights = _lamps(plan)
    return Room(_scene(plan, kind, np.array(openings).reshape(-1, 6), lights), tuple(plan.solid))


def _walls(style: Style, kind: RoomKind, x: float) -> Box:
    long, short = (style.between(*SIZES[kind][i]) for i in range(2))
    w, d = (long, short) if style.chance(0.5) else (short, long)
    y = style.between(-1.0, 1.0)
    return (x, x + w, y, y + d, 0.0, style.between(2.35, 3.0))


def _doors_and_windows(plan: Plan, kind: RoomKind) -> list[list[float]]:
    """Put a door and up to three windows into the walls; return the openings to the outside."""
    order = [WALLS[int(i)] for i in plan.rng.permutation(4)]
    if kind == "corridor":  # doors at the ends of the long axis
        wide = plan.room[1] - plan.room[0] > plan.room[3] - plan.room[2]
        order.sort(key=lambda side: (side in ("east", "west")) != wide)
    openings = [o for o in (_door(plan, order[0], open_=plan.style.chance(0.3)),) if o]
    if kind == "corridor":
        for side in order[1:]:
            o = _door(plan, side, open_=plan.style.chance(0.4))
            openings.extend([o] if o else [])
        return openings
    windows = 1 if kind == "bathroom" else int(plan.rng.integers(1, 3))
    for side in order[1 : 1 + windows]:
        o = _window(plan, side, small=kind == "bathroom")
        openings.extend([o] if o else [])
    return openings


def _door(plan: Plan, side: str, *, open_: bool) -> list[float] | None:
    """A door in its frame, or an open doorway; the floor before it stays free."""
    s = plan.style
    w, h = s.between(0.8, 0.95), s.between(2.0, 2.1)
    u = _spot_along(plan, side, w + 0.2)
    if u is None:
        return None
    paint, it = (s.wood() if s.chance(0.5) else s.paint()), Thing("door")
    for x in (-0.5, 0.5):
        it.box((x * (w + 0.06), 0.02, 0.5 * h + 0.03), (0.07, 0.05, h + 0.06), paint, 0.01)
    it.box((0, 0.02, h + 0.03), (w + 0.13, 0.05, 0.07), paint, 0.01)
    if not open_:
        it.box((0, 0.012, 0.5 * h), (w, 0.03, h), paint, 0.008)
        for z in (0.27, 0.72):
            it.box((0, 0.03, z * h), (0.66 * w, 0.012, 0.36 * h), paint, 0.005)
        it.cylinder((0.4 * w, 0.05, 1.02), 0.012, 0.06, s.metal(), _OUTWARDS)
        it.ball((0.4 * w, 0.085, 1.02), 0.028, s.metal())
    piece = Piece([it], w + 0.14, 0.11, h + 0.07)
    plan.fix(piece, *plan.spot(side, u, 0.0), 0.0, side)
    plan.reserve(_before(plan, side, u, w + 0.14, 0.75, h))
    return _opening(plan, side, u, w - 0.02, 0.0, h) if open_ else None


_OUTWARDS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def _window(plan: Plan, side: str, *, small: bool) -> list[float] | None:
    """A window with a frame, bars, and often curtains."""
    s = plan.style
    w = s.between(0.5, 0.8) if small else s.between(0.8, 1.9)
    low = s.between(1.2, 1.45) if small else s.between(0.75, 1.05)
    high = min(s.between(1.9, 2.25), plan.room[5] - 0.25)
    u = _spot_along(plan, side, w + 0.7)
    if u is None:
        return None
    paint, it, h = s.ceramic() if s.chance(0.6) else s.wood(), Thing("window"), high - low
    for x in (-0.5, 0.0, 0.5) if w > 0.9 else (-0.5, 0.5):
        it.box((x * w, 0.01, 0.5 * h), (0.06, 0.06, h + 0.05), paint, 0.012)
    for z in (0.0, h):
        it.box((0, 0.01, z), (w + 0.06, 0.06, 0.06), paint, 0.012)
    it.box((0, 0.06, -0.04), (w + 0.16, 0.16, 0.03), paint, 0.012)
    things = [it]
    if not small and s.chance(0.6):
        things.append(_curtains(s, w, low, h))
    piece = Piece(things, w + 0.16, 0.3, h + 0.1)
    plan.fix(piece, *plan.spot(side, u, 0.0), low, side)
    plan.reserve(_before(plan, side, u, w + 0.7, 0.2, plan.room[5], low if small else 0.55))
    return _opening(plan, side, u, w, low, high)


def _curtains(s: Style, w: float, low: float, h: float) -> Thing:
    """Folds of cloth at both sides, hanging from a rod."""
    cloth, it = s.fabric(0.5), Thing("curtain")
    bottom = -h * s.between(0.1, 0.3) if s.chance(0.5) else 0.06 - low
    long = h + 0.12 - bottom
    for side in (-1, 1):
        for fold in range(4):
            x = side * (0.5 * w - 0.02 + 0.075 * fold)
            it.cylinder((x, 0.09, bottom + 0.5 * long), 0.042, long, cloth)
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    it.cylinder((0, 0.09, h + 0.13), 0.014, w + 0.6, s.metal(), turn)
    return it


def _spot_along(plan: Plan, side: str, width: float) -> float | None:
    """A place along a wall for something so wide, clear of other doors and windows."""
    x0, x1, y0, y1, _, _ = plan.room
    low, high = (x0, x1) if side in ("south", "north") else (y0, y1)
    if high - low < width + 0.2:
        return None
    return float(plan.rng.uniform(low + 0.5 * width + 0.1, high - 0.5 * width - 0.1))


def _before(
    plan: Plan, side: str, u: float, width: float, out: float, high: float, low: float = 0.0
) -> Box:
    """The space before a part of a wall."""
    x, y = plan.spot(side, u, 0.5 * out)
    w, d = (width, out) if side in ("south", "north") else (out, width)
    return (x - 0.5 * w, x + 0.5 * w, y - 0.5 * d, y + 0.5 * d, low, high)


def _opening(plan: Plan, side: str, u: float, width: float, low: float, high: float) -> list[float]:
    """A row of `Scene.openings`."""
    x0, x1, y0, y1, z0, z1 = plan.room
    axis = 1 if side in ("south", "north") else 0
    middle = 0.5 * (x0 + x1) if axis == 1 else 0.5 * (y0 + y1)
    up = 0.5 * (z0 + z1)
    sign = 1.0 if side in ("north", "east") else -1.0
    u -= middle
    return [float(axis), sign, u - 0.5 * width, u + 0.5 * width, low - up, high - up]


def _lamps(plan: Plan) -> Vector:
    """Hang lamps from the ceiling; return the lights of all lamps of the room."""
    x0, x1, y0, y1, _, top = plan.room
    s, lights = plan.style, []
    warmth, power = s.between(0.0, 1.0), s.between(0.5, 2.6)
    count = 2 if max(x1 - x0, y1 - y0) > 4.6 else 1
    for i in range(count):
        share = (i + 1) / (count + 1)
        x, y = 0.5 * (x0 + x1) + s.between(-0.2, 0.2), 0.5 * (y0 + y1) + s.between(-0.2, 0.2)
        if count == 2:
            x, y = (x0 + share * (x1 - x0), y) if x1 - x0 > y1 - y0 else (x, y0 + share * (y1 - y0))
        piece = ceiling_lamp(s)
        plan.placed.append(Placed(piece.things[0], (x, y, top), 0.0))
        lights.append(_light((x, y, top - piece.height - 0.12), warmth, power / count**0.5))
    for placed in list(plan.placed):
        part = placed.thing.parts[-1]
        if placed.thing.kind == "lamp" and placed.at[2] < 1.2 and s.chance(0.7):
            above = placed.at[2] + part.centre[2] + 0.32
            lights.append(_light((placed.at[0], placed.at[1], above), 1.0, s.between(0.2, 0.7)))
    return np.array(lights)


def _light(at: tuple[float, float, float], warmth: float, power: float) -> list[float]:
    rgb = colour(0.09, 0.05 + 0.35 * warmth, 1.0)
    return [*at, *(power * c for c in rgb)]


def _daylight(style: Style, has_openings: bool) -> Vector:
    """Ambient light, the sky behind windows, and now and then a sun."""
    day = style.between(0.05, 1.0) if style.chance(0.85) else 0.0
    blue = style.between(0.0, 0.4)
    sky = np.array(colour(0.58, blue, 0.25 + 0.75 * day)) * (0.3 + 1.2 * day)
    tint = np.array(colour(style.between(0.04, 0.6), style.between(0.0, 0.18), 1.0))
    ambient = tint * style.between(0.16, 0.34)
    turn, height = style.between(0.0, 2.0 * math.pi), style.between(0.35, 1.0)
    sun = np.array(
        [math.cos(turn) * math.cos(height), math.sin(turn) * math.cos(height), math.sin(height)]
    )
    shines = has_openings and day > 0.45 and style.chance(0.6)
    glare = np.array(colour(0.11, 0.15, 1.0)) * (style.between(0.8, 2.0) if shines else 0.0)
    return np.concatenate([ambient, sky, sun, glare])


def _scene(plan: Plan, kind: RoomKind, openings: Vector, lights: Vector) -> Scene:
    """Turn a furnished plan into tables."""
    wet = kind in ("bathroom", "kitchen")
    s = plan.style
    plain = s.wall(wet, feature=False)
    feature = s.wall(wet, feature=True) if s.chance(0.45) else plain
    materials: list[Material] = [s.floor(wet), plain, s.ceiling(), feature]
    rows, groups, kinds = [_shell(plan)], [[0.0, 0.0, 0.0, 1e9, 0.0, 1.0, 0.0]], [KINDS.index(ROOM)]
    for placed in plan.placed:
        added = placed.rows(len(materials), len(groups))
        materials.extend(part.material for part in placed.thing.parts)
        first, last = float(len(rows)), float(len(rows) + len(added))
        shadow = float(placed.thing.kind != "lamp")
        groups.append([*bounding_ball(added), first, last, shadow])
        kinds.append(KINDS.index(placed.thing.kind))
        rows.extend(added)
    return Scene(
        shapes=np.array(rows),
        materials=np.array(materials),
        groups=np.array(groups),
        kinds=np.array(kinds),
        openings=openings,
        lights=lights,
        sky=_daylight(s, len(openings) > 0),
        room=np.array(plan.room),
        kind=kind,
        exposure=s.between(0.8, 1.25),
    )


def _shell(plan: Plan) -> list[float]:
    """The row of the room itself."""
    x0, x1, y0, y1, z0, z1 = plan.room
    half = (0.5 * (x1 - x0), 0.5 * (y1 - y0), 0.5 * (z1 - z0))
    centre = (x0 + half[0], y0 + half[1], z0 + half[2])
    cove = plan.style.between(*COVE)
    bound = math.sqrt(sum(h * h for h in half))
    turn = np.eye(3).ravel()
    return [float(Shape.SHELL), *centre, *(float(t) for t in turn), *half, cove, bound, 0.0, 0.0]
