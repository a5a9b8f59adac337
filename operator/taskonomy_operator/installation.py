"""What an installation decides for every Study: images, volumes, node profiles, limits of a pod.

The chart writes these as one file and the operator reads it at its start; a Study names a profile
and says how much, never how a node is found or where a secret is. Jobs made under one installation
differ from another's in where they run, not in what they compute.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from taskonomy_catalogue.errors import InputRefused
from taskonomy_operator.constants import GPU
from taskonomy_operator.yaml_file import read_yaml

Texts = dict[str, str]


class Part(BaseModel):
    """A part of the settings: camelCase in the file, frozen, without unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )


class Toleration(Part):
    """A taint that pods put up with."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class Profile(Part):
    """A kind of node, by the name that a Study's resources give."""

    node_selector: Texts = Field(default={})
    """Labels a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of such nodes."""
    gpu_resource: str = GPU
    """What a GPU of theirs is asked for by."""
    runtime_class: str = ""
    """RuntimeClass of the pods; empty: the cluster's default."""


class Mount(Part):
    """A volume that every training pod sees."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=50)]
    """What it is called in the pod."""
    claim: str = ""
    """PersistentVolumeClaim it comes from; this or `host_path`."""
    host_path: str = ""
    """Folder of the node; refused by Pod Security's restricted profile, so for tests alone."""
    path: Annotated[str, Field(pattern=r"^/")]
    """Where it is in the container."""
    sub_path: str = ""
    """Folder of the volume; empty: all of it."""
    read_only: bool = False
    """Whether pods may only read it: so for data sets."""


class OneNode(Part):
    """Pods that have to be on one node: a volume of theirs is attached to one at a time.

    Without it those elsewhere would wait for the volume for ever.
    """

    claim: Annotated[
        str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
    ]
    """PersistentVolumeClaim of the volume, cut to a label's length: who says the same is meant."""
    namespaces: tuple[str, ...] = ()
    """Namespaces with a claim of the same volume; empty: the pod's own alone."""


class Installation(Part):
    """Everything an installation decides for training Jobs."""

    image: str
    """Image that holds `taskonomy_jobs`."""
    warehouse_image: str = ""
    """Image that holds `taskonomy_warehouse`, for the Job that ranks sources."""
    operator_image: str = ""
    """Image that holds this package, for the step of that Job that publishes the ranking."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes fetch it."""
    image_pull_secrets: tuple[str, ...] = ()
    """Secrets nodes fetch it with."""
    python: str = "python3"
    """Python of the image."""
    service_account: str = "default"
    """ServiceAccount of training pods; they get no token of it."""
    ranking_service_account: str = "default"
    """ServiceAccount of the Job that ranks sources: may get, create and update ConfigMaps."""
    pack: Annotated[int, Field(ge=1, le=1_024)] = 8
    """Most transfers to one target that a Job trains together; 1: every trial has its own Job."""
    profiles: dict[str, Profile] = Field(default={})
    """Kinds of nodes, by name."""
    mounts: tuple[Mount, ...] = ()
    """Volumes with data sets and artifacts."""
    one_node: OneNode | None = None
    """Said where a volume of theirs is attached to one node at a time; else pods are anywhere."""
    artifacts: str = ""
    """Where trials leave their results if their Study does not say."""
    tracking: str = ""
    """MLflow tracking URI if a Study does not say."""
    env: Texts = Field(default={})
    """Environment of training pods."""
    env_from_secrets: tuple[str, ...] = ()
    """Secrets whose keys become environment, e.g. of S3; the operator never reads them."""
    pod_labels: Texts = Field(default={})
    """Labels added to training pods."""
    pod_annotations: Texts = Field(default={})
    """Annotations added to training pods."""
    grace_seconds: Annotated[int, Field(ge=1, le=3_600)] = 120
    """Seconds between SIGTERM and SIGKILL: enough to write a checkpoint."""
    deadline_hours: Annotated[float, Field(gt=0, le=8_760)] = 168.0
    """Hours on a node after which a pod is stuck and ends: one failed attempt. Waiting for a node
    does not count."""
    tmp_size: str = "2Gi"
    """Size of /tmp; the root file system is read-only."""


def read_installation(path: Path) -> Installation:
    """Read the settings of an installation from YAML.

    Raises:
        InputRefused: the file cannot be read or a setting is wrong; the message names it.
    """
    try:
        return Installation.model_validate(read_yaml(path))
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors(include_url=False)
        )
        raise InputRefused(path, said) from error
