"""Colour as colorization needs it: lightness, and colour sorted into 313 bins.

Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), which the paper follows: the ab
plane of CIE Lab is cut into squares of side 10; the bins are their corners that are in gamut. A
pixel's target spreads over its ten nearest bins by a Gaussian of σ = 5; rare bins weigh more.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial import KDTree

Array = np.ndarray[Any, Any]

NEIGHBOURS = 10
SIGMA = 5.0

_ROWS = (
    (-90, 50, 90), (-80, 20, 90), (-70, 0, 90), (-60, -20, 90), (-50, -30, 100), (-40, -40, 100),
    (-30, -50, 100), (-20, -50, 100), (-10, -60, 100), (0, -70, 100), (10, -80, 90), (20, -80, 90),
    (30, -90, 90), (40, -100, 90), (50, -100, 80), (60, -110, 80), (70, -110, 80), (80, -110, 70),
    (90, -110, 70), (100, -90, 0),
)  # fmt: skip
# Rows (a, lowest b, highest b). They are the corners of the squares that some sRGB colour falls in;
# four corners at the rim, (40, 90), (100, -90), (100, -10) and (100, 0), lie just outside by our
# white point and are kept, so that the bins are the published 313.

# IEC 61966-2-1 primaries to CIE XYZ, D65 white of the 2° observer.
_TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


@cache
def ab_bins() -> Array:
    """Return the 313 bins: float32 (313, 2) of (a, b), by rising a, then b."""
    bins = [(a, b) for a, low, high in _ROWS for b in range(low, high + 1, 10)]
    return np.array(bins, np.float32)


def lab(image: Array) -> Array:
    """Return CIE Lab of an sRGB image.

    Args:
        image: (3, H, W) in [-1, 1].

    Returns:
        float32 (3, H, W): L in [0, 100], a and b in about [-110, 110].
    """
    srgb = (image.astype(np.float32) + 1) / 2
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    to_xyz = (_TO_XYZ / _WHITE[:, None]).astype(np.float32)
    xyz = np.tensordot(to_xyz, linear, axes=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + np.float32(16 / 116))
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]).astype(np.float32)


def soft_bins(ab: Array) -> Array:
    """Return the distribution over the bins for every pixel.

    Args:
        ab: float32 (2, h, w).

    Returns:
        float32 (313, h, w), summing to 1 over the bins, ten of them above zero.
    """
    pixels = ab.reshape(2, -1).T
    distance, nearest = (np.asarray(found) for found in _tree().query(pixels, k=NEIGHBOURS))
    # Less the smallest: far outside the bins every weight would vanish.
    weights = np.exp((distance[:, :1] ** 2 - distance**2) / (2 * SIGMA**2))
    spread = np.zeros((len(ab_bins()), len(pixels)), np.float32)
    spread[nearest, np.arange(len(pixels))[:, None]] = weights / weights.sum(1, keepdims=True)
    return spread.reshape(-1, *ab.shape[1:])


@cache
def _tree() -> "KDTree":
    from scipy.spatial import KDTree  # a fifth of a second, of which most need none

    return KDTree(ab_bins())
