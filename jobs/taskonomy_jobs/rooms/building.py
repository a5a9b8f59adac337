"""All files of a building: its rooms, views and labels, written so that it appears whole."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taskonomy_jobs.data.layout import ALL_VIEWS, DOMAINS, domain_folder, view_file
from taskonomy_jobs.rooms import labels2d, labels3d, semantics
from taskonomy_jobs.rooms.light import photograph
from taskonomy_jobs.rooms.pointinfo import Json, match_info, point_info
from taskonomy_jobs.rooms.render import Geometry, see
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.settings import RoomsSettings
from taskonomy_jobs.rooms.views import View, make_views
from taskonomy_jobs.rooms.world import Room, make_rooms

Picture = NDArray[np.uint8] | NDArray[np.uint16]
PNG_LEVEL = 2
"""More makes files a few per cent smaller, and takes as long as all the labels."""
UNFINISHED = ".unfinished"
"""Ending of the folder a building grows in."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A view's files, by domain, as they are stored."""

    pictures: dict[str, Picture]
    vectors: dict[str, NDArray[np.float32]]
    info: Json


def write_building(root: Path, index: int, settings: RoomsSettings) -> Iterator[View]:
    """Make a building and write it under its name; yield each view when its files are written.

    It grows in a folder of another name, so that one that is there is complete. Whoever calls this
    must exhaust it: the last step gives the building its name.
    """
    name = settings.building(index)
    growing = name + UNFINISHED
    shutil.rmtree(root / growing, ignore_errors=True)
    rooms, views = plan_building(settings, index)
    for domain in DOMAINS.values():
        domain_folder(root, "taskonomy", growing, domain).mkdir(parents=True)
    for view in views:
        room = rooms[view.point.room]
        write_view(root, growing, view, labelled(room.scene, view, settings.size))
        yield view
    _write_matches(root, growing, views, settings.size)
    (root / growing).rename(root / name)


def plan_building(settings: RoomsSettings, index: int) -> tuple[list[Room], list[View]]:
    """Return a building's rooms and views. Nothing but seed, index and views matters."""
    rng = np.random.default_rng([settings.seed, index])
    rooms = make_rooms(rng, settings.views)
    return rooms, make_views(rng, rooms, settings.views)


def labelled(scene: Scene, view: View, size: int) -> Labelled:
    """Return every label of a view."""
    geometry = see(scene, view.camera, size)
    picture = photograph(scene, view.camera, size)
    return Labelled(
        pictures=dict(_pictures(scene, geometry, picture, view.camera.focal(size))),
        vectors={
            "class_object": semantics.object_classes(scene, geometry),
            "class_scene": semantics.scene_classes(scene.kind),
        },
        info=point_info(view, scene.room, scene.kind, size),
    )


def _pictures(
    scene: Scene, geometry: Geometry, picture: NDArray[np.uint8], focal: float
) -> Iterator[tuple[str, Picture]]:
    yield "rgb", picture
    yield "depth_euclidean", labels3d.stored_depth(geometry.distance)
    yield "depth_zbuffer", labels3d.stored_depth(geometry.depth)
    yield "normal", labels3d.stored_normal(geometry)
    yield "principal_curvature", labels3d.stored_curvature(geometry)
    yield "reshading", labels3d.stored_reshading(geometry, focal)
    yield "edge_occlusion", labels3d.stored_occlusion(geometry, focal)
    yield "keypoints3d", labels3d.stored_keypoints(geometry, focal)
    yield "edge_texture", labels2d.stored_edges(picture)
    yield "keypoints2d", labels2d.stored_keypoints(picture)
    yield "segment_unsup2d", labels2d.superpixels(picture)
    yield "segment_unsup25d", labels2d.superpixels_with_geometry(picture, geometry)
    yield "segment_semantic", semantics.stored_segmentation(scene, geometry)


def write_view(root: Path, building: str, view: View, labels: Labelled) -> None:
    """Write the files of a view into the folders of its building."""
    for name, picture in labels.pictures.items():
        path = _path(root, building, name, view.point.number, view.number)
        Image.fromarray(picture).save(path, compress_level=PNG_LEVEL)
    for name, vector in labels.vectors.items():
        np.save(_path(root, building, name, view.point.number, view.number), vector)
    path = _path(root, building, "points", view.point.number, view.number)
    path.write_text(json.dumps(labels.info), encoding="utf-8")


def _write_matches(root: Path, building: str, views: list[View], size: int) -> None:
    for point in {view.point.number: view.point for view in views}.values():
        path = _path(root, building, "nonfixated_matches", point.number, ALL_VIEWS)
        path.write_text(json.dumps(match_info(point, views, size)), encoding="utf-8")


def _path(root: Path, building: str, domain: str, point: int, view: int | str) -> Path:
    entry = DOMAINS[domain]
    return domain_folder(root, "taskonomy", building, entry) / view_file(entry, point, view)
