"""The Job that ranks a study's sources, between first and higher orders.

Two steps, two containers. What reads artifacts, which training pods wrote, has no token of the API
server; what has one reads nothing but the ranking it was handed, and writes one ConfigMap:

    rank (init, warehouse image)  ->  /handover/ranking.json  ->  publish (operator image, token)

The study travels as an annotation that is seen as a file, as trials do (`trial_file`).
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.launch import RankingLaunch
from taskonomy_catalogue.study import Study
from taskonomy_operator import constants
from taskonomy_operator.installation import Installation
from taskonomy_operator.job_record import RANKING
from taskonomy_operator.manifests import CONTAINER, Manifest, Owner, study_labels
from taskonomy_operator.names import ranking_name
from taskonomy_operator.pod_failure_policy import pod_failure_policy
from taskonomy_operator.scheduling import one_node_labels, together
from taskonomy_operator.security import container_security, literal, pod_security
from taskonomy_operator.volumes import mount_of, volume_of

STUDY_FILE = "/etc/taskonomy/study.json"
HANDOVER = "/handover"
RANKING_FILE = f"{HANDOVER}/ranking.json"
KEY = "ranking.json"
"""Key of the ConfigMap that holds the ranking."""
PUBLISH_MODULE = "taskonomy_operator.publish_ranking"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
TOKEN_SECONDS = 3_600

DEADLINE_SECONDS = 6 * 3_600
"""Loading and comparing the first-order transfers of 100 tasks takes minutes."""


def ranking_job_name(study: str, targets: Sequence[str]) -> str:
    """Return what the Job that ranks these targets is called: ``<study>-ranking-<5 digits>``."""
    together = hashlib.sha256("\n".join(sorted(targets)).encode()).hexdigest()
    return f"{ranking_name(study)}-{together[:5]}"


def ranking_job(
    study: Study, owner: Owner, targets: Sequence[str], *, installation: Installation
) -> Manifest:
    """Return the Job that ranks targets and adds them to the study's ConfigMap.

    Raises:
        SettingRefused: the installation names no image for it, or no place has results.
    """
    if not (installation.warehouse_image and installation.operator_image):
        raise SettingRefused(
            "the installation names no warehouseImage and operatorImage, which rank sources for "
            "higher orders"
        )
    labels = study_labels(study, owner) | {constants.STAGE: RANKING}
    metadata = {
        "name": ranking_job_name(study.name, targets),
        "namespace": owner.namespace,
        "labels": labels,
        "annotations": {constants.DIGESTS: ",".join(targets)},
        "ownerReferences": [owner.reference()],
    }
    spec = {
        "backoffLimit": 0,  # the planner tries again, and later each time
        "podFailurePolicy": pod_failure_policy(CONTAINER),
        "template": _pod(study, owner, targets, labels, installation),
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _pod(
    study: Study,
    owner: Owner,
    targets: Sequence[str],
    labels: dict[str, str],
    installation: Installation,
) -> Manifest:
    document = study.model_dump_json(by_alias=True, exclude_unset=True)
    spec: Manifest = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": DEADLINE_SECONDS,  # from when a node has it
        "serviceAccountName": installation.ranking_service_account,
        **pod_security(),
        **together({}, installation, gpus=0),
        "initContainers": [_rank(study, targets, installation)],
        "containers": [_publish(owner, installation)],
        "volumes": [
            {"name": "study", "downwardAPI": {"items": [_study_item()]}},
            {"name": "handover", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": installation.tmp_size}},
            {"name": "token", "projected": {"sources": _token_sources()}},
            *map(volume_of, installation.mounts),
        ],
    }
    if installation.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in installation.image_pull_secrets]
    annotations = {**installation.pod_annotations, constants.STUDY_DOCUMENT: document}
    marks = {**installation.pod_labels, **labels, **one_node_labels(installation.one_node)}
    return {"metadata": {"labels": marks, "annotations": annotations}, "spec": spec}


def _rank(study: Study, targets: Sequence[str], installation: Installation) -> Manifest:
    artifacts = study.spec.artifacts or installation.artifacts
    if not artifacts:
        raise SettingRefused(f"study {study.name!r} says no place for its results")
    launch = RankingLaunch(
        study=STUDY_FILE, artifacts=artifacts, out=RANKING_FILE, targets=",".join(targets)
    )
    mounts = [
        {"name": "study", "mountPath": "/etc/taskonomy", "readOnly": True},
        {"name": "handover", "mountPath": HANDOVER},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        *map(mount_of, installation.mounts),
    ]
    container = _container(
        "rank", installation.warehouse_image, launch.command(installation.python), installation
    )
    container["volumeMounts"] = mounts
    container["env"] += [{"name": n, "value": literal(v)} for n, v in installation.env.items()]
    if installation.env_from_secrets:
        secrets = [{"secretRef": {"name": name}} for name in installation.env_from_secrets]
        container["envFrom"] = secrets
    container["resources"] = {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"memory": "8Gi"},
    }
    return container


def _publish(owner: Owner, installation: Installation) -> Manifest:
    words = [installation.python, "-P", "-m", PUBLISH_MODULE]
    words += [f"--ranking={RANKING_FILE}", f"--namespace={owner.namespace}"]
    words += [f"--study={owner.name}", f"--uid={owner.uid}"]
    container = _container(CONTAINER, installation.operator_image, words, installation)
    container["volumeMounts"] = [
        {"name": "handover", "mountPath": HANDOVER, "readOnly": True},
        {"name": "token", "mountPath": TOKEN, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
    ]
    container["resources"] = {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"memory": "256Mi"},
    }
    return container


def _container(
    name: str, image: str, words: Sequence[str], installation: Installation
) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": installation.image_pull_policy,
        "command": [literal(word) for word in words],
        "env": [
            {"name": "HOME", "value": "/tmp"},  # noqa: S108 - a volume of the pod's own
            {"name": "PYTHONUNBUFFERED", "value": "1"},
        ],
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _study_item() -> Manifest:
    field = {"fieldPath": f"metadata.annotations['{constants.STUDY_DOCUMENT}']"}
    return {"path": "study.json", "fieldRef": field}


def _token_sources() -> list[Manifest]:
    """Return what an in-cluster client reads: its token, the server's certificate, the namespace.

    What a kubelet would mount into every container, for one of them.
    """
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    certificate = {"key": "ca.crt", "path": "ca.crt"}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [certificate]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
