"""What the controller keeps of a Job: a few hundred bytes of some eight thousand."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from taskonomy_catalogue.index_ranges import IndexRanges
from taskonomy_operator import constants
from taskonomy_operator.manifests import CONTAINER

End = Literal["", "succeeded", "failed"]
"""How a Job ended; empty: it has not."""

RANKING = "ranking"
"""Stage label of the Job that ranks sources."""

MOST_WORDS = 256
"""Characters kept of the Job controller's message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A Job of a study, as the server last told of it."""

    namespace: str
    name: str
    uid: str
    study_uid: str
    stage: str
    digests: str
    """Digests of its trials, joined by commas; of a ranking Job, its targets."""
    attempt: int
    """Failed attempts at its trial before it."""
    ended: End
    reason: str
    """Why it failed, in the Job controller's word, e.g. `BackoffLimitExceeded`."""
    message: str
    """The same in its sentence."""
    is_suspended: bool
    """Whether it waits to be let go, as by Kueue."""
    ready: int
    """Pods that run."""
    failed: int
    """Pods that failed and count as failed: disruptions and exit 75 do not."""
    pods: int
    """Pods that work together: 1, or as many as a gang has."""
    gpus: int
    """GPUs of each pod."""
    made_at: float
    started_at: float
    """When its pods were first let go; 0: they were not."""
    ended_at: float
    leaving_at: float = 0.0
    """When its deletion was asked for; 0: it was not."""
    lacks_head: bool = False
    """Whether the pod that a gang meets at has used its retries up: others wait for it in vain."""
    is_given_up: bool = False
    """Whether it was the controller that ended it: its pods run until it is deleted."""

    @property
    def is_leaving(self) -> bool:
        """Whether it is being deleted."""
        return self.leaving_at > 0

    @property
    def is_ranking(self) -> bool:
        """Whether it ranks sources."""
        return self.stage == RANKING

    @property
    def names(self) -> tuple[str, ...]:
        """What it works on: digests of its trials, or targets it ranks."""
        return tuple(filter(None, self.digests.split(",")))

    @property
    def crashes(self) -> int:
        """Failed attempts at its trial, those before it among them.

        Pods of a gang go down together: as many failures as it has pods are one attempt.
        """
        return self.attempt + self.failed // self.pods

    @property
    def seconds(self) -> float:
        """How long it took; 0 while it has not ended."""
        return max(0.0, self.ended_at - self.started_at) if self.started_at else 0.0

    def given_up(self, reason: str, message: str, now: float) -> "JobRecord":
        """Return it as failed: what the Job controller would let go on for ever.

        Args:
            reason: one word, as the Job controller's.
            message: a sentence.
            now: seconds since 1970.
        """
        return replace(
            self,
            ended="failed",
            reason=reason,
            message=message[:MOST_WORDS],
            ended_at=now,
            is_given_up=True,
        )


def job_record(job: dict[str, Any]) -> JobRecord:
    """Return what is kept of a Job."""
    meta, spec, status = job["metadata"], job["spec"], job.get("status") or {}
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    ended, condition = _end(status.get("conditions") or [])
    closed = status.get("completionTime") or condition.get("lastTransitionTime")
    return JobRecord(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        study_uid=labels.get(constants.STUDY_UID, ""),
        stage=labels.get(constants.STAGE, ""),
        digests=notes.get(constants.DIGESTS, ""),
        attempt=_number(notes.get(constants.ATTEMPT)),
        ended=ended,
        reason=condition.get("reason") or "",
        message=(condition.get("message") or "")[:MOST_WORDS],
        is_suspended=bool(spec.get("suspend")),
        ready=int(status.get("ready") or 0),
        failed=int(status.get("failed") or 0),
        pods=max(1, int(spec.get("completions") or 1)),
        gpus=_gpus(spec["template"]["spec"]),
        made_at=moment(meta.get("creationTimestamp")),
        started_at=moment(status.get("startTime")),
        ended_at=moment(closed) if ended else 0.0,
        leaving_at=moment(meta.get("deletionTimestamp")),
        lacks_head=_has_failed(status.get("failedIndexes") or "", 0),
    )


def moment(text: str | None) -> float:
    """Return a Kubernetes time as seconds since 1970; 0 where there is none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _end(conditions: list[dict[str, Any]]) -> tuple[End, dict[str, Any]]:
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return ("succeeded" if condition["type"] == "Complete" else "failed"), condition
    return "", {}


def _has_failed(indexes: str, index: int) -> bool:
    """Return whether an index of a gang is among those that failed, which are told as ranges."""
    return bool(indexes) and index in IndexRanges.parse(indexes)


def _gpus(pod: dict[str, Any]) -> int:
    """Return the GPUs of a pod: whatever its training container is limited to but CPU and memory.

    A profile may ask for a GPU by another name (`installation.Profile.gpu_resource`).
    """
    containers = {each["name"]: each for each in pod["containers"]}
    limits = (containers.get(CONTAINER) or {}).get("resources", {}).get("limits") or {}
    return sum(_number(amount) for name, amount in limits.items() if "/" in name)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
