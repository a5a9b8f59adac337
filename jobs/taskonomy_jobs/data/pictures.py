"""Labels and predictions as pictures: what a reader sees on contact sheets and in runs.

`picture` turns a target as `examples.Example` holds it, or a prediction of the same shape, into
colours: images in [-1, 1] as they are, depth by a colour scale, normals as colours, segments and
classes in distinct colours, masked pixels in grey. Tasks without pixels have no picture; `sheet`
draws words and lines over their image.
"""

from typing import Any

import numpy as np

from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.data.colour import ab_bins
from taskonomy_jobs.data.encodings import CURVATURE_MEAN, CURVATURE_STD
from taskonomy_jobs.data.layout import CURVATURE_ZERO

Array = np.ndarray[Any, Any]

MASKED = np.array([118, 118, 118], np.uint8)
"""Colour of pixels that do not count."""
_ANNEALED = 0.38
"""Temperature that a colour distribution is sharpened with before its mean is taken."""

# From dark to bright at an even pace, told apart by most colour-blind readers.
_SCALE = np.array(
    [
        [68, 1, 84],
        [71, 44, 122],
        [59, 81, 139],
        [44, 113, 142],
        [33, 144, 141],
        [39, 173, 129],
        [92, 200, 99],
        [170, 220, 50],
        [253, 231, 37],
    ],
    np.float32,
)


def picture(task: TrialTask, target: Array, mask: Array | None, lightness: Array | None) -> Array:
    """Return a target or a prediction as colours.

    Args:
        task: what it is of: kind image, class-map or embedding (as segments, (H, W)).
        target: (C, H, W), or whole numbers (H, W).
        mask: (1, H, W), 1 where valid; None: everywhere.
        lightness: (H, W) in [-1, 1], what colorization adds colour to; None: mid-grey.

    Returns:
        uint8 (H, W, 3).
    """
    if target.ndim == 2:
        colours = distinct(target)
    elif task.output.kind == "class-map" and target.shape[0] == len(ab_bins()):
        colours = coloured(target, lightness)
    elif task.output.kind == "class-map":
        colours = distinct(target.argmax(0))
    else:
        colours = _of_image(task, target, mask)
    if mask is not None:
        colours = np.where(mask[0][..., None] > 0, colours, MASKED)
    return np.asarray(colours, np.uint8)


def _of_image(task: TrialTask, target: Array, mask: Array | None) -> Array:
    if target.shape[0] == 3:
        return eight_bits(target.transpose(1, 2, 0))
    if target.shape[0] == 2:
        return curvature(target)
    if task.folder in ("depth_zbuffer", "depth_euclidean"):
        return scaled(target[0], None if mask is None else mask[0] > 0)
    grey = eight_bits(target[0])
    return np.repeat(grey[..., None], 3, axis=2)


def eight_bits(values: Array) -> Array:
    """Return [-1, 1] as uint8, clipped."""
    return np.asarray(np.clip((values + 1) * 127.5, 0, 255).round(), np.uint8)


def scaled(values: Array, valid: Array | None = None) -> Array:
    """Return numbers as colours (…, 3): the least valid one dark, the largest bright."""
    known = values if valid is None else values[valid]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    place = np.clip((values - low) / max(high - low, 1e-6), 0, 1) * (len(_SCALE) - 1)
    left = np.minimum(place.astype(np.intp), len(_SCALE) - 2)
    part = (place - left)[..., None]
    return np.asarray((_SCALE[left] * (1 - part) + _SCALE[left + 1] * part).round(), np.uint8)


def curvature(target: Array) -> Array:
    """Return both curvatures (2, H, W), standardised, as red and green; flat is dark olive."""
    stored = target * CURVATURE_STD[:, None, None] + CURVATURE_MEAN[:, None, None]
    bent = np.abs(stored - CURVATURE_ZERO)
    colours = np.stack([stored[0], stored[1], 255 - np.minimum(bent.sum(0) * 2, 255)], axis=-1)
    return np.asarray(np.clip(colours, 0, 255).round(), np.uint8)


def distinct(numbers: Array) -> Array:
    """Return whole numbers as colours (…, 3), near numbers far apart: 0 is black."""
    hue = (numbers.astype(np.float64) * 0.61803398875) % 1
    value = 0.55 + 0.45 * ((numbers.astype(np.float64) * 0.7548776662) % 1)
    channels = [np.abs((hue * 6 + shift) % 6 - 3) - 1 for shift in (0.0, 4.0, 2.0)]
    colours = np.clip(np.stack(channels, axis=-1), 0.12, 1) * value[..., None] * 255
    return np.asarray(np.where(numbers[..., None] == 0, 0, colours).round(), np.uint8)


def coloured(distribution: Array, lightness: Array | None) -> Array:
    """Return an image painted by distributions over the colour bins.

    Args:
        distribution: (313, h, w), positive.
        lightness: (H, W) in [-1, 1], as `inputs.grey`; the colours are spread over its pixels.
    """
    sharp = np.exp(np.log(np.maximum(distribution, 1e-9)) / _ANNEALED)
    ab = np.einsum("qhw,qc->chw", sharp / sharp.sum(0), ab_bins())
    if lightness is None:
        lightness = np.zeros(ab.shape[1:], np.float32)
    rows, columns = (
        np.arange(length) * small // length
        for length, small in zip(lightness.shape, ab.shape[1:], strict=True)
    )
    spread = ab[:, rows[:, None], columns[None, :]]
    return srgb(np.concatenate([(lightness[None] + 1) * 50, spread]))


def srgb(lab: Array) -> Array:
    """Return CIE Lab (3, H, W) as sRGB uint8 (H, W, 3), clipped to what can be shown."""
    middle = (lab[0] + 16) / 116
    f = np.stack([middle + lab[1] / 500, middle, middle - lab[2] / 200])
    xyz = np.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787)
    xyz *= np.array([0.95047, 1.0, 1.08883])[:, None, None]
    to_rgb = np.array(
        [
            [3.240479, -1.537150, -0.498535],
            [-0.969256, 1.875992, 0.041556],
            [0.055648, -0.204043, 1.057311],
        ]
    )
    linear = np.clip(np.tensordot(to_rgb, xyz, axes=1), 0, 1)
    display = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.asarray((display.transpose(1, 2, 0) * 255).round(), np.uint8)
