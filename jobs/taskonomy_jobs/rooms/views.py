"""Which views a building is seen in: points on its surfaces, each fixated by several cameras.

As in the published data set: cameras stand at a few spots of a room; a point is a spot on a surface
that at least three of them see (two, where a room has no better), and each of those, turned so that
the point is in the middle of its image, gives one view of it. That a camera sees a point is decided
by a ray between them, never by how near they are.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskonomy_jobs.rooms.camera import Camera, Vector, aimed
from taskonomy_jobs.rooms.kinds import KINDS, ROOM
from taskonomy_jobs.rooms.render import first_hit
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.shapes import Column, surface
from taskonomy_jobs.rooms.world import Room

GROUP = (3, 5)
"""Fewest and most views of a point."""
FIELD_OF_VIEW = (math.radians(50.0), math.radians(75.0))
EYE_HEIGHT = (1.2, 1.7)
"""Metres above the floor."""
NEAREST, FARTHEST = 0.8, 9.0
"""Metres from a camera to the point it fixates."""
STEEPEST = math.radians(40.0)
"""Largest pitch, up or down."""
MOST_OBLIQUE = math.radians(82.0)
"""Largest angle between the line of sight and the surface's normal at the point."""
DULL_SHARE = 0.22
"""Chance that a point on the room itself, its doors or windows is taken; on furniture it always is:
views should hold things."""
DULL = tuple(KINDS.index(k) for k in (ROOM, "curtain", "door", "picture", "rug", "window"))
TOLERANCE = 1e-4
"""Metres between where a ray to a point ends and the point, if the point is seen."""


@dataclass(frozen=True, slots=True)
class Point:
    """A spot on a surface."""

    number: int
    location: Vector
    normal: Vector
    room: int
    """Position of its room in the building."""


@dataclass(frozen=True, slots=True)
class View:
    """One camera's look at a point."""

    point: Point
    number: int
    """Counts the views of the point."""
    camera: Camera
    spot: int
    """Number of the place in the building where the camera stands."""
    others: tuple[tuple[int, float, float], ...]
    """Other points that it sees: number, and column and row in units of the image's side."""

    @property
    def obliqueness(self) -> float:
        """Angle between the line of sight and the surface's normal, radians."""
        return _oblique(self.camera.location, self.point.location, self.point.normal)


def make_views(rng: np.random.Generator, rooms: list[Room], count: int) -> list[View]:
    """Return exactly `count` views, shared evenly by the rooms, in order of point and view."""
    views: list[View] = []
    points = spots = 0
    for index, room in enumerate(rooms):
        quota = count // len(rooms) + (index < count % len(rooms))
        seen = _views_of_room(rng, room, quota, index, points, spots)
        views.extend(seen)
        points = max((v.point.number + 1 for v in seen), default=points)
        spots = max((v.spot + 1 for v in seen), default=spots)
    return views


