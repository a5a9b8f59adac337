"""How often a trial may come back with nothing new: what bounds the pods that end with 75. Pure.

The Job controller makes another pod for each that ends with 75 or is put off its node, later each
time, and counts none: a night of evictions must not end a study. But a pod that ends with 75 by
itself, every time, where the one before stood, waits for what does not come: a network that
somebody removed, a folder that another process holds. After more than `MOST` such pods in a row,
over more than `LONGEST` seconds, the controller gives the Job up (`job_end` says what becomes of
its trials). What counts as progress is a trial that finished or a step that was saved: pods say it
in their last words.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskonomy_catalogue.last_words import parse_last_words
from taskonomy_catalogue.launch import Exit
from taskonomy_operator.constants import DISRUPTION_TARGET, INDEX, JOB_UID
from taskonomy_operator.job_record import moment
from taskonomy_operator.retries import MOST_INTERRUPTIONS

MOST = MOST_INTERRUPTIONS
"""Pods in a row that may end with 75 and have saved no further step."""
LONGEST = 4 * 3_600.0
"""Seconds that they may take at least: a server may be away for a night's maintenance. A Job that
is younger is not looked at."""
NOWHERE = (0, 0)
"""How far a Job is that has nothing yet."""
LOOK_WAIT = 600.0
"""Seconds between two looks at the pods of a study that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedPod:
    """What is kept of a pod that failed."""

    job: str
    """Uid of its Job."""
    ended_at: float
    """When its container ended, in seconds since 1970; 0: it is not known."""
    asks_again: bool
    """Whether it ended with 75 by itself."""
    reached: tuple[int, int]
    """How far its Job was, as far as it said (`LastWords.reached`)."""


def failed_pod(pod: Mapping[str, Any]) -> FailedPod | None:
    """Return what is kept of a failed pod; None: it is a gang's, and not the one that saves."""
    meta, status = pod["metadata"], pod.get("status") or {}
    if (meta.get("annotations") or {}).get(INDEX, "0") != "0":
        return None
    states = [each.get("state") or {} for each in status.get("containerStatuses") or []]
    end: Mapping[str, Any] = next((s["terminated"] for s in states if "terminated" in s), {})
    words = parse_last_words(end.get("message") or "")
    return FailedPod(
        job=(meta.get("labels") or {}).get(JOB_UID, ""),
        ended_at=moment(end.get("finishedAt")),
        asks_again=end.get("exitCode") == Exit.TRY_AGAIN and not _is_disrupted(status),
        reached=words.reached if words else NOWHERE,
    )


def in_vain(pods: Iterable[FailedPod]) -> dict[str, list[FailedPod]]:
    """Return the pods of each Job that came back with nothing new, one after another, up to now.

    Args:
        pods: those that failed and are still there, of any Jobs.

    Returns:
        As they ended, by the Job's uid; Jobs without any are left out.
    """
    of: defaultdict[str, list[FailedPod]] = defaultdict(list)
    for pod in pods:
        of[pod.job].append(pod)
    rows = {uid: _in_a_row(each) for uid, each in of.items()}
    return {uid: row for uid, row in rows.items() if row}


def is_too_much(row: Sequence[FailedPod]) -> bool:
    """Return whether so many pods came back with nothing new that no more should."""
    return len(row) > MOST and row[-1].ended_at - row[0].ended_at > LONGEST


def _in_a_row(pods: list[FailedPod]) -> list[FailedPod]:
    row: list[FailedPod] = []
    furthest = NOWHERE
    for pod in sorted(pods, key=lambda pod: pod.ended_at):
        is_in_vain = pod.asks_again and pod.reached <= furthest
        row = [*row, pod] if is_in_vain else []
        furthest = max(furthest, pod.reached)
    return row


def _is_disrupted(status: Mapping[str, Any]) -> bool:
    conditions = status.get("conditions") or []
    return any(c["type"] == DISRUPTION_TARGET and c["status"] == "True" for c in conditions)
