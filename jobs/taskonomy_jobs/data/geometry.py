"""Cameras: Euler angles, relative poses, the room's box and the Manhattan axes.

Every function works on whole tables: arrays with one row a view or a pair. The camera frame and
the meaning of `camera_rotation_final` are stated in `layout`.
"""

from typing import Any

import numpy as np

from taskonomy_jobs.data.layout import BOX_AXES

Array = np.ndarray[Any, Any]


def matrices(angles: Array) -> Array:
    """Return rotation matrices (N, 3, 3) of Euler angles sxyz (N, 3): Rz(c) Ry(b) Rx(a)."""
    (sa, sb, sc), (ca, cb, cc) = np.sin(angles).T, np.cos(angles).T
    rows = [
        [cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa],
        [sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa],
        [-sb, cb * sa, cb * ca],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def angles(rotation: Array) -> Array:
    """Return Euler angles sxyz (N, 3), radians in (−π, π], of rotation matrices (N, 3, 3).

    Straight up or down (the middle angle ±π/2), the last angle is taken as 0.
    """
    level = np.hypot(rotation[:, 0, 0], rotation[:, 1, 0])
    gimbal = level < 1e-9
    first = np.where(
        gimbal,
        np.arctan2(-rotation[:, 1, 2], rotation[:, 1, 1]),
        np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2]),
    )
    last = np.where(gimbal, 0.0, np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]))
    return np.stack([first, np.arctan2(-rotation[:, 2, 0], level), last], axis=1)


def relative_pose(location: Array, rotation: Array) -> Array:
    """Return where the first camera of each pair is, as the second sees it.

    Args:
        location: (N, 2, 3) of both cameras, metres.
        rotation: (N, 2, 3) of both, Euler sxyz radians.

    Returns:
        (N, 6): Euler angles sxyz of ``R2ᵀ R1``, then ``R2ᵀ (l1 − l2)``.
    """
    first, second = matrices(rotation[:, 0]), matrices(rotation[:, 1])
    back = np.swapaxes(second, 1, 2)
    moved = back @ (location[:, 0] - location[:, 1])[:, :, None]
    return np.hstack([angles(back @ first), moved[:, :, 0]])


def egomotion(location: Array, rotation: Array) -> Array:
    """Return the three relative poses (N, 18) of triplets (N, 3, 3): 0 to 1, 0 to 2, 1 to 2."""
    pairs = ([0, 1], [0, 2], [1, 2])
    return np.hstack([relative_pose(location[:, pair], rotation[:, pair]) for pair in pairs])


def facing_axes(axes: Array) -> Array:
    """Return Manhattan axes turned about the vertical so that x is nearest the line of sight.

    Args:
        axes: (N, 3, 3): rows are the x, y and z directions in the camera's frame.

    Returns:
        (N, 3, 3): of the four quarter turns the one whose x is within 45° of the view, seen from
        above; z is kept.
    """
    x, y, up = axes[:, 0], axes[:, 1], axes[:, 2]
    candidates = np.stack([x, y, -x, -y], axis=1)
    best = np.argmax(-candidates[:, :, 2], axis=1)  # the camera looks along −z
    rows = np.arange(len(axes))
    return np.stack([candidates[rows, best], candidates[rows, (best + 1) % 4], up], axis=1)


def vanishing_points(axes: Array) -> Array:
    """Return (N, 9): the x, y and z direction of `facing_axes`."""
    return facing_axes(axes).reshape(-1, 9)


def room_layout(location: Array, rotation: Array, box: Array) -> Array:
    """Return the room's box as the camera sees it.

    Args:
        location: (N, 3) metres.
        rotation: (N, 3) Euler sxyz radians.
        box: (N, 3, 2): the published ranges of keys x, y and z, metres.

    Returns:
        (N, 9): centre of the box in the camera's frame (metres), Euler angles sxyz of the camera
        in a world turned about the vertical so that its x is within 45° of the view, and the box's
        extents along that world's axes (metres).
    """
    to_world = matrices(rotation)
    ranges = box[:, [list(BOX_AXES.values()).index(axis) for axis in range(3)]]
    centre = (np.swapaxes(to_world, 1, 2) @ (ranges.mean(2) - location)[:, :, None])[:, :, 0]
    turned = facing_axes(to_world)  # its rows are the world's axes in the camera's frame
    extent = ranges[:, :, 1] - ranges[:, :, 0]
    sideways = np.abs((turned[:, 0] * to_world[:, 0]).sum(1)) < 0.5
    extent[sideways] = extent[sideways][:, [1, 0, 2]]
    return np.hstack([centre, angles(turned), extent])
