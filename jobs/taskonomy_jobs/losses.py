"""Losses: what networks are trained with, what they are compared by, and what else is measured.

Every function takes a batch and returns one number an example, (B,). The mean of `training_loss`
is trained on; `comparison_loss` is what a held-out image's row in ``losses.parquet`` holds, and win
rates count. By the task's output and loss:

| output, loss | training | comparison |
|---|---|---|
| image, l1 | mean absolute error of valid pixels | the same |
| image, l1 (normals) | mean absolute error of valid pixels | mean angle to the truth, degrees |
| image, l2 (curvature) | mean squared error of valid pixels | the same |
| class map, whole labels (semantic) | cross-entropy of valid pixels, balanced | the same |
| class map, soft labels (colorization) | cross-entropy, rare colours weigh more | the same |
| embedding (segmentation 2D, 2.5D) | log loss of pixel pairs | the same, on draw 0's pairs |
| vector, l2 | squared error, clipped (egomotion: not) | squared error, unclipped |
| vector, l1 | mean absolute error | the same |
| classes | cross-entropy with soft labels | the same |

A user's task with a loss of its own (`custom.TaskPlugin`) is trained with it and compared by it.
Normals are compared as their field does (Fouhey, Gupta and Hebert, Data-Driven 3D Primitives, ICCV
2013): the length of a predicted normal means nothing, and three channels' errors are no angle.
Vanishing points are not: the squared error of unit vectors goes with 2 − 2 cos of their angle.

Adversarial terms, which the paper adds to pixel losses, are no part of either, so that a loss means
the same for every network; `adversary` adds one to what a network is trained on, where a study asks
for it. A clipped error is no use for comparing: beyond the clip all networks tie. An
embedding has no label to be near to; whether it tells segments apart on the very same pixel pairs
of an image is what every network can be asked.

Pixels that are not valid count for nothing, whatever they hold. **An example without any valid
pixel has loss 0** for every network: it trains nothing, and compares as a tie.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.custom import plugin
from taskonomy_jobs.data.examples import Array, Statistics

CLIP = 3.0
"""Errors of a vector's component, in standard deviations of its label, beyond which training
learns nothing more from it: labels that far off are mistakes of the reconstruction. (Directions of
vanishing points are unit vectors, not standardised: they never get there.)"""
UNCLIPPED = frozenset({"egomotion"})
"""Tasks with vectors whose training loss is not clipped (supplementary material)."""
NEAREST = 1e-4
"""Added to squared distances of embeddings, so that pixels on one spot have a finite log loss."""


def training_loss(
    task: TrialTask,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    statistics: Statistics,
) -> Tensor:
    """Return the loss of each example, (B,), whose mean a network is trained on.

    Args:
        task: whose loss.
        prediction: of the task's network (`create_decoder`).
        target: image (B, C, H, W); class map (B, H, W) whole or (B, C, H, W) soft labels;
            embedding (B, P, 2) pixel indices and segment ids; vector (B, C); classes (B, C).
        mask: (B, 1, H, W), above 0.5 where the label is valid; None: everywhere.
        statistics: of the training labels.

    Raises:
        SettingRefused: the task's output does not go with its loss.
    """
    own = plugin(task.id).loss is not None
    if not own and task.output.kind == "vector" and task.loss == "l2" and task.id not in UNCLIPPED:
        return clipped_squared_error(prediction, target)
    return _loss(task, prediction, target, mask, statistics)


def comparison_loss(
    task: TrialTask,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    statistics: Statistics,
) -> Tensor:
    """Return what networks are compared by on each example, (B,), lower is better.

    Arguments and errors as `training_loss`.
    """
    if task.comparison == "angle" and plugin(task.id).loss is None:
        return angular_error(prediction, target, mask)
    return _loss(task, prediction, target, mask, statistics)


def _loss(
    task: TrialTask,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    statistics: Statistics,
) -> Tensor:
    """Return the task's loss of each example, (B,), as most tasks are trained and compared."""
    if own := plugin(task.id).loss:
        return own(prediction, target, mask)
    match task.output.kind, task.loss:
        case (("image" | "vector"), ("l1" | "l2") as loss):
            return pixel_error(prediction, target, mask, squared=loss == "l2")
        case "class-map", "cross-entropy" if target.is_floating_point():
            return soft_map_entropy(prediction, target, mask, statistics.weights)
        case "class-map", "cross-entropy":
            return map_entropy(prediction, target, mask, statistics.weights)
        case "embedding", "metric-learning":
            return pair_loss(prediction, target)
        case "classes", "cross-entropy":
            return -(target * functional.log_softmax(prediction, -1)).sum(-1)
    raise SettingRefused(
        f"task {task.id!r}: loss {task.loss} does not go with an output of kind {task.output.kind}"
    )


