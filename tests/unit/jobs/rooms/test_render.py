"""The geometry of whole images against finite differences, other views and a plain ray caster."""

from typing import Any

import numpy as np
import pytest
from solid_shapes import nearest_solid

from taskonomy_jobs.rooms.camera import Camera
from taskonomy_jobs.rooms.light import photograph
from taskonomy_jobs.rooms.render import Geometry, first_hit, see
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.views import View

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
Seen = list[tuple[View, Scene, Geometry]]


def directions(camera: Camera, size: int) -> Array:
    """Unit rays of the pixels' centres in the world, (H, W, 3), by hand."""
    focal = 0.5 * size / np.tan(0.5 * camera.field_of_view)
    middle = np.arange(size) + 0.5 - 0.5 * size
    across, down = np.meshgrid(middle / focal, middle / focal)
    local = np.stack([across, -down, -np.ones_like(across)], -1)
    world = local @ camera.rotation.T
    return np.asarray(world / np.linalg.norm(world, axis=-1)[..., None])


def world_points(view: View, geometry: Geometry) -> Array:
    """Where each pixel's ray ends, (H, W, 3); the camera itself where invalid."""
    distance = np.where(geometry.valid, geometry.distance, 0.0)
    rays = directions(view.camera, len(distance))
    return np.asarray(view.camera.location + distance[..., None] * rays)


def test_every_pixel_is_the_first_hit_of_its_ray(seen: Seen) -> None:
    for view, scene, geometry in seen:
        rays = directions(view.camera, 64).reshape(-1, 3)
        origins = np.repeat(view.camera.location[None], len(rays), 0)
        distance, shape = first_hit(scene, origins, rays)
        np.testing.assert_array_equal(shape, geometry.shape.ravel())
        np.testing.assert_allclose(distance, geometry.distance.ravel(), rtol=1e-9)


def test_pixels_lie_on_solid_surfaces_and_nothing_lies_before_them(seen: Seen) -> None:
    for view, scene, geometry in seen:
        points = world_points(view, geometry)[::5, ::5][geometry.valid[::5, ::5]]
        assert np.abs(nearest_solid(scene.shapes, points)).max() < 1e-6
        for share in np.linspace(0.02, 0.98, 25):
            between = view.camera.location + share * (points - view.camera.location)
            assert nearest_solid(scene.shapes, between).min() > -1e-6


def test_depth_along_the_axis_is_distance_times_the_rays_cosine(seen: Seen) -> None:
    for view, _, geometry in seen:
        forward = -view.camera.rotation[:, 2]
        cosine = directions(view.camera, 64) @ forward
        valid = geometry.valid
        np.testing.assert_allclose(geometry.depth[valid], (geometry.distance * cosine)[valid])


def test_normals_are_those_of_the_depth_where_it_is_smooth(seen: Seen) -> None:
    """Cross products of neighbours' differences; compared away from edges and bends."""
    compared = 0
    for view, _, geometry in seen:
        points = world_points(view, geometry)
        across = points[1:-1, 2:] - points[1:-1, :-2]
        down = points[2:, 1:-1] - points[:-2, 1:-1]
        normal = np.cross(down, across)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1), 1e-12)[..., None]
        local = normal @ view.camera.rotation
        flat = np.ones((62, 62), bool)
        for dy, dx in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2)):
            part = (slice(dy, dy + 62), slice(dx, dx + 62))
            flat &= geometry.valid[part] & (geometry.shape[part] == geometry.shape[1:-1, 1:-1])
            flat &= np.abs(geometry.normal[part] - geometry.normal[1:-1, 1:-1]).max(-1) < 1e-9
        np.testing.assert_allclose(local[flat], geometry.normal[1:-1, 1:-1][flat], atol=1e-6)
        compared += int(flat.sum())
    assert compared > 20_000


def test_normals_turn_towards_the_camera(seen: Seen) -> None:
    for view, _, geometry in seen:
        local = directions(view.camera, 64) @ view.camera.rotation
        facing = -(local * geometry.normal).sum(-1)
        assert (facing[geometry.valid] > -1e-9).all()


def test_points_of_one_view_are_where_another_view_of_the_same_point_sees_them(
    seen: Seen, building: Any
) -> None:
    """Reprojection: a point seen by one camera is at that depth in another, or hidden there."""
    agreeing = 0
    for view, scene, geometry in seen:
        other = next(v for v in building.views if v.point == view.point and v != view)
        points = world_points(view, geometry)[geometry.valid]
        away = points - other.camera.location
        distance = np.linalg.norm(away, axis=1)
        origins = np.repeat(other.camera.location[None], len(points), 0)
        hit, _ = first_hit(scene, origins, away / distance[:, None])
        assert (hit < distance + 1e-6).all()  # never behind: something is there
        agreeing += int((np.abs(hit - distance) < 1e-6).sum())
        # And image against image, to the nearest pixel where that pixel is locally flat.
        _assert_images_agree(other, see(scene, other.camera, 64), points, hit, distance)
    assert agreeing > 10_000


def _assert_images_agree(
    other: View, image: Geometry, points: Array, hit: Array, distance: Array
) -> None:
    places, depth = other.camera.project(points, 64)
    column, row = np.floor(places).astype(int).T
    inside = (depth > 0) & (places > 1).all(1) & (places < 63).all(1)
    inside &= np.abs(hit - distance) < 1e-6
    column, row, depth = column[inside], row[inside], depth[inside]
    around = np.stack([image.depth[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    assert ((depth > around.min(0) - 1e-6) & (depth < around.max(0) + 1e-6)).mean() > 0.85


def test_openings_are_invalid_and_nothing_else_is(seen: Seen) -> None:
    holes = 0
    for view, scene, geometry in seen:
        rays = directions(view.camera, 64)
        for row, column in np.argwhere(~geometry.valid)[::7]:
            end = _leaves_room_at(scene, view.camera.location, rays[row, column])
            assert any(_is_in(opening, end) for opening in scene.openings)
            holes += 1
        assert np.isinf(geometry.depth[~geometry.valid]).all()
        assert (geometry.normal[~geometry.valid] == 0).all()
    assert holes > 50


def _leaves_room_at(scene: Scene, eye: Array, ray: Array) -> Array:
    """Where a ray leaves the room's box, in the box's own frame."""
    low, high = scene.room[0::2], scene.room[1::2]
    with np.errstate(divide="ignore"):
        t = np.min(np.where(ray > 0, (high - eye) / ray, (low - eye) / ray))
    return np.asarray(eye + t * ray - 0.5 * (low + high))


def _is_in(opening: Array, end: Array) -> bool:
    axis = int(opening[0])
    along = end[1 - axis]
    return bool(
        end[axis] * opening[1] > 0
        and opening[2] - 1e-6 < along < opening[3] + 1e-6
        and opening[4] - 1e-6 < end[2] < opening[5] + 1e-6
    )


def test_pictures_show_something(seen: Seen) -> None:
    for view, scene, _ in seen[::3]:
        picture = photograph(scene, view.camera, 64)
        assert picture.shape == (64, 64, 3)
        assert 30 < picture.mean() < 230
        assert picture.std() > 5
