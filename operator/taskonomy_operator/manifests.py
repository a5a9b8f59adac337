"""From trials to Kubernetes objects: exactly what would be sent, computed without sending it.

`training_objects` makes the Job that trains some trials of a Study, and a Service where the Job's
pods have to meet. It is a function of its arguments alone: the same trials make the same objects,
so asking twice is asking once, and `taskonomyctl plan --manifests` shows what the controller sends.
Each policy is a module of its own: what a pod's end means (`pod_failure_policy`), how processes
meet (`elastic`), where pods run (`scheduling`), what they may do (`security`), how trials and data
get in (`trial_file`, `volumes`), whose turn it is (`queueing`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from taskonomy_catalogue import last_words
from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.launch import Launch
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_parts import StageResources
from taskonomy_catalogue.trials import digest
from taskonomy_operator import constants, elastic, queueing, trial_file
from taskonomy_operator.asked import Measured, stage_of
from taskonomy_operator.installation import Installation
from taskonomy_operator.pod_failure_policy import backoff_limit, pod_failure_policy
from taskonomy_operator.scheduling import (
    container_resources,
    one_node_labels,
    placement,
    profile_of,
    resources_of,
    together,
)
from taskonomy_operator.security import container_security, literal, pod_security
from taskonomy_operator.volumes import volume_mounts, volumes

Manifest = dict[str, Any]

CONTAINER = "train"

_RESERVED = {"kubernetes.io", "k8s.io", constants.GROUP}
"""Domains whose labels somebody acts upon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The Study object that everything made for it belongs to, and is deleted with."""

    name: str
    namespace: str
    uid: str

    def reference(self) -> Manifest:
        """Return the ``ownerReferences`` entry; it does not block the Study's deletion."""
        return {
            "apiVersion": constants.API_VERSION,
            "kind": constants.KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }

    def owns(self, thing: Manifest) -> bool:
        """Return whether an object on the server belongs to the Study."""
        owners = thing["metadata"].get("ownerReferences") or []
        return any(each.get("uid") == self.uid for each in owners)


def training_objects(
    study: Study,
    owner: Owner,
    trials: Sequence[Measured],
    *,
    job: str,
    attempt: int = 0,
    installation: Installation,
) -> list[Manifest]:
    """Return the objects that train some trials of a study, in the order they are to be made.

    Args:
        study: what is asked.
        owner: the Study object it was read from.
        trials: one trial or a pack, all of one stage.
        job: the Job's name.
        attempt: failed attempts at them before this one.
        installation: images, volumes, profiles.

    Returns:
        A Job; before it a headless Service, if its pods have to meet.

    Raises:
        SettingRefused: the profile is unknown, no place for results is given, or the trials are
            too many for one Job.
    """
    asked = resources_of(stage_of(trials[0]), study.spec.resources)
    made = [_job(study, owner, trials, job, attempt, asked, installation)]
    if elastic.is_gang(asked):
        made.insert(0, _service(study, owner))
    return made


def _service(study: Study, owner: Owner) -> Manifest:
    metadata = {
        "name": elastic.service_name(study.name),
        "namespace": owner.namespace,
        "labels": study_labels(study, owner),
        "ownerReferences": [owner.reference()],
    }
    spec = elastic.gang_service(owner.uid)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _job(
    study: Study,
    owner: Owner,
    trials: Sequence[Measured],
    job: str,
    attempt: int,
    asked: StageResources,
    installation: Installation,
) -> Manifest:
    metadata = _metadata(study, owner, trials, job)
    metadata["labels"] |= queueing.queue_labels(study.spec.queue)
    metadata["annotations"] = {
        constants.DIGESTS: ",".join(map(digest, trials)),
        constants.ATTEMPT: str(attempt),
    }
    left = max(study.spec.retries - attempt, 0)
    spec: Manifest = {
        "suspend": queueing.is_made_suspended(study.spec.queue),
        "podFailurePolicy": pod_failure_policy(CONTAINER),
    }
    if elastic.is_gang(asked):
        spec |= elastic.gang_job_spec(asked, backoff_limit(left, len(trials)))
    else:
        spec |= {"backoffLimit": backoff_limit(left, len(trials))}
        spec |= {"podReplacementPolicy": "Failed"}  # never two that write one checkpoint
    spec["template"] = _pod(study, owner, trials, job, asked, installation)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _metadata(study: Study, owner: Owner, trials: Sequence[Measured], name: str) -> Manifest:
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": labels(study, owner, trials),
        "ownerReferences": [owner.reference()],
    }


