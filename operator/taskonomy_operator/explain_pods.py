"""What a Job and its pods say of why they are where they are: one answer. Pure: objects in.

Of several pods of a gang the one that is worst off is told of, as the others wait for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from taskonomy_catalogue.last_words import parse_last_words
from taskonomy_operator.constants import DISRUPTION_TARGET, INDEX, QUEUE_NAME
from taskonomy_operator.log_tail import Standing
from taskonomy_operator.queueing import is_admitted
from taskonomy_operator.retries import Attempts, End
from taskonomy_operator.words import duration

Object = dict[str, Any]

IMAGE_TROUBLE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
"""Why a container waits whose image the node cannot get."""
OVERDUE = 60.0
"""Seconds past its grace after which a pod that was told to end is said not to."""
MAKING_TROUBLE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
"""Why one waits that the node cannot make or start."""
VOLUME_TROUBLE = {"FailedMount", "FailedAttachVolume"}
"""Events of a pod whose volumes do not come."""


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


def explain_pods(facts: JobFacts) -> Answer:
    """Return why the Job of a trial is where it is."""
    if not is_admitted(facts.job):
        return _waits_in_queue(facts)
    pod = told_of(facts.pods)
    over = _condition(facts.job, "Failed") or _condition(facts.job, "FailureTarget")
    if over and "deletionTimestamp" in facts.job["metadata"]:
        return _makes_room(facts)
    if pod is None:
        return _job_failed(facts, over) if over else _has_no_pod(facts)
    for judge in (_is_leaving, _is_unscheduled, _is_stuck, _runs, _ended_well):
        answer = judge(facts, pod)
        if answer is not None:
            return answer
    return _pod_failed(facts, pod, is_last=over is not None)


def told_of(pods: Sequence[Object]) -> Object | None:
    """Return the pod that tells most: the newest of each index, the worst off of these."""
    newest: dict[str, Object] = {}
    for pod in sorted(pods, key=_made):
        newest[_index(pod)] = pod
    return min(newest.values(), key=_how_well, default=None)


def _how_well(pod: Object) -> tuple[int, str]:
    order = {"Failed": 0, "Pending": 1, "Running": 2}
    phase = pod.get("status", {}).get("phase", "Pending")
    if phase == "Failed" and _condition(pod, DISRUPTION_TARGET):
        return (3, _index(pod))
    return (order.get(phase, 4), _index(pod))


# --- before there is a pod ---------------------------------------------------------------------


def _waits_in_queue(facts: JobFacts) -> Answer:
    queue = facts.job["metadata"].get("labels", {}).get(QUEUE_NAME, "")
    if not queue:
        return Answer(
            reason="JobSuspended",
            sentence=f"its Job {facts.name} is suspended and in no queue",
            next="whoever suspended it lets it go: spec.suspend of the Job",
        )
    if not facts.has_kueue:
        return Answer(
            reason="NoKueue",
            sentence=f"waits in queue {queue!r}, and this cluster has no Kueue to admit it",
            next="have Kueue installed, or leave spec.queue out of the study",
        )
    said = _workload_says(facts.workload) if facts.workload else ""
    return Answer(
        reason="NotAdmitted",
        sentence=f"waits in queue {queue!r} for Kueue to admit it{f': {said}' if said else ''}",
        next=f"`kubectl get localqueue {queue}` shows what the queue has; other work may end",
    )


def _workload_says(workload: Object) -> str:
    for kind in ("Evicted", "QuotaReserved", "Admitted"):
        for each in workload.get("status", {}).get("conditions") or []:
            if each.get("type") == kind and (each["status"] == "True") == (kind == "Evicted"):
                return str(each.get("message", ""))
    return ""


def _has_no_pod(facts: JobFacts) -> Answer:
    said = _event(facts, {"FailedCreate"})
    if "exceeded quota" in said:
        return Answer(
            reason="QuotaExceeded",
            sentence=f"its pod is not let in: {said}",
            next="`kubectl describe quota` shows what is used; end something, or have it raised",
        )
    if said:
        return Answer(
            reason="PodRefused",
            sentence=f"its pod is not let in: {said}",
            next="whoever runs the cluster can say what admits pods to this namespace",
        )
    if _condition(facts.job, "Complete"):
        return _ended()
    age = duration((facts.now - _time(facts.job["metadata"]["creationTimestamp"])).total_seconds())
    return Answer(reason="PodToCome", sentence=f"its Job {facts.name} has no pod yet, after {age}")


# --- what is told to end -----------------------------------------------------------------------


def _makes_room(facts: JobFacts) -> Answer:
    """Tell of a Job that failed: its trial is tried again, and it has to go first."""
    late = min(filter(_is_told_to_end, facts.pods), key=_should_end, default=None)
    if late is not None and (hung := _hangs(facts, late)):
        return replace(
            hung, sentence=f"waits until its earlier Job {facts.name} is gone: {hung.sentence}"
        )
    since = facts.now - _time(facts.job["metadata"]["deletionTimestamp"])
    held = facts.job["metadata"].get("finalizers") or []
    by = f"; its finalizers are {', '.join(held)}" if held and not facts.pods else ""
    return Answer(
        reason="Ending",
        sentence=f"waits until its earlier Job {facts.name} is gone, which is being deleted since "
        f"{duration(since.total_seconds())}{by}",
    )


def _hangs(facts: JobFacts, pod: Object) -> Answer | None:
    """Tell of a pod that was told to end, and has not in the time it was given."""
    late = (facts.now - _should_end(pod)).total_seconds()
    if late < OVERDUE:
        return None
    name, node = pod["metadata"]["name"], pod["spec"].get("nodeName", "its node")
    return Answer(
        reason="Hangs",
        sentence=f"its pod {name} on {node} should have ended {duration(late)} ago and has not",
        next=f"whoever runs the cluster looks at {node}; if that is down for good, `kubectl delete "
        f"pod {name} --force` lets the trial go on elsewhere",
    )


def _is_told_to_end(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _should_end(pod: Object) -> datetime:
    """Return the end of a pod's grace: that is what the server writes when it is deleted."""
    return _time(pod["metadata"]["deletionTimestamp"])


