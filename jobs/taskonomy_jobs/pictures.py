"""Panels: what a network saw, what it said and what was true, side by side for a reader.

Pixels are coloured as everywhere else (`data.pictures`); an embedding by its three strongest
directions; classes and vectors, which have no pixels, are drawn as bars.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.data.inputs import TILES
from taskonomy_jobs.data.pictures import MASKED, distinct, eight_bits, picture

Array = NDArray[Any]
Picture = NDArray[np.uint8]
"""H×W×3."""

SIDE = 192
"""Side of one picture of a panel, pixels."""
BARS = 9
"""Most bars in a picture: the first components of a vector, or the likeliest classes."""
GAP = 4
"""White pixels between pictures."""
_PAPER, _INK, _BAR = (255, 255, 255), (30, 30, 30), (76, 120, 168)


def panel(
    task: TrialTask, images: Array, prediction: Array, target: Array, mask: Array | None
) -> Picture:
    """Return an example as input | prediction | truth.

    Args:
        task: what is predicted.
        images: float32 (n, 3, H, W) in [-1, 1], what the network saw.
        prediction: the network's output for it, logits where the output is classes.
        target: as `Example.target`.
        mask: as `Example.mask`.

    Returns:
        uint8 (SIDE, width, 3).
    """
    shown = [_tiled(images)] if len(images) == TILES else images
    seen = _side_by_side([_square(eight_bits(image.transpose(1, 2, 0))) for image in shown])
    said = predicted(task, prediction, mask, images)
    true = truth(task, target, mask, images)
    return _side_by_side([seen, _square(said), _square(true)])


def predicted(
    task: TrialTask, prediction: Array, mask: Array | None = None, images: Array | None = None
) -> Picture:
    """Return a network's output as a picture; arguments as `panel`."""
    match task.output.kind:
        case "embedding":
            return directions(prediction)
        case "classes":
            return bars(_softmax(prediction), (0.0, 1.0))
        case "vector":
            return bars(prediction[:BARS], (-3.0, 3.0))
        case "class-map":
            return _map(task, _softmax(prediction), mask, images)
    return picture(task, prediction, mask, None)


def truth(
    task: TrialTask, target: Array, mask: Array | None = None, images: Array | None = None
) -> Picture:
    """Return a label as a picture; arguments as `panel`."""
    match task.output.kind:
        case "embedding":
            side = task_side(images, task)
            return sampled(target, side)
        case "classes":
            return bars(target, (0.0, 1.0))
        case "vector":
            return bars(target[:BARS], (-3.0, 3.0))
        case "class-map":
            return _map(task, target, mask, images)
    return picture(task, target, mask, None)


def directions(embedding: Array) -> Picture:
    """Return an embedding (C, H, W) as colours: its three principal directions, each stretched.

    Signs are chosen so that a direction's largest component is positive: the same embedding always
    has the same colours.
    """
    channels, height, width = embedding.shape
    flat = embedding.reshape(channels, -1).astype(np.float64)
    flat = flat - flat.mean(1, keepdims=True)
    axes, _, _ = np.linalg.svd(flat @ flat.T)
    axes = axes[:, :3] * np.sign(axes[np.abs(axes[:, :3]).argmax(0), range(min(3, channels))])
    projected = np.zeros((3, height * width))
    projected[: axes.shape[1]] = axes.T @ flat
    low, high = np.percentile(projected, [2, 98], axis=1, keepdims=True)
    stretched = (projected - low) / np.maximum(high - low, 1e-9) * 2 - 1
    return eight_bits(stretched.reshape(3, height, width).transpose(1, 2, 0))


def sampled(pairs: Array, side: int) -> Picture:
    """Return the sampled pixels of a segmentation, (P, 2) pixel and segment, in their colours."""
    colours = np.tile(MASKED, (side * side, 1))
    colours[pairs[:, 0]] = distinct(pairs[:, 1] + 1)
    return colours.reshape(side, side, 3)


def bars(values: Array, reach: tuple[float, float]) -> Picture:
    """Return numbers (N,) as labelled bars; of more than nine, the largest nine.

    Args:
        values: the numbers.
        reach: what the width of the picture stands for.
    """
    order = np.arange(len(values))
    if len(values) > BARS:
        order = np.argsort(-values, kind="stable")[:BARS]
    sheet = Image.new("RGB", (SIDE, SIDE), _PAPER)
    pen = ImageDraw.Draw(sheet)
    height = SIDE // BARS
    low, high = reach
    scale = (SIDE - 60) / (high - low)
    zero = 30 + (max(low, min(0.0, high)) - low) * scale
    for row, number in enumerate(order.tolist()):
        value = float(values[number])
        end = 30 + (min(max(value, low), high) - low) * scale
        top = row * height + 3
        pen.rectangle((min(zero, end), top, max(zero, end), top + height - 6), _BAR)
        pen.text((3, top), str(number), _INK)
        pen.text((SIDE - 30, top), f"{value:.2f}", _INK)
    return np.asarray(sheet)


def task_side(images: Array | None, task: TrialTask) -> int:
    """Return the side of a task's map in pixels.

    Raises:
        ValueError: there is no image to tell it by.
    """
    if images is None:
        raise ValueError("an embedding's label says only which pixels; give the images")
    return int(images.shape[-1]) // task.output.stride


def _map(task: TrialTask, labels: Array, mask: Array | None, images: Array | None) -> Picture:
    """Return a class map; colorization is painted on what the network saw."""
    soft = task.output.stride > 1
    lightness = images[0, 0] if soft and images is not None else None
    return picture(task, labels, None if soft else mask, lightness)


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(0, keepdims=True))
    shares: Array = shifted / shifted.sum(0, keepdims=True)
    return shares


def _tiled(images: Array) -> Array:
    """Return nine tiles (9, 3, h, w) as one image (3, 3h, 3w), row by row."""
    rows = [np.concatenate(list(images[start : start + 3]), axis=2) for start in (0, 3, 6)]
    return np.concatenate(rows, axis=1)


def _square(colours: Picture) -> Picture:
    resized = Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return np.asarray(resized)


def _side_by_side(pictures: Sequence[Picture]) -> Picture:
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    parts = [part for each in pictures for part in (each, gap)]
    return np.concatenate(parts[:-1], axis=1)
