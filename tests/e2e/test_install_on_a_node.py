"""`helm install` into a namespace that refuses loose pods, and a whole study in containers.

The study trains seven tasks and random features, alone and in pairs, in Job pods; meanwhile the
operator's pod is deleted and the release is upgraded. Then it is loaded, asked, solved and shown,
and the release goes without a trace.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import kubernetes_programs
import pytest
import yaml
from kube import Object, eventually
from node_images import TAG
from node_world import World, found

pytestmark = [pytest.mark.node, pytest.mark.slow]

CHART = Path(__file__).parents[2] / "charts" / "taskonomy"
RELEASE = "lab"
SMALL = {"gpus": 0, "cpu": "100m", "memory": "1Gi", "shm": "64Mi"}
STUDY: Object = {
    "apiVersion": "taskonomy.dev/v1alpha1",
    "kind": "Study",
    "metadata": {"name": "small"},
    "spec": {
        "tasks": {
            "subset": [
                *("normals", "depth", "edges-2d", "reshading", "curvature", "autoencoding"),
                "random",
            ],
            "sourceOnly": ["edges-2d", "reshading", "curvature", "autoencoding", "random"],
        },
        "data": {"dataset": "/data", "splits": "rooms", "transferFraction": 0.5},
        "model": {"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": 64},
        "training": {
            "taskSpecific": {"steps": 20, "batchSize": 8},
            "scratch": {"steps": 10, "batchSize": 8},
            "transfer": {"steps": 4, "batchSize": 8},
        },
        "transfers": {"orders": [1, 2], "candidates": "beam", "beamWidth": 2},
        "resources": dict.fromkeys(("taskSpecific", "scratch", "firstOrder", "higherOrder"), SMALL),
        "parallelism": 3,
        "taxonomy": {"budgets": [1.0, 2.0, 3.0], "orders": [1, 2]},
    },
}


def values() -> Object:
    """Return what this cluster needs said: images without a registry, volumes, torch."""
    quick = {"OMP_NUM_THREADS": "1", "TASKONOMY_PROGRESS_SECONDS": "1"}
    torch = {"name": "torch", "claim": "torch", "path": "/opt/torch", "readOnly": True}
    little = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "2Gi"}}
    return {
        "image": {"registry": "localhost", "tag": TAG, "pullPolicy": "Never"},
        "data": {"source": "existingClaim", "existingClaim": "data"},
        "artifacts": {"source": "existingClaim", "existingClaim": "artifacts"},
        "operator": {"resources": little, "keepFinished": 600},
        "jobs": {"env": quick, "extraMounts": [torch], "pack": 8, "graceSeconds": 10},
        "warehouse": {
            "persistence": {"existingClaim": "warehouse"},
            "suspend": True,
            "resources": little,
        },
        "mlflow": {"enabled": False},
    }


@pytest.fixture
def release(world: World, rooms: Path, tmp_path: Path) -> "Release":
    """The chart, installed."""
    if kubernetes_programs.installed("helm") is None:
        pytest.skip("NO NODE: helm is not built; `make node` builds it")
    world.volume("torch", path=world.node.host_folders)
    world.volume("data", path=rooms)
    for claim in ("artifacts", "warehouse"):
        world.volume(claim)
    installed = Release(world, tmp_path)
    installed.helm("install", RELEASE, str(CHART), *installed.values(), "--wait", "--timeout=5m")
    return installed


class Release:
    """helm, kubectl's questions and taskonomyctl, all of one namespace."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.kube = world, folder, world.kube

    def values(self, **more: Any) -> list[str]:
        """Write the values and return the words that name them."""
        path = self.folder / "values.yaml"
        path.write_text(yaml.safe_dump(values() | more))
        return ["--values", str(path)]

    def helm(self, *words: str) -> str:
        """Run helm; what it says when it fails is shown."""
        return self._run(str(kubernetes_programs.installed("helm")), *words)

    def taskonomyctl(self, *words: str) -> str:
        """Run the command line as a person does beside the cluster."""
        return self._run(sys.executable, "-m", "taskonomyctl", *words)

    def _run(self, *command: str) -> str:
        told = {"KUBECONFIG": str(self.world.node.kubeconfig), "HOME": str(self.folder)}
        told |= {"HELM_NAMESPACE": self.world.namespace}
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | told,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr

    def jobs(self) -> dict[str, Object]:
        """Return the Study's Jobs by name."""
        path = f"/apis/batch/v1/namespaces/{self.world.namespace}/jobs"
        found = self.kube.items(path, labelSelector="taskonomy.dev/study=small")
        return {job["metadata"]["name"]: job for job in found}

    def study(self) -> Object:
        """Return the Study as it is."""
        space = f"/apis/taskonomy.dev/v1alpha1/namespaces/{self.world.namespace}"
        return found(self.kube, f"{space}/studies/small")

    def trials(self) -> dict[str, int]:
        """Return the Study's counts."""
        counts: dict[str, int] = self.study().get("status", {}).get("trials") or {}
        return counts

    def is_over(self, kind: str) -> bool:
        """Return whether the Study has come to a condition."""
        listed = self.study().get("status", {}).get("conditions") or []
        return any(c["type"] == kind and c["status"] == "True" for c in listed)


