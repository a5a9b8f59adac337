"""What waits and has not failed: for a node, and for a Job of an earlier attempt to be gone."""

import json
import time
from pathlib import Path

import pytest
from command_line import run
from control_plane import ControlPlane
from job_watch import JobWatch
from kube import Kube, Object, eventually
from operator_process import OperatorProcess
from submitted import Submitted, digests, outcome, submit

from taskonomy_operator import constants

pytestmark = pytest.mark.cluster

TRIALS = 18


def why(control_plane: ControlPlane, namespace: str, trial: str) -> Object:
    env = {"KUBECONFIG": str(control_plane.kubeconfig)}
    (answer,) = json.loads(run("why", "-n", namespace, trial, "-o", "json", env=env).stdout)
    return dict(answer)


def test_a_trial_that_no_node_has_room_for_waits_past_any_deadline(
    control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    two_seconds = {"deadlineHours": 2 / 3_600}
    operator = OperatorProcess(
        tmp_path, control_plane.kubeconfig, namespace, installation=two_seconds
    )
    with operator:
        study = submit(kube, namespace, {"spec.resources.scratch.gpus": 64})
        study.wait(lambda it: it.trials() == {"total": TRIALS, "done": TRIALS - 3, "queued": 3})
        time.sleep(5)
        assert study.trials() == {"total": TRIALS, "done": TRIALS - 3, "queued": 3}
        answer = why(control_plane, namespace, "scratch/normals")
    assert answer["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in answer["sentence"]
    assert "uses up no retry, deadline or GPU hour" in answer["next"]


def test_a_failed_job_that_hangs_holds_back_its_own_trial_alone(
    control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """Its pod does not go, as on a node that is lost; the operator is replaced meanwhile."""
    operator = OperatorProcess(tmp_path, control_plane.kubeconfig, namespace)
    bad = ("scratch.normals", "scratch.reshading")
    labels = {k: v for of in bad for k, v in outcome("exit-1", of=of).items()}
    with JobWatch(kube, namespace) as watch, operator:
        study = submit(kube, namespace, {"spec.retries": 0}, **labels).completed()
        assert study.trials() == {"total": TRIALS, "done": TRIALS - 2, "failed": 2}
        pod = failed_pod(study, "normals")
        hold(kube, pod, ["example.org/lost-node"])
        good = {k: v for of in bad for k, v in outcome("succeed", of=of).items()}
        wish = {"labels": good, "annotations": {constants.RETRY_FAILED: "once"}}
        study.change({"metadata": wish})
        left = {"total": TRIALS, "done": TRIALS - 1, "waiting": 1}
        study.wait(lambda it: it.trials() == left)
        answer = why(control_plane, namespace, "scratch/normals")
        assert answer["reason"] == "Ending"
        assert "waits until its earlier Job" in answer["sentence"]
        operator.restart().ready()
        time.sleep(2)
        assert study.trials() == left
        assert max(watch.caught_up().made().values()) == 2  # reshading's
        hold(kube, pod, [])
        study.wait(lambda it: it.trials() == {"total": TRIALS, "done": TRIALS})
        watch.caught_up()
    assert sorted(watch.succeeded().elements()) == sorted(digests())


def failed_pod(study: Submitted, target: str) -> Object:
    pods = eventually(
        lambda: [
            pod
            for pod in study.pods("Failed")
            if pod["metadata"]["labels"][constants.TARGET] == target
        ]
    )
    return dict(pods[0])


def hold(kube: Kube, pod: Object, finalizers: list[str]) -> None:
    """Have a pod stay although it is deleted, or let it go."""
    named = {"apiVersion": "v1", "kind": "Pod", **pod}
    kube.patch(named, {"metadata": {"finalizers": finalizers}})
