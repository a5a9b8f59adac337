"""Labels that are operators on the picture, and superpixels with and without geometry.

Sizes of filters are given for an image of 256 pixels and scale with the image; responses are
normalised for scale (Lindeberg), so that they mean the same at every size.
"""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter, sobel
from skimage.segmentation import felzenszwalb

from taskonomy_jobs.rooms.camera import Vector
from taskonomy_jobs.rooms.render import Geometry

EDGE_SIGMA = 3.0
KEYPOINT_SIGMA = 4.0
"""Pixels at 256."""
SMALLEST_SIGMA = 0.7
BENDING, SLOPE = (1.0, -2.0, 1.0), (-0.5, 0.0, 0.5)
LUMA = np.array([0.2125, 0.7154, 0.0721])
SEGMENT_SCALE = 500.0
"""Preference for large segments at 256 pixels: much less cuts even shades into stripes, because
eight bits make steps of them."""
MOST_SEGMENTS = 255
"""Superpixels are numbered in eight bits."""


def grey(picture: NDArray[np.uint8]) -> Vector:
    """Luma in [0, 1], (H, W)."""
    return np.asarray(picture @ LUMA / 255.0)


def sigma_at(size: int, at_256: float) -> float:
    """A filter's width in pixels for an image so wide."""
    return max(at_256 * size / 256.0, SMALLEST_SIGMA)


def stored_edges(picture: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Canny's first half: strength of the gradient of the smoothed image, not thinned out.

    The gradient is per filter width, so that a step of height h answers 0.4 h at its middle.
    """
    sigma = sigma_at(len(picture), EDGE_SIGMA)
    smooth = gaussian_filter(grey(picture), sigma, mode="nearest", truncate=3.0)
    across, down = sobel(smooth, 1, mode="nearest"), sobel(smooth, 0, mode="nearest")
    return _stored(np.hypot(across, down) / 8.0 * sigma * EDGE_GAIN)


EDGE_GAIN = 0.5
"""Brings the strong edges of a picture to the end of the range that is used, 8 % of full scale."""


def stored_keypoints(picture: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Determinant of the Hessian as SURF weighs it, before any threshold; hollows are 0.

    Bay et al., "Speeded-up robust features" (2008), equation 3: Dxx·Dyy − (0.9 Dxy)², here with
    second differences of the smoothed image times σ².
    """
    sigma = sigma_at(len(picture), KEYPOINT_SIGMA)
    smooth = gaussian_filter(grey(picture), sigma, mode="nearest", truncate=3.0)
    # Differences of the smoothed image, not its derivative's kernel: cut off, that has a bias.
    xx = sigma**2 * correlate1d(smooth, BENDING, 1, mode="nearest")
    yy = sigma**2 * correlate1d(smooth, BENDING, 0, mode="nearest")
    across = correlate1d(smooth, SLOPE, 1, mode="nearest")
    xy = sigma**2 * correlate1d(across, SLOPE, 0, mode="nearest")
    return _stored(KEYPOINT_GAIN * np.maximum(xx * yy - 0.81 * xy * xy, 0.0))


KEYPOINT_GAIN = 3.0
"""Brings strong blobs of a picture to the end of the range that is used, 0.5 % of full scale."""


def _stored(share: Vector) -> NDArray[np.uint16]:
    return np.rint(65535.0 * np.clip(share, 0.0, 1.0)).astype(np.uint16)


def superpixels(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Segments of the picture alone, numbered from 0, (H, W)."""
    return _segmented(picture / 255.0)


def superpixels_with_geometry(picture: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Segments of picture, normals, depth and curvature together, numbered from 0, (H, W)."""
    depth = np.where(geometry.valid, geometry.depth, 0.0)
    channels = np.concatenate(
        [
            0.4 * picture / 255.0,
            0.5 * geometry.normal,
            0.35 * np.log1p(depth)[..., None],
            0.01 * np.clip(geometry.curvature, -20.0, 20.0),
            1.0 - geometry.valid[..., None],
        ],
        axis=2,
    )
    return _segmented(channels)


def _segmented(channels: Vector) -> NDArray[np.uint8]:
    """Felzenszwalb's graph segmentation; the smallest size grows until 255 numbers are enough."""
    size = len(channels)
    smallest = max(8, size * size // 300)
    while True:
        with warnings.catch_warnings():  # it doubts that an image can have ten channels
            warnings.simplefilter("ignore", RuntimeWarning)
            segments = felzenszwalb(
                channels,
                scale=SEGMENT_SCALE * size / 256.0,
                sigma=sigma_at(size, 1.0),
                min_size=smallest,
                channel_axis=-1,
            )
        if segments.max() < MOST_SEGMENTS:
            return np.asarray(segments, np.uint8)
        smallest *= 2
