"""What a job may be told by its environment: how it runs, not what comes out.

A trial holds everything its result depends on; these are about this machine and this moment. To the
bit nothing comes out differently but where sums run in another order: `micro_batch`, `stacked` and
the number of workers agree to rounding. Networks with batch norm (every encoder but resnet-tiny,
every decoder but tiny) are the exception: a batch in parts, by `micro_batch` or by workers on CPUs,
is normalised part by part. Such a result is as good, and another; a job that computes so says so.
Workers on GPUs normalise the whole batch.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from taskonomy_catalogue.errors import SettingRefused

PREFIX = "TASKONOMY_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a training job runs. Each field is read from ``TASKONOMY_<NAME IN CAPITALS>``."""

    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints."""
    progress_seconds: float = 5.0
    """Seconds between progress events."""
    micro_batch: int = 0
    """Most examples in one forward pass; gradients of the rest are accumulated. 0: a worker's whole
    share of the batch, halved whenever a GPU runs out of memory. Batch norm takes part by part."""
    decoders: int = 0
    """Threads that decode images ahead of the step; 0: one, or four for every GPU."""
    label_memory: int = 1 << 30
    """Bytes of decoded labels and images kept, so that later epochs need not decode them again."""
    stacked: str = ""
    """Whether the networks of a pack are computed as one (yes, no); empty: where there is a GPU."""

    def __post_init__(self) -> None:
        for name in ("checkpoint_seconds", "progress_seconds", "micro_batch", "decoders"):
            if getattr(self, name) < 0:
                raise SettingRefused(f"{PREFIX}{name.upper()} is below 0; raise it or leave it out")
        if self.stacked not in ("", "yes", "no"):
            raise SettingRefused(f"{PREFIX}STACKED is {self.stacked!r}; write yes or no")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingRefused: a variable is no number or out of range; the message names it.
        """
        given: dict[str, float | int | str] = {}
        for name, kind in cls.__annotations__.items():
            text = environment.get(PREFIX + name.upper(), "").strip()
            if text:
                given[name] = _value(PREFIX + name.upper(), text, kind)
        return cls(**given)  # type: ignore[arg-type]


def _value(variable: str, text: str, kind: type) -> float | int | str:
    try:
        value: float | int | str = kind(text)
    except ValueError as error:
        raise SettingRefused(f"{variable} is {text!r}; write a number") from error
    return value
