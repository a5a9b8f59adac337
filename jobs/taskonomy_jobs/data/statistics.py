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

from taskonomy_jobs.data.dataset import DataSet
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
    data: DataSet, request: "Request", training: Callable[[], "TaskExamples"]
) -> Statistics:
    """Return what is kept of these labels; else compute it over the train part and keep it."""
    path = cache_folder(data.root) / "statistics" / f"{request.task.id}-{_digest(request)}.json"
    try:
        return Statistics.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    computed = computed_statistics(training())
    keep(path, lambda file: file.write(json.dumps(computed.to_dict()).encode()))
    return Statistics.from_dict(json.loads(json.dumps(computed.to_dict())))


def computed_statistics(examples: "TaskExamples") -> Statistics:
    """Return the statistics of these examples."""
    task = examples.request.task
    if task.id in POSE_TASKS:
        return _of_poses(examples)  # type: ignore[arg-type]
    if task.output.kind == "vector":
        return _of_vectors(_drawn_labels(examples))  # type: ignore[arg-type]
    if task.output.kind == "class-map":
        return _of_classes(examples)  # type: ignore[arg-type]
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


def _of_classes(examples: "ImageExamples") -> Statistics:
    shares = _Shares(np.zeros(examples.request.task.output.channels))
    for index, skips in _chosen(examples):
        try:
            shares.add(*examples.label(index, 0))
        except Unreadable as error:
            skips.add(error)
    total = max(shares.pixels.sum(), 1.0)
    return Statistics(shares.images, weights=rebalanced(shares.pixels / total))


def _drawn_labels(examples: "ImageExamples") -> Array:
    found = []
    for index, skips in _chosen(examples):
        try:
            found.append(examples.label(index, 0)[0].astype(np.float64))
        except Unreadable as error:
            skips.add(error)
    return np.stack(found)


def _chosen(examples: "TaskExamples") -> "list[tuple[int, Skips]]":
    """Return the examples to compute from, in order, each with the one counter of damaged files."""
    skips = Skips(len(examples))
    few = np.argsort(mixed(examples.ids), kind="stable")[:MOST_IMAGES]
    return [(int(index), skips) for index in np.sort(few)]


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
