"""A Job and its pods as they are seen from outside, and how such objects are read. Pure.

Of several pods of a gang the one that is worst off is told of, as the others wait for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskonomy_operator.constants import DISRUPTION_TARGET, INDEX
from taskonomy_operator.log_tail import Standing

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why something is where it is."""

    reason: str
    """One word, for programs and for counting."""
    sentence: str
    """What is so, going on from the name of what is asked about."""
    next: str = ""
    """What to do about it; empty: nothing, or to wait."""
    lines: tuple[str, ...] = ()
    """The last lines of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSeen:
    """What the log of a pod says."""

    standing: Standing | None = None
    """Where the trial stands; None: the log does not say."""
    lines: tuple[str, ...] = ()
    """Its last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """A Job as it is seen from outside."""

    job: Object
    pods: Sequence[Object] = ()
    """Its pods."""
    events: Sequence[Object] = ()
    """Events about the Job and its pods."""
    workload: Object | None = None
    """What Kueue made of the Job; None: nothing."""
    has_kueue: bool = True
    """Whether there is a Kueue that could."""
    log: LogSeen = LogSeen()
    """Log of the pod that is told of (`told_of`)."""
    now: datetime

    @property
    def name(self) -> str:
        """The Job's name."""
        return str(self.job["metadata"]["name"])


def told_of(pods: Sequence[Object]) -> Object | None:
    """Return the pod that tells most: the newest of each index, the worst off of these."""
    newest: dict[str, Object] = {}
    for pod in sorted(pods, key=made_at):
        newest[_index(pod)] = pod
    return min(newest.values(), key=_how_well, default=None)


def _how_well(pod: Object) -> tuple[int, str]:
    order = {"Failed": 0, "Pending": 1, "Running": 2}
    phase = pod.get("status", {}).get("phase", "Pending")
    if phase == "Failed" and condition_of(pod, DISRUPTION_TARGET):
        return (3, _index(pod))
    return (order.get(phase, 4), _index(pod))


# --- reading objects ---------------------------------------------------------------------------


def condition_of(thing: Object, kind: str, value: str = "True") -> Object | None:
    """Return a condition of an object if it is so; None: it is not, or nothing is said of it."""
    for each in thing.get("status", {}).get("conditions") or []:
        if each.get("type") == kind and each.get("status") == value:
            return dict(each)
    return None


def states_of(pod: Object, kind: str) -> Iterator[Object]:
    """Yield what is said of containers in a state: `waiting`, `running`, `terminated`."""
    status = pod.get("status", {})
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(key) or []:
            if kind in (container.get("state") or {}):
                yield container["state"][kind]


def latest_event(facts: JobFacts, reasons: set[str]) -> str:
    """Return the message of the latest event of these reasons; empty: there is none."""
    found = [each for each in facts.events if each.get("reason") in reasons]
    latest = max(found, key=_last_seen, default=None)
    return str(latest.get("message", "")) if latest else ""


def _last_seen(event: Object) -> str:
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""
    )


def _index(pod: Object) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get(INDEX, ""))


def made_at(pod: Object) -> str:
    """Return when an object was made, as Kubernetes writes it."""
    return str(pod["metadata"]["creationTimestamp"])


def moment_of(text: str) -> datetime:
    """Return a time that Kubernetes wrote."""
    return datetime.fromisoformat(text)
