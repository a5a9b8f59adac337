"""What sharing is worth: the same frames predicted with shared encoders, and each network alone."""

import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from taskonomy_jobs.infer.networks import Networks, Stream

ROUNDS = 3
"""Times each way is measured, in turns."""
LONGEST = 3.0
"""Seconds that one way takes at most, about: slow networks are measured on fewer frames."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second through all networks of a taxonomy; decoding and drawing not counted."""

    shared: float
    """Encoders run once a frame."""
    alone: float
    """Each target's network runs its own encoders."""

    @property
    def ratio(self) -> float:
        """How many times faster sharing is."""
        return self.shared / self.alone


def measured(networks: Networks, frames: Tensor, batch: int) -> Speed:
    """Measure both ways, warm, in turns, on the same frames.

    Args:
        networks: the taxonomy's.
        frames: float32 (N, 3, S, S) in [-1, 1].
        batch: frames that go through the networks together.
    """
    together = [Stream(networks)]
    apart = [Stream(networks, [served]) for served in networks.served]

    def seconds(streams: list[Stream], count: int) -> float:
        began = time.perf_counter()
        _predict(streams, frames[:count], batch)
        if networks.device.type == "cuda":
            torch.cuda.synchronize(networks.device)
        return time.perf_counter() - began

    seconds(together, 1)  # the first call of anything is no measure of the next ones
    seconds(apart, 1)
    count = max(1, min(len(frames), int(LONGEST / seconds(apart, 1))))
    for streams in (together, apart):
        seconds(streams, min(count, batch))
    times = [(seconds(together, count), seconds(apart, count)) for _ in range(ROUNDS)]
    return Speed(
        shared=count / median(pair[0] for pair in times),
        alone=count / median(pair[1] for pair in times),
    )


def _predict(streams: list[Stream], frames: Tensor, batch: int) -> None:
    for stream in streams:
        for start in range(0, len(frames), batch):
            stream.predict(frames[start : start + batch])
