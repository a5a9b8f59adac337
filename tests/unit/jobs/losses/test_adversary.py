"""The adversary: values worked out by hand, gradients by finite differences, who learns what."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import Trial, TrialTask
from taskonomy_jobs import adversary as adversary_module
from taskonomy_jobs.adversary import Adversary, adversarial_term, discriminator_loss
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.model.discriminator import Discriminator, create_discriminator

SIDE = 32
CPU = torch.device("cpu")


def a_trial(target: str = "depth", seed: int = 0, decoder: str = "tiny") -> Trial:
    return Trial.model_validate(
        {
            "kind": "task-specific",
            "target": TrialTask.of(paper_dictionary()[target]),
            "model": {"encoder": "resnet-tiny", "decoder": decoder, "image_size": SIDE},
            "optimiser": {
                "steps": 9,
                "batch_size": 4,
                "learning_rate": 1e-3,
                "weight_decay": 0.0,
                "lr_decay_step": 0,
                "lr_decay_factor": 1.0,
                "patience": 0,
            },
            "data": {"identity": "x", "layout": "taskonomy", "splits": "x", "fraction": 1.0},
            "seed": seed,
            "adversarial": {"weight": 0.5, "from_step": 2},
        }
    )


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def a_batch(size: int = 4, *, masked: bool = False) -> Batch:
    mask = torch.ones(size, 1, SIDE, SIDE)
    mask[:, :, :8] = 0
    return Batch(
        ids=np.arange(size, dtype=np.uint64),
        views=np.zeros((size, 1), np.int64),
        images=drawn(size, 1, 3, SIDE, SIDE, seed=1),
        target=drawn(size, 1, SIDE, SIDE, seed=2),
        mask=mask if masked else None,
    )


def seen(batch: Batch) -> Tensor:
    assert batch.images is not None
    return batch.images


# --- losses -------------------------------------------------------------------------------------


def test_the_term_is_the_mean_of_what_patches_give_away() -> None:
    """σ is 1/2 and 3/4 in the first example, 1/4 twice in the second."""
    said = torch.tensor([[[0.0, math.log(3)]], [[-math.log(3), -math.log(3)]]])
    expected = [(math.log(2) + math.log(4 / 3)) / 2, math.log(4)]
    assert adversarial_term(said).tolist() == pytest.approx(expected)


def test_the_discriminator_is_wrong_about_labels_and_predictions_alike() -> None:
    of_label = torch.tensor([[[math.log(3)]], [[0.0]]])  # right with 3/4, 1/2
    of_prediction = torch.tensor([[[-math.log(4)]], [[math.log(4)]]])  # right with 4/5, 1/5
    expected = [(math.log(4 / 3) + math.log(5 / 4)) / 2, (math.log(2) + math.log(5)) / 2]
    assert discriminator_loss(of_label, of_prediction).tolist() == pytest.approx(expected)


def test_logits_far_out_overflow_nothing() -> None:
    far = torch.tensor([[[1e4, -1e4]]])
    assert adversarial_term(far).tolist() == [5e3]
    assert discriminator_loss(far, far).tolist() == [5e3]


def test_gradients_are_those_of_finite_differences() -> None:
    logits = drawn(2, 3, 3).double().requires_grad_()
    other = drawn(2, 3, 3, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(adversarial_term, logits)
    assert torch.autograd.gradcheck(discriminator_loss, (logits, other))
    network = Discriminator(3 + 1, (4, 8), 8).double()
    images = drawn(1, 1, 3, 8, 8).double()
    answer = drawn(1, 1, 8, 8, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: adversarial_term(network(images, x)), answer)


# --- the network --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["depth", "curvature", "normals"])
@pytest.mark.parametrize("decoder", ["tiny", "paper"])
def test_a_discriminator_judges_patch_by_patch(target: str, decoder: str) -> None:
    trial = a_trial(target, decoder=decoder)
    network = create_discriminator(trial)
    channels = trial.target.output.channels
    images, answers = drawn(2, 1, 3, SIDE, SIDE), drawn(2, channels, SIDE, SIDE)
    said = network(images, answers)
    assert said.shape == (2, 8, 8)
    alone = torch.cat([network(images[i : i + 1], answers[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(said, alone)
    answers[:, :, :4, :4] += 1
    changed = (network(images, answers) - said).abs()
    assert changed[:, :3, :3].mean() > 2 * changed[:, 5:, 5:].mean()  # norms alone carry it there


def test_its_weights_follow_from_the_seed_and_leave_others_alone() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (create_discriminator(a_trial(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    states = [torch.cat([p.flatten() for p in n.parameters()]) for n in (first, second, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_answers_of_few_pixels_are_judged_too() -> None:
    network = Discriminator(3 + 2, (16, 32, 64), 4)
    assert network(drawn(1, 1, 3, 32, 32), drawn(1, 2, 4, 4)).shape == (1, 4, 4)


# --- who learns what ----------------------------------------------------------------------------


def test_either_learns_from_its_own_loss_alone() -> None:
    adversary, batch = Adversary(a_trial(), CPU), a_batch()
    prediction = drawn(4, 1, SIDE, SIDE, seed=3).requires_grad_()
    figures = adversary.accumulate(batch, seen(batch), prediction, total=8)
    assert prediction.grad is None  # the discriminator's loss did not reach it
    kept = [gradient.clone() for gradient in adversary.optimiser.gradients()]
    (of_term,) = torch.autograd.grad(figures[0], prediction)
    for before, after in zip(kept, adversary.optimiser.gradients(), strict=True):
        assert torch.equal(before, after)  # nor the term the discriminator

    network = adversary.network
    of_label, of_prediction = (network(seen(batch), x) for x in (batch.target, prediction.detach()))
    loss = functional.softplus(-of_label).mean() + functional.softplus(of_prediction).mean()
    loss = loss / 2 * 4 / 8
    expected = torch.autograd.grad(loss, list(network.parameters()))
    for own, other in zip(kept, expected, strict=True):
        torch.testing.assert_close(own, other)
    term = functional.softplus(-network(seen(batch), prediction)).mean() * 4 / 8
    torch.testing.assert_close(of_term, torch.autograd.grad(term, prediction)[0])
    torch.testing.assert_close(figures.detach(), torch.stack([term, loss]).detach())


def test_parts_of_a_batch_add_up() -> None:
    whole, parts, batch = Adversary(a_trial(), CPU), Adversary(a_trial(), CPU), a_batch()
    prediction = drawn(4, 1, SIDE, SIDE, seed=3)
    figures = whole.accumulate(batch, seen(batch), prediction, 4)
    added = [
        parts.accumulate(batch[part], seen(batch)[part], prediction[part], 4)
        for part in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(torch.stack(added).sum(0), figures)
    pairs = zip(whole.optimiser.gradients(), parts.optimiser.gradients(), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other)


def test_what_is_not_valid_tells_nothing() -> None:
    batch = a_batch(masked=True)
    prediction = drawn(4, 1, SIDE, SIDE, seed=3).requires_grad_()
    figures = Adversary(a_trial(), CPU).accumulate(batch, seen(batch), prediction, 4)
    (gradient,) = torch.autograd.grad(figures[0], prediction)
    assert (gradient[:, :, :8] == 0).all()
    assert (gradient[:, :, 8:] != 0).any()
    batch.target[:, :, :8] = float("nan")
    other = prediction.detach().clone()
    other[:, :, :8] = 7.0
    again = Adversary(a_trial(), CPU).accumulate(batch, seen(batch), other, 4)
    torch.testing.assert_close(again, figures.detach())


def test_it_learns_to_tell_labels_from_noise() -> None:
    adversary, batch = Adversary(a_trial(), CPU), a_batch()
    batch.target.copy_(seen(batch)[:, 0].mean(1, keepdim=True))  # the label is the image, in grey
    losses = []
    for step in range(40):
        noise = drawn(4, 1, SIDE, SIDE, seed=10 + step)
        figures = adversary.accumulate(batch, seen(batch), noise, 4).tolist()
        adversary.learn(2e-3, figures)
        adversary.optimiser.forget_gradients()
        losses.append(figures[1])
    assert losses[-1] < 0.3 < losses[0]
    assert adversary.curves(2)["discriminator_loss"] == losses[-2:]
    assert len(adversary.curves()["adversarial_loss"]) == 40


def test_in_half_the_precision_it_says_much_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: the network computes in bfloat16, losses and gradients are float32."""
    batch, prediction = a_batch(), drawn(4, 1, SIDE, SIDE, seed=3).requires_grad_()
    whole = Adversary(a_trial(), CPU).accumulate(batch, seen(batch), prediction, 4)
    half = Adversary(a_trial(), CPU)
    monkeypatch.setattr(
        adversary_module, "mixed_precision", lambda _: torch.autocast("cpu", torch.bfloat16)
    )
    figures = half.accumulate(batch, seen(batch), prediction, 4)
    assert not torch.equal(figures, whole)
    torch.testing.assert_close(figures, whole, rtol=0.02, atol=0)
    ours, theirs = (torch.autograd.grad(each[0], prediction)[0] for each in (figures, whole))
    assert (ours - theirs).norm() < 0.2 * theirs.norm()  # a rectifier may bend on the other side
    assert {gradient.dtype for gradient in half.optimiser.gradients()} == {torch.float32}


def test_it_goes_on_from_what_it_left() -> None:
    batch = a_batch()
    first, second = Adversary(a_trial(), CPU), Adversary(a_trial(seed=3), CPU)
    for step in range(3):
        figures = first.accumulate(batch, seen(batch), drawn(4, 1, SIDE, SIDE, seed=step), 4)
        first.learn(1e-3, figures.tolist())
        first.optimiser.forget_gradients()
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        figures = each.accumulate(batch, seen(batch), drawn(4, 1, SIDE, SIDE, seed=9), 4)
        each.learn(1e-3, figures.tolist())
    assert first.curve == second.curve
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)
