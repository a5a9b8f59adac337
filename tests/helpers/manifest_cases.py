"""Trials in every shape a Job can have, and what is made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from study_cases import document

from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.trials import digest
from taskonomy_operator.asked import Measured, PlanStage, asked_trials, stage_of
from taskonomy_operator.installation import Installation, Mount, OneNode, Profile, Toleration
from taskonomy_operator.manifests import Manifest, Owner, training_objects
from taskonomy_operator.names import job_name

UID = "7c3c2a50-6f4e-4a53-9a57-0c8f2f2b6a11"

PLAIN = Installation(
    image="example.org/taskonomy-jobs:1",
    artifacts="/artifacts",
    tracking="http://mlflow:5000",
    mounts=(
        Mount(name="dataset", claim="dataset", path="/data", read_only=True),
        Mount(name="artifacts", claim="artifacts", path="/artifacts"),
    ),
)
RICH = PLAIN.model_copy(
    update={
        "image_pull_secrets": ("pull",),
        "service_account": "training",
        "warehouse_image": "example.org/taskonomy-warehouse:1",
        "operator_image": "example.org/taskonomy-operator:1",
        "ranking_service_account": "ranking",
        "env": {"AWS_REGION": "eu-1", "PRICE": "$5 $(HOME)"},
        "env_from_secrets": ("s3",),
        "pod_labels": {"team": "vision"},
        "pod_annotations": {"scrape": "no"},
        "profiles": {
            "a100": Profile(
                node_selector={"accelerator": "a100"},
                tolerations=(
                    Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule"),
                ),
            ),
            "amd": Profile(gpu_resource="amd.com/gpu"),
        },
    }
)
ONE_NODE = RICH.model_copy(
    update={"one_node": OneNode(claim="artifacts", namespaces=("default", "team-b"))}
)
NASTY = (
    '\'; rm -rf / #\n"$(AWS_SECRET_ACCESS_KEY)" `id` {{ .x }} --- !!python/object: & | > \\ 名前'
)
"""What a user may call a task: quotes, a line end, shell, YAML, templates, a kubelet's variable."""


@dataclass(frozen=True)
class Shape:
    """One shape of Job: what the study says beside the smallest, and which trials."""

    changes: Mapping[str, object] = field(default_factory=dict)
    stage: PlanStage = "task-specific"
    trials: int = 1
    attempt: int = 0
    installation: Installation = PLAIN


TWO: dict[str, object] = {
    "spec.data.dataset": "/data/rooms",
    "spec.tasks.subset": ["normals", "depth", "curvature"],
    "spec.transfers.orders": [1, 2],
    "spec.transfers.candidates": "exhaustive",
}
OWN = {
    "id": "night-light",
    "title": NASTY.replace("\n", " ")[:60],
    "folder": "$(HOME)/night 'light'",
    "output": {"kind": "image", "channels": 1},
    "loss": "l1",
}

SHAPES: dict[str, Shape] = {
    "one-cpu": Shape({"spec.resources.taskSpecific.gpus": 0}),
    "one-gpu": Shape(attempt=2),
    "eight-gpus": Shape({"spec.resources.taskSpecific.gpus": 8}),
    "elastic": Shape(
        {"spec.resources.scratch": {"gpus": 8, "nodes": {"min": 2, "max": 4}}}, "scratch"
    ),
    "elastic-with-the-longest-name-and-a-digit-first": Shape(
        {
            "metadata.name": "3" * 49,
            "spec.resources.scratch": {"gpus": 0, "nodes": {"min": 1, "max": 64}},
        },
        "scratch",
    ),
    "pack": Shape(stage="first-order", trials=3),
    "best-guess": Shape(stage="best-guess", trials=3),
    "queue-and-profile": Shape(
        {
            "spec.queue": "team-a",
            "spec.priorityClassName": "batch-low",
            "spec.resources.higherOrder": {"profile": "a100", "gpus": 2, "shm": "8Gi"},
            "metadata.labels": {
                "cost-centre": "7",
                "taskonomy.dev/stage": "mine",
                "job-name": "mine",
                "kueue.x-k8s.io/queue-name": "mine",
                "batch.kubernetes.io/job-name": "mine",
            },
        },
        "higher-order",
        installation=RICH,
    ),
    "gang-on-one-node": Shape(
        {"spec.resources.scratch": {"gpus": 2, "nodes": {"min": 2, "max": 4}}},
        "scratch",
        installation=ONE_NODE,
    ),
    "best-guess-on-one-node": Shape(stage="best-guess", installation=ONE_NODE),
    "nasty-words": Shape(
        {
            "spec.tasks.dictionary": "inline",
            "spec.tasks.custom": [OWN],
            "spec.tasks.subset": [],
            "spec.transfers.orders": [1],
            "spec.data.dataset": "/data/$(HOME)/'a'\"b\"`c`;#{{d}}",
            "spec.artifacts": "--out=/artifacts/$$x",
        },
        installation=RICH,
    ),
}


def study_of(shape: Shape, namespace: str = "default") -> Study:
    """Return the study of a shape."""
    changes = TWO | {"metadata.namespace": namespace} | dict(shape.changes)
    return parse_study(document(changes), origin="study.yaml")


def trials_of(study: Study, stage: PlanStage, count: int = 1) -> list[Measured]:
    """Return a stage's first trials."""
    return list(islice((t for t in asked_trials(study) if stage_of(t) == stage), count))


def objects_of(shape: Shape, owner: Owner | None = None) -> list[Manifest]:
    """Return what is made of a shape."""
    study = study_of(shape, owner.namespace if owner else "default")
    owner = owner or Owner(name=study.name, namespace="default", uid=UID)
    trials = trials_of(study, shape.stage, shape.trials)
    return training_objects(
        study,
        owner,
        trials,
        job=job_name(study.name, [digest(trial) for trial in trials]),
        attempt=shape.attempt,
        installation=shape.installation,
    )


def pod_of(made: list[Manifest]) -> dict[str, Any]:
    """Return the pod template of the Job among objects."""
    (job,) = [thing for thing in made if thing["kind"] == "Job"]
    template: dict[str, Any] = job["spec"]["template"]
    return template
