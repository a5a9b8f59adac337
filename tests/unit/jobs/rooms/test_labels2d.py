"""Operators on the picture against closed forms on simple images."""

import math
from typing import Any

import numpy as np
import pytest

from taskonomy_jobs.rooms import labels2d
from taskonomy_jobs.rooms.render import Geometry

Array = np.ndarray[Any, Any]


def picture(grey: Array) -> Array:
    return np.repeat(np.rint(255 * grey)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_a_step_answers_in_proportion_at_every_size(size: int) -> None:
    """Central difference of a smoothed step, half a pixel from it, per filter width."""
    image = np.full((size, size), 0.2)
    image[:, size // 2 :] = 0.6
    stored = labels2d.stored_edges(picture(image))
    sigma = labels2d.sigma_at(size, labels2d.EDGE_SIGMA)
    rise = 0.5 * (math.erf(1.5 / sigma / math.sqrt(2)) + math.erf(0.5 / sigma / math.sqrt(2)))
    expected = 0.5 * 0.4 * rise * sigma * labels2d.EDGE_GAIN * 65535
    assert stored[size // 2].max() == pytest.approx(expected, rel=0.05)
    assert stored[:, : size // 4].max() == 0
    assert np.argmax(stored[10]) in (size // 2 - 1, size // 2)


def test_a_flat_picture_has_no_edges_and_no_keypoints() -> None:
    flat = picture(np.full((64, 64), 0.5))
    assert labels2d.stored_edges(flat).max() == 0
    assert labels2d.stored_keypoints(flat).max() == 0


@pytest.mark.parametrize("size", [64, 256])
def test_the_determinant_of_a_round_blob_is_that_of_the_formula(size: int) -> None:
    """A Gaussian blob of width s, smoothed by σ: the Hessian's determinant is known."""
    sigma, width, height = labels2d.sigma_at(size, labels2d.KEYPOINT_SIGMA), size / 16.0, 0.6
    y, x = np.mgrid[:size, :size] - (size // 2)
    image = 0.2 + height * np.exp(-(x**2 + y**2) / (2 * width**2))
    stored = labels2d.stored_keypoints(picture(image))
    total = width**2 + sigma**2
    second = height * width**2 / total / total  # −∂²/∂x² in the middle
    expected = labels2d.KEYPOINT_GAIN * (sigma**2 * second) ** 2 * 65535
    assert stored[size // 2, size // 2] == pytest.approx(expected, rel=0.05)
    assert int(np.argmax(stored)) == size // 2 * size + size // 2


def test_a_straight_edge_is_no_keypoint() -> None:
    image = np.full((64, 64), 0.2)
    image[:, 32:] = 0.8
    assert labels2d.stored_keypoints(picture(image)).max() <= 1


def test_superpixels_keep_areas_of_different_colour_apart() -> None:
    image = np.zeros((64, 64))
    image[:32, 32:], image[32:, :32], image[32:, 32:] = 0.3, 0.6, 1.0
    segments = labels2d.superpixels(picture(image))
    middles = {int(segments[i, j]) for i in (12, 52) for j in (12, 52)}
    assert len(middles) == 4
    for i in (8, 48):
        for j in (8, 48):
            assert len(np.unique(segments[i : i + 8, j : j + 8])) == 1


def test_geometry_parts_what_colour_does_not() -> None:
    """A picture of one grey, half of it on a wall that faces another way."""
    grey = picture(np.full((64, 64), 0.5))
    normal = np.zeros((64, 64, 3))
    normal[:, :32, 2] = normal[:, 32:, 0] = 1.0
    geometry = Geometry(
        distance=np.full((64, 64), 2.0),
        depth=np.full((64, 64), 2.0),
        normal=normal,
        curvature=np.zeros((64, 64, 2)),
        shape=np.zeros((64, 64), np.int64),
        object=np.zeros((64, 64), np.int64),
    )
    assert len(np.unique(labels2d.superpixels(grey))) == 1
    segments = labels2d.superpixels_with_geometry(grey, geometry)
    assert segments[32, 10] != segments[32, 54]


def test_even_noise_has_no_more_segments_than_eight_bits_can_number() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    assert labels2d.superpixels(noise).max() <= 254


def test_an_even_shade_is_one_segment_though_eight_bits_make_steps_of_it() -> None:
    shade = np.repeat(np.linspace(0.4, 0.6, 64)[None], 64, axis=0)
    assert len(np.unique(labels2d.superpixels(picture(shade)))) <= 3
