"""How a Job's trials ended, from the Job, its last pod and what that pod said. Pure.

| the Job failed for      | a lone trial              | a pack                           |
|-------------------------|---------------------------|----------------------------------|
| `PodFailurePolicy` (64) | is bad, never again       | those it named are; the others   |
|                         |                           | go on in packs half as large     |
| `BackoffLimitExceeded`  | has used its retries up   | as above: alone, each shows      |
| and the like            |                           | whether it was the one           |
| `DeadlineExceeded`      | as above: it was stuck    | as above                         |
| `NoProgress`, ours      | is given up               | those it named are; the others   |
|                         |                           | go on in packs half as large     |

The Job controller answers what is nobody's fault itself (`pod_failure_policy`), and `no_progress`
bounds how often. We give no Job a deadline, which would count the time that its pods wait for a
node; pods have one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from taskonomy_catalogue.last_words import FailedTrial, parse_last_words
from taskonomy_catalogue.launch import Exit, parse_event
from taskonomy_operator.endings import endings
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.retries import Attempts, End

MOST_WORDS = 200
"""Characters of a pod's own words that are kept."""

NO_PROGRESS = "NoProgress"
"""Reason of a Job that the controller gave up, as its pods save nothing new (`no_progress`)."""
NO_HEAD = "HeadFailed"
"""Reason of a gang that the controller gave up, as the pod that the others meet at is no more."""

WORD_OF = {
    "PodFailurePolicy": "BadTrial",
    "DeadlineExceeded": "DeadlineExceeded",
    NO_PROGRESS: NO_PROGRESS,
}
"""Reason of a failure by the Job controller's; `RetriesUsed` for every other."""


@dataclass(frozen=True, slots=True)
class PodEnd:
    """How the pod ended that a Job failed for."""

    code: int | None = None
    """Exit code of the container that failed; None: no pod is left to ask."""
    reason: str = ""
    """The kubelet's word, e.g. `OOMKilled`."""
    message: str = ""
    """Its termination message."""

    def words(self) -> str:
        """Return what a person should read of it."""
        if self.code is None:
            return ""
        how = f"ended with exit code {self.code}"
        if self.reason and self.reason != "Error":
            how += f" ({self.reason})"
        last = _last_line(self.message)
        return f"{how}: {last}" if last else how


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failed Job says of its trials."""

    finished: frozenset[str] = frozenset()
    """Digests of those that have their result all the same."""
    given_up: Mapping[str, Attempts] = field(default_factory=dict)
    """What is known of the attempts at trials that this settles: a lone one, mostly."""
    ends: Mapping[str, End] = field(default_factory=dict)
    """How the attempt ended at trials of a pack."""


def last_pod_end(pods: list[dict[str, Any]]) -> PodEnd:
    """Return how the pod ended that decided: one that ended with 64 before others, else the last.

    Args:
        pods: of one Job, as the server lists them.
    """
    ends = sorted(filter(None, map(_terminated, pods)), key=lambda end: end[:2])
    return ends[-1][2] if ends else PodEnd()


def verdict(job: JobRecord, pod: PodEnd, retries: int) -> Verdict:
    """Return what a failed Job says of its trials.

    Args:
        job: the Job.
        pod: how its last pod ended.
        retries: failed attempts a trial may have before the last.
    """
    names = job.names
    words = parse_last_words(pod.message)
    finished, failed = words.by_digest(names) if words else (set[str](), {})
    if len(names) == 1:
        attempts = replace(_alone(job, pod, failed, retries), last=_last_end(job, pod, failed))
        return Verdict(given_up={names[0]: attempts})
    given_up: dict[str, Attempts] = {}
    if job.reason == NO_PROGRESS:
        given_up = _stuck(failed, retries)
        failed = {name: each for name, each in failed.items() if each.code != Exit.TRY_AGAIN}
    return Verdict(
        finished=frozenset(finished),
        given_up=given_up,
        ends=endings(
            [name for name in names if name not in finished and name not in given_up],
            in_job=len(names),
            # not told apart: some crash or other, so smaller packs show whose
            code=1 if pod.code in (None, Exit.BAD_TRIAL, Exit.TRY_AGAIN) else pod.code,
            stopped=False,
            failures=failed,
            last_words=_last_line(pod.message),
        ),
    )


def _alone(
    job: JobRecord, pod: PodEnd, failed: Mapping[str, FailedTrial], retries: int
) -> Attempts:
    said_bad = any(each.code == Exit.BAD_TRIAL for each in failed.values())
    if job.reason == "PodFailurePolicy" or pod.code == Exit.BAD_TRIAL or said_bad:
        return Attempts(is_bad=True)
    # Whatever made the Job give up, it has tried as often as it may.
    return Attempts(crashes=max(job.crashes, retries + 1))


def _stuck(failed: Mapping[str, FailedTrial], retries: int) -> dict[str, Attempts]:
    """Return the attempts at trials of a pack that it named as what keeps it from going on."""
    return {
        name: Attempts(crashes=retries + 1, last=End(code=each.code, reason=each.reason))
        for name, each in failed.items()
        if name and each.code == Exit.TRY_AGAIN
    }


def _last_end(job: JobRecord, pod: PodEnd, failed: Mapping[str, FailedTrial]) -> End:
    said = next((each.reason for each in failed.values() if each.reason), "")
    said = said or pod.words()
    if job.is_given_up:
        said = f"{job.message}: {said}" if said else job.message
    return End(code=pod.code, reason=said or job.message or job.reason)


def _terminated(pod: dict[str, Any]) -> tuple[bool, str, PodEnd] | None:
    status = pod.get("status") or {}
    containers = [status.get(kind) or [] for kind in ("containerStatuses", "initContainerStatuses")]
    for container in chain.from_iterable(containers):
        end = (container.get("state") or {}).get("terminated")
        if end and end.get("exitCode"):
            code = int(end["exitCode"])
            reason = status.get("reason") or end.get("reason") or ""  # of the pod: DeadlineExceeded
            told = PodEnd(code, reason, end.get("message") or "")
            return code == Exit.BAD_TRIAL, end.get("finishedAt") or "", told
    return None


def _last_line(message: str) -> str:
    """Return the last line of a log's tail that is meant for people."""
    if parse_last_words(message):
        return ""
    lines = (line.strip() for line in reversed(message.splitlines()))
    return next((line[:MOST_WORDS] for line in lines if line and parse_event(line) is None), "")
