"""The chart installed on a node: helm, taskonomyctl, and what a namespace holds."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import kubernetes_programs
import yaml
from kube import ApiError, Object, eventually, path_of
from node_images import TAG
from node_world import World, found

TREE = Path(__file__).parents[2]
CHART = TREE / "charts" / "taskonomy"
STUDY = "small"
"""The study that a release runs."""

NAMESPACED = (
    *("/apis/apps/v1/{}/deployments", "/apis/batch/v1/{}/cronjobs", "/api/v1/{}/services"),
    "/apis/rbac.authorization.k8s.io/v1/{}/roles",
    "/apis/rbac.authorization.k8s.io/v1/{}/rolebindings",
    *("/api/v1/{}/serviceaccounts", "/api/v1/{}/configmaps", "/api/v1/{}/secrets"),
    "/apis/networking.k8s.io/v1/{}/networkpolicies",
    "/apis/policy/v1/{}/poddisruptionbudgets",
    "/api/v1/{}/persistentvolumeclaims",
)
CLUSTER_WIDE = (
    *("rbac.authorization.k8s.io/v1/clusterroles", "scheduling.k8s.io/v1/priorityclasses"),
    "rbac.authorization.k8s.io/v1/clusterrolebindings",
    "apiextensions.k8s.io/v1/customresourcedefinitions",
    "admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    *("storage.k8s.io/v1/storageclasses", "node.k8s.io/v1/runtimeclasses"),
)
"""Kinds that a chart may make objects of, in its namespace and outside."""


class Release:
    """helm, kubectl's questions and taskonomyctl, all of one namespace."""

    def __init__(self, world: World, folder: Path, name: str) -> None:
        self.world, self.folder, self.kube, self.name = world, folder, world.kube, name

    @property
    def full(self) -> str:
        """What the names of its objects begin with."""
        return self.name if "taskonomy" in self.name else f"{self.name}-taskonomy"

    def tell_secret(self, name: str, content: Mapping[str, str]) -> None:
        """Make a Secret, or change it."""
        meta = {"name": name, "namespace": self.world.namespace}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta}
        path = f"/api/v1/namespaces/{self.world.namespace}/secrets/{name}"
        change = self.kube.update if found(self.kube, path) else self.kube.create
        change({**secret, "stringData": dict(content)})

    def helm(self, verb: str, *words: str, **values: Any) -> str:
        """Run helm; what it says when it fails is shown."""
        if verb in ("install", "upgrade"):
            words = (str(CHART), *self.values_file(**values), *words)
        return self.run(str(kubernetes_programs.installed("helm")), verb, self.name, *words)

    def values_file(self, **values: Any) -> tuple[str, str]:
        """Write what this cluster needs said, and more; return the words that have helm read it."""
        path = self.folder / "values.yaml"
        path.write_text(yaml.safe_dump(self.values() | values))
        return "--values", str(path)

    def taskonomyctl(self, *words: str, folder: Path | None = None) -> str:
        """Run the command line as a person does beside the cluster, in a folder of theirs."""
        return self.run(*self.command(*words), folder=folder)

    def command(self, *words: str) -> list[str]:
        """Return a command line of taskonomyctl."""
        return [sys.executable, "-m", "taskonomyctl", *words]

    @property
    def environment(self) -> dict[str, str]:
        """What programs beside the cluster are told: where it is, and how S3 is reached."""
        told = {"KUBECONFIG": str(self.world.node.kubeconfig), "HOME": str(self.folder)}
        return {**os.environ, **told, "HELM_NAMESPACE": self.world.namespace}

    def run(self, *command: str, folder: Path | None = None) -> str:
        """Return what a program prints; what it says when it fails is shown."""
        ran = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}{self.world.story()}"
        return ran.stdout + ran.stderr

    def values(self) -> Object:
        """Return what this cluster needs said: images without a registry, torch, a way in."""
        torch = {"name": "torch", "claim": "torch", "path": "/opt/torch", "readOnly": True}
        return {
            "image": {"registry": "localhost", "tag": TAG, "pullPolicy": "Never"},
            "jobs": {"extraMounts": [torch]},
            "mlflow": {
                "service": {"type": "NodePort"},
                "allowedHosts": [f"{self.world.node.place.inner}:*"],
            },
        }

    @property
    def artifacts(self) -> Path:
        """The folder behind the volume of results."""
        return self.world.folder / f"{self.full}-artifacts"

    @property
    def mlflow(self) -> str:
        """The tracking server's address as a browser beside the cluster has it."""
        space = f"/api/v1/namespaces/{self.world.namespace}"
        (port,) = self.kube.get(f"{space}/services/{self.full}-mlflow")["spec"]["ports"]
        return f"http://{self.world.node.place.inner}:{port['nodePort']}"

    # --- what the namespace holds --------------------------------------------------------------

    def jobs(self) -> dict[str, Object]:
        """Return the Study's Jobs by name."""
        path = f"/apis/batch/v1/namespaces/{self.world.namespace}/jobs"
        listed = self.kube.items(path, labelSelector=f"taskonomy.dev/study={STUDY}")
        return {job["metadata"]["name"]: job for job in listed}

    def study(self) -> Object:
        """Return the Study as it is; empty: there is none."""
        space = f"/apis/taskonomy.dev/v1alpha1/namespaces/{self.world.namespace}"
        return found(self.kube, f"{space}/studies/{STUDY}")

    def trials(self) -> dict[str, int]:
        """Return the Study's counts."""
        counts: dict[str, int] = self.study().get("status", {}).get("trials") or {}
        return counts

    def is_over(self, kind: str) -> bool:
        """Return whether the Study has come to a condition."""
        listed = self.study().get("status", {}).get("conditions") or []
        return any(c["type"] == kind and c["status"] == "True" for c in listed)

    def training_pods(self) -> list[Object]:
        """Return the Study's pods that run or have run."""
        listed = self.world.pods(f"taskonomy.dev/study={STUDY}")
        return [pod for pod in listed if pod["status"].get("phase") in ("Running", "Succeeded")]

    def load(self, job: str) -> None:
        """Start a load on demand, as `kubectl create job --from=cronjob/…` does, and wait."""
        space = f"/apis/batch/v1/namespaces/{self.world.namespace}"
        cron = self.kube.get(f"{space}/cronjobs/{self.full}-loader")
        owner: Object = {"apiVersion": "batch/v1", "kind": "CronJob", "name": f"{self.full}-loader"}
        owner |= {"uid": cron["metadata"]["uid"], "controller": True}
        meta = {"name": job, "namespace": self.world.namespace, "ownerReferences": [owner]}
        template = cron["spec"]["jobTemplate"]["spec"]
        self.complete({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template})

    def complete(self, job: Object) -> None:
        """Make a Job of the namespace and wait until it is complete; none of its pods may fail."""
        self.kube.create(job)

        def ended() -> bool:
            status = self.kube.get(path_of(job))["status"]
            assert not status.get("failed"), self.world.story()
            listed = status.get("conditions") or []
            return any(c["type"] == "Complete" and c["status"] == "True" for c in listed)

        eventually(ended, within=300, what=self.world.story)

    def remove_definition(self) -> None:
        """Delete the definition, if it is there: it is the cluster's, and others' to bring."""
        meta = {"name": "studies.taskonomy.dev"}
        api = "apiextensions.k8s.io/v1"
        thing = {"apiVersion": api, "kind": "CustomResourceDefinition", "metadata": meta}
        with suppress(ApiError):
            self.kube.delete(thing)
        eventually(lambda: not found(self.kube, path_of(thing)), what="the definition stays")

    def objects(self) -> set[str]:
        """Return kind and name of what carries the release's label in its namespace."""
        mine = f"app.kubernetes.io/instance={self.name}"
        paths = [path.format(f"namespaces/{self.world.namespace}") for path in NAMESPACED]
        return {
            f"{path.rpartition('/')[2]}/{thing['metadata']['name']}"
            for path in paths
            for thing in self.kube.items(path, labelSelector=mine)
        }

    def cluster_wide(self) -> set[str]:
        """Return kind and name of everything outside namespaces that a chart may make."""
        return {
            f"{path.rpartition('/')[2]}/{thing['metadata']['name']}"
            for path in CLUSTER_WIDE
            for thing in self.kube.items(f"/apis/{path}")
        }
