"""Best guesses against medians, means and frequencies by numpy, and against all nearby guesses."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs import best_guess as module
from taskonomy_jobs.best_guess import best_guess, guess_losses
from taskonomy_jobs.data.examples import Statistics

PLAIN = Statistics(count=1)
SIDE = 8
EXAMPLES = 31
TRAINED = [task.id for task in paper_dictionary() if task.is_trained]


@dataclass(frozen=True)
class Batch:
    target: Tensor
    mask: Tensor | None


def task(name: str) -> TrialTask:
    return TrialTask.of(paper_dictionary()[name])


def batches(labels: Batch, size: int = 7) -> Iterator[Batch]:
    for start in range(0, len(labels.target), size):
        part = slice(start, start + size)
        yield Batch(labels.target[part], None if labels.mask is None else labels.mask[part])


def guessed(name: str, labels: Batch, statistics: Statistics = PLAIN) -> Tensor:
    return best_guess(batches(labels), statistics, task(name), SIDE)


def some_labels(name: str) -> tuple[Batch, Statistics]:
    """Return labels of a task that differ from pixel to pixel and class to class, one invalid."""
    random = np.random.default_rng(len(name))
    output = task(name).output
    shape = (EXAMPLES, SIDE, SIDE)
    mask = torch.from_numpy((random.random((EXAMPLES, 1, SIDE, SIDE)) > 0.3).astype(np.float32))
    mask[4] = 0
    weights = random.uniform(0.3, 2, output.channels).astype(np.float32)
    if output.kind == "image":
        slope = np.linspace(-0.5, 0.5, SIDE)
        values = np.clip(random.normal(slope, 0.3, (EXAMPLES, output.channels, SIDE, SIDE)), -1, 1)
        return Batch(torch.from_numpy(values.astype(np.float32)), mask), PLAIN
    if output.kind == "vector":
        skewed = random.exponential(1, (EXAMPLES, output.channels)).astype(np.float32)
        return Batch(torch.from_numpy(skewed), None), PLAIN
    if output.kind == "embedding":
        pixels = np.stack([random.permutation(SIDE * SIDE)[:20] for _ in range(EXAMPLES)])
        segments = pixels // SIDE // 3 * 3 + pixels % SIDE // 3  # blocks of 3×3
        return Batch(torch.from_numpy(np.stack([pixels, segments], -1)), None), PLAIN
    sharp = random.uniform(0, 3, output.channels)
    if output.kind == "classes" or name == "colorization":
        side = () if output.kind == "classes" else (SIDE // 4, SIDE // 4)
        noise = random.normal(0, 1, (EXAMPLES, output.channels, *side))
        logits = noise + sharp.reshape(-1, *[1] * len(side))
        soft = torch.from_numpy(logits.astype(np.float32)).softmax(1)
        return Batch(soft, None), Statistics(1, weights=weights if side else None)
    chosen = random.choice(output.channels, shape, p=np.exp(sharp) / np.exp(sharp).sum())
    return Batch(torch.from_numpy(chosen), mask), Statistics(1, weights=weights)


# --- against numpy ------------------------------------------------------------------------------


def weights_of(mask: Tensor, channels: int) -> np.ndarray:
    """Each pixel's share of its example's valid pixels, (N, C, H, W)."""
    valid = mask.numpy()
    shares = valid / np.maximum(valid.sum((1, 2, 3), keepdims=True), 1)
    return np.broadcast_to(shares, (len(valid), channels, SIDE, SIDE))


def test_absolute_errors_have_the_weighted_median() -> None:
    labels, _ = some_labels("reshading")
    assert labels.mask is not None
    values, weights = labels.target.numpy(), weights_of(labels.mask, 1)
    found = guessed("reshading", labels).numpy()
    for index in np.ndindex(1, SIDE, SIDE):
        v, w = values[:, *index], weights[:, *index]
        order = np.argsort(v)
        median = v[order][np.searchsorted(w[order].cumsum(), w.sum() / 2 - 1e-6)]
        assert found[index] == pytest.approx(median, abs=2 / module.BINS)


def some_directions() -> np.ndarray:
    """Return about 4,000 directions (N, 3), spread over the whole sphere."""
    place = np.arange(4000) + 0.5
    height, turn = 1 - place / 2000, np.pi * (1 + 5**0.5) * place
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], -1)


def test_angles_have_the_direction_that_is_the_least_off() -> None:
    """At each pixel, no direction of thousands is better by more than cells are coarse."""
    labels, _ = some_labels("normals")
    assert labels.mask is not None
    weights = weights_of(labels.mask, 1)[:, 0]
    unit = labels.target / labels.target.norm(dim=1, keepdim=True)
    guess = guessed("normals", labels).numpy()
    np.testing.assert_allclose(np.linalg.norm(guess, axis=0), 1, atol=1e-5)
    tried = some_directions()
    for pixel in np.ndindex(SIDE, SIDE):
        directions, w = unit[:, :, *pixel].numpy().astype(float), weights[:, *pixel]

        def off(said: np.ndarray, directions: np.ndarray = directions, w: np.ndarray = w) -> Any:
            angles = np.degrees(np.arccos(np.clip(said @ directions.T, -1, 1)))
            return angles @ w / w.sum()

        assert off(guess[:, *pixel]) < off(tried).min() + 0.1


def test_directions_have_their_median_by_hand() -> None:
    """Two of three agree: the median is theirs, whatever the third, its length, or the mean."""
    up, side = [0.0, 0.0, 1.0], [3.0, 0.0, 0.0]
    target = torch.tensor([up, up, side]).view(3, 3, 1, 1)
    found = best_guess([Batch(target, None)], PLAIN, task("normals"), 1).flatten()
    assert found.tolist() == pytest.approx(up, abs=1e-3)


def test_where_no_direction_is_ever_valid_the_guess_is_that_of_the_whole() -> None:
    target = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.6, 0.8], [math.nan] * 3, [1.0, 0.0, 0.0]])
    target = target.T.reshape(1, 3, 2, 2)[:, :, :, [0, 1]]
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 1.0]]]])
    found = best_guess([Batch(target, mask)], PLAIN, task("normals"), 2)
    middle = found[:, 1, 0].tolist()  # of three directions 37, 90 and 90 degrees apart
    assert middle[0] < 0.5
    assert middle[2] > 0.8


def test_directions_that_cancel_out_have_one_all_the_same() -> None:
    target = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]).view(2, 3, 1, 1)
    found = best_guess([Batch(target, None)], PLAIN, task("normals"), 1)
    assert found.norm() == pytest.approx(1)


def test_labels_of_eight_bits_have_their_exact_median() -> None:
    random = np.random.default_rng(0)
    levels = random.integers(0, 256, (EXAMPLES, 1, SIDE, SIDE)).astype(np.float32)
    levels[:, :, 0] = 0  # most pixels of a response are exactly at its end
    values = levels / 255 * 2 - 1
    found = guessed("reshading", Batch(torch.from_numpy(values), None)).numpy()
    np.testing.assert_allclose(found, np.median(values, axis=0), atol=1e-6)


def test_squared_errors_have_the_weighted_mean() -> None:
    labels, _ = some_labels("curvature")
    assert labels.mask is not None
    mean = np.average(labels.target.numpy(), axis=0, weights=weights_of(labels.mask, 2))
    np.testing.assert_allclose(guessed("curvature", labels).numpy(), mean, atol=1e-5)


def test_vectors_have_the_mean() -> None:
    labels, _ = some_labels("room-layout")
    np.testing.assert_allclose(
        guessed("room-layout", labels).numpy(), labels.target.numpy().mean(0), atol=1e-5
    )


def test_classes_have_their_frequency_and_one_example_to_spare() -> None:
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    # One example is added that is as the three are and one that is either class alike.
    average = (torch.tensor([2.5, 0.5]) + 0.5) / 4
    expected = (torch.tensor([2.5, 0.5]) + average) / 4
    torch.testing.assert_close(guessed("point-matching", Batch(target, None)).exp(), expected)


def test_class_maps_have_weighted_frequencies_at_each_pixel() -> None:
    """With many examples the one to spare hardly counts."""
    random = np.random.default_rng(1)
    target = random.integers(0, 3, (4000, SIDE, SIDE))
    target[:, 0, 0] = 1
    target[:, 1, 1] = -1  # never valid: as the average pixel is
    weights = np.ones(17, np.float32)
    weights[2] = 3.0
    statistics = Statistics(1, weights=weights)
    found = guessed("segmentation-semantic", Batch(torch.from_numpy(target), None), statistics)
    chance = found.softmax(0).numpy()
    np.testing.assert_allclose(chance[:3, 4, 4], [1 / 5, 1 / 5, 3 / 5], atol=0.03)
    np.testing.assert_allclose(chance[1, 0, 0], 1, atol=0.01)
    assert chance[2, 1, 1] == pytest.approx(chance[2].mean(), abs=0.02)
    assert np.isfinite(found.numpy()).all()


def test_embeddings_are_positions_at_the_best_scale() -> None:
    labels, _ = some_labels("segmentation-2d")
    found = guessed("segmentation-2d", labels)
    scale = (found[0, 1, 0] - found[0, 0, 0]).item()
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"))
    np.testing.assert_allclose(found[:2].numpy(), scale * grid, rtol=1e-5)
    assert not found[2:].any()

    def loss(factor: float) -> float:
        return mean_loss("segmentation-2d", found * factor, labels, PLAIN)

    assert loss(1.0) < min(loss(0.9), loss(1.1))
    assert loss(1.0) < math.log(2)  # what knowing nothing costs


# --- against every other guess ------------------------------------------------------------------


def mean_loss(name: str, guess: Tensor, labels: Batch, statistics: Statistics) -> float:
    return guess_losses(guess, labels, statistics, task(name)).mean().item()


@pytest.mark.parametrize("name", TRAINED)
def test_no_guess_nearby_fits_the_labels_better(name: str) -> None:
    labels, statistics = some_labels(name)
    guess = guessed(name, labels, statistics)
    least = mean_loss(name, guess, labels, statistics)
    generator = torch.Generator().manual_seed(1)
    for size in (0.3, 1.0):
        other = guess + size * torch.randn(guess.shape, generator=generator)
        assert least < mean_loss(name, other, labels, statistics)
    # Labels with pixels and a spread are told apart from none at all.
    assert least < mean_loss(name, torch.zeros_like(guess), labels, statistics)


@pytest.mark.parametrize("name", TRAINED)
def test_how_labels_are_batched_does_not_matter(name: str) -> None:
    labels, statistics = some_labels(name)
    in_one = best_guess(batches(labels, EXAMPLES), statistics, task(name), SIDE)
    torch.testing.assert_close(guessed(name, labels, statistics), in_one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["depth", "curvature", "normals", "segmentation-semantic"])
def test_what_is_not_valid_does_not_count(name: str) -> None:
    labels, statistics = some_labels(name)
    assert labels.mask is not None
    spoilt = labels.target.clone()
    if spoilt.is_floating_point():
        spoilt[(labels.mask < 0.5).expand_as(spoilt)] = math.nan
    else:
        spoilt[labels.mask[:, 0] < 0.5] = 3
    torch.testing.assert_close(
        guessed(name, labels, statistics), guessed(name, Batch(spoilt, labels.mask), statistics)
    )


@pytest.mark.parametrize("name", ["depth", "curvature"])
def test_where_no_label_is_ever_valid_the_guess_is_that_of_the_whole(name: str) -> None:
    labels, _ = some_labels(name)
    assert labels.mask is not None
    labels.mask[:, :, 2, 3] = 0
    guess = guessed(name, labels)
    assert guess[:, 2, 3].isfinite().all()
    assert abs(guess[:, 2, 3].mean() - guess.mean()) < 0.1


@pytest.mark.parametrize(
    ("name", "memory", "coarseness"),
    [
        ("reshading", 8 * SIDE * SIDE * 20, 2 / 20),  # 20 bins a number
        ("normals", 16 * SIDE * SIDE * 8**2, math.pi / 8),  # 8 by 8 cells a pixel
    ],
)
def test_memory_is_bounded_by_coarser_bins(
    name: str, memory: int, coarseness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, _ = some_labels(name)
    fine = guessed(name, labels)
    monkeypatch.setattr(module, "HISTOGRAMS", memory)
    coarse = guessed(name, labels)
    assert 0 < (coarse - fine).abs().max() <= coarseness


def test_no_labels_are_said_so() -> None:
    with pytest.raises(NotFound, match="'depth' has no training labels"):
        best_guess([], PLAIN, task("depth"), SIDE)
