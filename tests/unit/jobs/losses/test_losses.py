"""Every task's losses: values worked out by hand, gradients by finite differences."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import vmap

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import Output, Task, paper_dictionary
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.data.examples import Statistics
from taskonomy_jobs.losses import comparison_loss, further_measures, training_loss

PLAIN = Statistics(count=1)
TRAINED = [task.id for task in paper_dictionary() if task.is_trained]
L1_IMAGES = [t.id for t in paper_dictionary() if t.output.kind == "image" and t.loss == "l1"]
CLASSES = [t.id for t in paper_dictionary() if t.output.kind == "classes"]
EMBEDDINGS = ["segmentation-2d", "segmentation-25d"]
CLIPPED = ["pose-fixated", "pose-nonfixated", "room-layout", "vanishing-points"]


def task(name: str) -> TrialTask:
    return TrialTask.of(paper_dictionary()[name])


def both(
    name: str,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    statistics: Statistics = PLAIN,
) -> tuple[object, object]:
    """Return training and comparison losses of a batch."""
    arguments = (task(name), prediction, target, mask, statistics)
    return training_loss(*arguments).tolist(), comparison_loss(*arguments).tolist()


# --- values by hand -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", L1_IMAGES)
def test_l1_is_the_mean_over_channels_and_valid_pixels(name: str) -> None:
    channels = task(name).output.channels
    prediction = torch.tensor([[0.5, -1.0], [0.25, 9.0]]).expand(1, channels, 2, 2)
    target = torch.tensor([[0.0, 1.0], [0.0, -9.0]]).expand(1, channels, 2, 2)
    mask = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    expected = pytest.approx([(0.5 + 2.0 + 0.25) / 3])
    everywhere = pytest.approx([(0.5 + 2.0 + 0.25 + 18.0) / 4])
    trained, compared = both(name, prediction, target, mask)
    assert trained == expected
    assert both(name, prediction, target)[0] == everywhere
    if name != "normals":  # which are compared by their angle
        assert compared == expected
        assert both(name, prediction, target)[1] == everywhere


def test_channels_of_an_image_count_alike() -> None:
    prediction, target = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    target[0, :, 0, 0] = torch.tensor([1.0, -2.0, 3.0])
    assert both("normals", prediction, target)[0] == pytest.approx([6 / 6])


def test_normals_are_compared_by_their_angle_in_degrees() -> None:
    """Four pixels that are 90, 45, 180 and, by a length that does not count, 0 degrees off."""
    true = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.6, 0.0, 0.8]]
    said = [[0.0, 0.2, 0.0], [0.5, 0.0, 0.5], [0.0, -1.0, 0.0], [0.06, 0.0, 0.08]]
    prediction, target = (torch.tensor(each).T.reshape(1, 3, 2, 2) for each in (said, true))
    assert both("normals", prediction, target)[1] == pytest.approx([(90 + 45 + 180) / 4], rel=1e-6)
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 1.0]]]])
    assert both("normals", prediction, target, mask)[1] == pytest.approx([(90 + 45) / 3], rel=1e-6)


def test_small_angles_and_large_ones_are_exact_whatever_the_length() -> None:
    target = torch.tensor([[0.0, 0.0, 1.0]]).view(1, 3, 1, 1)
    for degrees in (0.0, 1e-3, 30.0, 90.0, 180.0):
        angle = math.radians(degrees)
        leaning = torch.tensor([[math.sin(angle), 0.0, math.cos(angle)]]).view(1, 3, 1, 1)
        assert both("normals", 0.3 * leaning, target)[1] == pytest.approx([degrees], abs=1e-4)


def test_a_normal_that_points_nowhere_is_no_good_one() -> None:
    target = torch.tensor([[0.0, 0.0, 1.0]]).view(1, 3, 1, 1)
    assert both("normals", torch.zeros(1, 3, 1, 1), target)[1] == [90.0]


def test_curvature_is_squared() -> None:
    prediction = torch.zeros(2, 2, 1, 2)
    target = torch.tensor([[[[1.0, 3.0]], [[2.0, 5.0]]], [[[1.0, 1.0]], [[1.0, 1.0]]]])
    mask = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])
    expected = pytest.approx([(1 + 4) / 2, 1.0])
    assert both("curvature", prediction, target, mask) == (expected, expected)


@pytest.mark.parametrize("name", CLIPPED)
def test_vectors_are_trained_with_a_clipped_error_and_compared_without(name: str) -> None:
    channels = task(name).output.channels
    target = torch.zeros(1, channels)
    target[0, 0], target[0, 1] = 2.0, 10.0  # ten standard deviations off count as three
    trained, compared = both(name, torch.zeros(1, channels), target)
    assert trained == pytest.approx([(4 + 9) / channels])
    assert compared == pytest.approx([(4 + 100) / channels])


def test_egomotion_is_not_clipped() -> None:
    target = torch.zeros(1, 18)
    target[0, 3] = 10.0
    expected = pytest.approx([100 / 18])
    assert both("egomotion", torch.zeros(1, 18), target) == (expected, expected)


@pytest.mark.parametrize("name", CLASSES)
def test_classes_take_soft_labels(name: str) -> None:
    channels = task(name).output.channels
    logits = torch.zeros(1, channels)
    logits[0, 0] = math.log(3)
    target = torch.zeros(1, channels)
    target[0, 0], target[0, 1] = 0.75, 0.25
    total = 3 + channels - 1  # the softmax is 3/total and 1/total
    expected = pytest.approx([0.75 * math.log(total / 3) + 0.25 * math.log(total)])
    assert both(name, logits, target) == (expected, expected)


def test_semantic_segmentation_balances_and_leaves_out_what_is_no_class() -> None:
    logits = torch.zeros(1, 17, 1, 4)
    logits[0, 2, 0, 0] = math.log(4)  # softmax 4/20 for the first pixel's class, else 1/17
    target = torch.tensor([[[2, 0, -1, 5]]])
    mask = torch.tensor([[[[1.0, 1.0, 1.0, 0.0]]]])
    weights = np.ones(17, np.float32)
    weights[2], weights[0] = 3.0, 0.5
    expected = pytest.approx([(3 * math.log(5) + 0.5 * math.log(17)) / 2])
    statistics = Statistics(count=1, weights=weights)
    assert both("segmentation-semantic", logits, target, mask, statistics) == (expected, expected)
    unbalanced = pytest.approx([(math.log(5) + math.log(17)) / 2])
    assert both("segmentation-semantic", logits, target, mask) == (unbalanced, unbalanced)


def test_colorization_weighs_a_pixel_by_its_likeliest_colour() -> None:
    logits = torch.zeros(1, 313, 1, 2)
    target = torch.zeros(1, 313, 1, 2)
    target[0, 7, 0, 0], target[0, 8, 0, 0] = 0.6, 0.4
    target[0, 100, 0, 1] = 1.0
    weights = np.ones(313, np.float32)
    weights[7], weights[8], weights[100] = 2.0, 50.0, 0.25
    expected = pytest.approx([(2.0 + 0.25) * math.log(313) / 2])
    statistics = Statistics(count=1, weights=weights)
    assert both("colorization", logits, target, None, statistics) == (expected, expected)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_pairs_of_pixels(name: str) -> None:
    embedding = torch.zeros(1, 64, 2, 2)
    embedding[0, :2].view(2, 4)[:] = torch.tensor([[0.0, 1.0, 0.0, 5.0], [0.0, 0.0, 2.0, 5.0]])
    # Pixels 0, 1, 2 are sampled; 0 and 1 are of one segment, 2 of another: d² = 1, 4, 5.
    target = torch.tensor([[[0, 7], [1, 7], [2, 3]]])

    def chance(squared: float) -> float:
        return 2 / (1 + math.exp(squared))

    same = -math.log(chance(1))
    different = -(math.log(1 - chance(4)) + math.log(1 - chance(5))) / 2
    expected = pytest.approx([(same + different) / 2], rel=1e-4)
    assert both(name, embedding, target) == (expected, expected)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([4, 4, -1], -math.log(2 / (1 + math.e))),  # the last is of no segment
        ([4, 5, -1], -math.log(1 - 2 / (1 + math.e))),
        ([4, -1, -1], 0.0),
    ],
)
def test_pairs_of_one_kind_count_alone(segments: list[int], expected: float) -> None:
    embedding = torch.zeros(1, 64, 1, 3)
    embedding[0, 0, 0] = torch.tensor([0.0, 1.0, 30.0])
    target = torch.tensor([[[i, segment] for i, segment in enumerate(segments)]])
    assert both("segmentation-2d", embedding, target)[0] == pytest.approx([expected], rel=1e-3)


def test_distances_of_any_size_have_a_finite_loss_and_gradient() -> None:
    """Coincident pixels of two segments, and ones a thousand apart of one."""
    embedding = torch.zeros(1, 64, 1, 4)
    embedding[0, 0, 0] = torch.tensor([0.0, 0.0, 1e3, -1e3])
    embedding.requires_grad_()
    target = torch.tensor([[[0, 1], [1, 2], [2, 3], [3, 3]]])
    loss = training_loss(task("segmentation-2d"), embedding, target, None, PLAIN)
    (gradient,) = torch.autograd.grad(loss.sum(), embedding)
    assert bool(loss.isfinite())
    assert bool(gradient.isfinite().all())
    assert loss.item() == pytest.approx((4e6 - math.log(2)) / 2, rel=1e-3)


# --- gradients ----------------------------------------------------------------------------------


def drawn(name: str, examples: int = 2) -> tuple[Tensor, Tensor, Tensor | None, Statistics]:
    """Return a small prediction of a task in float64, a target, a mask where it has one."""
    generator = torch.Generator().manual_seed(len(name))
    output = task(name).output

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    mask = (torch.rand(examples, 1, 2, 3, generator=generator) > 0.4).double()
    weights = np.linspace(0.5, 1.5, output.channels, dtype=np.float32)
    if output.kind == "embedding":
        pixels = torch.stack([torch.randperm(6, generator=generator) for _ in range(examples)])
        segments = torch.randint(0, 3, (examples, 6), generator=generator)
        return normal(examples, 3, 2, 3), torch.stack([pixels, segments], -1), None, PLAIN
    if output.kind == "vector":
        return normal(examples, output.channels), normal(examples, output.channels), None, PLAIN
    channels = min(output.channels, 20)
    if output.kind == "classes":
        return normal(examples, channels), normal(examples, channels).softmax(1), None, PLAIN
    prediction, statistics = normal(examples, channels, 2, 3), Statistics(1, weights=weights)
    if output.kind == "image":
        return prediction, normal(examples, channels, 2, 3), mask, PLAIN
    if name == "colorization":
        return prediction, normal(examples, channels, 2, 3).softmax(1), None, statistics
    target = torch.randint(0, channels, (examples, 2, 3), generator=generator)
    return prediction, target, mask, statistics


@pytest.mark.parametrize("name", TRAINED)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    prediction, target, mask, statistics = drawn(name)
    assert torch.autograd.gradcheck(
        lambda p: training_loss(task(name), p, target, mask, statistics),
        prediction.requires_grad_(),
    )


@pytest.mark.parametrize("name", TRAINED)
def test_an_example_has_the_loss_it_has_alone(name: str) -> None:
    prediction, target, mask, statistics = drawn(name, examples=3)
    together = comparison_loss(task(name), prediction, target, mask, statistics)
    alone = [
        comparison_loss(
            task(name),
            prediction[i : i + 1],
            target[i : i + 1],
            None if mask is None else mask[i : i + 1],
            statistics,
        )
        for i in range(3)
    ]
    assert together.shape == (3,)
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("name", TRAINED)
def test_losses_of_stacked_networks(name: str) -> None:
    prediction, target, mask, statistics = drawn(name)
    stacked = torch.stack([prediction, 2 * prediction, -prediction])

    def loss(p: Tensor) -> Tensor:
        return training_loss(task(name), p, target, mask, statistics)

    torch.testing.assert_close(vmap(loss)(stacked), torch.stack([loss(p) for p in stacked]))


# --- what is not valid --------------------------------------------------------------------------

MASKED = [*L1_IMAGES, "curvature", "segmentation-semantic"]


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("junk", [math.nan, math.inf, 1e30])
def test_invalid_pixels_leak_neither_into_losses_nor_into_gradients(name: str, junk: float) -> None:
    prediction, target, mask, statistics = drawn(name)
    assert mask is not None
    spoilt = target.clone()
    if target.is_floating_point():
        spoilt[(mask < 0.5).expand_as(target)] = junk
    else:
        spoilt[mask[:, 0] < 0.5] = 255
    clean, dirty = (
        gradient_and_loss(name, prediction, t, mask, statistics) for t in (target, spoilt)
    )
    for ours, theirs in zip(clean, dirty, strict=True):
        torch.testing.assert_close(ours, theirs)
    measures = [
        further_measures(task(name), prediction, t, mask, statistics) for t in (target, spoilt)
    ]
    torch.testing.assert_close(measures[0], measures[1])
    compared = [
        comparison_loss(task(name), prediction, t, mask, statistics) for t in (target, spoilt)
    ]
    torch.testing.assert_close(compared[0], compared[1])


@pytest.mark.parametrize("name", MASKED)
def test_an_example_without_valid_pixels_has_loss_zero_and_no_gradient(name: str) -> None:
    prediction, target, mask, statistics = drawn(name)
    assert mask is not None
    loss, gradient = gradient_and_loss(name, prediction, target, torch.zeros_like(mask), statistics)
    assert loss.tolist() == [0, 0]
    assert not gradient.any()


def gradient_and_loss(
    name: str, prediction: Tensor, target: Tensor, mask: Tensor, statistics: Statistics
) -> tuple[Tensor, Tensor]:
    prediction = prediction.clone().requires_grad_()
    loss = training_loss(task(name), prediction, target, mask, statistics)
    return loss.detach(), torch.autograd.grad(loss.sum(), prediction)[0]


# --- further measures ---------------------------------------------------------------------------


def measured(name: str, prediction: Tensor, target: Tensor) -> dict[str, list[float]]:
    found = further_measures(task(name), prediction, target, None, PLAIN)
    return {key: values.tolist() for key, values in found.items()}


def test_root_mean_square() -> None:
    target = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    expected = {"rmse": pytest.approx([math.sqrt(12.5)])}
    assert measured("depth", torch.zeros(1, 1, 1, 2), target) == expected


def test_top_classes() -> None:
    logits = torch.arange(63.0).expand(3, 63)
    target = torch.eye(63)[[62, 58, 57]]
    assert measured("scene-classes", logits, target) == {"top1": [1, 0, 0], "top5": [1, 1, 0]}
    assert measured("point-matching", logits[:1, :2], target[:1, -2:]) == {"top1": [1]}


def test_share_of_pixels_and_of_pairs_told_right() -> None:
    logits = torch.zeros(1, 17, 1, 4)
    logits[0, 3] = 1.0
    target = torch.tensor([[[3, 3, 4, -1]]])
    assert measured("segmentation-semantic", logits, target)["accuracy"] == pytest.approx([2 / 3])
    embedding = torch.zeros(1, 64, 1, 3)
    embedding[0, 0, 0] = torch.tensor([0.0, 2.0, 2.1])  # p > 1/2 below d² = log 3
    pairs = torch.tensor([[[0, 1], [1, 1], [2, 2]]])
    # The same pair is missed; of the different ones, 0 and 2 is right, 1 and 2 is not.
    assert measured("segmentation-2d", embedding, pairs)["pair_accuracy"] == [0.25]


def test_vectors_in_standard_deviations() -> None:
    assert measured("room-layout", torch.zeros(1, 9), torch.full((1, 9), -2.0)) == {
        "absolute_error": [2.0]
    }


# --- tasks of a user's own ----------------------------------------------------------------------


def own_task(kind: str, loss: str) -> TrialTask:
    output = Output.model_validate({"kind": kind, "channels": 2})
    made = {"id": "own", "title": "Own", "output": output, "loss": loss}
    return TrialTask.of(Task.model_validate(made))


def test_a_vector_may_be_trained_with_l1() -> None:
    loss = training_loss(
        own_task("vector", "l1"), torch.zeros(1, 2), torch.tensor([[1.0, -9.0]]), None, PLAIN
    )
    assert loss.tolist() == [5.0]


def test_an_image_may_be_trained_with_l2() -> None:
    loss = training_loss(
        own_task("image", "l2"), torch.zeros(1, 2, 1, 1), torch.ones(1, 2, 1, 1), None, PLAIN
    )
    assert loss.tolist() == [1.0]


def test_a_loss_that_does_not_fit_the_output_is_named() -> None:
    with pytest.raises(SettingRefused, match=r"'own': loss l1 does not go with .* kind classes"):
        training_loss(own_task("classes", "l1"), torch.zeros(1, 2), torch.zeros(1, 2), None, PLAIN)