def labels(study: Study, owner: Owner, trials: Sequence[Measured]) -> dict[str, str]:
    """Return the labels of a training Job and of its pods."""
    ours = {constants.STAGE: stage_of(trials[0]), constants.DIGEST: digest(trials[0])[:40]}
    targets = {trial.target.id for trial in trials}
    if len(targets) == 1:
        ours[constants.TARGET] = targets.pop()
    return study_labels(study, owner) | ours


def study_labels(study: Study, owner: Owner) -> dict[str, str]:
    """Return the labels of everything made for a Study: its own, then ours, which win.

    Labels that mean something to Kubernetes or to Kueue are not passed on: the API server would
    refuse the object, or another controller take pods for its own.
    """
    ours = {
        constants.PART_OF: "taskonomy",
        constants.MANAGED_BY: constants.MANAGER,
        constants.STUDY: study.name,
        constants.STUDY_UID: owner.uid,
    }
    passed_on = {k: v for k, v in study.metadata.labels.items() if not _means_something(k)}
    return passed_on | ours


def _means_something(label: str) -> bool:
    domain = label.partition("/")[0] if "/" in label else ""
    reserved = domain in _RESERVED or domain.endswith((".kubernetes.io", ".k8s.io"))
    return reserved or label in {"job-name", "controller-uid"}


def _pod(
    study: Study,
    owner: Owner,
    trials: Sequence[Measured],
    job: str,
    asked: StageResources,
    installation: Installation,
) -> Manifest:
    where = placement(profile_of(asked.profile, installation), study.spec.priority_class_name)
    spec: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": installation.service_account,
        "terminationGracePeriodSeconds": installation.grace_seconds,
        # of a pod, not of the Job: it counts from when a node has it, not while it waits for one
        "activeDeadlineSeconds": max(1, int(installation.deadline_hours * 3600)),
        **pod_security(),
        **together(where, installation, gpus=asked.gpus),
        "containers": [_container(study, job, asked, installation)],
        "volumes": volumes(installation, asked.shm),
    }
    if installation.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in installation.image_pull_secrets]
    if elastic.is_gang(asked):
        spec["subdomain"] = elastic.service_name(study.name)
    annotations = {
        **installation.pod_annotations,
        constants.DEFAULT_CONTAINER: CONTAINER,
        **trial_file.trials_annotation(trials),
    }
    marks = {**installation.pod_labels, **labels(study, owner, trials)}
    marks |= one_node_labels(installation.one_node)
    return {"metadata": {"labels": marks, "annotations": annotations}, "spec": spec}


def _container(
    study: Study, job: str, asked: StageResources, installation: Installation
) -> Manifest:
    profile = profile_of(asked.profile, installation)
    launch = _launch(study, job, installation)
    service = elastic.service_name(study.name)
    words = elastic.command(installation.python, launch, asked, job, service)
    container: Manifest = {
        "name": CONTAINER,
        "image": installation.image,
        "imagePullPolicy": installation.image_pull_policy,
        "command": [literal(word) for word in words],
        "env": _environment(asked, installation),
        "resources": container_resources(asked, profile),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volume_mounts(installation),
    }
    if installation.env_from_secrets:
        secrets = [{"secretRef": {"name": name}} for name in installation.env_from_secrets]
        container["envFrom"] = secrets
    return container


def _launch(study: Study, job: str, installation: Installation) -> Launch:
    artifacts = study.spec.artifacts or installation.artifacts
    if not artifacts:
        raise SettingRefused(
            f"study {study.name!r} says no place for its results and neither does the "
            "installation; set spec.artifacts"
        )
    return Launch(
        trials=trial_file.PATH,
        study=study.name,
        dataset=study.spec.data.dataset,
        artifacts=artifacts,
        tracking=study.spec.tracking or installation.tracking,
        job=job,
    )


def _environment(asked: StageResources, installation: Installation) -> list[Manifest]:
    """Return the container's environment; caches go to /tmp, as the root is read-only."""
    given = {
        "HOME": "/tmp",  # noqa: S108 - a volume of the pod's own
        "PYTHONUNBUFFERED": "1",
        last_words.VARIABLE: last_words.TERMINATION_LOG,
    }
    if elastic.is_gang(asked):
        given |= elastic.gang_environment()
    given |= installation.env
    return [{"name": name, "value": literal(value)} for name, value in given.items()]
