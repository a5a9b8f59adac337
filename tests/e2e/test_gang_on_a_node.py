"""Trials in pods that really run and end half way: they go on from what was saved, and finish.

Of a gang of two the second is killed; a lone pod is past its deadline, so the kubelet ends it.
Manifests, image, DNS, volumes and torch's elastic launch are the real ones; nobody reconciles.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kube import Object, eventually
from node_images import name_of
from node_world import World
from study_cases import document

from taskonomy_catalogue.launch import Event, Exit, Finished, Progressed, Started, parse_event
from taskonomy_catalogue.records import RESULT_FILE
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.trials import digest
from taskonomy_operator.asked import asked_trials, stage_of
from taskonomy_operator.installation import Installation, Mount
from taskonomy_operator.manifests import Owner, training_objects
from taskonomy_operator.names import job_name

pytestmark = [pytest.mark.node, pytest.mark.slow]

STEPS = 150
SMALL = {"gpus": 0, "cpu": "100m", "memory": "1Gi", "shm": "64Mi"}
STUDY: dict[str, object] = {
    "metadata.name": "gang",
    "spec.tasks.subset": ["normals", "edges-2d"],
    "spec.data": {"dataset": "/data", "splits": "rooms", "transferFraction": 0.5},
    "spec.model": {"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": 64},
    "spec.training.scratch": {"steps": STEPS, "batchSize": 8},
    "spec.transfers.orders": [1],
    "spec.resources.scratch": {**SMALL, "nodes": {"min": 1, "max": 2}},
}


def installation() -> Installation:
    """What the chart would write: our image, torch and data to read, results to write."""
    return Installation(
        image=name_of("jobs"),
        image_pull_policy="Never",
        artifacts="/artifacts",
        mounts=(
            Mount(name="torch", claim="torch", path="/opt/torch", read_only=True),
            Mount(name="data", claim="data", path="/data", read_only=True),
            Mount(name="artifacts", claim="artifacts", path="/artifacts"),
        ),
        env={
            "OMP_NUM_THREADS": "1",
            "TASKONOMY_CHECKPOINT_SECONDS": "1",
            "TASKONOMY_PROGRESS_SECONDS": "0.2",
        },
        grace_seconds=5,
    )


@dataclass(frozen=True)
class Gang:
    """A Job that runs, and what its pods say."""

    world: World
    job: Object

    def now(self) -> Object:
        """Return the Job as it is."""
        space = f"/apis/batch/v1/namespaces/{self.world.namespace}/jobs"
        return self.world.kube.get(f"{space}/{self.job['metadata']['name']}")

    def pods(self, index: int | None = None) -> list[Object]:
        """Return an index's pods, or all, in their order, those that have ended too."""
        named = f"batch.kubernetes.io/job-completion-index={index}" if index is not None else ""
        found = self.world.pods(named)
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def events(self, index: int | None = None) -> list[Event]:
        """Return what the pods of an index, or all, have said."""
        said = [self.world.log(pod["metadata"]["name"]) for pod in self.pods(index)]
        return [e for text in said for line in text.splitlines() if (e := parse_event(line))]

    def step(self) -> int:
        """Return how far the trial is."""
        said = [e.step for e in self.events() if isinstance(e, Progressed)]
        return max(said, default=0)

    def conditions(self) -> dict[str, Any]:
        """Return what the Job has come to, with the reason."""
        listed = self.now()["status"].get("conditions") or []
        return {c["type"]: c.get("reason") for c in listed if c["status"] == "True"}


def test_a_trial_over_two_pods_survives_the_death_of_one(world: World, rooms: Path) -> None:
    world.volume("torch", path=world.node.host_folders)
    artifacts = world.volume("artifacts")
    world.volume("data", path=rooms)
    study = parse_study(document(STUDY | {"metadata.namespace": world.namespace}), origin="gang")
    trial = next(t for t in asked_trials(study) if stage_of(t) == "scratch")

    gang = started(world, study, trial)
    eventually(lambda: len(gang.pods(1)) == 1, what=world.story)
    eventually(lambda: gang.step() >= STEPS // 3, within=240, what=world.story)
    (victim,) = gang.pods(1)
    assert victim["status"]["phase"] == "Running"
    world.kube.delete({"apiVersion": "v1", "kind": "Pod", **victim}, gracePeriodSeconds=0)

    eventually(lambda: "Complete" in gang.conditions(), within=300, what=world.story)
    assert gang.conditions()["Complete"] == "SuccessPolicy"
    result = json.loads((artifacts / digest(trial) / RESULT_FILE).read_text())
    assert result["digest"] == digest(trial)
    said = gang.events(0)
    assert any(isinstance(event, Finished) for event in said)
    goes_on = [event.step for event in said if isinstance(event, Started)]
    assert goes_on[0] == 0
    assert any(step >= STEPS // 3 for step in goes_on[1:]), "it began anew"


def test_a_pod_past_its_deadline_has_saved_how_far_it_was(world: World, rooms: Path) -> None:
    world.volume("torch", path=world.node.host_folders)
    artifacts = world.volume("artifacts")
    world.volume("data", path=rooms)
    alone = {"spec.resources.scratch": SMALL, "metadata.namespace": world.namespace}
    study = parse_study(document(STUDY | alone), origin="alone")
    trial = next(t for t in asked_trials(study) if stage_of(t) == "scratch")

    job = started(world, study, trial)
    eventually(lambda: job.step() >= STEPS // 3, within=240, what=world.story)
    (pod,) = job.pods()
    assert pod["spec"]["activeDeadlineSeconds"] == installation().deadline_hours * 3600
    soon = {"spec": {"activeDeadlineSeconds": 1}}
    world.kube.patch({"apiVersion": "v1", "kind": "Pod", **pod}, soon)

    eventually(lambda: "Complete" in job.conditions(), within=300, what=world.story)
    ended, other = job.pods()
    assert ended["status"]["reason"] == "DeadlineExceeded"
    (state,) = [each["state"] for each in ended["status"]["containerStatuses"]]
    assert state["terminated"]["exitCode"] == Exit.TRY_AGAIN
    assert not job.now()["status"].get("failed"), "it used a retry up"
    assert other["status"]["phase"] == "Succeeded"
    goes_on = [event.step for event in job.events() if isinstance(event, Started)]
    assert goes_on[0] == 0
    assert goes_on[-1] >= STEPS // 3
    assert (artifacts / digest(trial) / RESULT_FILE).exists()


def started(world: World, study: Study, trial: Any) -> Gang:
    """Make the objects of a trial; no Study owns them, as nobody follows one here."""
    owner = Owner(name=study.name, namespace=world.namespace, uid="0")
    job = job_name(study.name, [digest(trial)])
    made = training_objects(study, owner, [trial], job=job, installation=installation())
    for thing in made:
        del thing["metadata"]["ownerReferences"]
        world.kube.create(thing)
    return Gang(world, made[-1])
