"""Dropout that can be drawn again, and first weights that keep the size of what passes."""

import pytest
import torch
from torch import nn

from taskonomy_jobs.model.layers import Fit, KeyedDropout, convolution, initialise, key_dropout


def dropped(key: int, seed: int = 0) -> torch.Tensor:
    layer = KeyedDropout(0.5)
    key_dropout(layer, key)
    torch.manual_seed(seed)
    result: torch.Tensor = layer(torch.ones(40, 100))
    return result


def test_dropout_follows_from_its_key_and_nothing_else() -> None:
    assert torch.equal(dropped(7), dropped(7, seed=1))
    assert not torch.equal(dropped(7), dropped(8))


def test_parts_of_a_batch_drop_what_the_whole_drops() -> None:
    layer, features = KeyedDropout(0.5), torch.ones(40, 100)
    parts = []
    for first, last in ((0, 7), (7, 8), (8, 40)):
        key_dropout(layer, 7, first)
        parts.append(layer(features[first:last]))
    assert torch.equal(torch.cat(parts), dropped(7))
    assert len({tuple(row) for row in dropped(7).tolist()}) == 40  # each example its own


def test_dropout_drops_its_share_and_scales_up_the_rest() -> None:
    values = dropped(3)
    assert set(values.flatten().tolist()) == {0.0, 2.0}
    assert (values == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_layers_of_one_network_drop_differently() -> None:
    network = nn.Sequential(KeyedDropout(0.5), KeyedDropout(0.5))
    key_dropout(network, 2**63 + 5)
    first, second = (layer(torch.ones(1000)) for layer in network)
    assert 0.4 < (first == second).float().mean() < 0.6


def test_evaluation_drops_nothing_and_training_needs_a_key() -> None:
    layer = KeyedDropout(0.5)
    assert torch.equal(layer.eval()(torch.ones(9)), torch.ones(9))
    with pytest.raises(RuntimeError, match="key_dropout"):
        layer.train()(torch.ones(9))


def test_first_weights_keep_the_size_of_features() -> None:
    torch.manual_seed(0)
    with torch.random.fork_rng():
        for layer in (nn.Conv2d(64, 64, 3, padding=1), nn.ConvTranspose2d(64, 64, 4, 2, 1)):
            chain = nn.Sequential(layer, nn.LeakyReLU(0.2))
            initialise(chain)
            features = torch.randn(8, 64, 16, 16)
            kept = chain(features)[..., 2:-2, 2:-2].square().mean() / features.square().mean()
            assert kept.item() == pytest.approx(1.0, abs=0.15)
            assert layer.bias is not None
            assert not layer.bias.any()


def test_fit_averages_what_is_larger_and_repeats_what_is_smaller() -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4)
    assert Fit(4)(features) is features
    assert Fit(2)(features)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert torch.equal(Fit(8)(features), features.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_group_normalised_convolutions_hold_no_statistics() -> None:
    assert not list(convolution(3, 16, "group").buffers())
    assert list(convolution(3, 16, "batch").buffers())
