"""The chart as its README installs it: MLflow on SQLite in a claim, no server beside the cluster.

A small study is trained and loaded; its runs outlive MLflow's pod, and its volumes the release.
"""

import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import kubernetes_programs
import pytest
from kube import Object, eventually
from node_world import World
from release import CHART, STUDY, TREE, Release
from seen_in_mlflow import Run, Tracking

from taskonomy_catalogue.records import RESULT_FILE

pytestmark = [pytest.mark.node, pytest.mark.slow, pytest.mark.usefixtures("helm")]

CLAIMS = {"artifacts": "200Gi", "warehouse": "50Gi", "mlflow": "20Gi"}
"""What the chart asks for unless told otherwise."""
SMALL = {"gpus": 0, "cpu": "100m", "memory": "1Gi", "shm": "64Mi"}
FEW = {"steps": 4, "batchSize": 4}
DOCUMENT: Object = {
    "apiVersion": "taskonomy.dev/v1alpha1",
    "kind": "Study",
    "metadata": {"name": STUDY},
    "spec": {
        "tasks": {"subset": ["depth"]},
        "data": {"dataset": "/artifacts/rooms", "splits": "rooms", "transferFraction": 0.5},
        "model": {"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": 64},
        "training": {"taskSpecific": FEW, "scratch": FEW, "transfer": FEW},
        "transfers": {"orders": [1]},
        "taxonomy": {"budgets": [1.0], "orders": [1]},
        "resources": dict.fromkeys(("taskSpecific", "scratch", "firstOrder", "higherOrder"), SMALL),
    },
}


@pytest.fixture
def release(world: World, rooms: Path, tmp_path: Path) -> Iterator[Release]:
    """What the cluster has before anybody installs: volumes to claim, and images in them."""
    world.volume("torch", path=world.node.host_folders)
    for name, size in CLAIMS.items():
        world.volume(f"taskonomy-{name}", claimed=False, size=size)
    made = Release(world, tmp_path, "taskonomy")
    shutil.copytree(rooms, made.artifacts / "rooms")
    yield made
    made.remove_definition()  # of a test that failed: nobody else could bring theirs


def test_runs_in_the_default_store_outlive_its_pod_and_the_release(release: Release) -> None:
    nothing = release.cluster_wide()
    install_as_the_readme_says(release)
    train_and_load(release)
    runs = everything_was_tracked(release)
    lose_the_pod_of_mlflow(release)
    assert everything_was_tracked(release) == runs
    uninstall_and_keep(release, runs)
    remove_all_of_it(release)
    assert release.cluster_wide() == nothing


def install_as_the_readme_says(release: Release) -> None:
    (line,) = re.findall(
        r"^ +(helm install taskonomy .*)$", (CHART / "README.md").read_text(), re.M
    )
    words = line.replace("--namespace taskonomy", f"--namespace {release.world.namespace}")
    _, *command = shlex.split(words)
    helm = str(kubernetes_programs.installed("helm"))
    release.run(helm, *command, *release.values_file(), "--wait", "--timeout=8m", folder=TREE)


def train_and_load(release: Release) -> None:
    (release.folder / "study.yaml").write_text(json.dumps(DOCUMENT))
    release.taskonomyctl("submit", "-n", release.world.namespace)
    eventually(lambda: release.is_over("Completed"), within=600, what=release.world.story)
    release.load("load-now")
    query = "SELECT target, round(sum(affinity), 9) AS whole FROM affinity GROUP BY target"
    snapshot = str(release.world.folder / "taskonomy-warehouse" / "snapshot")
    said = release.taskonomyctl("sql", "--format", "csv", "--snapshot", snapshot, query)
    assert said.splitlines() == ["target,whole", "depth,1.0"]


def everything_was_tracked(release: Release) -> dict[str, tuple[Run, bytes]]:
    """Return the run of each trial by digest, with a picture of it."""
    tracking = Tracking(release.mlflow)
    runs = tracking.trials(STUDY)
    left = [path.parent.name for path in release.artifacts.glob(f"*/{RESULT_FILE}")]
    assert sorted(runs) == sorted(left)
    assert {run.status for run in runs.values()} == {"FINISHED"}
    seen = {}
    for digest, run in runs.items():
        pictures = [f for f in tracking.files(run, "images") if f.endswith(".png")]
        content = tracking.file(run, pictures[0]) if pictures else b""
        seen[digest] = run, content
    assert sum(content.startswith(b"\x89PNG") for _, content in seen.values()) >= 3
    return seen


def lose_the_pod_of_mlflow(release: Release) -> None:
    (pod,) = release.world.pods("app.kubernetes.io/component=mlflow")
    release.kube.delete({"apiVersion": "v1", "kind": "Pod", **pod})

    def is_back() -> bool:
        now = release.world.pods("app.kubernetes.io/component=mlflow")
        ready = [each for each in now if each["metadata"]["uid"] != pod["metadata"]["uid"]]
        listed = [c for each in ready for c in each["status"].get("conditions") or []]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in listed)

    eventually(is_back, within=180, what=release.world.story)


def uninstall_and_keep(release: Release, runs: dict[str, tuple[Run, bytes]]) -> None:
    release.helm("uninstall", "--wait", "--timeout=3m")
    assert release.objects() == {f"persistentvolumeclaims/taskonomy-{name}" for name in CLAIMS}
    assert release.is_over("Completed")
    database = release.world.folder / "taskonomy-mlflow" / "runs.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        kept = {run for (run,) in opened.execute("SELECT run_uuid FROM runs")}
    assert kept >= {run.number for run, _ in runs.values()}


def remove_all_of_it(release: Release) -> None:
    """Do what docs/install.md says for that: Studies, claims, the definition."""
    release.kube.delete(release.study())
    space = f"/api/v1/namespaces/{release.world.namespace}/persistentvolumeclaims"
    for claim in release.kube.items(space, labelSelector="app.kubernetes.io/part-of=taskonomy"):
        whole = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}
        release.kube.delete(whole)
    release.remove_definition()
    eventually(lambda: not release.objects(), what=lambda: release.objects())
