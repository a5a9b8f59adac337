import numpy as np
from skimage.color import rgb2lab

from taskonomy_jobs.data.colour import ab_bins, lab, soft_bins


def test_lab_is_that_of_an_independent_implementation() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (3, 9, 7)).astype(np.float32)
    expected = rgb2lab((image.transpose(1, 2, 0) + 1) / 2)
    np.testing.assert_allclose(lab(image).transpose(1, 2, 0), expected, atol=2e-2)


def test_bins_are_the_corners_of_the_squares_that_colours_fall_in() -> None:
    """All sRGB colours on the gamut's surface, in a plane of squares of side 10."""
    steps = np.arange(0, 256, 3, dtype=np.uint8)
    x, y = (grid.ravel() for grid in np.meshgrid(steps, steps))
    faces = [
        np.insert(np.stack([x, y], 1), axis, end, axis=1) for axis in range(3) for end in (0, 255)
    ]
    ab = rgb2lab(np.concatenate(faces)[None].astype(np.uint8))[0, :, 1:]
    squares = np.unique(np.floor(ab / 10), axis=0)
    corners = {(10 * (a + i), 10 * (b + j)) for a, b in squares for i in (0, 1) for j in (0, 1)}
    bins = {tuple(bin_) for bin_ in ab_bins().tolist()}

    assert len(bins) == len(ab_bins()) == 313
    assert corners <= bins
    assert {(40, 90), (100, -90), (100, -10), (100, 0)} <= bins - corners
    assert len(bins - corners) < 10  # steps of 3 miss a few corners that steps of 1 find


def test_a_colour_on_a_bin_spreads_over_its_ten_nearest() -> None:
    spread = soft_bins(np.array([20.0, 30.0], np.float32).reshape(2, 1, 1))[:, 0, 0]

    bins = {tuple(bin_): weight for bin_, weight in zip(ab_bins().tolist(), spread, strict=True)}
    near = np.exp(-np.array([0.0, 100, 200, 400]) / 50)  # itself, 4 sides, 4 corners, 1 beyond
    total = near @ [1, 4, 4, 1]
    assert np.isclose(bins[20.0, 30.0], near[0] / total)
    assert np.isclose(bins[30.0, 30.0], near[1] / total)
    assert np.isclose(bins[10.0, 20.0], near[2] / total)
    assert (spread > 0).sum() == 10
    assert np.isclose(spread.sum(), 1)


def test_soft_bins_agree_with_brute_force_far_outside_the_gamut_too() -> None:
    ab = np.random.default_rng(1).uniform(-130, 130, (2, 6, 5)).astype(np.float32)
    spread = soft_bins(ab)
    for row, column in np.ndindex(6, 5):
        square = ((ab_bins() - ab[:, row, column]) ** 2).sum(1)
        ten = np.argsort(square)[:10]
        weights = np.exp((square.min() - square[ten]) / 50)
        np.testing.assert_allclose(spread[ten, row, column], weights / weights.sum(), atol=1e-5)