def further_measures(
    task: TrialTask,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    statistics: Statistics,
) -> dict[str, Tensor]:
    """Return measures that people know the task by, each (B,); arguments as `training_loss`.

    - images: `rmse`, root of the mean squared error in the label's scale;
    - whole class maps: `accuracy`, share of valid pixels whose class is right;
    - classes: `top1` and, with more than five of them, `top5`: 1 if the likeliest label is there;
    - embeddings: `pair_accuracy`, share of pixel pairs told right, same and different alike;
    - vectors: `absolute_error`, mean over components in standard deviations of the label.
    """
    del statistics  # every measure so far is in the label's own scale
    match task.output.kind:
        case "image":
            return {"rmse": pixel_error(prediction, target, mask, squared=True).sqrt()}
        case "class-map" if not target.is_floating_point():
            return {"accuracy": _map_accuracy(prediction, target, mask)}
        case "classes":
            return _top(prediction, target)
        case "embedding":
            return {"pair_accuracy": _pair_accuracy(prediction, target)}
        case "vector":
            return {"absolute_error": pixel_error(prediction, target, None, squared=False)}
    return {}


# --- images and vectors ------------------------------------------------------------------------


def pixel_error(
    prediction: Tensor, target: Tensor, mask: Tensor | None, *, squared: bool
) -> Tensor:
    """Return the mean absolute or squared error over channels and valid pixels, (B,).

    Args:
        prediction: (B, C, H, W) or (B, C).
        target: of the same shape.
        mask: (B, 1, H, W) or None.
        squared: square errors instead of taking them absolutely.
    """
    error = prediction - target
    if mask is not None:
        error = torch.where(mask > 0.5, error, 0.0)  # first, or an invalid NaN has a gradient
    values = error.square() if squared else error.abs()
    return _mean_of_valid(values.mean(1) if values.ndim > 2 else values, _pixels(mask))


def clipped_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean over components of min(e², CLIP²), (B,), of vectors (B, C)."""
    return (prediction - target).square().clamp(max=CLIP**2).mean(-1)


def angular_error(prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean angle between predicted and true normals of valid pixels in degrees, (B,).

    From sine and cosine, which is exact for small angles too. Neither need have length one. What
    has none points nowhere, and is as far off as what is at right angles.

    Args:
        prediction: (B, 3, H, W).
        target: of the same shape.
        mask: (B, 1, H, W) or None.
    """
    if mask is not None:
        target = torch.where(mask > 0.5, target, 0.0)
    sine = torch.linalg.vector_norm(torch.linalg.cross(prediction, target, dim=1), dim=1)
    cosine = (prediction * target).sum(1)
    angle = torch.atan2(torch.where((sine == 0) & (cosine == 0), 1.0, sine), cosine)
    return _mean_of_valid(torch.rad2deg(angle), _pixels(mask))


# --- class maps --------------------------------------------------------------------------------


def map_entropy(
    logits: Tensor, target: Tensor, mask: Tensor | None, weights: Array | None
) -> Tensor:
    """Return the class-balanced cross-entropy, (B,): the mean of w[t]·−log p[t] over valid pixels.

    Args:
        logits: (B, C, H, W).
        target: (B, H, W) class numbers; those that are no class of the logits are not valid.
        mask: (B, 1, H, W) or None.
        weights: w, (C,), rare classes above 1; None: all 1.
    """
    valid = _valid_classes(target, mask, logits.shape[1])
    known = torch.where(valid, target, 0)
    entropy = -functional.log_softmax(logits, 1).gather(1, known[:, None]).squeeze(1)
    if weights is not None:
        entropy = entropy * _weights(weights, logits)[known]
    return _mean_of_valid(entropy, valid)


def soft_map_entropy(
    logits: Tensor, target: Tensor, mask: Tensor | None, weights: Array | None
) -> Tensor:
    """Return the cross-entropy with soft labels, (B,); a pixel weighs as its likeliest class does.

    The rarity weights of Zhang, Isola and Efros (Colorful Image Colorization, ECCV 2016, eq. 2):
    without them grey wins, as most surfaces have hardly any colour.

    Args:
        logits: (B, C, H, W).
        target: (B, C, H, W), a distribution over classes at each pixel.
        mask: (B, 1, H, W) or None.
        weights: of the classes, (C,), rare ones above 1; None: all 1.
    """
    if mask is not None:
        target = torch.where(mask > 0.5, target, 0.0)
    entropy = -(target * functional.log_softmax(logits, 1)).sum(1)
    if weights is not None:
        entropy = entropy * _weights(weights, logits)[target.argmax(1)]
    return _mean_of_valid(entropy, _pixels(mask))