def _is_leaving(facts: JobFacts, pod: Object) -> Answer | None:
    if not _is_told_to_end(pod):
        return None
    return _hangs(facts, pod) or Answer(
        reason="Ending",
        sentence="its pod was told to end: it saves a checkpoint, and the trial goes on from there",
        lines=facts.log.lines,
    )


# --- a pod -------------------------------------------------------------------------------------


def _is_unscheduled(facts: JobFacts, pod: Object) -> Answer | None:
    """Tell the scheduler's own sentence."""
    found = _condition(pod, "PodScheduled", "False")
    if found is not None:
        said = found.get("message", "") or "the scheduler does not say why"
        since = duration((facts.now - _time(_made(pod))).total_seconds())
        return Answer(
            reason="Unschedulable",
            sentence=f"waits for a node: {said}",
            next=f"it waits since {since}, which uses up no retry, deadline or GPU hour; other "
            "work may end, else the study's resources ask for more than any node has",
        )
    if not pod["spec"].get("nodeName"):
        return Answer(reason="Unscheduled", sentence="waits for the scheduler to look at its pod")
    return None


def _is_stuck(facts: JobFacts, pod: Object) -> Answer | None:
    if pod["status"].get("phase") != "Pending":
        return None
    node = pod["spec"]["nodeName"]
    for waiting in _states(pod, "waiting"):
        why, said = waiting.get("reason", ""), waiting.get("message", "")
        if why in IMAGE_TROUBLE:
            image = pod["spec"]["containers"][0].get("image", "")
            return Answer(
                reason="ImagePull",
                sentence=f"node {node} cannot get the image {image}: {said or why}",
                next="the installation names the image and the secrets to pull it with",
            )
        if why in MAKING_TROUBLE:
            return Answer(
                reason=why,
                sentence=f"node {node} cannot make its container: {said or why}",
                next="a Secret or setting that the installation names may be missing here",
            )
    said = _event(facts, VOLUME_TROUBLE)
    if said:
        return Answer(
            reason="Volume",
            sentence=f"its volumes do not come on node {node}: {said}",
            next="`kubectl get pvc` shows the claims that the installation mounts",
        )
    return Answer(reason="ContainerCreating", sentence=f"its container is being made on {node}")


