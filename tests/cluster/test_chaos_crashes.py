"""The operator dies, is replaced, or finds its Jobs gone: no trial is lost, doubled or re-run."""

import random
import signal
import time
from collections import Counter
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from control_plane import ControlPlane
from job_watch import JobWatch
from kube import Kube, eventually
from operator_process import OperatorProcess
from submitted import HALF_A_THOUSAND, Submitted, digests, outcome, submit

pytestmark = pytest.mark.cluster

KILLS = 20
LEASE = 6
"""Seconds of the lease where one replica waits for another's to run out."""


def has_made(number: int, watch: JobWatch) -> bool:
    return len(watch.jobs) >= number


def each_once(names: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 1))


def test_killed_twenty_times_it_makes_every_trial_once(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """Finished Jobs are cleaned up soon, so that memory alone cannot tell what is done."""
    asked = digests(HALF_A_THOUSAND)
    assert len(asked) == 10 + 20 + 10 + 100 + 360
    chance = random.Random(500)
    moments = sorted(chance.sample(range(1, len(asked) - 10), KILLS))
    operator = OperatorProcess(tmp_path, control_plane.kubeconfig, namespace, keep_finished=2)
    with JobWatch(kube, namespace) as watch, operator:
        study = submit(kube, namespace, {**HALF_A_THOUSAND, "spec.parallelism": 50})
        for made in moments:
            watch.wait(partial(has_made, made))
            time.sleep(chance.uniform(0, 0.2))
            operator.restart()
        study.completed()
        watch.caught_up()
        assert operator.terminate() == 0
    assert watch.made() == each_once(asked)
    assert watch.succeeded() == each_once(asked)
    assert watch.most_live <= 50
    assert {job.owners[0] for job in watch.jobs.values()} == {study.meta["uid"]}
    assert study.trials() == {"total": 500, "done": 500}
    indexes = {s["name"]: s["doneIndexes"] for s in study.status()["stages"]}
    assert indexes["first-order"] == "0-99"


def replicas(
    folder: Path, control_plane: ControlPlane, namespace: str, seconds: int = LEASE
) -> list[OperatorProcess]:
    """Return two of them, with a lease of so many seconds."""
    return [
        OperatorProcess(
            folder,
            control_plane.kubeconfig,
            namespace,
            name=f"operator-{n}",
            lease_duration=seconds,
            lease_deadline=seconds * 2 / 3,
            lease_retry=0.5,
        )
        for n in range(2)
    ]


def test_when_its_leader_dies_a_standby_takes_over_in_time_and_not_before(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    asked = digests()
    one, two = replicas(tmp_path, control_plane, namespace)
    with JobWatch(kube, namespace) as watch, one, two:
        eventually(lambda: one.leads() or two.leads(), what=lambda: one.log() + two.log())
        leader, standby = (one, two) if one.leads() else (two, one)
        study = submit(kube, namespace, {"spec.parallelism": 2}, **outcome("succeed", seconds=1))
        watch.wait(lambda seen: seen.succeeded())
        assert (leader.leads(), standby.leads()) == (True, False)
        leader.kill()
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/taskonomy-operator"
        before = kube.get(path)["spec"]
        study.completed()
        after = kube.get(path)["spec"]
        watch.caught_up()
    assert after["holderIdentity"] != before["holderIdentity"]
    waited = moment(after["acquireTime"]) - moment(before["renewTime"])
    assert LEASE <= waited < 3 * LEASE  # a try or two later, on a machine that is busy
    assert watch.made() == watch.succeeded() == each_once(asked)
    assert watch.most_live <= 2


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_one_that_is_told_to_end_hands_on_at_once(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """With a lease of minutes, only a lease that is handed on lets the other begin."""
    one, two = replicas(tmp_path, control_plane, namespace, 300)
    with JobWatch(kube, namespace) as watch, one:
        eventually(one.leads, what=one.log)
        with two:
            study = submit(kube, namespace, {"spec.parallelism": 3})
            watch.wait(lambda seen: len(seen.jobs) >= 4)
            assert one.terminate() == 0
            study.completed()
            watch.caught_up()
    assert watch.made() == watch.succeeded() == each_once(digests())


def test_a_leader_that_was_paused_too_long_does_nothing_more(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """It wakes up believing nothing: another acts by then, and it ends to be started anew."""
    one, two = replicas(tmp_path, control_plane, namespace)
    with JobWatch(kube, namespace) as watch, one:
        eventually(one.leads, what=one.log)
        with two:
            two.ready()
            study = submit(
                kube, namespace, {"spec.parallelism": 4}, **outcome("succeed", seconds=1)
            )
            watch.wait(lambda seen: seen.jobs)
            one.signal(signal.SIGSTOP)
            eventually(two.leads, what=two.log)
            one.signal(signal.SIGCONT)
            assert one.wait() == 1
            study.completed()
            watch.caught_up()
    assert watch.made() == watch.succeeded() == each_once(digests())
    assert watch.most_live <= 4


def test_after_clean_up_and_restart_nothing_begins_again(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """What is done stays done and what is given up stays given up, though no Job tells of it."""
    operator = OperatorProcess(tmp_path, control_plane.kubeconfig, namespace, keep_finished=0)
    with JobWatch(kube, namespace) as watch, operator:
        labels = outcome("exit-1", of="scratch.normals")
        study = submit(kube, namespace, {"spec.retries": 0}, **labels).completed()
        study.wait(lambda it: not it.children("jobs"))
        before, made = study.status(), len(watch.jobs)
        assert study.trials() == {"total": 18, "done": 17, "failed": 1}
        for _ in range(2):
            operator.restart().ready()
            nudged(study, operator)
        watch.caught_up()
    assert len(watch.jobs) == made == 18
    assert study.status() == before
    assert study.condition("Degraded") == ("True", "TrialsFailed")


def nudged(study: Submitted, operator: OperatorProcess) -> None:
    """Have the operator look at a study, and return once it has."""
    before = operator.metric("taskonomy_reconciles_total")
    study.change({"metadata": {"annotations": {"looked-at": str(time.monotonic())}}})
    eventually(lambda: operator.metric("taskonomy_reconciles_total") > before, what=operator.log)


def test_a_job_deleted_by_hand_is_made_again_and_others_are_not(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    operator = OperatorProcess(tmp_path, control_plane.kubeconfig, namespace)
    with JobWatch(kube, namespace) as watch, operator:
        labels = outcome("hang", of="task-specific.normals")
        study = submit(kube, namespace, {}, **labels)
        # all that needs no network of normals
        study.wait(lambda it: it.trials().get("done", 0) >= 8 and it.pods())
        (pod,) = study.pods()
        name = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
        (hanging,) = (job for job in watch.caught_up().live() if job.name == name)
        kube.delete(a_job(namespace, name))
        watch.wait(lambda seen: seen.made()[hanging.digests[0]] == 2)
        eventually(lambda: study.pods(), what=study.status)
        study.tell(study.pods()[0], "succeed")
        study.completed()
        watch.caught_up()
    again = watch.made() - each_once(digests())
    assert again == Counter({hanging.digests[0]: 1})
    assert watch.succeeded() == each_once(digests())
    assert study.trials() == {"total": 18, "done": 18}


def a_job(namespace: str, name: str) -> dict[str, object]:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta}


def test_a_finished_job_deleted_by_hand_is_not_made_again(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    operator = OperatorProcess(tmp_path, control_plane.kubeconfig, namespace)
    with JobWatch(kube, namespace) as watch, operator:
        study = submit(kube, namespace).completed()
        for job in study.children("jobs"):
            kube.delete(a_job(namespace, job["metadata"]["name"]))
        study.wait(lambda it: not it.children("jobs"))
        nudged(study, operator)
        operator.restart().ready()
        nudged(study, operator)
        watch.caught_up()
    assert watch.made() == each_once(digests())
    assert study.trials() == {"total": 18, "done": 18}