def _valid_classes(target: Tensor, mask: Tensor | None, classes: int) -> Tensor:
    valid = (target >= 0) & (target < classes)
    return valid if mask is None else valid & (mask[:, 0] > 0.5)


def _weights(weights: Array, like: Tensor) -> Tensor:
    return torch.as_tensor(weights, dtype=like.dtype, device=like.device)


def _map_accuracy(logits: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    right = (logits.argmax(1) == target).to(logits.dtype)
    return _mean_of_valid(right, _valid_classes(target, mask, logits.shape[1]))


# --- embeddings --------------------------------------------------------------------------------


def pair_loss(embedding: Tensor, target: Tensor) -> Tensor:
    """Return the log loss of telling same from different segments by distance, (B,).

    Two pixels are of one segment with probability p = 2 / (1 + exp(d²)), d the distance of their
    embeddings (Fathi et al. 2017, Semantic Instance Segmentation via Deep Metric Learning). Pairs
    of one segment are few; they count as much in sum as pairs of different segments do, and where
    an image has but one kind, that kind counts alone.

    Args:
        embedding: (B, E, H, W).
        target: (B, P, 2), whole numbers: index of a pixel, row by row, and id of its segment; an id
            below zero is of no segment, and its pairs do not count.
    """
    return _mean_of_kinds(*_pair_losses(_squared_distances(embedding, target)), target)


def same_loss(squared: Tensor) -> Tensor:
    """Return −log p of squared distances, p = 2 / (1 + exp(d²)): large ones do not overflow."""
    return functional.softplus(squared) - math.log(2)


def different_loss(squared: Tensor) -> Tensor:
    """Return −log(1 − p) = −log tanh(d²/2) of squared distances, at most 9.9 (`NEAREST`)."""
    return -torch.log(torch.tanh((squared + NEAREST) / 2))


def pair_kinds(segments: Tensor) -> tuple[Tensor, Tensor]:
    """Return which pairs of pixels are of one segment, which of two, each (B, P, P) bool.

    Args:
        segments: (B, P) ids; below zero: of no segment. A pixel makes no pair with itself.
    """
    known = segments >= 0
    both = known[:, :, None] & known[:, None, :]
    alike = segments[:, :, None] == segments[:, None, :]
    itself = torch.eye(segments.shape[1], dtype=torch.bool, device=segments.device)
    return both & alike & ~itself, both & ~alike


def _pair_losses(squared: Tensor) -> tuple[Tensor, Tensor]:
    return same_loss(squared), different_loss(squared)


def _squared_distances(embedding: Tensor, target: Tensor) -> Tensor:
    """Return d² of every pair of sampled pixels, (B, P, P)."""
    index = target[:, :, 0][:, None, :].expand(-1, embedding.shape[1], -1)
    sampled = embedding.flatten(2).gather(2, index)
    sampled = sampled - sampled.mean(2, keepdim=True)  # nearer zero, the products cancel less
    products = sampled.transpose(1, 2) @ sampled
    norms = sampled.square().sum(1)
    return (norms[:, :, None] + norms[:, None, :] - 2 * products).clamp(min=0)


def _mean_of_kinds(same: Tensor, different: Tensor, target: Tensor) -> Tensor:
    """Return the mean of the means of both kinds of pairs that an example has, (B,)."""
    kinds = pair_kinds(target[:, :, 1])
    total = sum(_mean_of_valid(v, k) for v, k in zip((same, different), kinds, strict=True))
    present = sum(kind.flatten(1).any(1).to(same.dtype) for kind in kinds)
    return total / torch.as_tensor(present).clamp(min=1)


def _pair_accuracy(embedding: Tensor, target: Tensor) -> Tensor:
    near = (_squared_distances(embedding, target) < math.log(3)).to(embedding.dtype)  # p > 1/2
    return _mean_of_kinds(near, 1 - near, target)


# --- classes -----------------------------------------------------------------------------------


def _top(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    label = target.argmax(-1, keepdim=True)
    ranked = logits.argsort(dim=-1, descending=True, stable=True)
    found = (ranked == label).to(logits.dtype)
    measures = {"top1": found[:, 0]}
    return measures | {"top5": found[:, :5].sum(1)} if logits.shape[-1] > 5 else measures


# --- means -------------------------------------------------------------------------------------


def _pixels(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask[:, 0] > 0.5


def _mean_of_valid(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return each example's mean over its valid entries, (B,); 0 where there are none."""
    if valid is None:
        return values.flatten(1).mean(1)
    kept = torch.where(valid, values, 0.0).flatten(1).sum(1)
    return kept / valid.flatten(1).sum(1).clamp(min=1)
