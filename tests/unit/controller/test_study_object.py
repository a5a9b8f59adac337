"""A Study of a cluster shown as a run of this machine: its phase, its note, its failures."""

from datetime import UTC, datetime
from typing import Any

import pytest
from study_cases import document

from taskonomy_operator.constants import RETRY_FAILED
from taskonomy_operator.status import Missing, StageStatus
from taskonomy_operator.study_object import OUTDATED, UNSEEN, StudyObject

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def so(kind: Any, status: Any = "True", message: Any = "", reason: Any = "X") -> Any:
    when = NOW.isoformat()
    return {
        "type": kind,
        "status": status,
        "message": message,
        "reason": reason,
        "lastTransitionTime": when,
    }


def study(*conditions: Any, suspend: Any = False, **status: Any) -> StudyObject:
    given = document({"spec.suspend": suspend, "metadata.generation": 2, "metadata.uid": "u"})
    given["status"] = {"observedGeneration": 2, "conditions": list(conditions), **status}
    return StudyObject(given)


NO_MORE = so("Progressing", "False", "hours are used up", "GpuHoursUsed")


@pytest.mark.parametrize(
    ("seen", "phase", "note"),
    [
        (study(observedGeneration=0), "Pending", UNSEEN),
        (study(so("Completed"), observedGeneration=1), "Pending", OUTDATED),
        (study(so("Accepted", "False", "spec.x: no")), "Refused", "spec.x: no"),
        (study(so("Accepted"), so("Completed")), "Completed", ""),
        (study(so("Completed"), so("Degraded")), "Degraded", ""),
        (study(so("Suspended", message="no Job runs"), suspend=True), "Suspended", "no Job runs"),
        (study(NO_MORE), "Stopped", "hours are used up"),
        (study(NO_MORE, trials={"running": 1}), "Running", "hours are used up"),
        (study(so("Progressing", message="3 trials run")), "Running", ""),
    ],
)
def test_phase_and_note(seen: StudyObject, phase: str, note: str) -> None:
    assert (seen.phase, seen.note) == (phase, note)


def test_a_retry_that_was_asked_for_and_not_seen_is_pending() -> None:
    seen = study(so("Completed"), so("Degraded"), retried="monday")
    phases = [seen.phase]
    seen.raw["metadata"]["annotations"] = {RETRY_FAILED: "monday"}
    assert [*phases, seen.phase] == ["Pending", "Degraded"]


def test_it_is_shown_as_a_run_on_one_machine_is() -> None:
    stage = {"name": "scratch", "total": 9, "done": 2, "running": 1, "queued": 3, "waiting": 3}
    failures = [
        {"trial": "d", "title": "x", "reason": "RetriesUsed", "exitCode": 1, "message": "no GPU"},
        {"trial": "e", "title": "y", "reason": "BlockedBy", "message": "needs x"},
        {
            "trial": "f",
            "title": "z",
            "reason": "BadTrial",
            "exitCode": 64,
            "message": "exit code 64",
        },
    ]
    shown = study(
        stages=[stage], failures=failures, gpuHours=1.5, eta="2026-11-22T12:10:00Z"
    ).shown(NOW)
    assert shown.stages == (
        StageStatus(stage="scratch", trials=9, done=2, running=1, queued=3, waiting=3),
    )
    assert shown.missing == (
        Missing(digest="d", title="x", state="failed", why="no GPU (exit code 1)"),
        Missing(digest="e", title="y", state="blocked", why="needs x"),
        Missing(digest="f", title="z", state="failed", why="exit code 64"),
    )
    assert (shown.phase, shown.live, shown.spent_hours, shown.eta_seconds) == (
        "Running",
        1,
        1.5,
        600,
    )


def test_a_status_of_somebodys_hand_counts_as_none() -> None:
    seen = study(stages="nonsense")
    assert seen.status.stages == ()
    assert seen.phase == "Pending"


def test_what_is_asked_is_read_with_what_the_server_added() -> None:
    assert study().study().name == "small"
