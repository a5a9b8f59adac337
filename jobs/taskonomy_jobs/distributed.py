"""The workers of one job: who is who, and the few things they say to one another.

Under torchrun a job has several workers; alone it has one, and everything here is then a no-op.
Gradients are added up by one collective per step over all networks of a pack. Torch's
DistributedDataParallel wraps one network and averages equal shares; a pack trains many, and an
elastic gang's shares of a batch need not be equal.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import Exit

PATIENCE = timedelta(minutes=10)
"""How long a worker waits for the others; the first one may be computing representations."""


class PeerLost(TaskonomyError):
    """Another worker of the gang went away; the rest goes on from the checkpoint."""

    exit_code = Exit.TRY_AGAIN


@dataclass(frozen=True, slots=True)
class Gang:
    """The workers that train together, as one of them sees it."""

    device: torch.device
    """Where this worker computes."""
    rank: int = 0
    """This worker's number."""
    world: int = 1
    """Workers there are."""

    @property
    def is_first(self) -> bool:
        """Whether this worker writes files, events and runs for all."""
        return self.rank == 0

    @property
    def gpus(self) -> int:
        """GPUs the gang holds; on CPUs 1, so that seconds count once."""
        return self.world if self.device.type == "cuda" else 1

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all workers, in one collective per dtype."""
        if self.world > 1:
            _exchange(tensors, dist.all_reduce)

    def take_firsts(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the first worker's, in one collective per dtype."""
        if self.world > 1:
            _exchange(tensors, partial(dist.broadcast, src=0))

    def from_first(self, content: bytes) -> bytes:
        """Return what the first worker passed; the others' content does not matter."""
        if self.world == 1:
            return content
        with _peers():
            size = torch.tensor([len(content)], device=self.device)
            dist.broadcast(size, src=0)
            raw = torch.zeros(int(size), dtype=torch.uint8, device=self.device)
            if self.is_first and content:
                raw.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            dist.broadcast(raw, src=0)
        return raw.cpu().numpy().tobytes()

    def any(self, flag: bool) -> bool:
        """Return whether any worker says so; all hear the same."""
        if self.world == 1:
            return flag
        said = torch.tensor([float(flag)], device=self.device)
        self.add_up([said])
        return bool(said.item() > 0)

    def wait(self) -> None:
        """Return when every worker has come here."""
        self.add_up([torch.zeros(1, device=self.device)])


def lone_worker() -> Gang:
    """Return a gang of one on the CPU."""
    return Gang(torch.device("cpu"))


@contextmanager
def gathered() -> Iterator[Gang]:
    """Join the gang torchrun started, or be one alone; leave it at the end.

    Raises:
        PeerLost: the others did not come or went away.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    device = _device(int(os.environ.get("LOCAL_RANK", "0")))
    if world == 1:
        yield Gang(device)
        return
    with _peers():
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Gang(device, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def _exchange(tensors: Sequence[Tensor], collective: Callable[[Tensor], object]) -> None:
    """Let a collective change tensors, laid end to end, one dtype after another."""
    for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):
        alike = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in alike])
        with _peers():
            collective(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in alike])
        for tensor, part in zip(alike, parts, strict=True):
            tensor.detach().copy_(part.view_as(tensor))


@contextmanager
def _peers() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, dist.DistError) as error:
        reason = str(error).strip().split("\n")[0]
        raise PeerLost(f"a worker of the gang went away: {reason}") from error
