"""Statistics of a task's training labels, computed once and kept.

Vectors: mean and deviation of each component. Semantic segmentation and colorization: a weight per
class, ``1 / ((1 − λ) p + λ / Q)`` with λ = 1/2, scaled to 1 on average over the training pixels
(Zhang, Isola and Efros 2016, section 2.2), where p is the class's share of the valid pixels. For
colour, p is the mean of the soft targets: the targets' own σ = 5 smooths it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from taskonomy_jobs.data.examples import Statistics
from taskonomy_jobs.data.keys import mixed
from taskonomy_jobs.data.poses import POSE_TASKS
from taskonomy_jobs.data.skips import Skips, Unreadable
from taskonomy_jobs.data.storage import cache_folder, keep

if TYPE_CHECKING:
    from taskonomy_jobs.data.opening import ImageExamples, PoseExamples, Request, TaskExamples

Array = np.ndarray[Any, Any]

UNIFORM_SHARE = 0.5
"""λ: how much of the uniform distribution is mixed in before weights are taken."""
MOST_IMAGES = 4_096
"""Images that weights and file vectors are computed from at most: those with the smallest keys."""
SMALLEST_DEVIATION = 1e-6
"""A component that varies less is not divided."""


def kept_statistics(
    request: "Request", training: Callable[[], "TaskExamples"], skips: Callable[[], Skips]
) -> Statistics:
    """Return what is kept of these labels; else compute it over the train part and keep it.

    Args:
        request: whose labels are meant.
        training: opens the train part.
        skips: makes the counter of damaged files.

    Raises:
        TooManyUnreadable: too many of the labels are damaged.
    """
    path = (
        cache_folder(request.data.root)
        / "statistics"
        / f"{request.task.id}-{_digest(request)}.json"
    )
    try:
        return Statistics.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    computed = computed_statistics(training(), skips())
    keep(path, lambda file: file.write(json.dumps(computed.to_dict()).encode()))
    return Statistics.from_dict(json.loads(json.dumps(computed.to_dict())))


def computed_statistics(examples: "TaskExamples", skips: Skips) -> Statistics:
    """Return the statistics of these examples."""
    task = examples.request.task
    if task.id in POSE_TASKS:
        return _of_poses(examples)  # type: ignore[arg-type]
    if task.output.kind == "vector":
        return _of_vectors(_drawn_labels(examples, skips))  # type: ignore[arg-type]
    if task.output.kind == "class-map":
        return _of_classes(examples, skips)  # type: ignore[arg-type]
    return Statistics(len(examples))


def rebalanced(share: Array) -> Array:
    """Return a weight per class, 1 on average, from the classes' shares of the pixels."""
    even = (1 - UNIFORM_SHARE) * share + UNIFORM_SHARE / len(share)
    weights = 1 / even
    return np.asarray(weights / (share * weights).sum(), np.float32)


def _of_poses(examples: "PoseExamples") -> Statistics:
    raw = examples.raw[~np.isnan(examples.raw).any(1)]
    if POSE_TASKS[examples.request.task.id].standardised and len(raw):
        return _of_vectors(raw)
    length = examples.raw.shape[1]
    return Statistics(len(raw), np.zeros(length, np.float32), np.ones(length, np.float32))


def _of_vectors(raw: Array) -> Statistics:
    deviation = raw.std(0)
    deviation[deviation < SMALLEST_DEVIATION] = 1
    return Statistics(len(raw), raw.mean(0).astype(np.float32), deviation.astype(np.float32))


@dataclass(slots=True)
class _Shares:
    """Pixels per class so far."""

    pixels: Array
    images: int = 0

    def add(self, target: Array, mask: Array | None) -> None:
        """Count one image's valid pixels: hard classes (H, W) or soft ones (C, h, w)."""
        if target.ndim == 3:
            self.pixels += target.sum((1, 2), dtype=np.float64)
        else:
            valid = target if mask is None else target[mask[0] > 0]
            self.pixels += np.bincount(valid.reshape(-1), minlength=len(self.pixels))
        self.images += 1


def _of_classes(examples: "ImageExamples", skips: Skips) -> Statistics:
    shares = _Shares(np.zeros(examples.request.task.output.channels))
    for index in _chosen(examples):
        try:
            shares.add(*examples.label(index, 0))
        except Unreadable as error:
            skips.add(error)
    total = max(shares.pixels.sum(), 1.0)
    return Statistics(shares.images, weights=rebalanced(shares.pixels / total))


def _drawn_labels(examples: "ImageExamples", skips: Skips) -> Array:
    found = []
    for index in _chosen(examples):
        try:
            found.append(examples.label(index, 0)[0].astype(np.float64))
        except Unreadable as error:
            skips.add(error)
    return np.stack(found)


def _chosen(examples: "TaskExamples") -> list[int]:
    """Return the examples to compute from, in order."""
    few = np.argsort(mixed(examples.ids), kind="stable")[:MOST_IMAGES]
    return [int(index) for index in np.sort(few)]


def _digest(request: "Request") -> str:
    """Return a name for the labels that the statistics are of: task, size, split, files."""
    index, buildings = request.data.index, request.split.train
    number = {name: b for b, name in enumerate(index.buildings)}
    here = [number[name] for name in buildings if name in number]
    domains = sorted({"rgb", "points", request.task.folder or "rgb"})
    files = {
        name: [(index.listings(name)[b].changed, len(index.listings(name)[b].keys)) for b in here]
        for name in domains
    }
    content = {
        "task": request.task.model_dump(mode="json"),
        "layout": request.trial_data.layout,
        "size": request.size,
        "buildings": buildings,
        "files": files,
    }
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
