from itertools import combinations

import numpy as np
import pytest

from taskonomy_jobs.data import inputs
from taskonomy_jobs.data.resizing import area, nearest, valid_area

IMAGE = np.random.default_rng(0).uniform(-1, 1, (3, 48, 48)).astype(np.float32)


def test_noise_has_variance_001_on_intensities_and_is_clipped() -> None:
    flat = np.zeros((3, 128, 128), np.float32)  # mid-grey: far from both ends of the range
    noise = (inputs.noisy(flat, 1) + 1) / 2 - 0.5
    assert abs(noise.var() - 0.01) < 2e-4
    assert abs(noise.mean()) < 2e-3
    assert np.abs(inputs.noisy(IMAGE, 1)).max() <= 1


def test_noise_depends_on_draw_and_key_alone() -> None:
    assert np.array_equal(inputs.noisy(IMAGE, 5, 7), inputs.noisy(IMAGE, 5, 7))
    assert not np.array_equal(inputs.noisy(IMAGE, 5, 7), inputs.noisy(IMAGE, 6, 7))
    assert not np.array_equal(inputs.noisy(IMAGE, 5, 7), inputs.noisy(IMAGE, 5, 8))


def test_the_centre_quarter_is_blanked() -> None:
    blanked = inputs.blanked(IMAGE)
    assert (blanked[:, 12:36, 12:36] == 0).all()
    outside = np.ones((48, 48), bool)
    outside[12:36, 12:36] = False
    assert np.array_equal(blanked[:, outside], IMAGE[:, outside])


def test_grey_is_lightness() -> None:
    image = np.stack([np.full((2, 2), v) for v in (1.0, 1.0, 1.0)]).astype(np.float32)
    np.testing.assert_allclose(inputs.grey(image), 1, atol=1e-4)
    np.testing.assert_allclose(inputs.grey(-image), -1, atol=1e-4)
    middle = inputs.grey(np.zeros((3, 2, 2), np.float32))  # L* of 50 % sRGB is 53.39
    np.testing.assert_allclose(middle, 53.389 / 50 - 1, atol=1e-3)


def test_tiles_come_from_the_places_that_the_order_names() -> None:
    """Each ninth of the image has its own grey, so a tile tells where it was cut."""
    places = np.arange(9, dtype=np.float32).reshape(3, 3) / 8 * 2 - 1
    image = np.repeat(np.kron(places, np.ones((16, 16), np.float32))[None], 3, axis=0)
    order = np.array([8, 0, 4, 2, 6, 1, 3, 5, 7])

    tiles = inputs.tiles(image, order, 3)

    assert tiles.shape == (9, 3, 12, 12)
    np.testing.assert_allclose(tiles.mean((1, 2, 3)), order / 8 * 2 - 1, atol=1e-5)
    assert np.array_equal(tiles, inputs.tiles(image, order, 3))
    assert not np.array_equal(inputs.tiles(IMAGE, order, 3), inputs.tiles(IMAGE, order, 4))


def test_the_hundred_orders_are_far_apart() -> None:
    orders = inputs.jigsaw_permutations()
    assert orders.shape == (100, 9)
    assert orders[0].tolist() == list(range(9))
    assert all(sorted(order) == list(range(9)) for order in orders.tolist())
    distances = [int((a != b).sum()) for a, b in combinations(orders, 2)]
    assert min(distances) >= 7
    assert np.mean(distances) > 8  # two at random differ in 8 places on average


def test_area_is_the_mean_over_what_a_pixel_covers() -> None:
    plane = np.arange(36, dtype=np.float32).reshape(6, 6)
    np.testing.assert_allclose(area(plane, 3), plane.reshape(3, 2, 3, 2).mean((1, 3)), rtol=1e-6)
    row = np.tile(np.array([0.0, 3.0, 6.0], np.float32), (3, 1))
    np.testing.assert_allclose(
        area(row, 2), [[1, 5]] * 2, rtol=1e-6
    )  # (0 + 1.5) / 1.5, (1.5 + 6) / 1.5


@pytest.mark.parametrize(("side", "size"), [(12, 4), (12, 5), (10, 4), (9, 6)])
def test_area_keeps_the_mean_and_agrees_with_finer_pixels(side: int, size: int) -> None:
    plane = np.random.default_rng(side).normal(size=(2, side, side)).astype(np.float32)
    fine = np.kron(plane, np.ones((1, size, size), np.float32))  # side × size: both divide it
    expected = fine.reshape(2, size, side, size, side).mean((2, 4))
    np.testing.assert_allclose(area(plane, size), expected, atol=1e-5)


def test_area_over_valid_pixels_ignores_the_others() -> None:
    plane = np.array([[1, 9, 2, 2], [1, 9, 2, 2]], np.float32)
    valid = np.array([[1, 0, 0, 0], [1, 0, 0, 1]], bool)
    mean, enough = valid_area(np.vstack([plane, plane]), np.vstack([valid, valid]), 2)
    assert mean.tolist() == [[1, 0], [1, 0]]
    assert enough.tolist() == [[True, False], [True, False]]


@pytest.mark.parametrize(("size", "picked"), [(2, [1, 4]), (3, [1, 3, 5]), (6, [0, 1, 2, 3, 4, 5])])
def test_nearest_takes_the_pixel_at_the_centre(size: int, picked: list[int]) -> None:
    plane = np.arange(36).reshape(6, 6)
    assert np.array_equal(nearest(plane, size), plane[np.ix_(picked, picked)])
