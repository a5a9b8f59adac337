"""Why a trial is where it is: what is seen of it, row by row, and the one answer it makes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskonomy_operator.explain import Encoder, TrialFacts, explain_study, explain_trial
from taskonomy_operator.explain_pods import explain_pods
from taskonomy_operator.log_tail import Standing
from taskonomy_operator.pod_facts import Answer, JobFacts, LogSeen, told_of
from taskonomy_operator.study_object import StudyObject
from taskonomy_operator.study_status import Failure

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AGO = (NOW - timedelta(minutes=12)).isoformat()
SOON = (NOW + timedelta(minutes=1)).isoformat()
QUEUE = "kueue.x-k8s.io/queue-name"


def condition(kind: Any, status: Any = "True", reason: Any = "X", message: Any = "") -> Any:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": AGO,
    }


ACCEPTED = condition("Accepted")


def study(*conditions: Any, spec: Any = None, **status: Any) -> StudyObject:
    seen = {"observedGeneration": 1, "conditions": [ACCEPTED, *conditions], **status}
    metadata = {"name": "rooms", "namespace": "vision", "uid": "u", "generation": 1}
    return StudyObject({"metadata": metadata, "spec": spec or {}, "status": seen})


def job(*conditions: Any, **spec: Any) -> Any:
    labels = {QUEUE: spec.pop("queue")} if "queue" in spec else {}
    return {
        "metadata": {"name": "rooms-abc", "uid": "j", "creationTimestamp": AGO, "labels": labels},
        "spec": spec,
        "status": {"conditions": list(conditions)},
    }


def leaving(*conditions: Any, **metadata: Any) -> Any:
    """Return a Job that is being deleted."""
    found = job(*conditions)
    found["metadata"] |= {"deletionTimestamp": AGO, **metadata}
    return found


def pod(phase: Any, *conditions: Any, node: Any = "gpu-1", state: Any = None, **more: Any) -> Any:
    metadata = {"name": "p", "uid": "p", "creationTimestamp": AGO, **more.pop("metadata", {})}
    containers = [{"state": state}] if state else []
    return {
        "metadata": metadata,
        "spec": {
            "containers": [{"image": "example.org/jobs:1"}],
            **({"nodeName": node} if node else {}),
        },
        "status": {
            "phase": phase,
            "conditions": list(conditions),
            "containerStatuses": containers,
            **more,
        },
    }


def event(reason: Any, message: Any, when: Any = AGO) -> Any:
    return {"reason": reason, "message": message, "lastTimestamp": when}


def facts(*pods: Any, of: Any = None, **more: Any) -> JobFacts:
    return JobFacts(job=of or job(), pods=pods, now=NOW, **more)


NO_ROOM_THERE = (
    "0/10 nodes are available: 1 Insufficient nvidia.com/gpu, 9 node(s) didn't match pod affinity "
    "rules. preemption: 0/10 nodes are available"
)
NO_NODE = "0/8 nodes are available: 8 Insufficient nvidia.com/gpu."
QUOTA = 'pods "x" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=9'
RUNNING = {"running": {"startedAt": AGO}}


def waiting(reason: Any, message: Any = "") -> Any:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: Any, **more: Any) -> Any:
    return {"terminated": {"exitCode": code, **more}}


SEEN: Mapping[str, tuple[JobFacts, str, str]] = {
    "in a queue": (
        facts(of=job(suspend=True, queue="team-a")),
        "NotAdmitted",
        "waits in queue 'team-a' for Kueue to admit it",
    ),
    "in a queue that says why": (
        facts(
            of=job(suspend=True, queue="team-a"),
            workload={
                "status": {"conditions": [condition("QuotaReserved", "False", message="full")]}
            },
        ),
        "NotAdmitted",
        "admit it: full",
    ),
    "in a queue of nobody": (
        facts(of=job(suspend=True, queue="team-a"), has_kueue=False),
        "NoKueue",
        "this cluster has no Kueue",
    ),
    "suspended by hand": (facts(of=job(suspend=True)), "JobSuspended", "in no queue"),
    "quota": (
        facts(events=[event("FailedCreate", QUOTA)]),
        "QuotaExceeded",
        'its pod is not let in: pods "x" is forbidden: exceeded quota: gpus',
    ),
    "refused by policy": (
        facts(events=[event("FailedCreate", "violates PodSecurity")]),
        "PodRefused",
        "violates PodSecurity",
    ),
    "just made": (facts(), "PodToCome", "its Job rooms-abc has no pod yet, after 12 min"),
    "given up, pods gone": (
        facts(of=job(condition("Failed", message="Job was active too long"))),
        "JobFailed",
        "Job was active too long",
    ),
    "done, pods gone": (facts(of=job(condition("Complete"))), "Ended", "ended well"),
    "unschedulable": (
        facts(
            pod("Pending", condition("PodScheduled", "False", "Unschedulable", NO_NODE), node="")
        ),
        "Unschedulable",
        f"waits for a node: {NO_NODE}",
    ),
    "unschedulable on the one node": (
        facts(
            pod(
                "Pending",
                condition("PodScheduled", "False", "Unschedulable", NO_ROOM_THERE),
                node="",
                metadata={"labels": {"taskonomy.dev/one-node": "results"}},
            )
        ),
        "Unschedulable",
        f"waits for a node: {NO_ROOM_THERE}",
    ),
    "told to end, and does not": (
        facts(pod("Running", state=RUNNING, metadata={"deletionTimestamp": AGO})),
        "Hangs",
        "its pod p on gpu-1 should have ended 12 min ago and has not",
    ),
    "an earlier attempt goes": (
        facts(pod("Failed"), of=leaving(condition("Failed"))),
        "Ending",
        "waits until its earlier Job rooms-abc is gone, which is being deleted since 12 min",
    ),
    "an earlier attempt is held": (
        facts(of=leaving(condition("Failed"), finalizers=["foregroundDeletion"])),
        "Ending",
        "is being deleted since 12 min; its finalizers are foregroundDeletion",
    ),
    "an earlier attempt does not go": (
        facts(
            pod("Failed"),
            pod("Running", metadata={"deletionTimestamp": AGO}),
            of=leaving(condition("Failed")),
        ),
        "Hangs",
        "waits until its earlier Job rooms-abc is gone: its pod p on gpu-1 should have ended",
    ),
    "not looked at": (facts(pod("Pending", node="")), "Unscheduled", "waits for the scheduler"),
    "no such image": (
        facts(pod("Pending", state=waiting("ImagePullBackOff", "not found"))),
        "ImagePull",
        "node gpu-1 cannot get the image example.org/jobs:1: not found",
    ),
    "no such secret": (
        facts(pod("Pending", state=waiting("CreateContainerConfigError", 'secret "s3" not found'))),
        "CreateContainerConfigError",
        'cannot make its container: secret "s3" not found',
    ),
    "no volume": (
        facts(
            pod("Pending", state=waiting("ContainerCreating")),
            events=[
                event("FailedMount", "old", "2026-11-22T01:00:00Z"),
                event("FailedMount", "claim not bound", "2026-11-22T02:00:00Z"),
                event("Pulled", "newer", "2026-11-22T03:00:00Z"),
            ],
        ),
        "Volume",
        "its volumes do not come on node gpu-1: claim not bound",
    ),
    "being made": (
        facts(pod("Pending", state=waiting("ContainerCreating"))),
        "ContainerCreating",
        "on gpu-1",
    ),
    "running": (
        facts(
            pod("Running", state=RUNNING),
            log=LogSeen(standing=Standing(step=50, steps=200, loss=0.25)),
        ),
        "Running",
        "runs since 12 min on gpu-1, step 50 of 200, loss 0.25",
    ),
    "running, silent": (facts(pod("Running", state=RUNNING)), "Running", "since 12 min on gpu-1"),
    "being ended": (
        facts(pod("Running", state=RUNNING, metadata={"deletionTimestamp": SOON})),
        "Ending",
        "it saves a checkpoint",
    ),
    "ended": (facts(pod("Succeeded")), "Ended", "about to be recorded"),
    "evicted": (
        facts(pod("Failed", condition("DisruptionTarget", message="node was low on memory"))),
        "Disrupted",
        "node was low on memory; it is started again from its last checkpoint, and no retry",
    ),
    "crashed": (
        facts(pod("Failed", state=ended(1, message="Traceback\nValueError: no"))),
        "ExitCode",
        "its pod ended with exit code 1; it is started again",
    ),
    "crashed for the last time": (
        facts(pod("Failed", state=ended(1)), of=job(condition("Failed", message="limit"))),
        "ExitCode",
        "its pod ended with exit code 1",
    ),
    "out of memory": (
        facts(pod("Failed", state=ended(137, reason="OOMKilled"))),
        "ExitCode",
        "ran out of memory (OOMKilled): spec.resources",
    ),
    "bad trial": (
        facts(
            pod(
                "Failed",
                state=ended(64, message='{"failed": {"0": {"code": 64, "reason": "no label"}}}'),
            )
        ),
        "ExitCode",
        "ended with exit code 64: no label",
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_a_job_and_its_pods_say(name: str) -> None:
    seen, reason, words = SEEN[name]
    answer = explain_pods(seen)
    assert (answer.reason, words in answer.sentence) == (reason, True), answer.sentence
    assert "None" not in answer.sentence


def test_what_would_help_a_pod_that_one_node_is_too_small_for() -> None:
    there, _, _ = SEEN["unschedulable on the one node"]
    assert "the volume of claim results: ask for less, or have it ReadWriteMany" in (
        explain_pods(there).next
    )
    anywhere, _, _ = SEEN["unschedulable"]
    assert "ask for more than any node has" in explain_pods(anywhere).next


def test_the_last_lines_come_from_the_log_or_else_from_the_pods_last_words() -> None:
    crashed = pod("Failed", state=ended(1, message="a\nValueError: no"))
    assert explain_pods(facts(crashed)).lines == ("a", "ValueError: no")
    assert explain_pods(facts(crashed, log=LogSeen(lines=("x",)))).lines == ("x",)


def test_of_a_gang_the_one_that_is_worst_off_is_told_of_and_only_its_newest_pods_count() -> None:
    def member(index: Any, phase: Any, made: Any, *conditions: Any) -> Any:
        annotations = {"batch.kubernetes.io/job-completion-index": index}
        metadata = {
            "name": f"{index}-{made}",
            "creationTimestamp": made,
            "annotations": annotations,
        }
        return pod(phase, *conditions, metadata=metadata)

    gang = [
        member("0", "Running", "2026-01-01T00:00:02Z"),
        member("1", "Failed", "2026-01-01T00:00:00Z"),
        member("1", "Pending", "2026-01-01T00:00:03Z"),
        member("2", "Running", "2026-01-01T00:00:02Z"),
    ]
    found = told_of(gang)
    assert found is not None
    assert found["metadata"]["name"] == "1-2026-01-01T00:00:03Z"
    assert told_of([]) is None


# --- a trial -----------------------------------------------------------------------------------

FAILURE = Failure(trial="d", title="scratch x", reason="RetriesUsed", exit_code=1, message="no GPU")
WAITS = TrialFacts(study=study())
HELD = condition("Progressing", "False", "GpuHoursUsed", "spec.gpuHours (5) is used up")
ON_A_NODE = facts(pod("Running", state=RUNNING))
TRIALS: Mapping[str, tuple[TrialFacts, str, str]] = {
    "done": (
        TrialFacts(study=study(spec={"suspend": True}), told="done"),
        "Done",
        "has its result",
    ),
    "study refused": (
        TrialFacts(
            study=StudyObject(
                {
                    "metadata": {"name": "rooms", "generation": 1},
                    "status": {
                        "observedGeneration": 1,
                        "conditions": [condition("Accepted", "False", "Refused", "spec.x: no")],
                    },
                }
            )
        ),
        "Refused",
        "was not accepted: spec.x: no",
    ),
    "nobody looked": (
        TrialFacts(study=StudyObject({"metadata": {"name": "rooms", "generation": 1}})),
        "Unseen",
        "no controller has looked at it yet",
    ),
    "failed": (
        TrialFacts(study=study(), told="failed", failure=FAILURE),
        "Failed",
        "failed for good with exit code 1: no GPU",
    ),
    "failed, not listed": (
        TrialFacts(
            study=study(), told="failed", job=facts(pod("Failed", state=ended(3, message="why")))
        ),
        "Failed",
        "its pod ended with exit code 3",
    ),
    "blocked": (
        TrialFacts(
            study=study(),
            encoders=[
                Encoder(title="task-specific a"),
                Encoder(title="task-specific b", told="failed", why="no label"),
            ],
        ),
        "Blocked",
        "is blocked by task-specific b, which failed: no label",
    ),
    "has a Job, though the study is suspended": (
        TrialFacts(study=study(spec={"suspend": True}), job=ON_A_NODE),
        "Running",
        "runs since",
    ),
    "suspended": (
        TrialFacts(study=study(spec={"suspend": True}), encoders=[Encoder(title="a")]),
        "Suspended",
        "study 'rooms' is suspended",
    ),
    "hours used up": (TrialFacts(study=study(HELD)), "GpuHoursUsed", "(5) is used up"),
    "not asked": (
        TrialFacts(study=study(spec={"stage": "scratch"}), is_asked=False),
        "NotAsked",
        "ends with stage 'scratch'",
    ),
    "waits for one": (
        TrialFacts(study=study(), encoders=[Encoder(title="task-specific a")]),
        "WaitsForEncoder",
        "waits for its encoder: task-specific a",
    ),
    "waits for two": (
        TrialFacts(study=study(), encoders=[Encoder(title="a"), Encoder(title="b")]),
        "WaitsForEncoder",
        "waits for its encoders: a, b",
    ),
    "its turn": (
        TrialFacts(study=study(spec={"parallelism": 5}, trials={"running": 4, "queued": 1})),
        "WaitsForItsTurn",
        "5 trials are under way, and at most 5 Jobs at once",
    ),
}


@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_has_one_answer(name: str) -> None:
    seen, reason, words = TRIALS[name]
    answer = explain_trial(seen)
    assert (answer.reason, words in answer.sentence) == (reason, True), answer.sentence


# --- a study -----------------------------------------------------------------------------------


def unschedulable(number: int) -> list[Answer]:
    waits = pod("Pending", condition("PodScheduled", "False", message=NO_NODE), node="")
    return [explain_pods(facts(waits))] * number


def test_a_study_tells_what_holds_most_of_its_jobs_up() -> None:
    jobs = [*unschedulable(3), explain_pods(ON_A_NODE), explain_pods(facts())]
    answer = explain_study(study(), jobs)
    assert answer.reason == "Unschedulable"
    assert answer.sentence == f"has 3 of 5 live Jobs held up; a trial waits for a node: {NO_NODE}"


@pytest.mark.parametrize(
    ("seen", "reason", "words"),
    [
        (study(condition("Completed"), trials={"done": 9, "total": 9}), "Completed", "9 trials"),
        (
            study(
                condition("Completed"),
                condition("Degraded"),
                trials={"done": 4, "failed": 2, "blocked": 3, "total": 9},
                failures=[
                    {"trial": "a", "title": "x", "reason": "BadTrial", "message": "no label"},
                    {"trial": "b", "title": "y", "reason": "BadTrial", "message": "no label"},
                ],
            ),
            "Degraded",
            "without 5 trials of 9: 2 failed, 3 blocked; most often: no label",
        ),
        (
            study(condition("Suspended", message="no Job runs"), spec={"suspend": True}),
            "Suspended",
            "is suspended: no Job runs",
        ),
        (study(HELD), "GpuHoursUsed", "is used up"),
        (
            study(trials={"done": 1, "running": 2, "total": 3}),
            "Progressing",
            "goes on: 1 of 3 trials done, 2 running",
        ),
    ],
)
def test_what_a_study_says_of_itself(seen: StudyObject, reason: str, words: str) -> None:
    answer = explain_study(seen, [])
    assert (answer.reason, words in answer.sentence) == (reason, True), answer.sentence
