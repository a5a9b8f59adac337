"""The status of a Study, from what the controller knows of it. Pure.

Conditions say what is so in a word and a sentence; counts add up; lists are bounded. A status that
only differs in its ETA is not worth a write (`is_worth_writing`).
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from taskonomy_operator.asked import PLAN_STAGES, PlanStage
from taskonomy_operator.conditions import Trouble, conditions
from taskonomy_operator.ledger import Page
from taskonomy_operator.memory import Memory
from taskonomy_operator.names import ranking_name
from taskonomy_operator.plan_parts import Node, State
from taskonomy_operator.study_status import (
    MAX_FAILURES,
    MAX_MESSAGE,
    MAX_RANGES,
    MAX_TRIED,
    Counts,
    Failure,
    StageStatus,
    StudyStatus,
)

COMPLETED = "Completed"
"""What `status.stage` says when every stage is finished."""

ETA_MOVES = 0.1
"""Share of the time left by which an ETA has to move before it is written again."""


def status_of(memory: Memory, now: float, trouble: Trouble | None = None) -> StudyStatus:
    """Return the status of a study.

    Args:
        memory: what is known of it.
        now: seconds since 1970.
        trouble: what keeps Jobs from being made, if anything does.
    """
    when = datetime.fromtimestamp(int(now), UTC)
    is_over = memory.plan.is_over() and not memory.wants_ranking and not memory.jobs.live
    start = memory.status.start_time or (None if memory.study.spec.suspend else when)
    told = _stages(memory, has_begun=start is not None)
    stages = tuple(sorted((*told, *_left_out(memory)), key=_place))
    total = _sum(stages)
    return StudyStatus(
        observed_generation=memory.generation,
        stage=_stage(stages, is_over),
        start_time=start,
        completion_time=(memory.status.completion_time or when) if is_over else None,
        trials=total,
        stages=stages,
        failures=tuple(_failures(memory))[:MAX_FAILURES],
        gpu_hours=round(sum(stage.gpu_hours for stage in stages), 4),
        eta=_eta(memory, now) if not is_over else None,
        retried=memory.retried,
        ranking=ranking_name(memory.study.name) if memory.is_ranked else "",
        conditions=tuple(conditions(memory, total, is_over, now, trouble)),
    )


def is_worth_writing(new: StudyStatus, old: StudyStatus, now: float) -> bool:
    """Return whether a status says something that the one before does not."""
    if new.model_copy(update={"eta": None, "gpu_hours": 0.0, "stages": ()}) != old.model_copy(
        update={"eta": None, "gpu_hours": 0.0, "stages": ()}
    ):
        return True
    if [_settled(stage) for stage in new.stages] != [_settled(stage) for stage in old.stages]:
        return True
    if (new.eta is None) != (old.eta is None):
        return True
    if new.eta is None or old.eta is None:
        return False
    moved = abs((new.eta - old.eta).total_seconds())
    return moved > 60 + ETA_MOVES * max(0.0, new.eta.timestamp() - now)


def _settled(stage: StageStatus) -> StageStatus:
    return stage.model_copy(update={"gpu_hours": 0.0})


# --- counts ------------------------------------------------------------------------------------


def _stages(memory: Memory, *, has_begun: bool) -> Iterator[StageStatus]:
    """Yield the stages that are asked for.

    Before a study has begun its spec may change, and with it what numbers mean: none are told.
    """
    running, queued = _live_trials(memory)
    seconds = memory.gpu_seconds()
    counts = memory.plan.counts()
    for stage in PLAN_STAGES:
        if stage not in counts:
            continue
        states: Counter[State] = counts[stage]
        under_way = running[stage] + queued[stage]
        settled = states["done"] + states["failed"] + states["blocked"]
        total = sum(states.values())
        yield StageStatus(
            name=stage,
            total=total,
            done=states["done"],
            running=running[stage],
            queued=queued[stage],
            failed=states["failed"],
            blocked=states["blocked"],
            waiting=max(0, total - settled - under_way),
            gpu_hours=round(seconds.get(stage, 0.0) / 3600, 4),
            **(_indexes(memory, stage) if has_begun else {}),
        )


def _indexes(memory: Memory, name: PlanStage) -> dict[str, Any]:
    """Return which trials of a stage are settled, what cannot be read yet among it."""
    page, unread = memory.ledger.page(name), memory.unread.get(name)
    if unread is not None:
        page = page.with_told(unread)
    told = {
        "done_indexes": page.done.text(MAX_RANGES),
        "failed_indexes": page.failed.text(MAX_RANGES),
    }
    is_whole = len(str(page.done)) <= MAX_RANGES and len(str(page.failed)) <= MAX_RANGES
    checksum = page.checksum if is_whole else ""  # what was cut off is not in the text to check
    return told | {"checksum": checksum, "tried": _tried(page)}


def _left_out(memory: Memory) -> Iterator[StageStatus]:
    """Yield stages that are not asked for now: what is known of them is kept."""
    asked = memory.plan.counts()
    for stage in memory.told.stages:
        if stage.name in asked:
            continue
        page = memory.ledger.page(stage.name)
        if not page.done and not page.failed:  # its trials are not even listed
            none = {"running": 0, "queued": 0, "blocked": 0, "waiting": 0}
            yield stage.model_copy(update={**none, "total": stage.done + stage.failed})
            continue
        yield StageStatus(
            name=stage.name,
            total=len(page.done) + len(page.failed),
            done=len(page.done),
            failed=len(page.failed),
            gpu_hours=stage.gpu_hours,
            **_indexes(memory, stage.name),
        )


def _place(stage: StageStatus) -> int:
    return PLAN_STAGES.index(stage.name)


def _live_trials(memory: Memory) -> tuple[Counter[PlanStage], Counter[PlanStage]]:
    """Return the trials whose Job has pods that run, and those whose Job waits, by stage."""
    running: Counter[PlanStage] = Counter()
    queued: Counter[PlanStage] = Counter()
    for live in memory.jobs.live.values():
        runs = live.record is not None and live.record.ready > 0
        for name in live.job.digests:
            node = memory.plan.node(name)
            if node is not None and node.state == "running":
                (running if runs else queued)[node.stage] += 1
    return running, queued


def _tried(page: Page) -> dict[str, int]:
    return {str(index): crashes for index, crashes in list(page.tried.items())[:MAX_TRIED]}


def _sum(stages: tuple[StageStatus, ...]) -> Counts:
    return Counts(**{name: sum(getattr(s, name) for s in stages) for name in Counts.model_fields})


def _stage(stages: tuple[StageStatus, ...], is_over: bool) -> str:
    if is_over:
        return COMPLETED
    left = (each.name for each in stages if each.done + each.failed + each.blocked < each.total)
    return next(left, stages[-1].name if stages else "")


# --- what is missing ---------------------------------------------------------------------------


def _failures(memory: Memory) -> Iterator[Failure]:
    """Yield the first trials that were given up, then the first that wait for them."""
    for node in memory.plan.lost(MAX_FAILURES):
        yield _failure(memory, node)
    if memory.plan.ranking_attempts.verdict(memory.study.spec.retries) == "never":
        why = f"its sources could not be ranked: {memory.plan.ranking_attempts.why()}"
        for target, number in memory.plan.unranked().items():
            title = f"{number} higher-order transfers → {target}"
            yield Failure(trial="", title=title, reason="BlockedBy", message=why[:MAX_MESSAGE])


def _failure(memory: Memory, node: Node) -> Failure:
    last = node.attempts.last
    return Failure(
        trial=node.digest,
        title=node.trial.title[:MAX_MESSAGE],
        reason=_reason(memory, node),
        exit_code=last.code if last is not None and node.state == "failed" else None,
        message=memory.plan.why(node)[:MAX_MESSAGE],
    )


def _reason(memory: Memory, node: Node) -> str:
    if node.state == "blocked":
        return "BlockedBy"
    return "BadTrial" if node.attempts.is_bad else memory.word_of.get(node.digest, "RetriesUsed")


# --- when it will be done ----------------------------------------------------------------------


def _eta(memory: Memory, now: float) -> datetime | None:
    left: dict[PlanStage, float] = {}
    for stage, states in memory.plan.counts().items():
        settled = states["done"] + states["failed"] + states["blocked"]
        left[stage] = float(sum(states.values()) - settled)
    ready = sum(
        live.record is not None and live.record.ready > 0 for live in memory.jobs.live.values()
    )
    slots = ready or memory.study.spec.parallelism
    seconds = memory.pace.remaining(left, slots)
    if seconds is None or memory.study.spec.suspend:
        return None
    return datetime.fromtimestamp(round(now + seconds), UTC)
