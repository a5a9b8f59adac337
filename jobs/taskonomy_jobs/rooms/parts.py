"""What furniture is made of: parts in a piece's own frame, and how they become rows of a scene.

A piece stands with its back to −y and its front to +y, its footprint centred on the origin and its
feet at z = 0. Lengths are metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from taskonomy_jobs.rooms.camera import Vector, rotation_about_x, rotation_about_y, rotation_about_z
from taskonomy_jobs.rooms.shapes import COLUMNS, Shape

Material = tuple[float, ...]
"""A row of `textures.Field`."""
Triple = tuple[float, float, float]

UPRIGHT = np.eye(3)
ALONG_X = rotation_about_y(np.pi / 2)
ALONG_Y = rotation_about_x(np.pi / 2)
"""Turns that lay a cylinder or ring with its axis upright, along x, along y."""


@dataclass(frozen=True, slots=True)
class Part:
    """One shape of a thing."""

    shape: Shape
    sizes: Triple
    """Columns A, B and C of the table of shapes."""
    bevel: float
    centre: Triple
    turn: Vector
    """Rotation from the shape's frame to the piece's, (3, 3)."""
    material: Material

    @property
    def bound(self) -> float:
        """Radius of a ball around the centre that holds the shape."""
        a, b, c = self.sizes
        if self.shape == Shape.BOX:
            return float(np.sqrt(a * a + b * b + c * c))
        if self.shape == Shape.CYLINDER:
            return float(np.hypot(a, b))
        return a + b if self.shape == Shape.TORUS else a


@dataclass(slots=True)
class Thing:
    """Parts that are one object with one class."""

    kind: str
    parts: list[Part] = field(default_factory=list)

    def box(
        self, centre: Triple, size: Triple, material: Material, bevel: float = 0.012
    ) -> "Thing":
        """Add a box by its full size; edges are rounded by `bevel`, as far as it is thick."""
        a, b, c = (0.5 * s for s in size)
        round_ = min(bevel, 0.45 * min(size))
        self.parts.append(Part(Shape.BOX, (a, b, c), round_, centre, UPRIGHT, material))
        return self

    def turned_box(
        self, centre: Triple, size: Triple, turn: Vector, material: Material, bevel: float = 0.012
    ) -> "Thing":
        """Add a box that is turned in the piece's frame."""
        a, b, c = (0.5 * s for s in size)
        round_ = min(bevel, 0.45 * min(size))
        self.parts.append(Part(Shape.BOX, (a, b, c), round_, centre, turn, material))
        return self

    def cylinder(
        self,
        centre: Triple,
        radius: float,
        height: float,
        material: Material,
        turn: Vector = UPRIGHT,
    ) -> "Thing":
        """Add a cylinder by its full height."""
        sizes = (radius, 0.5 * height, 0.0)
        self.parts.append(Part(Shape.CYLINDER, sizes, 0.0, centre, turn, material))
        return self

    def ball(self, centre: Triple, radius: float, material: Material) -> "Thing":
        """Add a ball."""
        sizes = (radius, 0.0, 0.0)
        self.parts.append(Part(Shape.SPHERE, sizes, 0.0, centre, UPRIGHT, material))
        return self

    def ring(
        self, centre: Triple, ring: float, tube: float, material: Material, turn: Vector = UPRIGHT
    ) -> "Thing":
        """Add a torus by the radius of its ring and of its tube."""
        sizes = (ring, tube, 0.0)
        self.parts.append(Part(Shape.TORUS, sizes, 0.0, centre, turn, material))
        return self

    def legs(self, width: float, depth: float, height: float, thick: float, m: Material) -> "Thing":
        """Add four round legs at the corners of a footprint."""
        x, y = 0.5 * width - thick, 0.5 * depth - thick
        for sx, sy in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            self.cylinder((sx * x, sy * y, 0.5 * height), 0.5 * thick, height, m)
        return self


@dataclass(slots=True)
class Piece:
    """Things that are put into a room together."""

    things: list[Thing]
    width: float
    depth: float
    height: float
    top: tuple[float, float, float] | None = None
    """Width, depth and height of a surface that small things may stand on."""
    walkable: bool = False
    """Lies flat: neither furniture nor cameras mind it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing in the world: how its piece is moved and turned."""

    thing: Thing
    at: Triple
    yaw: float

    def rows(self, first_material: int, object_: int) -> list[list[float]]:
        """Rows of the table of shapes; the parts' materials are numbered from `first_material`."""
        turn = rotation_about_z(self.yaw)
        rows = []
        for i, part in enumerate(self.thing.parts):
            centre = turn @ np.array(part.centre) + np.array(self.at)
            to_shape = (turn @ part.turn).T
            rows.append(
                [
                    float(part.shape),
                    *(float(v) for v in centre),
                    *(float(v) for v in to_shape.ravel()),
                    *part.sizes,
                    part.bevel,
                    part.bound,
                    float(first_material + i),
                    float(object_),
                ]
            )
        return rows


def bounding_ball(rows: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """Centre and radius of a ball that holds the shapes of an object."""
    table = np.array(rows).reshape(-1, COLUMNS)
    centres, radii = table[:, 1:4], table[:, 17]
    low = (centres - radii[:, None]).min(0)
    high = (centres + radii[:, None]).max(0)
    middle = 0.5 * (low + high)
    reach = float((np.linalg.norm(centres - middle, axis=1) + radii).max())
    return float(middle[0]), float(middle[1]), float(middle[2]), reach
