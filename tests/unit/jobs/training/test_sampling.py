"""Orders and shares of batches, against plain counting."""

import numpy as np
import pytest

from taskonomy_catalogue.trials import Optimiser
from taskonomy_jobs.sampling import Order, key, keys, total_steps


def optimiser(**length: int) -> Optimiser:
    return Optimiser(
        batch_size=8,
        learning_rate=1e-3,
        weight_decay=0,
        lr_decay_step=0,
        lr_decay_factor=1,
        patience=0,
        **length,
    )


@pytest.mark.parametrize(("examples", "batch"), [(20, 8), (8, 8), (3, 8), (64, 7), (1, 2)])
def test_every_epoch_has_every_example_once(examples, batch):
    order = Order(examples, batch, seed=3)
    stream = np.concatenate([order.batch(step).indices for step in range(5 * examples)])
    for epoch in range(len(stream) // examples):
        seen = stream[epoch * examples : (epoch + 1) * examples]
        assert sorted(seen.tolist()) == list(range(examples))


def test_epochs_are_in_different_orders_and_seeds_too():
    order, other = Order(50, 50, seed=0), Order(50, 50, seed=1)
    first, second = order.batch(0).indices.tolist(), order.batch(1).indices.tolist()
    assert first != second
    assert first != other.batch(0).indices.tolist()


def test_a_batch_does_not_depend_on_those_asked_for_before():
    straight, jumping = Order(30, 7, seed=5), Order(30, 7, seed=5)
    batches = [straight.batch(step) for step in range(12)]
    for step in (11, 0, 4, 11):
        again = jumping.batch(step)
        assert again.indices.tolist() == batches[step].indices.tolist()
        assert again.draws.tolist() == batches[step].draws.tolist()


@pytest.mark.parametrize("world", [1, 2, 3, 5, 9])
def test_workers_share_a_batch_without_gap_or_overlap(world):
    order = Order(30, 8, seed=0)
    whole = order.batch(2)
    shares = [whole.share(rank, world) for rank in range(world)]
    assert np.concatenate([s.indices for s in shares]).tolist() == whole.indices.tolist()
    assert np.concatenate([s.draws for s in shares]).tolist() == whole.draws.tolist()
    assert [order.offset(rank, world) for rank in range(world)] == [
        sum(len(share) for share in shares[:rank]) for rank in range(world)
    ]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_an_example_is_drawn_anew_in_every_epoch():
    order = Order(6, 6, seed=0)
    first, second = order.batch(0), order.batch(1)
    of_first = dict(zip(first.indices.tolist(), first.draws.tolist(), strict=True))
    of_second = dict(zip(second.indices.tolist(), second.draws.tolist(), strict=True))
    assert all(of_first[index] != of_second[index] for index in range(6))
    assert len({*of_first.values(), *of_second.values()}) == 12


def test_keys_are_what_they_were_yesterday():
    # Written down once: the order of examples is part of what a digest stands for.
    assert key(0, 1, 2) == int(keys(0, 1, np.array([2]))[0])
    assert keys(7, np.arange(3), 1).shape == (3,)
    assert len(np.unique(keys(0, np.arange(100_000)))) == 100_000


@pytest.mark.parametrize(
    ("length", "steps"), [({"steps": 17}, 17), ({"epochs": 2}, 5), ({"epochs": 4}, 10)]
)
def test_epochs_are_rounded_up_to_whole_batches(length, steps):
    assert total_steps(optimiser(**length), examples=20) == steps


def test_there_has_to_be_an_example():
    with pytest.raises(ValueError, match="no example"):
        Order(0, 4, seed=0)
