"""What a Job and its pods say of why they are where they are: one answer. Pure: objects in."""

from dataclasses import replace
from datetime import datetime

from taskonomy_catalogue.last_words import parse_last_words
from taskonomy_operator.constants import DISRUPTION_TARGET, ONE_NODE, QUEUE_NAME
from taskonomy_operator.log_tail import Standing
from taskonomy_operator.pod_facts import (
    Answer,
    JobFacts,
    Object,
    condition_of,
    latest_event,
    made_at,
    moment_of,
    states_of,
    told_of,
)
from taskonomy_operator.queueing import is_admitted
from taskonomy_operator.retries import Attempts, End
from taskonomy_operator.words import duration

IMAGE_TROUBLE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
"""Why a container waits whose image the node cannot get."""
OVERDUE = 60.0
"""Seconds past its grace after which a pod that was told to end is said not to."""
MAKING_TROUBLE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
"""Why one waits that the node cannot make or start."""
VOLUME_TROUBLE = {"FailedMount", "FailedAttachVolume"}
"""Events of a pod whose volumes do not come."""


def explain_pods(facts: JobFacts) -> Answer:
    """Return why the Job of a trial is where it is."""
    if not is_admitted(facts.job):
        return _waits_in_queue(facts)
    pod = told_of(facts.pods)
    over = condition_of(facts.job, "Failed") or condition_of(facts.job, "FailureTarget")
    if over and "deletionTimestamp" in facts.job["metadata"]:
        return _makes_room(facts)
    if pod is None:
        return _job_failed(facts, over) if over else _has_no_pod(facts)
    for judge in (_is_leaving, _is_unscheduled, _is_stuck, _runs, _ended_well):
        answer = judge(facts, pod)
        if answer is not None:
            return answer
    return _pod_failed(facts, pod, is_last=over is not None)


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
    said = latest_event(facts, {"FailedCreate"})
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
    if condition_of(facts.job, "Complete"):
        return _ended()
    age = duration(
        (facts.now - moment_of(facts.job["metadata"]["creationTimestamp"])).total_seconds()
    )
    return Answer(reason="PodToCome", sentence=f"its Job {facts.name} has no pod yet, after {age}")


# --- what is told to end -----------------------------------------------------------------------


def _makes_room(facts: JobFacts) -> Answer:
    """Tell of a Job that failed: its trial is tried again, and it has to go first."""
    late = min(filter(_is_told_to_end, facts.pods), key=_should_end, default=None)
    if late is not None and (hung := _hangs(facts, late)):
        return replace(
            hung, sentence=f"waits until its earlier Job {facts.name} is gone: {hung.sentence}"
        )
    since = facts.now - moment_of(facts.job["metadata"]["deletionTimestamp"])
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
    return moment_of(pod["metadata"]["deletionTimestamp"])


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
    found = condition_of(pod, "PodScheduled", "False")
    if found is not None:
        said = found.get("message", "") or "the scheduler does not say why"
        since = duration((facts.now - moment_of(made_at(pod))).total_seconds())
        return Answer(
            reason="Unschedulable",
            sentence=f"waits for a node: {said}",
            next=f"it waits since {since}, which uses up no retry, deadline or GPU hour; other "
            f"work may end, else {_what_would_help(pod, said)}",
        )
    if not pod["spec"].get("nodeName"):
        return Answer(reason="Unscheduled", sentence="waits for the scheduler to look at its pod")
    return None


def _what_would_help(pod: Object, said: str) -> str:
    claim = pod["metadata"].get("labels", {}).get(ONE_NODE)
    if claim and "pod affinity" in said:
        return (
            "the study's resources ask for more than the one node has that holds the volume of "
            f"claim {claim}: ask for less, or have it ReadWriteMany, for pods on several nodes"
        )
    return "the study's resources ask for more than any node has"


def _is_stuck(facts: JobFacts, pod: Object) -> Answer | None:
    if pod["status"].get("phase") != "Pending":
        return None
    node = pod["spec"]["nodeName"]
    for waiting in states_of(pod, "waiting"):
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
    said = latest_event(facts, VOLUME_TROUBLE)
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
    began = next((state.get("startedAt") for state in states_of(pod, "running")), None)
    began = began or pod["status"].get("startTime") or pod["metadata"]["creationTimestamp"]
    since = duration((facts.now - moment_of(began)).total_seconds())
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
    if found := condition_of(pod, DISRUPTION_TARGET):
        said = found.get("message") or pod["status"].get("message") or found.get("reason", "")
        return Answer(
            reason="Disrupted",
            sentence=f"its pod was put off its node: {said}; it is started again from its last "
            "checkpoint, and no retry is used up",
        )
    ended = next(states_of(pod, "terminated"), {})
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
