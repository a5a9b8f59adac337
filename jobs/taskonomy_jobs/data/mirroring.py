"""Examples seen in a mirror: the images flipped left to right, and the labels with them.

What a camera sees in a mirror, a camera in the mirrored world sees. In its frame (x right, y up)
the mirrored world's x is −x: with F = diag(−1, 1, 1) a direction d is F d, and a rotation R between
two cameras is F R F.

| labels | in the mirror |
|---|---|
| images, class maps, masks | columns reversed |
| normals | columns reversed, x negated |
| embeddings | the sampled pixels' columns reversed |
| classes | the same |
| jigsaw | the same order, and the pieces it asks for of the mirrored image |
| relative poses | angles (a, −b, −c) of F R F, and F t: pitch stays, yaw and roll change sign |
| vanishing points | (F x, −F y, F z): y is to the left of x on both sides of the mirror |
| room layout | centre F p; of the camera in the room, pitch stays and yaw is π − c; the same size |

A user's own class maps, classes and images of one channel are taken to look the same on both sides.
Images of several channels may hold directions and vectors anything, so a plugin has to say.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.custom import plugin
from taskonomy_jobs.data.examples import Example, Statistics
from taskonomy_jobs.data.inputs import jigsaw_permutations
from taskonomy_jobs.data.keys import folded, words
from taskonomy_jobs.data.layout import DOMAINS

Array = np.ndarray[Any, Any]
Mirror = Callable[[Example], Example]
"""From an example to the same one in a mirror."""

_ACROSS = np.array([-1.0, 1.0, 1.0])
"""The diagonal of F."""
_COIN = 1 << 62
"""Told apart from what else the key of an example's random choices draws."""


def is_mirrored(draw: int) -> bool:
    """Return whether an example is mirrored at a draw: for half of them; at draw 0 none is."""
    return draw != 0 and bool(folded(words([draw]), words([_COIN]))[0] & np.uint64(1))


def mirror_of(task: TrialTask, statistics: Statistics) -> Mirror:
    """Return what mirrors the examples of a task.

    Args:
        task: whose examples.
        statistics: what its labels are standardised with, if they are vectors.

    Raises:
        SettingRefused: nothing says what its labels are in a mirror.
    """
    reflected = _reflection(task)

    def mirror(example: Example) -> Example:
        if task.id == "jigsaw":
            return replace(example, images=_pieces(example))
        target = _plain(example.target, statistics)
        target = _standardised(reflected(target, example.images.shape[-1]), statistics)
        mask = None if example.mask is None else example.mask[..., ::-1]
        return replace(example, images=example.images[..., ::-1], target=target, mask=mask)

    return mirror


Reflection = Callable[[Array, int], Array]
"""From a label and the side of the image in pixels to the label in the mirror."""


def _reflection(task: TrialTask) -> Reflection:
    own, kind = plugin(task.id), task.output.kind
    if own.mirror is not None:
        mirror = own.mirror
        return lambda label, _: mirror(label)
    if own.decode is None:
        if task.id in _VECTORS:
            return _VECTORS[task.id]
        if kind == "image" and task.folder == "normal":
            return _normals
        if kind == "class-map" or (kind == "image" and _is_scalar(task)):
            return _columns
        if kind in ("classes", "embedding"):
            return _same if kind == "classes" else _pixels
    raise SettingRefused(
        f"task {task.id!r}: nothing says what its labels are in a mirror; leave "
        "training.taskSpecific.augment.flip out, or offer a TaskPlugin with a `mirror` under the "
        "entry point group taskonomy.tasks"
    )


def _is_scalar(task: TrialTask) -> bool:
    """Return whether an image's channels are numbers that no mirror changes: no directions."""
    return task.output.channels == 1 or task.folder in DOMAINS


# --- labels with pixels, and classes -----------------------------------------------------------


def _columns(label: Array, _: int) -> Array:
    return label[..., ::-1]


def _normals(label: Array, _: int) -> Array:
    return np.asarray(label[..., ::-1] * _ACROSS.astype(label.dtype)[:, None, None])


def _pixels(label: Array, side: int) -> Array:
    """Return sampled pixels, by index row by row, and their segments (P, 2) in the mirror."""
    rows, columns = np.divmod(label[:, 0], side)
    return np.stack([rows * side + side - 1 - columns, label[:, 1]], axis=1)


def _same(label: Array, _: int) -> Array:
    return label


def _pieces(example: Example) -> Array:
    """Return jigsaw's pieces (9, 3, h, w) as its order has them of the mirrored image."""
    places = jigsaw_permutations()[int(example.target.argmax())].astype(np.int64)
    across = places // 3 * 3 + 2 - places % 3
    return np.asarray(example.images[np.argsort(places)[across]][..., ::-1])


# --- vectors -----------------------------------------------------------------------------------


def _poses(label: Array, _: int) -> Array:
    """Return relative poses, six numbers each (`geometry.relative_pose`), in the mirror."""
    signs = np.concatenate([-_ACROSS, _ACROSS])  # of angles (a, b, c), then of the way
    return np.asarray(label * np.tile(signs, len(label) // 6))


def _room(label: Array, _: int) -> Array:
    """Return a room's box (`geometry.room_layout`) in the mirror.

    The world is mirrored along its y, as its x stays ahead: with G = diag(1, −1, 1) the camera's
    rotation R = Rz(c) Ry(b) Rx(a) is G R F = Rz(π − c) Ry(−b) Rx(a).
    """
    centre, (a, b, c), size = np.split(label, 3)
    yaw = np.pi - c if c > 0 else -np.pi - c
    return np.concatenate([centre * _ACROSS, [a, -b, yaw], size])


def _directions(label: Array, _: int) -> Array:
    """Return Manhattan axes (`geometry.vanishing_points`) in the mirror."""
    x, y, z = np.split(label, 3)
    return np.concatenate([x * _ACROSS, -y * _ACROSS, z * _ACROSS])


_VECTORS: dict[str, Reflection] = {
    "pose-fixated": _poses,
    "pose-nonfixated": _poses,
    "egomotion": _poses,
    "room-layout": _room,
    "vanishing-points": _directions,
}
"""By the task's id."""


def _plain(target: Array, statistics: Statistics) -> Array:
    """Return a target in the label's own units."""
    if statistics.mean is None or statistics.std is None:
        return target
    return target * statistics.std.astype(np.float64) + statistics.mean


def _standardised(label: Array, statistics: Statistics) -> Array:
    if statistics.mean is None or statistics.std is None:
        return label
    return ((label - statistics.mean) / statistics.std).astype(np.float32)
