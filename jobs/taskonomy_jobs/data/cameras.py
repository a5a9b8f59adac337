"""Cameras and matches: the data set's JSON files read once, as tables.

Reading a million small files is slow, so a building's are read together when it is first asked for
and kept in the data set's cache folder until its folder changes.
"""

from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from taskonomy_jobs.data import files
from taskonomy_jobs.data.index import Index
from taskonomy_jobs.data.layout import ALL_VIEWS, BOX_AXES, MatchFields, PointFields
from taskonomy_jobs.data.skips import Unreadable
from taskonomy_jobs.data.storage import cache_folder, keep_arrays, kept_arrays

Array = np.ndarray[Any, Any]

ABSENT, READ, DAMAGED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class CameraTable:
    """What the JSON files of some views say, one row a view; NaN where they do not."""

    status: Array
    """uint8 (N,): ABSENT, READ or DAMAGED."""
    location: Array
    """float64 (N, 3), metres."""
    rotation: Array
    """float64 (N, 3), Euler sxyz, radians."""
    axes: Array
    """float64 (N, 3, 3): rows are the Manhattan x, y and z in the camera's frame."""
    box: Array
    """float64 (N, 3, 2): the room's ranges under the keys x, y and z, metres."""

    def __getitem__(self, rows: Array) -> "CameraTable":
        return CameraTable(*(getattr(self, field.name)[rows] for field in fields(self)))


class Cameras:
    """The cameras of a data set's views and which points they see."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tables: dict[int, CameraTable] = {}
        self._matches: dict[int, Array] = {}

    def table(self, rows: Array) -> CameraTable:
        """Return the cameras of some rows of the table of views, in their order."""
        buildings = np.unique(self._index.building[rows])
        for b in buildings:
            if int(b) not in self._tables:
                self._tables[int(b)] = self._read_building(int(b))
        shapes = {"status": (), "location": (3,), "rotation": (3,), "axes": (3, 3), "box": (3, 2)}
        columns = {
            name: np.full((len(rows), *shape), 0 if name == "status" else np.nan)
            for name, shape in shapes.items()
        }
        for b in buildings:
            here = self._index.building[rows] == b
            own = rows[here] - self._index.starts[b]
            for name, column in columns.items():
                column[here] = getattr(self._tables[int(b)], name)[own]
        return CameraTable(**columns)

    def why(self, row: int) -> Unreadable:
        """Return what is wrong with the JSON file of a view."""
        path = self._index.path("points", row)
        try:
            read_camera(path)
        except Unreadable as error:
            return error
        return Unreadable(path, "was damaged when it was first read; it has changed since")

    def matches(self, building: int) -> Array:
        """Return int64 (M, 3) of a building: a point, and point and view of a view that sees it.

        Only views fixated on other points are listed; a file that cannot be read lists none.
        """
        if building not in self._matches:
            listing = self._index.listings("nonfixated_matches")[building]
            path = self._cache("matches", building)
            kept = _kept(path, listing.changed)
            if kept is None:
                kept = {"matches": self._read_matches(building)}
                _keep(path, listing.changed, kept)
            self._matches[building] = kept["matches"]
        return self._matches[building]

    def _read_building(self, building: int) -> CameraTable:
        changed = max(
            self._index.listings(domain)[building].changed for domain in ("points", "rgb")
        )
        path = self._cache("cameras", building)
        kept = _kept(path, changed)
        if kept is None:
            start, end = self._index.starts[building], self._index.starts[building + 1]
            present = self._index.has("points")[start:end]
            views = [
                self._view(row) if there else _NOWHERE
                for row, there in zip(range(start, end), present, strict=True)
            ]
            names = [field.name for field in fields(CameraTable)]
            kept = {name: np.stack([view[name] for view in views]) for name in names}
            _keep(path, changed, kept)
        return CameraTable(**kept)

    def _view(self, row: int) -> dict[str, Array]:
        try:
            return read_camera(self._index.path("points", row))
        except Unreadable:
            return _NOWHERE | {"status": np.array(DAMAGED, np.uint8)}

    def _read_matches(self, building: int) -> Array:
        found = [np.zeros((0, 3), np.int64)]
        for point in self._index.points_with("nonfixated_matches", building).tolist():
            path = self._index.file("nonfixated_matches", building, point, ALL_VIEWS)
            with suppress(Unreadable):
                found.append(read_matches(path, point))
        return np.concatenate(found)

    def _cache(self, kind: str, building: int) -> Path:
        name = f"{self._index.layout}-{self._index.buildings[building]}.npz"
        return cache_folder(self._index.root) / kind / name


_NOWHERE: dict[str, Array] = {
    "status": np.array(ABSENT, np.uint8),
    "location": np.full(3, np.nan),
    "rotation": np.full(3, np.nan),
    "axes": np.full((3, 3), np.nan),
    "box": np.full((3, 2), np.nan),
}


def read_matches(path: Path, point: int) -> Array:
    """Return int64 (M, 3) of a point's file: the point, and point and view of each seeing view.

    Raises:
        Unreadable: the file is damaged, or no list of views.
    """
    try:
        views = files.json_object(path)[MatchFields.views]
        seen = [(point, int(v[MatchFields.view_point]), int(v[MatchFields.view])) for v in views]
        return np.array(seen, np.int64).reshape(-1, 3)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unreadable(path, f"{MatchFields.views} is no list of points and views") from error


def read_camera(path: Path) -> dict[str, Array]:
    """Return one view's row of a `CameraTable`.

    Raises:
        Unreadable: the file is damaged, or a field it has is not what the layout says.
    """
    content = files.json_object(path)
    row = dict(_NOWHERE)
    row["status"] = np.array(READ, np.uint8)
    row["location"] = _numbers(content, PointFields.location, (3,), path)
    row["rotation"] = _numbers(content, PointFields.rotation, (3,), path)
    for name, field in (("axes", PointFields.vanishing), ("box", PointFields.box)):
        if content.get(field) is not None:
            shape = row[name].shape
            row[name] = np.stack(
                [_numbers(content[field], key, shape[1:], path, field) for key in BOX_AXES]
            )
    return row


def _numbers(content: Any, key: str, shape: tuple[int, ...], path: Path, within: str = "") -> Array:
    name = f"{within}.{key}" if within else key
    try:
        values = np.asarray(content[key], np.float64)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Unreadable(path, f"has no numbers in {name}") from error
    if values.shape != shape or not np.isfinite(values).all():
        raise Unreadable(path, f"{name} is not {shape[0]} finite numbers")
    return values


def _kept(path: Path, changed: int) -> dict[str, Array] | None:
    columns = kept_arrays(path)
    return columns if columns and int(columns.pop("changed")) == changed else None


def _keep(path: Path, changed: int, columns: dict[str, Array]) -> None:
    keep_arrays(path, {"changed": np.array(changed), **columns})
