"""What survives a process: checkpoints to go on from, and weights to use.

A checkpoint holds everything a trial's next step depends on. The order of examples, their noise and
dropout are functions of seed and step, so beside the networks and their optimisers the step alone
says where it stands. Files are read with ``weights_only=True`` or as safetensors: neither can run
code.
"""

import io
import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from taskonomy_catalogue.errors import InputRefused, TaskonomyError
from taskonomy_catalogue.launch import Exit
from taskonomy_jobs.folders import write_whole

VERSION = 1
"""Of the checkpoint's format; another one is not gone on from."""

State = dict[str, Tensor]


class NotYet(TaskonomyError):
    """Something another trial leaves behind is not there yet."""

    exit_code = Exit.TRY_AGAIN


@dataclass(kw_only=True, slots=True)
class Checkpoint:
    """Where a trial stands."""

    digest: str
    """Of the trial."""
    step: int
    """Steps taken, which is the sampler's position too."""
    network: State
    """Parameters and buffers."""
    optimiser: dict[str, Any]
    """Adam's moments and counts."""
    adversary: dict[str, Any] = field(default_factory=dict)
    """The discriminator's parameters, optimiser and curve; empty where there is none."""
    best: State = field(default_factory=dict)
    """Weights of the best validation so far; empty where training never stops early."""
    best_loss: float = float("inf")
    """Loss of that validation."""
    stale: int = 0
    """Validations since."""
    curve: Tensor
    """float64 (steps,): the training loss of every step."""
    validated: dict[int, float] = field(default_factory=dict)
    """Validation loss by steps taken."""
    seconds: float = 0.0
    """GPU seconds, or seconds on CPUs, used so far."""
    started_at: str
    """When the first attempt began, ISO 8601."""

    def write(self, path: Path) -> None:
        """Write it whole."""
        content = {name: getattr(self, name) for name in self.__slots__} | {"version": VERSION}
        write_whole(path, lambda temporary: torch.save(content, temporary))

    @classmethod
    def parse(cls, content: bytes, origin: str, digest: str) -> Self:
        """Read a trial's checkpoint; tensors arrive on the CPU.

        Raises:
            InputRefused: it is damaged, of another version or of another trial; the message says
                what to do.
        """
        try:
            values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            if values.pop("version") != VERSION:
                raise ValueError("it is of another version")
            if values["digest"] != digest:
                raise ValueError(f"it is of another trial, {values['digest']}")
            return cls(**values)
        except (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.PickleError) as e:
            reason = f"is no checkpoint to go on from ({e}); remove it to train anew"
            raise InputRefused(origin, reason) from e


# --- trained networks --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weights:
    """A trained network as other programs use it."""

    network: State
    """Parameters and buffers, for `create_network(trial)`; an encoder's begin with ``encoder.``."""
    statistics: dict[str, Any]
    """What the target's labels are standardised with (`Statistics.from_dict`)."""

    @property
    def encoder(self) -> State:
        """The encoder's part of a task-specific network, for `create_source_encoder`."""
        return {
            name.removeprefix(_ENCODER): tensor
            for name, tensor in self.network.items()
            if name.startswith(_ENCODER)
        }


_ENCODER = "encoder."


def write_weights(path: Path, weights: Weights, digest: str) -> None:
    """Write `weights.safetensors` of a trial."""
    from safetensors.torch import save_file

    own = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.network.items()
    }
    about = {"digest": digest, "statistics": json.dumps(weights.statistics)}
    write_whole(path, lambda temporary: save_file(own, str(temporary), metadata=about))


def read_weights(path: Path) -> Weights:
    """Read `weights.safetensors` of a trial; tensors on the CPU.

    Raises:
        NotYet: it is not there.
        InputRefused: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise NotYet(f"{path}: the weights of this trial are not there yet; train it first")
    try:
        with safe_open(str(path), framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Weights(tensors, json.loads(about["statistics"]))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputRefused(path, f"cannot be read: {error}; train the trial again") from error
