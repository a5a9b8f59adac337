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
        SettingRefused: a part is one example, of which a vector has no deviation.
    """
    batch, sizes = trial.optimiser.batch_size, part_sizes(trial, job)
    why = ["TASKONOMY_MICRO_BATCH"] if len(sizes) > job.gang.world else []
    if job.gang.world > 1 and job.gang.device.type != "cuda":
        why.append(f"{job.gang.world} workers on CPUs")
    if not why or not has_batch_norm(network):
        return
    reason = f"{trial.title}: batch norm sees a batch of {batch} in parts of {min(sizes)} "
    reason += f"({' and '.join(why)})"
    if min(sizes) == 1 and any(isinstance(part, nn.BatchNorm1d) for part in network.modules()):
        raise SettingRefused(
            f"{reason}, and one example has no deviation; raise TASKONOMY_MICRO_BATCH, or take "
            "fewer workers or a larger training.batchSize"
        )
    if job.gang.is_first:
        _log.warning(
            "%s: the result is not quite that of one worker and whole batches; model.encoder "
            "resnet-tiny with model.decoder tiny has no batch norm",
            reason,
        )


def part_sizes(trial: Trial, job: Job) -> list[int]:
    """Return how many examples of a batch are computed at once, part by part, over all workers."""
    batch, world = trial.optimiser.batch_size, job.gang.world
    shares = [(rank + 1) * batch // world - rank * batch // world for rank in range(world)]
    most = job.settings.micro_batch or batch
    return [min(most, share - at) for share in shares for at in range(0, share, most)]