def test_a_study_on_an_installed_release(release: Release) -> None:
    submit(release)
    eventually(lambda: training_pods(release), within=180, what=release.world.story)
    eventually(lambda: release.trials().get("done", 0) >= 3, within=600, what=release.world.story)
    lose_the_operator(release)
    upgrade_and_change_no_job(release)
    eventually(lambda: release.is_over("Completed"), within=1500, what=release.world.story)
    everything_was_trained(release)
    load(release)
    ask_solve_report(release)
    uninstall(release)


def submit(release: Release) -> None:
    (release.folder / "study.yaml").write_text(json.dumps(STUDY))
    release.taskonomyctl("submit", "-n", release.world.namespace)


def training_pods(release: Release) -> list[Object]:
    running = release.world.pods("taskonomy.dev/study=small")
    return [pod for pod in running if pod["status"]["phase"] in ("Running", "Succeeded")]


def lose_the_operator(release: Release) -> None:
    """Delete every replica at once: nobody hands the lease on."""
    pods = release.world.pods("app.kubernetes.io/component=operator")
    assert len(pods) == 2
    for pod in pods:
        release.kube.delete({"apiVersion": "v1", "kind": "Pod", **pod}, gracePeriodSeconds=0)


def upgrade_and_change_no_job(release: Release) -> None:
    before = release.jobs()
    changed = copy.deepcopy(values()["operator"]) | {"logLevel": "debug"}
    words = release.values(operator=changed)
    release.helm("upgrade", RELEASE, str(CHART), *words, "--wait", "--timeout=5m")
    after = release.jobs()
    same = before.keys() & after.keys()
    assert same
    for name in same:
        assert after[name]["metadata"]["uid"] == before[name]["metadata"]["uid"]
        assert after[name]["spec"] == before[name]["spec"]


def everything_was_trained(release: Release) -> None:
    counts = release.trials()
    assert counts["done"] == counts["total"]
    assert counts["failed"] == 0
    results = list((release.world.folder / "artifacts").glob("*/result.json"))
    assert len(results) == counts["total"]


def load(release: Release) -> None:
    """Start a load on demand, as `kubectl create job --from=cronjob/…` does."""
    space = f"/apis/batch/v1/namespaces/{release.world.namespace}"
    (cron,) = release.kube.items(f"{space}/cronjobs")
    meta = {"name": "load-now", "namespace": release.world.namespace}
    template = cron["spec"]["jobTemplate"]["spec"]
    release.kube.create(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template}
    )

    def ended() -> bool:
        status = release.kube.get(f"{space}/jobs/load-now")["status"]
        assert not status.get("failed"), release.world.story()
        return bool(status.get("succeeded"))

    eventually(ended, within=300, what=release.world.story)


def ask_solve_report(release: Release) -> None:
    """Read the snapshot where it lies, as whoever mounts the volume would."""
    (snapshot,) = (release.world.folder / "warehouse" / "snapshot").glob("*.duckdb")
    with duckdb.connect(str(snapshot), read_only=True) as opened:
        sums = opened.execute("SELECT target, sum(affinity) FROM affinity GROUP BY 1").fetchall()
    assert {"normals", "depth"} <= {target for target, _ in sums}
    assert {round(total, 9) for _, total in sums} == {1}
    shutil.copy(snapshot, release.folder / "warehouse.duckdb")
    said = release.taskonomyctl("sql", "SELECT count(*) AS taxonomies FROM taxonomy")
    assert "6" in said
    solved = release.taskonomyctl("solve", "--study", "small", "--budgets", "2", "-o", "csv")
    assert "normals" in solved
    release.taskonomyctl("report", "--study", "small")
    assert (release.folder / "report" / "report.html").stat().st_size > 10_000


def uninstall(release: Release) -> None:
    """Uninstall: the Study and its definition stay, as the values say, and nothing runs."""
    release.helm("uninstall", RELEASE, "--wait", "--timeout=3m")
    space = f"namespaces/{release.world.namespace}"
    kinds = {
        f"/apis/apps/v1/{space}/deployments",
        f"/apis/batch/v1/{space}/cronjobs",
        f"/apis/rbac.authorization.k8s.io/v1/{space}/roles",
        f"/apis/rbac.authorization.k8s.io/v1/{space}/rolebindings",
        f"/apis/networking.k8s.io/v1/{space}/networkpolicies",
        f"/apis/policy/v1/{space}/poddisruptionbudgets",
        f"/api/v1/{space}/services",
    }
    assert [thing["metadata"]["name"] for path in kinds for thing in release.kube.items(path)] == []
    assert release.study()
