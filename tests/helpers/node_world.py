"""A namespace on the one-node cluster: its volumes, its pods' words, and that it goes away."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kube import ApiError, Kube, Object, eventually
from one_node import OneNode

MODES = ["ReadWriteOnce", "ReadWriteMany"]
NOBODY = 65532
"""Whom our images run as."""


@dataclass(frozen=True)
class World:
    """A namespace, and the folder of this machine that its volumes lie in."""

    node: OneNode
    namespace: str
    folder: Path

    @property
    def kube(self) -> Kube:
        """A client with every right."""
        return self.node.kube

    def namespace_object(self) -> Object:
        """Return the namespace; it refuses pods that are not `restricted`."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        meta = {"name": self.namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}

    def make_namespace(self) -> None:
        """Make it, and wait until pods can be made in it."""
        self.kube.create(self.namespace_object())
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        eventually(lambda: found(self.kube, account), what="no default service account")

    def volume(
        self, name: str, *, path: Path | None = None, claimed: bool = True, size: str = "1Gi"
    ) -> Path:
        """Make a claim and the volume it is bound to; return the folder behind it.

        Args:
            name: of the claim.
            path: a folder there is; else an empty one that pods may write to is made.
            claimed: whether the claim is made, or somebody else makes it.
            size: what it says of itself; the folder has what this machine has.
        """
        folder = path or self.folder / name
        if path is None:
            folder.mkdir()
            os.chown(folder, NOBODY, NOBODY)
        whole = f"{self.namespace}-{name}"
        claim = {"namespace": self.namespace, "name": name}
        shape: Object = {"storageClassName": "", "accessModes": MODES}
        storage = {"storage": size}
        self.kube.create(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": whole, "labels": {"namespace": self.namespace}},
                "spec": {
                    **shape,
                    "capacity": storage,
                    "hostPath": {"path": str(folder)},
                    "claimRef": claim,
                },
            }
        )
        if claimed:
            spec = {**shape, "resources": {"requests": storage}, "volumeName": whole}
            claiming = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim}
            self.kube.create({**claiming, "spec": spec})
        return folder

    def pods(self, selector: str = "") -> list[Object]:
        """Return the pods that labels select."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return self.kube.items(path, **({"labelSelector": selector} if selector else {}))

    def log(self, pod: str) -> str:
        """Return what a pod has said; empty while it has no container."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        with suppress(ApiError):
            answer = self.kube.get(path)
            one_line = "message" not in answer or "event" in answer  # which JSON it is, too
            return json.dumps(answer) if one_line else str(answer["message"])
        return ""

    def story(self) -> str:
        """Return what became of every pod, for whom a test fails."""
        told = []
        with suppress(ApiError, OSError):
            for pod in self.pods():
                name, status = pod["metadata"]["name"], pod["status"]
                states = [each["state"] for each in status.get("containerStatuses") or []]
                told.append(f"--- {name}: {status.get('phase')} {json.dumps(states)}")
                told.append(self.log(name)[-3000:])
            events = self.kube.items(f"/api/v1/namespaces/{self.namespace}/events")
            told += [f"{e['involvedObject'].get('name')}: {e.get('message')}" for e in events]
        return "\n".join(told)


def found(kube: Kube, path: str) -> Object:
    """Return an object; empty: there is none."""
    with suppress(ApiError):
        return kube.get(path)
    return {}


def removed(kube: Kube, namespace: Object, within: float = 300) -> None:
    """Delete a namespace and its volumes, and wait until nothing of it is left."""
    name = namespace["metadata"]["name"]
    with suppress(ApiError):
        kube.delete(namespace)
    path = f"/api/v1/namespaces/{name}"
    eventually(
        lambda: not found(kube, path), within=within, what=lambda: found(kube, path).get("status")
    )
    for volume in kube.items("/api/v1/persistentvolumes", labelSelector=f"namespace={name}"):
        kube.delete({"apiVersion": "v1", "kind": "PersistentVolume", **volume})
