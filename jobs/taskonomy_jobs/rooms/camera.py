"""Cameras as the published data set describes them.

A camera looks along its own −z, y is up, x is right. `camera_rotation_final` are Euler angles about
static axes x, y, z in radians (sxyz) that turn the camera's frame into the world's; z is up in the
world. There is no roll: the angles of a camera are (π/2 + pitch, 0, yaw), and yaw 0 looks along +y.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera with square images."""

    location: Vector
    """World position, metres, shape (3,)."""
    yaw: float
    """Radians, counter-clockwise seen from above; 0 looks along +y."""
    pitch: float
    """Radians above the horizon."""
    field_of_view: float
    """Radians across the image, the same in both directions."""

    @property
    def euler(self) -> tuple[float, float, float]:
        """`camera_rotation_final`: angles sxyz in radians."""
        return (math.pi / 2 + self.pitch, 0.0, self.yaw)

    @property
    def rotation(self) -> Vector:
        """Matrix from the camera's frame to the world's, shape (3, 3)."""
        return rotation_about_z(self.yaw) @ rotation_about_x(math.pi / 2 + self.pitch)

    def focal(self, size: int) -> float:
        """Focal length in pixels of an image `size` pixels wide."""
        return 0.5 * size / math.tan(0.5 * self.field_of_view)

    def to_camera(self, points: Vector) -> Vector:
        """World points in the camera's frame; shape (..., 3)."""
        return np.asarray((points - self.location) @ self.rotation)

    def project(self, points: Vector, size: int) -> tuple[Vector, Vector]:
        """Where world points fall in an image.

        Returns:
            Pixel coordinates (column, row) with the corner of the image at (0, 0) and pixel
            centres at halves, shape (..., 2), and z-depth in metres, shape (...). Points behind
            the camera have a depth below 0 and no meaningful pixel.
        """
        local = self.to_camera(points)
        depth = -local[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = local[..., :2] / depth[..., None] * (self.focal(size), -self.focal(size))
        return flat + 0.5 * size, depth


def aimed(location: Vector, target: Vector, field_of_view: float) -> Camera:
    """Return a camera that has a point in the very centre of its image."""
    x, y, z = (float(v) for v in target - location)
    return Camera(location, math.atan2(-x, y), math.atan2(z, math.hypot(x, y)), field_of_view)


def rotation_about_x(angle: float) -> Vector:
    """Matrix of a right-handed turn about the x axis."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotation_about_y(angle: float) -> Vector:
    """Matrix of a right-handed turn about the y axis."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotation_about_z(angle: float) -> Vector:
    """Matrix of a right-handed turn about the z axis."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def quaternion(euler: tuple[float, float, float]) -> list[float]:
    """Unit quaternion (w, x, y, z) of angles (a, 0, c) about static axes."""
    a, c = 0.5 * euler[0], 0.5 * euler[2]
    return [
        math.cos(a) * math.cos(c),
        math.sin(a) * math.cos(c),
        math.sin(a) * math.sin(c),
        math.cos(a) * math.sin(c),
    ]
