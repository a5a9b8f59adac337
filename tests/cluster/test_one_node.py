"""A volume that one node has at a time: the scheduler keeps its pods together, and only those."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from control_plane import ControlPlane
from kube import Kube, Object, eventually
from operator_process import OperatorProcess
from submitted import THREE, Submitted, outcome, submit

from taskonomy_operator import constants

pytestmark = pytest.mark.cluster

TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
PROFILES = {"gpu": {"tolerations": [TAINT]}}
TOGETHER: dict[str, Any] = {"profiles": PROFILES, "oneNode": {"claim": "results"}}
STAGES = ("task-specific", "scratch")
"""Whose pods ask for a GPU each, and for nothing before them; best guesses ask for none."""
HANG = {k: v for s in STAGES for t in THREE for k, v in outcome("hang", of=f"{s}.{t}").items()}


@pytest.mark.parametrize("is_on", [True, False])
def test_all_pods_are_on_one_node_where_the_installation_says_so(
    control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path, is_on: bool
) -> None:
    told = TOGETHER if is_on else {"profiles": PROFILES}
    with OperatorProcess(tmp_path, control_plane.kubeconfig, namespace, installation=told):
        study = submit(kube, namespace, {}, **HANG)
        # best guesses ran before the others or beside them, on a node that is tainted
        study.wait(lambda it: it.trials().get("done") == len(THREE))
        pods = eventually(lambda: found if len(found := study.pods()) == len(HANG) else [])
    nodes = {pod["spec"]["nodeName"] for pod in pods}
    assert all(node.startswith("gpu-") for node in nodes)
    assert len(nodes) == 1 if is_on else len(nodes) > 1


def test_what_does_not_fit_beside_the_others_says_so_and_goes_on_once_they_ended(
    control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """Two of five GPUs each: on several nodes both would run, on one of eight they take turns."""
    asked = {
        "spec.resources.taskSpecific.gpus": 0,
        "spec.resources.scratch.gpus": 5,
        "spec.tasks.subset": THREE[:2],
    }
    hang = outcome("hang", of=f"scratch.{THREE[0]}") | outcome("hang", of=f"scratch.{THREE[1]}")
    with OperatorProcess(tmp_path, control_plane.kubeconfig, namespace, installation=TOGETHER):
        study = submit(kube, namespace, asked, **hang)
        first = eventually(lambda: scratch_pods(study, "Running"))
        (late,) = eventually(lambda: scratch_pods(study, "Pending"))
        assert late["metadata"]["labels"][constants.ONE_NODE] == "results"
        answer = eventually(lambda: waits_for_a_node(control_plane, study, late))
        assert "pod affinity" in answer["sentence"]
        assert "volume of claim results: ask for less, or have it ReadWriteMany" in answer["next"]
        study.tell(first[0], "succeed")
        study.tell(late, "succeed")
        study.completed()


def waits_for_a_node(control_plane: ControlPlane, study: Submitted, pod: Object) -> Object:
    """Return what `taskonomyctl why` answers once the scheduler has looked at a trial's pod."""
    env = {"KUBECONFIG": str(control_plane.kubeconfig)}
    trial = f"scratch/{pod['metadata']['labels'][constants.TARGET]}"
    words = ("why", "-n", study.meta["namespace"], trial, "-o", "json")
    (answer,) = json.loads(run(*words, env=env).stdout)
    return dict(answer) if answer["reason"] == "Unschedulable" else {}


def scratch_pods(study: Submitted, phase: str) -> list[Object]:
    """Return a study's pods from scratch of a phase."""
    found = study.pods(phase)
    return [pod for pod in found if pod["metadata"]["labels"][constants.STAGE] == "scratch"]
