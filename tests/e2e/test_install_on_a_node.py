"""`helm install` into a namespace that refuses loose pods, and a whole study in containers.

Its runs go to MLflow on a Postgres and an S3 server. The study trains seven tasks and random
features, alone and in pairs, in Job pods; meanwhile it is asked about, the operator's pods are
deleted and the release is upgraded. Then it is loaded, compared in a browser, solved and shown;
`helm test` trains another; databases are lost and restored; and the release goes without a trace.
"""

import copy
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import node_servers
import pytest
import seen_in_mlflow
from kube import Object, eventually
from node_images import name_of
from node_world import World, removed
from pyarrow import fs
from release import STUDY as STUDY_NAME
from scale_out_page import BUCKET, Follower
from seen_in_mlflow import Run, Tracking, browser, comparison, show, side_by_side
from served_release import ServedRelease

from taskonomy_catalogue.records import RESULT_FILE

pytestmark = [pytest.mark.node, pytest.mark.slow, pytest.mark.usefixtures("helm")]

SMALL = {"gpus": 0, "cpu": "100m", "memory": "1Gi", "shm": "64Mi"}
STUDY: Object = {
    "apiVersion": "taskonomy.dev/v1alpha1",
    "kind": "Study",
    "metadata": {"name": STUDY_NAME},
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
TRIALS = 26
"""6 networks of their own, 2 from scratch, 2 best guesses, 14 + 2 transfers."""
WHAT_ONE_MACHINE_FINDS = (
    "SELECT mine.target, mine.digest, theirs.digest AS rival, wins, ties, images FROM win_rate "
    "JOIN transfer AS mine USING (study, transfer_id) JOIN transfer AS theirs "
    "ON (theirs.study, theirs.transfer_id) = (win_rate.study, win_rate.rival_id) ORDER BY ALL",
    "SELECT target, sources, kind, affinity, gain, quality FROM measured_transfer ORDER BY ALL",
)
"""Every win rate, and what follows from them."""


@pytest.fixture
def release(world: World, rooms: Path, tmp_path: Path) -> Iterator[ServedRelease]:
    """What a release needs, and its name; nothing is installed yet."""
    if why := node_servers.missing() or seen_in_mlflow.missing():
        pytest.skip(f"NO NODE: the tests of an installed release did not run: {why}")
    servers = tmp_path / "servers"
    servers.mkdir()
    with (
        node_servers.postgres(world.node, servers) as database,
        node_servers.bucket(world.node, servers) as bucket,
    ):
        made = ServedRelease(world, tmp_path, database, bucket)
        made.give_what_it_needs(rooms)
        yield made
        made.remove_definition()  # of a test that failed: nobody else could bring theirs


def test_a_study_on_an_installed_release(
    release: ServedRelease, record_testsuite_property: Callable[[str, object], None]
) -> None:
    nothing = release.cluster_wide()
    seconds = install_and_submit(release)
    record_testsuite_property("seconds from helm install to a training pod", seconds)
    ask_while_it_trains(release)
    lose_the_operator(release)
    upgrade_and_change_no_job(release)
    eventually(lambda: release.is_over("Completed"), within=1500, what=release.world.story)
    everything_was_trained(release)
    release.load("load-now")
    everything_was_tracked(release)
    transfers_are_compared_in_a_browser(release)
    ask_solve_report(release)
    win_rates_by_jobs(release)
    try_it_out(release)
    lose_and_restore(release)
    uninstall_and_keep(release)
    uninstall_and_leave_nothing(release)
    assert release.cluster_wide() == nothing


# --- while it trains ---------------------------------------------------------------------------


def install_and_submit(release: ServedRelease) -> float:
    """Return the seconds from `helm install` until a pod trains."""
    begun = time.monotonic()
    release.helm("install", "--wait", "--timeout=8m")
    ready = time.monotonic()
    (release.folder / "study.yaml").write_text(json.dumps(STUDY))
    release.taskonomyctl("submit", "-n", release.world.namespace)
    eventually(release.training_pods, within=180, what=release.world.story)
    trains = time.monotonic() - begun
    sys.stderr.write(f"\nhelm install: ready in {ready - begun:.1f} s, trains in {trains:.1f} s\n")
    return round(trains, 1)


def ask_while_it_trains(release: ServedRelease) -> None:
    """Ask after a trial whose pod runs, and follow its log to the end."""
    place = ("-n", release.world.namespace)

    def stand() -> Object:
        return dict(json.loads(release.taskonomyctl("status", "-o", "json", *place)))

    running = eventually(lambda: stand()["running"], within=120, what=release.world.story)
    trial = running[0]["digest"]
    assert " on one-node" in release.taskonomyctl("why", trial, *place)
    followed = release.taskonomyctl("logs", "--follow", trial, *place)
    assert "finished, mean loss" in followed
    assert followed == release.taskonomyctl("logs", trial, *place)
    now = stand()
    assert (now["study"], now["phase"], now["trials"]) == (STUDY_NAME, "Running", TRIALS)


def lose_the_operator(release: ServedRelease) -> None:
    """Delete every replica at once: nobody hands the lease on."""
    eventually(lambda: release.trials().get("done", 0) >= 3, within=600, what=release.world.story)
    pods = release.world.pods("app.kubernetes.io/component=operator")
    assert len(pods) == 2
    for pod in pods:
        release.kube.delete({"apiVersion": "v1", "kind": "Pod", **pod}, gracePeriodSeconds=0)


def upgrade_and_change_no_job(release: ServedRelease) -> None:
    before = release.jobs()
    changed = copy.deepcopy(release.values()["operator"]) | {"logLevel": "debug"}
    release.helm("upgrade", "--wait", "--timeout=5m", operator=changed)
    after = release.jobs()
    same = before.keys() & after.keys()
    assert same
    for name in same:
        assert after[name]["metadata"]["uid"] == before[name]["metadata"]["uid"]
        assert after[name]["spec"] == before[name]["spec"]


# --- what came of it ---------------------------------------------------------------------------


def results(release: ServedRelease) -> dict[str, Object]:
    """Return what each trial left in the volume, by digest."""
    files = release.artifacts.glob(f"*/{RESULT_FILE}")
    return {path.parent.name: json.loads(path.read_text()) for path in files}


def everything_was_trained(release: ServedRelease) -> None:
    counts = release.trials()
    assert counts["done"] == counts["total"] == len(results(release)) == TRIALS
    assert counts["failed"] == 0


def everything_was_tracked(release: ServedRelease) -> None:
    """Every trial is a run in MLflow, its numbers are in Postgres, its pictures in the bucket."""
    tracking, left = Tracking(release.mlflow), results(release)
    runs = tracking.trials(STUDY_NAME)
    assert runs.keys() == left.keys()
    for digest, run in runs.items():
        assert (run.status, run.tags["taskonomy.study"]) == ("FINISHED", STUDY_NAME)
        assert run.metrics["loss"] == pytest.approx(left[digest]["mean_loss"])
    query = "SELECT run_uuid, value FROM latest_metrics WHERE key = 'loss'"
    kept = {run: float(value) for run, value in release.database.rows("mlflow", query)}
    assert kept.items() >= {run.number: run.metrics["loss"] for run in runs.values()}.items()
    for run in transfers(tracking):
        assert run.params["sources"] == run.tags["taskonomy.sources"]
        assert tracking.curve(run, "train/loss")
        assert 0 <= run.metrics["gain"] <= 1  # the loader wrote it
        picture = next(f for f in tracking.files(run, "images") if f.endswith(".png"))
        content = tracking.file(run, picture)
        assert content.startswith(b"\x89PNG")
        (size,) = (
            size
            for key, size in release.bucket.objects().items()
            if run.number in key and key.endswith(picture)
        )
        assert size == len(content)


def transfers(tracking: Tracking, target: str = "normals") -> list[Run]:
    """Return the runs of the transfers to a target, the best first."""
    runs = [run for run in tracking.trials(STUDY_NAME).values() if run.params["target"] == target]
    found = [run for run in runs if run.params["kind"] == "transfer"]
    assert len(found) >= 6
    return sorted(found, key=lambda run: run.metrics["loss"])


def transfers_are_compared_in_a_browser(release: ServedRelease) -> None:
    """Open the page that a run's description links to, and MLflow's own of chosen runs."""
    tracking = Tracking(release.mlflow)
    runs = transfers(tracking)
    with browser() as page:
        names = [run.name for run in runs]
        show(page, comparison(tracking, runs[0]), release.folder / "all.png", *names, "train/loss")
        listed = page.inner_text("body")
        assert sorted(names, key=listed.index) == names
        best = runs[:3]
        losses = [f"{run.metrics['loss']:.4g}" for run in best]
        names = [run.name for run in best]
        show(page, side_by_side(tracking, best), release.folder / "best.png", *names, *losses)


def ask_solve_report(release: ServedRelease) -> None:
    """Read the snapshot where it lies, in the bucket, as whoever may read that would."""
    query = "SELECT target, round(sum(affinity), 9) FROM affinity GROUP BY 1 ORDER BY 1"
    sums = release.taskonomyctl("sql", "--format", "csv", "--snapshot", release.snapshot, query)
    whole = dict(line.split(",") for line in sums.splitlines()[1:])
    assert whole.keys() >= {"normals", "depth"}
    assert set(whole.values()) == {"1.0"}
    files = ("--from-artifacts", str(release.artifacts), "--no-publish")
    release.taskonomyctl("load", "-f", "study.yaml", *files)
    assert sums == release.taskonomyctl("sql", "--format", "csv", query)
    solved = release.taskonomyctl("solve", "--study", STUDY_NAME, "--budgets", "2", "-o", "csv")
    assert "normals" in solved
    release.taskonomyctl("report", "--study", STUDY_NAME)
    assert (release.folder / "report" / "report.html").stat().st_size > 10_000


def win_rates_by_jobs(release: ServedRelease) -> None:
    """Follow docs/scale-out.md in a folder of its own; what comes of it is the same."""
    place = release.folder / "past-one-machine"
    place.mkdir()
    (place / "study.yaml").write_text(json.dumps(STUDY))
    files = release.bucket.files()
    files.create_dir(BUCKET)
    results = f"{BUCKET}/artifacts"
    fs.copy_files(str(release.artifacts), results, destination_filesystem=files)
    reader = Follower(STUDY_NAME, targets=2, image=name_of("warehouse"))
    leave, merge = reader.commands()
    release.taskonomyctl(*leave, folder=place)
    release.kube.create(reader.secret(release.world.namespace, release.bucket.variables))
    release.complete(reader.job(release.world.namespace))
    merged = release.taskonomyctl(*merge, folder=place)
    assert "win rates of 2 targets merged" in merged
    for query in WHAT_ONE_MACHINE_FINDS:
        words = ("sql", "--format", "csv", query)
        found = release.taskonomyctl(*words, folder=place)
        assert found == release.taskonomyctl(*words)
        assert found.count("\n") > TRIALS
    held = "SELECT (SELECT count(*) FROM trial_loss), (SELECT count(*) FROM trial)"
    assert release.taskonomyctl("sql", "--format", "csv", held, folder=place).endswith("\n0,0\n")


# --- and after ---------------------------------------------------------------------------------


def try_it_out(release: ServedRelease) -> None:
    """`helm test` trains a study of its own, and takes it away, its runs too."""
    assert "Failed" not in release.helm("test", "--timeout=10m")
    tracking = Tracking(release.mlflow)
    assert tracking.experiments() == {"Default", STUDY_NAME}
    assert f"{release.full}-test" in tracking.experiments("DELETED_ONLY")
    space = f"/apis/taskonomy.dev/v1alpha1/namespaces/{release.world.namespace}/studies"
    assert [study["metadata"]["name"] for study in release.kube.items(space)] == [STUDY_NAME]
    assert not (release.artifacts / f"{release.full}-test").exists()
    assert not release.world.pods(f"taskonomy.dev/study={release.full}-test")


def lose_and_restore(release: ServedRelease) -> None:
    """Restore MLflow's database from a dump, and make the warehouse anew."""
    before = {run.number: run for run in Tracking(release.mlflow).runs(STUDY_NAME)}
    dump = str(release.folder / "mlflow.dump")
    release.database.run("pg_dump", "--format=custom", "--file", dump, "mlflow")
    release.database.run("dropdb", "--force", "mlflow")
    release.database.run("createdb", "mlflow")
    release.database.run("pg_restore", "--exit-on-error", "--dbname=mlflow", dump)
    assert {run.number: run for run in Tracking(release.mlflow).runs(STUDY_NAME)} == before

    query = "FROM affinity ORDER BY ALL"
    knew = release.taskonomyctl("sql", "--format", "csv", "--snapshot", release.snapshot, query)
    (release.world.folder / f"{release.full}-warehouse" / "warehouse.duckdb").unlink()
    release.load("load-anew")
    now = release.taskonomyctl("sql", "--format", "csv", "--snapshot", release.snapshot, query)
    assert now == knew


def uninstall_and_keep(release: ServedRelease) -> None:
    """Uninstall: definition, Study and results stay, as the values say, and nothing else."""
    release.helm("uninstall", "--wait", "--timeout=3m")
    assert release.objects() == {f"persistentvolumeclaims/{release.full}-artifacts"}
    assert release.is_over("Completed")
    assert len(results(release)) == TRIALS


def uninstall_and_leave_nothing(release: ServedRelease) -> None:
    """Install anew, which trains nothing again; uninstall, and this time the definition goes."""
    before = release.jobs().keys()
    release.helm("install", crds={"keep": False}, mlflow={"enabled": False})
    deployed = (
        f"/apis/apps/v1/namespaces/{release.world.namespace}/deployments/{release.full}-operator"
    )
    eventually(
        lambda: release.kube.get(deployed)["status"].get("readyReplicas") == 2,
        within=120,
        what=release.world.story,
    )
    assert release.is_over("Completed")
    assert release.jobs().keys() <= before
    release.helm("uninstall", "--wait", "--timeout=3m")
    assert not release.study()
    removed(release.kube, release.world.namespace_object())
