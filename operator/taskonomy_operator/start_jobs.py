"""A pass's way of making Jobs: those there is room for, past those that cannot be made."""

import logging
from functools import partial
from pathlib import Path

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.records import RESULT_FILE
from taskonomy_operator.actions import NameTaken, is_about_one
from taskonomy_operator.api_errors import Refused
from taskonomy_operator.cluster import Object
from taskonomy_operator.conditions import Trouble
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.manifests import Manifest, training_objects
from taskonomy_operator.memory import Memory
from taskonomy_operator.plan_parts import Job
from taskonomy_operator.ranking_job import ranking_job
from taskonomy_operator.structured_logs import about
from taskonomy_operator.surroundings import Surroundings, Tracked

log = logging.getLogger(__name__)

REFUSED_WAIT = 30.0
"""Seconds until Jobs that the server refused are tried again."""
IN_THE_WAY_WAIT = 1.0
"""Seconds until a name that is still taken is tried again."""


class InTheWay(TaskonomyError):
    """An earlier Job of the same name has to go first."""


def start_jobs(around: Surroundings, study: Object, tracked: Tracked) -> None:
    """Make the Jobs there is room for.

    Raises:
        ApiError: the server did not answer.
    """
    now = around.clock()
    if now < tracked.blocked_until:
        return
    tracked.refused = {name: until for name, until in tracked.refused.items() if until > now}
    if not tracked.refused:
        tracked.trouble = None
    while wanted := tracked.memory.next_jobs(now, but=tracked.refused):
        if _find_results(around, tracked.memory, wanted):
            continue  # others take their place
        tried = around.actions.make_all(wanted, partial(_make, around, tracked.memory))
        failed = [pair for pair in (_made(around, tracked, *pair) for pair in tried) if pair]
        for job, error in failed:
            _in_trouble(around, study, tracked, job, error)
        return


def _find_results(around: Surroundings, memory: Memory, jobs: list[Job]) -> bool:
    """Take in results that are there already, where artifacts can be seen from here."""
    root = Path(around.artifacts(memory.study))
    if not root.is_absolute() or not root.is_dir():
        return False
    names = (name for job in jobs for name in job.digests)
    found = [name for name in names if (root / name / RESULT_FILE).exists()]
    for name in found:
        memory.saw_result(name)
    return bool(found)


def _make(around: Surroundings, memory: Memory, job: Job) -> JobRecord:
    """Make one Job, or find that it is there; threads do this side by side."""
    return around.actions.make(_objects(around, memory, job), memory.owner)


def _made(
    around: Surroundings, tracked: Tracked, job: Job, outcome: JobRecord | Exception
) -> tuple[Job, Exception] | None:
    """Take in a Job that was made; return it with the error if it was not."""
    if isinstance(outcome, Exception):
        return job, outcome
    earlier = tracked.memory.jobs.ended.get(outcome.name)
    is_taken_in = earlier is not None and earlier.record.uid == outcome.uid
    if outcome.is_leaving:
        return job, InTheWay(f"Job {outcome.name} is still being removed")
    if is_taken_in or outcome.ended == "failed":
        # an earlier attempt under the same name, whose end was taken in: it makes room
        around.actions.delete_job(outcome.namespace, outcome.name, outcome.uid)
        return job, InTheWay(f"Job {outcome.name} of an earlier attempt is being removed")
    around.metrics.jobs_created.inc()
    made = Job(outcome.name, job.kind, job.digests, job.targets)
    tracked.memory.made(made, around.clock(), outcome.uid)
    return None


def _objects(around: Surroundings, memory: Memory, job: Job) -> list[Manifest]:
    installation = around.installation
    if job.kind == "ranking":
        return [ranking_job(memory.study, memory.owner, job.targets, installation=installation)]
    nodes = [node for node in map(memory.plan.node, job.digests) if node is not None]
    return training_objects(
        memory.study,
        memory.owner,
        [node.trial for node in nodes],
        job=job.name,
        attempt=nodes[0].attempts.crashes if len(nodes) == 1 else 0,
        installation=installation,
    )


def _in_trouble(
    around: Surroundings, study: Object, tracked: Tracked, job: Job, error: Exception
) -> None:
    """Remember why a Job is not made, say so, and leave it or the server alone for a while."""
    if isinstance(error, InTheWay):
        tracked.refused[job.name] = around.clock() + IN_THE_WAY_WAIT
        return
    if not (isinstance(error, Refused) or is_about_one(error)):
        raise error
    tracked.trouble = Trouble(_reason(error), f"Job {job.name}: {error}"[:1_000])
    until = around.clock() + REFUSED_WAIT
    if is_about_one(error):
        tracked.refused[job.name] = until
    else:
        tracked.blocked_until = until
    around.events.record(study, "Warning", tracked.trouble.reason, tracked.trouble.message)
    owner = tracked.memory.owner
    about(log, study=owner.name, namespace=owner.namespace, job=job.name).error(str(error))


def _reason(error: Exception) -> str:
    if isinstance(error, NameTaken):
        return "NameTaken"
    is_quota = isinstance(error, Refused) and "exceeded quota" in str(error)
    return "QuotaExceeded" if is_quota else "JobsRefused"
