"""A view's and a point's JSON, with the fields and the quirks of the published files."""

import math
from collections.abc import Iterable

from taskonomy_jobs.data.layout import BOX_AXES, MatchFields, PointFields
from taskonomy_jobs.rooms.camera import Camera, Vector, quaternion, rotation_about_z
from taskonomy_jobs.rooms.views import Point, View

Json = dict[str, object]


def point_info(view: View, room: Vector, kind: str, size: int) -> Json:
    """What `points` says of a view.

    Args:
        view: the view.
        room: range of the room, x low and high, y, z; metres.
        kind: type of the room.
        size: side of its images, pixels.
    """
    camera, point = view.camera, view.point
    return {
        PointFields.location: _numbers(camera.location),
        PointFields.rotation: list(camera.euler),
        "camera_rotation_final_quaternion": quaternion(camera.euler),
        PointFields.field_of_view: camera.field_of_view,
        "camera_distance": math.dist(camera.location, point.location),
        PointFields.point_location: _numbers(point.location),
        "point_normal": _numbers(point.normal),
        "obliqueness_angle": math.degrees(view.obliqueness),
        PointFields.point: str(point.number),
        PointFields.view: view.number,
        PointFields.camera: f"{view.spot:04d}",
        PointFields.resolution: size,
        PointFields.box: {
            key: _numbers(room[2 * axis : 2 * axis + 2]) for key, axis in BOX_AXES.items()
        },
        PointFields.vanishing: {
            key: _numbers(direction)
            for key, direction in zip("xyz", vanishing_directions(camera).T, strict=True)
        },
        "model_rotation_degrees": 0.0,
        "room": kind,
        PointFields.others_in_view: [number for number, _, _ in view.others],
    }


def vanishing_directions(camera: Camera) -> Vector:
    """The room's three directions in the camera's frame, one a column, shape (3, 3).

    The first is the horizontal axis within 45° of the view, whichever of the four that is; the
    second points 90° to its left; the third is up.
    """
    # A camera of yaw 0 looks along +y, so +x would need a quarter turn more.
    quarters = round((camera.yaw + 0.5 * math.pi) / (0.5 * math.pi))
    axes = rotation_about_z(quarters * 0.5 * math.pi)
    return camera.rotation.T @ axes


def match_info(point: Point, views: Iterable[View], size: int) -> Json:
    """What `nonfixated_matches` says of a point: the views of other points that see it."""
    matches = [
        {
            MatchFields.view_point: str(view.point.number),
            MatchFields.view: view.number,
            MatchFields.camera: f"{view.spot:04d}",
            MatchFields.pixel_x: int(column * size),
            MatchFields.pixel_y: int(row * size),
        }
        for view in views
        for number, column, row in view.others
        if number == point.number
    ]
    return {
        MatchFields.point: str(point.number),
        MatchFields.point_location: _numbers(point.location),
        MatchFields.views: matches,
    }


def _numbers(vector: Vector) -> list[float]:
    return [float(v) for v in vector]
