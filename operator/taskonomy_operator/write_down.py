"""A pass's way of writing down where a study stands: its status, if that says anything new."""

from taskonomy_operator.cluster import Object
from taskonomy_operator.cluster_status import is_worth_writing, status_of
from taskonomy_operator.events import Kind
from taskonomy_operator.memory import Memory
from taskonomy_operator.study_status import Condition, StudyStatus
from taskonomy_operator.surroundings import Surroundings, Tracked

HOURS_WAIT = 60.0
"""Seconds after which GPU hours that passed are worth a write by themselves."""

SAID: dict[tuple[str, str], Kind] = {
    ("Progressing", "GpuHoursUsed"): "Normal",
    ("Progressing", "Ranking"): "Normal",
    ("Progressing", "JobInTheWay"): "Warning",
}
"""Reasons of conditions that people are told of, true or not; with the kind of event."""
SAID_WHEN_TRUE: dict[str, Kind] = {
    "Completed": "Normal",
    "Suspended": "Normal",
    "Degraded": "Warning",
}
"""Conditions that people are told of when they are so."""


def begin(around: Surroundings, study: Object, tracked: Tracked) -> None:
    """Write down that a study began, before anything is made for it: its spec is fixed then.

    One that is suspended from its start has not begun.
    """
    memory = tracked.memory
    if memory.status.start_time is None and not memory.study.spec.suspend:
        write_status(around, study, tracked, at_once=True)
        around.events.record(study, "Normal", "Started", _beginning(memory))


def write_status(
    around: Surroundings, study: Object, tracked: Tracked, *, at_once: bool = False
) -> None:
    """Write the status if it says something that the one on the server does not.

    Args:
        around: what to write with.
        study: the Study object.
        tracked: what is known of it.
        at_once: whether not to wait until the next write is due.
    """
    memory, now = tracked.memory, around.clock()
    tracked.is_told = False
    if not at_once and now < tracked.told_at + around.rhythm.status_interval:
        return
    tracked.told_at = now
    status = status_of(memory, now, tracked.trouble)
    has_begun = status.start_time != memory.status.start_time
    hours_are_due = now >= tracked.written_at + HOURS_WAIT
    hours_passed = hours_are_due and _hours(status) != _hours(memory.status)
    if has_begun or hours_passed or is_worth_writing(status, memory.status, now):
        around.actions.write_status(memory.owner, status)
        tracked.written_at = now
        _tell_changes(around, study, memory.status, status)
        memory.wrote(status)
    else:
        memory.wrote(memory.status)
    tracked.is_told = True
    around.metrics.saw_study(memory.owner.namespace, memory.owner.name, status)


def _tell_changes(
    around: Surroundings, study: Object, before: StudyStatus, after: StudyStatus
) -> None:
    """Tell people of conditions that turned true or changed their reason."""
    old = {each.type: (each.status, each.reason) for each in before.conditions}
    for each in after.conditions:
        kind = _kind(each)
        if kind and (each.status, each.reason) != old.get(each.type):
            around.events.record(study, kind, each.reason, each.message)


def _kind(condition: Condition) -> Kind | None:
    """Return the kind of event that tells of a condition; None: nobody is told."""
    if condition.status == "True" and condition.type in SAID_WHEN_TRUE:
        return SAID_WHEN_TRUE[condition.type]
    return SAID.get((condition.type, condition.reason))


def _hours(status: StudyStatus) -> tuple[float, ...]:
    return tuple(stage.gpu_hours for stage in status.stages)


def _beginning(memory: Memory) -> str:
    total = sum(sum(states.values()) for states in memory.plan.counts().values())
    return f"{total:,} trials are needed, as far as known"
