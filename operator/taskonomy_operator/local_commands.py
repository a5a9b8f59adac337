"""What is run for a job on this machine, and with which settings. Pure: words out, nothing done."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from taskonomy_catalogue.launch import (
    RANKING_MODULE,
    REPLAY_MODULE,
    TRAIN_MODULE,
    Launch,
    RankingLaunch,
    ReplayLaunch,
)
from taskonomy_operator.machine import Slots
from taskonomy_operator.observe import Known
from taskonomy_operator.packing import DEFAULT_PACK
from taskonomy_operator.plan_parts import Job

PYTHON = (sys.executable, "-P", "-m")
"""``-P``: a file of the study's folder is never taken for a module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run acts."""

    slots: Slots
    """How the machine is shared out."""
    most_in_pack: int = DEFAULT_PACK
    """Most trials in one job."""
    retry_failed: bool = False
    """Whether failures of earlier runs are forgiven."""
    grace: float = 60.0
    """Seconds that jobs have to save once they are told to stop."""
    tick: float = 0.2
    """Seconds between two looks at the jobs."""
    trainer: Sequence[str] = (*PYTHON, TRAIN_MODULE)
    """What trains; its options follow."""
    ranker: Sequence[str] = (*PYTHON, RANKING_MODULE)
    """What ranks."""
    replayer: Sequence[str] = (*PYTHON, REPLAY_MODULE)
    """What sends tracking records that are left over."""


def command_of(known: Known, job: Job, settings: Settings) -> list[str]:
    """Return the words that start a job; its trials file is written when it starts."""
    folder, run = known.folder, known.run
    if job.kind == "ranking":
        ranking = RankingLaunch(
            study=str(folder.study_file),
            artifacts=str(folder.artifacts),
            out=str(folder.ranking_file),
            targets=",".join(job.targets),
        )
        return [*settings.ranker, *ranking.arguments()]
    launch = Launch(
        trials=str(folder.trials_file(job.name)),
        study=known.study.name,
        dataset=run.dataset,
        artifacts=str(folder.artifacts),
        tracking=run.tracking,
        job=job.name,
    )
    return [*settings.trainer, *launch.arguments()]


def replay_command(known: Known, settings: Settings) -> list[str]:
    """Return the words that send what jobs could not, while the tracking server was away."""
    launch = ReplayLaunch(artifacts=str(known.folder.artifacts), tracking=known.run.tracking)
    return [*settings.replayer, *launch.arguments()]
