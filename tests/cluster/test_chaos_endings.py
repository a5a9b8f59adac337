"""How trials end and how people steer: evictions, exits, suspending, queues, deletion."""

import time
from collections import Counter
from pathlib import Path

import pytest
from control_plane import ControlPlane
from job_watch import JobWatch
from kube import Kube, Object, eventually
from operator_process import OperatorProcess
from submitted import THREE, Submitted, digests, outcome, submit

from taskonomy_operator import constants

pytestmark = pytest.mark.cluster

TRIALS = 18


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> OperatorProcess:
    return OperatorProcess(tmp_path, control_plane.kubeconfig, namespace)


def each_once(names: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 1))


def only_pod(study: Submitted, *, but: str = "") -> Object:
    """Return the one pod that runs, once it is alone and is not a certain one."""

    def found() -> Object | None:
        pods = study.pods()
        alone = len(pods) == 1 and pods[0]["metadata"]["uid"] != but
        return pods[0] if alone else None

    return dict(eventually(found, what=lambda: (study.trials(), len(study.pods()))))


def test_what_is_nobodys_fault_uses_no_retry_up(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    """With no retry to use up, trials go on in their Jobs after each of three ends."""
    with JobWatch(kube, namespace) as watch, operator:
        labels = {f"scratch.{target}": "hang" for target in THREE}
        study = submit(kube, namespace, {"spec.retries": 0}, **outcomes(labels))
        study.wait(lambda it: it.trials() == {"total": TRIALS, "done": TRIALS - 3, "running": 3})
        first, second, third = before = study.pods()
        study.tell(first, "exit-75")
        study.tell(second, "evict")
        evict(kube, third)
        old = {pod["metadata"]["uid"] for pod in before}
        again = eventually(lambda: others(study, old, 3), what=study.trials)
        study.wait(lambda it: it.trials() == {"total": TRIALS, "done": TRIALS - 3, "running": 3})
        for pod in again:
            study.tell(pod, "succeed")
        study.completed()
        watch.caught_up()
    assert watch.made() == watch.succeeded() == each_once(digests())
    assert study.condition("Degraded")[0] == "False"
    assert not any(stage.get("tried") for stage in study.status()["stages"])


def others(study: Submitted, old: set[str], count: int) -> list[Object]:
    """Return the pods that run, if there are so many and none is an old one."""
    new = [pod for pod in study.pods() if pod["metadata"]["uid"] not in old]
    return new if len(new) == count else []


def evict(kube: Kube, pod: Object) -> None:
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
    named = {"name": meta["name"], "namespace": meta["namespace"]}
    kube.request("POST", path, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named})


