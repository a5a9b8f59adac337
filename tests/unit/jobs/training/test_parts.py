"""Batches in parts: which, and what batch norm makes of them, table by table."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from small_world import World
from torch import nn
from trial_runs import of_kind

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.study import Study
from taskonomy_jobs.distributed import Gang
from taskonomy_jobs.job import Job
from taskonomy_jobs.parts import check_parts, part_sizes
from taskonomy_jobs.sampling import Order
from taskonomy_jobs.settings import Settings

MAPS, VECTORS = nn.BatchNorm2d(3), nn.BatchNorm1d(3)
ONE_BY_ONE = nn.GroupNorm(1, 3)


@pytest.mark.parametrize(
    ("most", "world", "sizes"),
    [
        (0, 1, [[10]]),
        (4, 1, [[4, 4, 2]]),
        (0, 3, [[3], [3], [4]]),
        (3, 3, [[3], [3], [3, 1]]),
        (0, 12, [[], [1], [1], [1], [1], [1], [], [1], [1], [1], [1], [1]]),
    ],
)
def test_a_batch_of_ten_in_parts(most: int, world: int, sizes: list[list[int]]) -> None:
    assert part_sizes(10, most, world) == sizes
    shares = [len(Order(99, 10, 0).batch(0).share(rank, world)) for rank in range(world)]
    assert [sum(parts) for parts in sizes] == shares


@pytest.fixture
def say(
    world: World, small_study: Callable[..., Study], caplog: pytest.LogCaptureFixture
) -> Callable[..., str]:
    """Checks a network of batches of four; returns what is said."""
    (trial,) = of_kind(small_study(), "task-specific", "scene-classes")

    def said(network: nn.Module, device: str, workers: int, micro_batch: int = 0) -> str:
        job: Job = world.job(world.root / "none", Settings(micro_batch=micro_batch))
        gang = Gang(torch.device(device), world=workers)
        check_parts(trial, network, replace(job, gang=gang))
        return caplog.text

    return said


@pytest.mark.parametrize(
    ("network", "device", "workers", "micro_batch"),
    [
        (MAPS, "cpu", 1, 0),
        (MAPS, "cpu", 1, 4),
        (MAPS, "cuda", 2, 0),
        (VECTORS, "cuda", 4, 0),  # one example each, normalised together
        (ONE_BY_ONE, "cpu", 3, 1),
        (ONE_BY_ONE, "cuda", 3, 0),
    ],
)
def test_whole_batches_are_nothing_to_speak_of(
    say: Callable[..., str], network: nn.Module, device: str, workers: int, micro_batch: int
) -> None:
    assert say(network, device, workers, micro_batch) == ""


@pytest.mark.parametrize(
    ("network", "device", "workers", "micro_batch", "words"),
    [
        (MAPS, "cpu", 2, 0, "a batch of 4 in parts of 2 (2 workers on CPUs)"),
        (MAPS, "cpu", 4, 0, "a batch of 4 in parts of 1 (4 workers on CPUs)"),
        (VECTORS, "cpu", 1, 2, "a batch of 4 in parts of 2 (TASKONOMY_MICRO_BATCH)"),
        (MAPS, "cpu", 2, 1, "parts of 1 (TASKONOMY_MICRO_BATCH and 2 workers on CPUs)"),
        (MAPS, "cuda", 2, 1, "parts of 1 (TASKONOMY_MICRO_BATCH and 2 workers)"),
    ],
)
def test_parts_that_are_normalised_apart_are_said(
    say: Callable[..., str],
    network: nn.Module,
    device: str,
    workers: int,
    micro_batch: int,
    words: str,
) -> None:
    said = say(network, device, workers, micro_batch)
    assert words in said
    assert "the result is not quite that of one worker and whole batches" in said


@pytest.mark.parametrize(
    ("network", "device", "workers", "micro_batch", "words"),
    [
        (VECTORS, "cpu", 4, 0, "parts of 1 (4 workers on CPUs), and one example has no"),
        (VECTORS, "cpu", 1, 3, "parts of 1 (TASKONOMY_MICRO_BATCH), and one example has no"),
        (MAPS, "cuda", 5, 0, "parts of 0 (5 workers), and not every worker has as many"),
        (MAPS, "cuda", 3, 1, "and 3 workers), and not every worker has as many"),
    ],
)
def test_parts_that_cannot_be_normalised_are_refused(
    say: Callable[..., str],
    network: nn.Module,
    device: str,
    workers: int,
    micro_batch: int,
    words: str,
) -> None:
    with pytest.raises(SettingRefused) as refused:
        say(network, device, workers, micro_batch)
    assert words in str(refused.value)
    assert "take fewer workers, a larger TASKONOMY_MICRO_BATCH" in str(refused.value)