def _runs(facts: JobFacts, pod: Object) -> Answer | None:
    if pod["status"].get("phase") != "Running":
        return None
    began = next((state.get("startedAt") for state in _states(pod, "running")), None)
    began = began or pod["status"].get("startTime") or pod["metadata"]["creationTimestamp"]
    since = duration((facts.now - _time(began)).total_seconds())
    sentence = f"runs since {since} on {pod['spec'].get('nodeName', 'a node')}"
    return Answer(reason="Running", sentence=sentence + _progress(facts.log.standing))


def _progress(standing: Standing | None) -> str:
    if standing is None or not standing.steps:
        return ""
    loss = "" if standing.loss is None else f", loss {standing.loss:.4g}"
    return f", step {standing.step} of {standing.steps}{loss}"


def _ended_well(_facts: JobFacts, pod: Object) -> Answer | None:
    return _ended() if pod["status"].get("phase") == "Succeeded" else None


def _ended() -> Answer:
    return Answer(reason="Ended", sentence="its pod ended well; its result is about to be recorded")


def _pod_failed(facts: JobFacts, pod: Object, *, is_last: bool) -> Answer:
    if found := _condition(pod, DISRUPTION_TARGET):
        said = found.get("message") or pod["status"].get("message") or found.get("reason", "")
        return Answer(
            reason="Disrupted",
            sentence=f"its pod was put off its node: {said}; it is started again from its last "
            "checkpoint, and no retry is used up",
        )
    ended = next(_states(pod, "terminated"), {})
    after = "" if is_last else "; it is started again from its last checkpoint"
    return Answer(
        reason="ExitCode",
        sentence=f"its pod {ending(ended)}{after}",
        lines=facts.log.lines or _last_lines(ended),
    )


def _job_failed(facts: JobFacts, over: Object) -> Answer:
    said = over.get("message") or over.get("reason", "")
    return Answer(reason="JobFailed", sentence=f"its Job {facts.name} failed: {said}")


def ending(terminated: Object) -> str:
    """Return how a container ended, in words: its exit code, and what it said last."""
    code = terminated.get("exitCode")
    if terminated.get("reason") == "OOMKilled":
        return "ran out of memory (OOMKilled): spec.resources of its stage asks for too little"
    words = parse_last_words(terminated.get("message") or "")
    reasons = [each.reason for each in words.failed.values() if each.reason] if words else []
    said = f": {reasons[0]}" if reasons else ""
    hint = Attempts(last=End(code=code)).why() if code != 0 else "ended and left no result"
    return f"{hint}{said}"


def _last_lines(terminated: Object) -> tuple[str, ...]:
    message = terminated.get("message") or ""
    return () if parse_last_words(message) else tuple(message.splitlines()[-10:])


# --- reading objects ---------------------------------------------------------------------------


def _condition(thing: Object, kind: str, value: str = "True") -> Object | None:
    for each in thing.get("status", {}).get("conditions") or []:
        if each.get("type") == kind and each.get("status") == value:
            return dict(each)
    return None


def _states(pod: Object, kind: str) -> Iterator[Object]:
    status = pod.get("status", {})
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(key) or []:
            if kind in (container.get("state") or {}):
                yield container["state"][kind]


def _event(facts: JobFacts, reasons: set[str]) -> str:
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


def _made(pod: Object) -> str:
    return str(pod["metadata"]["creationTimestamp"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