def test_bad_trials_and_crashes_end_as_the_table_of_retries_says(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    """64 is tried once and blocks what needs it; a crash is tried as often as the study says."""
    with JobWatch(kube, namespace) as watch, operator:
        labels = {"task-specific.normals": "exit-64", "scratch.reshading": "exit-1"}
        study = submit(kube, namespace, {"spec.retries": 1}, **outcomes(labels)).completed()
        watch.caught_up()
        failed = [pod for pod in study.children("pods") if pod["status"]["phase"] == "Failed"]
        reasons: dict[str, list[str]] = {}
        for event in kube.items(f"/api/v1/namespaces/{namespace}/events"):
            if event["involvedObject"]["kind"] == "Study":
                reasons.setdefault(event["reason"], []).append(event["message"])
    # of 18: the network of normals with the three transfers from it, and one from scratch
    assert study.trials() == {"total": TRIALS, "done": TRIALS - 5, "failed": 2, "blocked": 3}
    stages = sorted(pod["metadata"]["labels"][constants.STAGE] for pod in failed)
    assert stages == ["scratch", "scratch", "task-specific"]
    assert study.condition("Degraded") == ("True", "TrialsFailed")
    assert study.condition("Completed")[0] == "True"
    failures = study.status()["failures"]
    assert [each["reason"] for each in failures[2:]] == ["BlockedBy"] * 3
    ends = {each["reason"]: (each["title"], each["exitCode"]) for each in failures[:2]}
    assert ends["BadTrial"][1] == 64
    assert ends["RetriesUsed"] == ("scratch reshading", 1)
    names = {job.digests[0]: job.name for job in watch.jobs.values()}
    for failure in failures[:2]:
        assert any(names[failure["trial"]] in message for message in reasons["JobFailed"])
    assert reasons.keys() >= {"Started", "TrialsFailed"}


def outcomes(of: dict[str, str]) -> dict[str, str]:
    return {k: v for where, what in of.items() for k, v in outcome(what, of=where).items()}


def test_retries_used_up_before_a_job_was_deleted_and_the_operator_restarted_stay_used(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    """One crash of two is behind it: in a new Job, with a new operator, the next is the last.

    Until somebody asks that failures be forgiven: then the trial has all its tries again.
    """
    with JobWatch(kube, namespace) as watch, operator:
        labels = outcome("hang", of="scratch.normals")
        study = submit(kube, namespace, {"spec.retries": 1}, **labels)
        study.wait(lambda it: it.trials().get("done") == TRIALS - 1)
        pod = only_pod(study)
        study.tell(pod, "exit-1")
        again = only_pod(study, but=pod["metadata"]["uid"])
        study.wait(tried)
        operator.kill()
        name = again["metadata"]["labels"][constants.JOB_NAME]
        meta = {"name": name, "namespace": namespace}
        kube.delete({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta})
        eventually(lambda: not study.pods())
        operator.start()
        third = only_pod(study, but=again["metadata"]["uid"])
        assert tried(study)
        study.tell(third, "exit-1")
        study.completed()
        assert study.trials() == {"total": TRIALS, "done": TRIALS - 1, "failed": 1}
        assert max(watch.caught_up().made().values()) == 2
        study.change({"metadata": {"annotations": {constants.RETRY_FAILED: "once"}}})
        fourth = only_pod(study, but=third["metadata"]["uid"])
        assert study.status()["retried"] == "once"
        study.tell(fourth, "exit-1")
        study.tell(only_pod(study, but=fourth["metadata"]["uid"]), "succeed")
        study.wait(lambda it: it.trials() == {"total": TRIALS, "done": TRIALS})
        watch.caught_up()
    assert watch.succeeded() == each_once(digests())
    assert max(watch.made().values()) == 3


def tried(study: Submitted) -> bool:
    stages = {stage["name"]: stage.get("tried") for stage in study.status()["stages"]}
    return list((stages["scratch"] or {}).values()) == [1]


def test_suspending_frees_all_and_resuming_ends_the_same(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    with JobWatch(kube, namespace) as watch, operator:
        study = submit(kube, namespace, {"spec.parallelism": 6}, **outcome("hang"))
        eventually(lambda: len(study.pods()) == 6, what=study.status)
        study.change({"spec": {"suspend": True}})
        study.wait(lambda it: it.condition("Suspended")[0] == "True")
        assert study.children("pods") == []
        assert watch.caught_up().live() == []
        made = len(watch.jobs)
        operator.restart().ready()
        time.sleep(1)
        assert len(watch.caught_up().jobs) == made == 6
        assert study.condition("Progressing") == ("False", "Suspended")
        study.change({"spec": {"suspend": False}, "metadata": {"labels": outcome("succeed")}})
        study.completed()
        watch.caught_up()
    assert watch.succeeded() == each_once(digests())
    assert sum(watch.made().values()) == TRIALS + 6
    assert study.trials() == {"total": TRIALS, "done": TRIALS}
    assert study.condition("Suspended")[0] == "False"
    assert watch.most_live <= 6


def test_parallelism_is_never_exceeded_and_follows_what_is_asked(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    with JobWatch(kube, namespace) as watch, operator:
        study = submit(kube, namespace, {"spec.parallelism": 2}, **outcome("succeed", seconds=0.5))
        watch.wait(lambda seen: len(seen.jobs) >= 6)
        assert watch.caught_up().most_live == 2
        study.change({"spec": {"parallelism": 5}})
        study.completed()
        watch.caught_up()
    assert 2 < watch.most_live <= 5
    assert watch.made() == watch.succeeded() == each_once(digests())


def test_a_queued_job_counts_as_running_once_it_is_admitted(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    """The test admits Jobs as Kueue does: it lets them go."""
    with JobWatch(kube, namespace) as watch, operator:
        study = submit(
            kube, namespace, {"spec.queue": "team-a", "spec.parallelism": 4}, **outcome("hang")
        )
        study.wait(lambda it: it.trials().get("queued") == 4)
        jobs = list(watch.caught_up().jobs.values())
        assert len(jobs) == 4
        assert all(job.was_suspended and job.is_suspended for job in jobs)
        assert {job.labels[constants.QUEUE_NAME] for job in jobs} == {"team-a"}
        assert study.children("pods") == []
        assert study.trials() == {"total": TRIALS, "queued": 4, "waiting": TRIALS - 4}
        for job in jobs[:3]:
            meta = {"name": job.name, "namespace": namespace}
            named = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta}
            kube.patch(named, {"spec": {"suspend": False}})
        study.wait(lambda it: it.trials().get("running") == 3)
        assert study.trials() == {
            "total": TRIALS,
            "running": 3,
            "queued": 1,
            "waiting": TRIALS - 4,
        }
        assert len(watch.caught_up().jobs) == 4


def test_deleting_a_study_deletes_all_and_another_of_its_name_begins_anew(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    gang = {"spec.resources.scratch": {"gpus": 1, "nodes": {"min": 2, "max": 2}}}
    with JobWatch(kube, namespace) as watch, operator:
        changes = {**gang, "spec.parallelism": 8}
        study = submit(kube, namespace, changes, **outcome("hang"))
        eventually(lambda: study.pods() and study.children("services"), what=study.status)
        kinds = ("jobs", "pods", "services")
        study.delete()
        eventually(
            lambda: not any(study.children(kind) for kind in kinds),
            what=lambda: {kind: len(study.children(kind)) for kind in kinds},
        )
        eventually(lambda: not operator.metric("taskonomy_trials", study="small"))
        watch.caught_up()
        before = len(watch.jobs)
        second = submit(kube, namespace, {"spec.parallelism": 9}).completed()
        watch.caught_up()
    assert second.trials() == {"total": TRIALS, "done": TRIALS}
    assert len(watch.jobs) == before + TRIALS
    assert watch.succeeded() == each_once(digests())