def _views_of_room(
    rng: np.random.Generator, room: Room, quota: int, index: int, first_point: int, first_spot: int
) -> list[View]:
    stands = _stands(rng, room, min(max(6, quota // 3), 24))
    points: list[Point] = []
    groups: list[list[int]] = []
    looked_at = np.zeros(len(room.scene.kinds), np.int64)
    while (left := quota - sum(len(g) for g in groups)) > 0:
        size = _group_size(rng, left)
        location, normal, seers = _seen_point(rng, room.scene, stands, size, looked_at)
        points.append(Point(first_point + len(points), location, normal, index))
        groups.append([int(i) for i in rng.permutation(seers)[:size]])
    sight = np.array([_who_sees(room.scene, stands, point.location) for point in points])
    views = []
    for point, group in zip(points, groups, strict=True):
        for number, i in enumerate(group):
            camera = aimed(stands[i], point.location, _field_of_view(rng))
            others = _others_in(camera, point, points, sight[:, i])
            views.append(View(point, number, camera, first_spot + i, others))
    return views


def _group_size(rng: np.random.Generator, left: int) -> int:
    """Views of the next point: what remains is never a single view, unless one was asked for."""
    low, high = GROUP
    if left <= high:
        return left
    return min(int(rng.integers(low, high + 1)), left - 2)


def _stands(rng: np.random.Generator, room: Room, count: int) -> Vector:
    """Places for cameras, clear of walls and furniture, apart from one another; shape (n, 3)."""
    x0, x1, y0, y1, _, _ = room.scene.room
    found: list[Vector] = []
    apart, clear = 0.5, 0.25
    for attempt in range(4000):
        if len(found) == count:
            break
        if attempt % 200 == 199:
            apart, clear = apart * 0.8, max(clear * 0.95, 0.12)
        place = np.array(
            [
                rng.uniform(x0 + 0.2, x1 - 0.2),
                rng.uniform(y0 + 0.2, y1 - 0.2),
                rng.uniform(*EYE_HEIGHT),
            ]
        )
        if any(_is_within(place, box, clear) for box in room.solid):
            continue
        if all(np.linalg.norm(place - other) > apart for other in found):
            found.append(place)
    return np.array(found)


def _is_within(place: Vector, box: tuple[float, ...], margin: float) -> bool:
    return all(box[2 * i] - margin < place[i] < box[2 * i + 1] + margin for i in range(3))


def _seen_point(
    rng: np.random.Generator,
    scene: Scene,
    stands: Vector,
    size: int,
    looked_at: NDArray[np.int64],
) -> tuple[Vector, Vector, NDArray[np.int64]]:
    """A point that enough cameras see: its place, normal, and the cameras that see it.

    An object that has points already is less likely to get another (`looked_at` counts them).
    """
    for attempt in range(2000):
        start = stands[int(rng.integers(len(stands)))]
        yaw, pitch = rng.uniform(0.0, 2 * math.pi), rng.normal(-0.22, 0.28)
        ray = np.array(
            [math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)]
        )
        distance, shape = first_hit(scene, start[None], ray[None])
        if shape[0] < 0:
            continue
        object_ = int(scene.shapes[shape[0], Column.OBJECT])
        wanted = DULL_SHARE if scene.kinds[object_] in DULL else 0.5 ** looked_at[object_]
        if rng.random() > wanted:
            continue
        location = start + distance[0] * ray
        normal = np.array(surface(scene.shapes[shape[0]], *location)[:3])
        seers = [
            i
            for i in np.flatnonzero(_who_sees(scene, stands, location))
            if _is_good(stands[i], location, normal)
        ]
        if len(seers) >= (size if attempt < 400 else min(size, 2) if attempt < 1500 else 1):
            looked_at[object_] += 1
            return location, normal, np.array(seers)
    raise RuntimeError(f"no point of a {scene.kind} is in sight of {len(stands)} cameras")


def _is_good(eye: Vector, location: Vector, normal: Vector) -> bool:
    """Whether a view of a point is neither too near, too far, too steep nor too oblique."""
    away = location - eye
    distance = float(np.linalg.norm(away))
    return (
        NEAREST <= distance <= FARTHEST
        and abs(math.asin(away[2] / distance)) <= STEEPEST
        and _oblique(eye, location, normal) <= MOST_OBLIQUE
    )


def _oblique(eye: Vector, location: Vector, normal: Vector) -> float:
    away = eye - location
    return math.acos(min(max(float(away @ normal) / float(np.linalg.norm(away)), -1.0), 1.0))


def _who_sees(scene: Scene, stands: Vector, location: Vector) -> NDArray[np.bool_]:
    """Which cameras have a free line of sight to a point on a surface; shape (n,)."""
    away = location - stands
    distance = np.linalg.norm(away, axis=1)
    hit, shape = first_hit(scene, stands, away / distance[:, None])
    return np.asarray((shape >= 0) & (np.abs(hit - distance) < TOLERANCE))


def _field_of_view(rng: np.random.Generator) -> float:
    low, high = FIELD_OF_VIEW
    return float(np.clip(rng.normal(0.5 * (low + high), 0.25 * (high - low)), low, high))


def _others_in(
    camera: Camera, own: Point, points: list[Point], in_sight: NDArray[np.bool_]
) -> tuple[tuple[int, float, float], ...]:
    """Other points in sight of a camera's place that fall into its image."""
    places, depth = camera.project(np.array([p.location for p in points]), 1)
    inside = in_sight & (depth > 0.0) & (places > 0.0).all(1) & (places < 1.0).all(1)
    return tuple(
        (point.number, float(place[0]), float(place[1]))
        for point, place, seen in zip(points, places, inside, strict=True)
        if seen and point.number != own.number
    )
