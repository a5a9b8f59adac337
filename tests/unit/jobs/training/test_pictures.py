"""Panels for every kind of output: their shape, and what can be read off them."""

from typing import Any

import numpy as np
import pytest

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.pictures import BARS, GAP, SIDE, bars, directions, panel, sampled

SIZE = 32
DRAW = np.random.default_rng(0)


def task(name: str) -> TrialTask:
    return TrialTask.of(paper_dictionary()[name])


def example(name: str) -> tuple[Any, Any, Any]:
    """A prediction, a target and a mask of a task's shapes."""
    about = task(name).output
    side = SIZE // about.stride
    shape = (about.channels, side, side)
    prediction = DRAW.normal(size=shape).astype(np.float32)
    match about.kind:
        case "image":
            return np.tanh(prediction), np.tanh(prediction), np.ones((1, SIZE, SIZE), np.float32)
        case "class-map" if about.stride > 1:
            return prediction, np.full(shape, 1 / about.channels, np.float32), None
        case "class-map":
            return prediction, prediction.argmax(0), np.ones((1, SIZE, SIZE), np.float32)
        case "embedding":
            pairs = np.stack([np.arange(300), np.arange(300) // 30], axis=1)
            return prediction, pairs, None
    vector = DRAW.normal(size=about.channels).astype(np.float32)
    return vector, np.abs(vector), None


@pytest.mark.parametrize("name", [t.id for t in paper_dictionary() if t.is_trained])
def test_every_task_has_a_panel(name: str) -> None:
    about = task(name)
    images = DRAW.uniform(-1, 1, (about.images, 3, SIZE, SIZE)).astype(np.float32)
    drawn = panel(about, images, *example(name))
    pictures = about.images + 2
    assert drawn.shape == (SIDE, pictures * SIDE + (pictures - 1) * GAP, 3)
    assert drawn.dtype == np.uint8


def test_a_perfect_prediction_looks_like_the_truth() -> None:
    about = task("normals")
    prediction, target, mask = example("normals")
    drawn = panel(about, prediction[None], prediction, target, mask)
    said, true = drawn[:, SIDE + GAP : 2 * SIDE + GAP], drawn[:, 2 * (SIDE + GAP) :]
    assert np.array_equal(said, true)


def test_an_embedding_of_two_segments_has_two_colours() -> None:
    embedding = np.zeros((64, 8, 8), np.float32)
    embedding[5, :, :4], embedding[9, :, 4:] = 1, 1
    colours = directions(embedding)
    assert np.ptp(colours[:, :4].reshape(-1, 3), axis=0).max() == 0
    assert np.abs(colours[0, 0].astype(int) - colours[0, 7]).max() > 100
    assert np.array_equal(directions(embedding), colours)


def test_sampled_pixels_show_their_segments() -> None:
    colours = sampled(np.array([[0, 1], [3, 1], [2, 2]]), 2)
    assert np.array_equal(colours[0, 0], colours[1, 1])
    assert not np.array_equal(colours[0, 0], colours[1, 0])


def test_bars_are_as_long_as_the_numbers() -> None:
    drawn = bars(np.array([1.0, 0.5, 0.0]), (0.0, 1.0))
    blue = (drawn == (76, 120, 168)).all(-1)
    rows = SIDE // BARS
    lengths = [int(blue[row * rows + 8].sum()) for row in range(3)]
    assert lengths[0] == pytest.approx(SIDE - 60, abs=2)
    assert lengths[1] == pytest.approx((SIDE - 60) / 2, abs=2)
    assert lengths[2] <= 1
