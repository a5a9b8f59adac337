"""Batches computed in parts, and what batch norm makes of that.

Means of a part are not means of the batch: what comes of it is as good, and not quite what one
worker with whole batches leaves. Networks that normalise every example alone have no such parts,
and workers on GPUs normalise over them all (`torch.nn.SyncBatchNorm`).
"""

import logging

from torch import nn

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.trials import Trial
from taskonomy_jobs.job import Job
from taskonomy_jobs.model.layers import has_batch_norm

_log = logging.getLogger(__name__)


def check_parts(trial: Trial, network: nn.Module, job: Job) -> None:
    """Say if a network's batch norm sees a batch in parts.

    Args:
        trial: of the network.
        network: as it is trained here.
        job: the run of the command, of which the first worker speaks.

    Raises:
        SettingRefused: a part is one example, of which a vector has no deviation; or workers that
            normalise together would wait for ever for one that has fewer parts.
    """
    workers = part_sizes(trial.optimiser.batch_size, job.settings.micro_batch, job.gang.world)
    why = ["TASKONOMY_MICRO_BATCH"] if max(map(len, workers)) > 1 else []
    together = len(workers) > 1 and job.gang.device.type == "cuda"
    if len(workers) > 1:
        why.append(f"{len(workers)} workers" + ("" if together else " on CPUs"))
    if not has_batch_norm(network) or not why:
        return
    least = min(min(parts, default=0) for parts in workers)
    reason = f"{trial.title}: batch norm sees a batch of {trial.optimiser.batch_size} in parts of "
    reason += f"{least} ({' and '.join(why)})"
    if together and len(set(map(len, workers))) > 1:
        raise SettingRefused(f"{reason}, and not every worker has as many; {_REMEDY}")
    if least == 1 and not together and any(map(_is_of_vectors, network.modules())):
        raise SettingRefused(f"{reason}, and one example has no deviation; {_REMEDY}")
    if job.gang.is_first and (not together or "TASKONOMY_MICRO_BATCH" in why):
        _log.warning(
            "%s: the result is not quite that of one worker and whole batches; model.encoder "
            "resnet-tiny with model.decoder tiny has no batch norm",
            reason,
        )


_REMEDY = "take fewer workers, a larger TASKONOMY_MICRO_BATCH or a larger training.batchSize"


def _is_of_vectors(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm1d)


def part_sizes(batch: int, most: int, world: int) -> list[list[int]]:
    """Return how many examples every worker computes at once, part by part.

    Args:
        batch: examples in the whole batch.
        most: in one part; 0: a worker's whole share.
        world: workers, whose shares differ by one at most (`sampling.Slots.share`).
    """
    shares = [(rank + 1) * batch // world - rank * batch // world for rank in range(world)]
    size = most or batch
    return [[min(size, share - at) for at in range(0, share, size)] for share in shares]
