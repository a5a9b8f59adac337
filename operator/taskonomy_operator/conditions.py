"""The conditions of a Study: what is so, in a word for programs and a sentence for people. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.memory import Memory
from taskonomy_operator.study_status import Condition, Counts, StudyStatus


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps the controller from making Jobs."""

    reason: str
    """One word: `QuotaExceeded`, `JobsRefused`, `NameTaken`."""
    message: str
    """The server's or our sentence."""


def conditions(
    memory: Memory, total: Counts, is_over: bool, now: float, trouble: Trouble | None
) -> Iterator[Condition]:
    """Yield the conditions of a study.

    Args:
        memory: what is known of it.
        total: its trials, all stages together.
        is_over: whether nothing is left to do.
        now: seconds since 1970.
        trouble: what keeps Jobs from being made, if anything does.
    """
    status, generation = memory.status, memory.generation
    when = datetime.fromtimestamp(int(now), UTC)

    def so(kind: str, holds: bool, reason: str, message: str) -> Condition:
        return _condition(status, generation, when, kind, holds, reason, message)

    yield so("Accepted", True, "Valid", f"{total.total:,} trials are needed, as far as known")
    yield so("Progressing", *_progress(memory, total, is_over, now, trouble))
    stopping = len(memory.jobs.live) if memory.study.spec.suspend else None
    yield so("Suspended", *_suspended(stopping))
    missing = total.failed + total.blocked
    if missing:
        words = f"{total.failed} trials failed for good and {total.blocked} wait for them; "
        yield so("Degraded", True, "TrialsFailed", words + "status.failures names the first")
    else:
        yield so("Degraded", False, "AllWell", "")
    done = f"{total.done:,} of {total.total:,} trials have their result"
    yield so("Completed", is_over, "AllSettled" if is_over else "TrialsLeft", done)


def refused_status(
    status: StudyStatus, generation: int, why: str, now: float, stopping: int | None = None
) -> StudyStatus:
    """Return the status of a study that cannot be read as one: nothing is started for it.

    Args:
        status: the one before.
        generation: of the spec.
        why: what is wrong with it.
        now: seconds since 1970.
        stopping: its Jobs that are left, as it is suspended; None: it is not.
    """
    when = datetime.fromtimestamp(int(now), UTC)
    new = ("Accepted", "Progressing", "Suspended")
    kept = [each for each in status.conditions if each.type not in new]
    suspended = _suspended(stopping)
    said = [
        _condition(status, generation, when, "Accepted", False, "Refused", why),
        _condition(status, generation, when, "Progressing", False, "Refused", "nothing is started"),
        _condition(status, generation, when, "Suspended", *suspended),
    ]
    return status.model_copy(
        update={"observed_generation": generation, "conditions": (*said, *kept)}
    )


def _progress(
    memory: Memory, total: Counts, is_over: bool, now: float, trouble: Trouble | None
) -> tuple[bool, str, str]:
    if is_over:
        return False, "Completed", "nothing is left to train"
    if memory.study.spec.suspend:
        return False, "Suspended", "spec.suspend is true: nothing starts"
    if memory.is_spent():
        hours = memory.study.spec.gpu_hours
        words = f"spec.gpuHours ({hours:g}) is used up: nothing more starts; raise it to go on"
        return False, "GpuHoursUsed", words
    if trouble is not None:
        return bool(memory.jobs.live), trouble.reason, trouble.message
    if hanging := memory.jobs.hanging(now):
        return bool(memory.jobs.live), "JobInTheWay", _in_the_way(hanging)
    if any(live.job.kind == "ranking" for live in memory.jobs.live.values()):
        return True, "Ranking", "sources are being ranked, for the transfers of higher orders"
    return True, "Training", f"{total.running} trials run, {total.queued} wait for a node or queue"


def _suspended(stopping: int | None) -> tuple[bool, str, str]:
    if stopping is None:
        return False, "NotAsked", ""
    if stopping:
        return False, "Stopping", f"{stopping} Jobs save and stop"
    return True, "Asked", "no Job runs; set spec.suspend to false to go on"


def _in_the_way(hanging: Sequence[JobRecord]) -> str:
    first = hanging[0]
    since = datetime.fromtimestamp(first.leaving_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    rest = f" (and {len(hanging) - 1} more)" if hanging[1:] else ""
    return (
        f"failed trials are tried again once their Job is gone; {first.name}{rest} is being "
        f"deleted since {since}: a pod of it does not end"
    )


def _condition(
    before: StudyStatus,
    generation: int,
    when: datetime,
    kind: str,
    holds: bool,
    reason: str,
    message: str,
) -> Condition:
    """Return a condition; its time is when its status last changed."""
    said = "True" if holds else "False"
    old = next((each for each in before.conditions if each.type == kind), None)
    changed = old.last_transition_time if old is not None and old.status == said else when
    return Condition(
        type=kind,
        status=said,
        observed_generation=generation,
        last_transition_time=changed,
        reason=reason,
        message=message[:4_096],
    )
