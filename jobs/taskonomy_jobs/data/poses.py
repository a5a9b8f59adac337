"""Tasks whose labels are cameras: relative poses, matches, the room's box, vanishing points.

Their targets are small vectors, so those of all examples are computed at once, from the tables of
`cameras` by the formulas of `geometry`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from taskonomy_jobs.data import geometry
from taskonomy_jobs.data.cameras import ABSENT, READ, CameraTable
from taskonomy_jobs.data.dataset import DataSet
from taskonomy_jobs.data.tuples import Tuples, fixated, matches, overlapping, singles

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class PoseTask:
    """How a task of cameras is read."""

    form: Callable[[DataSet, Array], Tuples]
    """From rows of the table of views to examples."""
    vectors: Callable[[CameraTable], Array] | None
    """From the cameras of N × n views, flat, to the raw labels (N, C); None: matches."""
    domains: tuple[str, ...] = ("points",)
    """Files that every view must have, besides its image."""
    point_domains: tuple[str, ...] = ()
    """Files that some points must have."""
    field: str | None = None
    """What of a camera's file a view must have, or it has no label."""
    standardised: bool = True
    """Whether the labels are brought to mean 0 and deviation 1; unit directions are not."""


def raw_vectors(data: DataSet, task: PoseTask, tuples: Tuples) -> Array:
    """Return the labels before they are standardised, float64 (N, C); NaN of damaged files."""
    if task.vectors is None:
        different = np.asarray(tuples.matched, np.float64)
        return np.stack([1 - different, different], axis=1)
    return task.vectors(data.cameras.table(tuples.views.reshape(-1)))


def labelled(data: DataSet, task: PoseTask, rows: Array) -> Array:
    """Return the rows whose camera file has the label; those of damaged files are kept."""
    if task.field is None:
        return rows
    table = data.cameras.table(rows)
    lacks = np.isnan(getattr(table, task.field)).any(axis=(1, 2))
    return np.asarray(rows[(table.status != ABSENT) & ~((table.status == READ) & lacks)])


def _pairs(table: CameraTable) -> Array:
    return geometry.relative_pose(
        table.location.reshape(-1, 2, 3), table.rotation.reshape(-1, 2, 3)
    )


def _triplets(table: CameraTable) -> Array:
    return geometry.egomotion(table.location.reshape(-1, 3, 3), table.rotation.reshape(-1, 3, 3))


def _room(table: CameraTable) -> Array:
    return geometry.room_layout(table.location, table.rotation, table.box)


def _vanishing(table: CameraTable) -> Array:
    return geometry.vanishing_points(table.axes)


def _alone(data: DataSet, rows: Array) -> Tuples:
    return singles(data.index, rows)


POSE_TASKS: dict[str, PoseTask] = {
    "pose-fixated": PoseTask(lambda data, rows: fixated(data.index, rows, 2), _pairs),
    "pose-nonfixated": PoseTask(
        lambda data, rows: overlapping(data.index, data.cameras, rows),
        _pairs,
        point_domains=("nonfixated_matches",),
    ),
    "egomotion": PoseTask(lambda data, rows: fixated(data.index, rows, 3), _triplets),
    "point-matching": PoseTask(
        lambda data, rows: matches(data.index, rows), None, domains=(), standardised=False
    ),
    "room-layout": PoseTask(_alone, _room, field="box"),
    "vanishing-points": PoseTask(_alone, _vanishing, field="axes", standardised=False),
}
"""By task id. Point matching's classes are 0, different points, and 1, one point."""
