"""A pass's way of removing Jobs: those that ended long enough ago, and whose end is written down.

A Job that the controller gave up itself still runs, and goes as soon as the status tells of it.
"""

from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.known_jobs import EndedJob
from taskonomy_operator.memory import Memory
from taskonomy_operator.plan_parts import SETTLED
from taskonomy_operator.surroundings import Surroundings, Tracked

PARKED_WAIT = 30.0
"""Seconds between two looks at ended Jobs that may not go yet."""


def tidy_up(around: Surroundings, tracked: Tracked) -> None:
    """Delete the Jobs that nobody needs any more.

    Raises:
        ApiError: the server did not do it.
    """
    memory = tracked.memory
    old = [job.record for job in _old(around, tracked)]
    starts = {live.job.digests[:1] for live in memory.jobs.live.values()} if old else set()
    well = [
        record
        for record in old
        if record.ended == "succeeded" and not record.is_ranking and record.names
        if record.names[:1] not in starts
    ]
    around.actions.delete_ended(memory.owner, well)
    for record in old:
        if record not in well:
            around.actions.delete_job(record.namespace, record.name, record.uid)
        memory.jobs.ended[record.name].is_going = True
        around.metrics.jobs_deleted.inc()


def next_tidying(around: Surroundings, tracked: Tracked) -> float | None:
    """Return when there is something to remove next, in seconds since 1970; None: never."""
    memory, moments = tracked.memory, []
    if tracked.parked:
        moments.append(tracked.parked_at + PARKED_WAIT)
    first = memory.jobs.ended.get(memory.jobs.kept[0]) if memory.jobs.kept else None
    if first is not None:
        moments.append(first.record.ended_at + around.rhythm.keep_ended)
    return min(moments, default=None)


def _old(around: Surroundings, tracked: Tracked) -> list[EndedJob]:
    """Return the Jobs that may go now; what is not due yet is not looked at."""
    memory, now = tracked.memory, around.clock()
    names = []
    while memory.jobs.kept and _is_due(around, memory, memory.jobs.kept[0]):
        names.append(memory.jobs.kept.popleft())
    if tracked.parked and now >= tracked.parked_at + PARKED_WAIT:
        names, tracked.parked = [*tracked.parked, *names], []
    found = [memory.jobs.ended[name] for name in names if name in memory.jobs.ended]
    found = [job for job in found if job.is_written and not job.is_going]
    parked = [job for job in found if not _may_go(memory, job.record)]
    if parked:
        tracked.parked += [job.record.name for job in parked]
        tracked.parked_at = now
    return [job for job in found if job not in parked]


def _is_due(around: Surroundings, memory: Memory, name: str) -> bool:
    job = memory.jobs.ended.get(name)
    if job is None or job.record.is_given_up:
        return True
    return around.clock() >= job.record.ended_at + around.rhythm.keep_ended


def _may_go(memory: Memory, record: JobRecord) -> bool:
    """Return whether an ended Job is needed no more.

    A pack that crashed says that its trials go on in smaller packs, and only it does.
    """
    if record.is_ranking or record.is_given_up or record.ended == "succeeded":
        return True
    nodes = [memory.plan.node(name) for name in record.names]
    return all(node is None or node.state in SETTLED for node in nodes)
