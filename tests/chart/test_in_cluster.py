"""What the chart's Jobs run, against a real API server: loading every Study, trying it all out."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import helm
import pytest
from kube import ApiError, Kube, Object, eventually
from trial_results import Artifacts, study_document

from taskonomy_catalogue.study import parse_study
from taskonomy_operator.cluster import Cluster, connect
from taskonomy_operator.seen_on_cluster import Namespace
from taskonomy_warehouse.queries import run_query
from taskonomy_warehouse.snapshot import Snapshot
from taskonomy_warehouse.warehouse import WarehouseNotOpened
from taskonomyctl.in_cluster import load_studies, try_installation
from taskonomyctl.in_cluster.try_installation import NotAsItShould

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def cluster(kube: Kube) -> Cluster:
    return connect(kubeconfig=kube.kubeconfig, qps=500, burst=500)


def stand(kube: Kube, study: Object, done: int, kind: str, reason: str) -> None:
    """Write a Study's status as the operator would."""
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {
        "observedGeneration": study["metadata"]["generation"],
        "trials": {"total": done, "done": done},
        "conditions": [condition],
    }
    kube.patch(study, {"status": status}, subresource="status")


# --- the loader ---------------------------------------------------------------------------------


class Place:
    """A warehouse, an artifact root and Studies in a namespace."""

    def __init__(self, kube: Kube, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.kube, self.cluster, self.namespace = kube, cluster, namespace
        self.artifacts = Artifacts(folder / "artifacts")
        self.artifacts.root.mkdir()
        self.asked = load_studies.Asked(
            namespaces=(namespace,),
            warehouse=folder / "warehouse.duckdb",
            artifacts=str(self.artifacts.root),
            publish=str(folder / "snapshot"),
            solve=True,
        )

    def submit(self, name: str, **spec: Any) -> Object:
        document = study_document(name, **spec)
        document["metadata"]["namespace"] = self.namespace
        return self.kube.create(document)

    def load(self) -> int:
        return load_studies.load_studies(self.cluster, self.asked)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the snapshot, which readers see."""
        return list(run_query(Snapshot(self.asked.publish), sql).rows)


@pytest.fixture
def place(kube: Kube, cluster: Cluster, namespace: str, tmp_path: Path) -> Place:
    return Place(kube, cluster, namespace, tmp_path)


def test_every_study_with_results_is_loaded_solved_and_published(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    rooms, houses = place.submit("rooms"), place.submit("houses", transfers={"orders": [1]})
    place.submit("empty")
    place.artifacts.leave_all(parse_study(rooms, origin="rooms"))
    stand(place.kube, rooms, 30, "Completed", "AllDone")
    stand(place.kube, houses, 18, "Progressing", "Training")
    assert place.load() == 0
    assert "study " + place.namespace + "/empty has no result yet" in capfd.readouterr().err
    counted = "SELECT study, count(*) FROM measured_transfer GROUP BY study ORDER BY study"
    # one artifact root: what one study trained is done for the other too
    studies = [row[0] for row in place.query(counted)]
    assert studies == ["houses", "rooms"]
    solved = place.query("SELECT DISTINCT study FROM taxonomy")
    assert solved == [("rooms",)]  # the other is not complete
    before = (Path(place.asked.publish) / "manifest.json").read_bytes()
    assert place.load() == 0
    assert (Path(place.asked.publish) / "manifest.json").read_bytes() == before  # nothing was new


def test_any_client_opens_the_snapshot_while_the_warehouse_is_written(place: Place) -> None:
    rooms = place.submit("rooms")
    place.artifacts.leave_all(parse_study(rooms, origin="rooms"))
    stand(place.kube, rooms, 30, "Completed", "AllDone")
    place.load()
    (copy,) = Path(place.asked.publish).glob("warehouse-*.duckdb")
    with (
        duckdb.connect(str(place.asked.warehouse)) as writer,
        duckdb.connect(str(copy), read_only=True) as reader,
    ):
        writer.execute("CREATE TABLE other (a INTEGER)")
        rows = reader.execute("SELECT sum(affinity) FROM affinity GROUP BY target").fetchall()
    assert [round(row[0], 6) for row in rows] == [1.0, 1.0, 1.0]


def test_a_warehouse_that_is_lost_is_loaded_anew(place: Place) -> None:
    """docs/install.md: remove what is broken, and have the loader run."""
    rooms = place.submit("rooms")
    place.artifacts.leave_all(parse_study(rooms, origin="rooms"))
    stand(place.kube, rooms, 30, "Completed", "AllDone")
    place.load()
    everything = "SELECT target, sources, affinity, gain FROM measured_transfer ORDER BY ALL"
    before = place.query(everything)
    place.asked.warehouse.write_bytes(b"not a database any more")
    with pytest.raises(WarehouseNotOpened):
        place.load()
    assert place.query(everything) == before  # readers still have the last snapshot
    place.asked.warehouse.unlink()
    assert place.load() == 0
    assert place.query(everything) == before


def test_one_study_that_cannot_be_loaded_keeps_none_of_the_others(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    lost = place.submit("lost", artifacts=str(place.artifacts.root / "nowhere"))
    rooms = place.submit("rooms")
    place.artifacts.leave_all(parse_study(rooms, origin="rooms"))
    for study in (lost, rooms):
        stand(place.kube, study, 30, "Completed", "AllDone")
    assert place.load() == 6
    assert f"study {place.namespace}/lost: " in capfd.readouterr().err
    assert place.query("SELECT DISTINCT study FROM affinity") == [("rooms",)]


def test_of_two_studies_of_one_name_the_first_is_loaded(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    other = f"{place.namespace}-b"
    thing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}
    place.kube.create(thing)
    place.submit("rooms")
    document = study_document("rooms")
    document["metadata"]["namespace"] = other
    place.kube.create(document)
    listed = load_studies._studies(place.cluster, (place.namespace, other))
    kept = list(load_studies.told_apart(listed))
    place.kube.delete(thing)
    assert [study.namespace for study in kept] == [place.namespace]
    assert f"study {other}/rooms is left out" in capfd.readouterr().err


def test_the_command_line_is_the_charts() -> None:
    template = helm.one(helm.objects(), "CronJob", "-loader")["spec"]["jobTemplate"]["spec"][
        "template"
    ]
    (container,) = template["spec"]["containers"]
    asked = load_studies._parse(container["args"])
    assert container["command"][-1] == load_studies.__name__
    assert asked == load_studies.Asked(
        namespaces=("vision",),
        warehouse=Path("/warehouse/warehouse.duckdb"),
        artifacts="/artifacts",
        publish="/warehouse/snapshot",
        tracking="http://demo-taskonomy-mlflow.vision.svc:5000",
        solve=True,
    )
    (test,) = helm.one(helm.objects(), "Job", "-test")["spec"]["template"]["spec"]["containers"]
    assert test["command"][-1] == try_installation.__name__
    tried = try_installation._parse(test["args"])
    assert tried.folder == Path("/artifacts/demo-taskonomy-test")
    assert (tried.namespace, tried.name) == ("vision", "demo-taskonomy-test")
    assert tried.tracking == asked.tracking


# --- trying it out ------------------------------------------------------------------------------


def trying(
    kube: Kube, cluster: Cluster, namespace: str, folder: Path, act: Callable[[Object], None]
) -> None:
    """Try an installation out whose operator does with the Study what `act` does."""
    asked = try_installation.Asked(
        namespace=namespace,
        name="trial",
        folder=folder,
        timeout=60,
        tracking="http://127.0.0.1:1",  # nobody listens: that is no fault of the installation
    )
    path = f"/apis/taskonomy.dev/v1alpha1/namespaces/{namespace}/studies/trial"

    def found() -> Object | None:
        with suppress(ApiError):
            return kube.get(path)
        return None

    operator = threading.Thread(target=lambda: act(eventually(found)))
    operator.start()
    try:
        inside = Namespace(cluster, namespace)
        try_installation.try_installation(inside, asked, sleep=lambda _: time.sleep(0.1))
    finally:
        operator.join()
    assert found() is None
    assert not folder.exists()


def test_an_installation_that_works(
    kube: Kube, cluster: Cluster, namespace: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "test"

    def act(study: Object) -> None:
        read = parse_study(study, origin="trial")
        results = Artifacts(folder / "results", study="trial")
        results.root.mkdir(parents=True)
        stand(kube, study, len(results.leave_all(read)), "Completed", "AllDone")

    trying(kube, cluster, namespace, folder, act)
    said = capfd.readouterr().err
    assert "loaded 10 trials" in said
    assert "depth: " in said
    assert "its runs stay in experiment 'trial': the tracking server http://127.0.0.1:1" in said
    assert "removed the study and its files" in said


def test_an_installation_whose_trials_fail(
    kube: Kube, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    def act(study: Object) -> None:
        stand(kube, study, 3, "Degraded", "TrialsFailed")
        failure = {"trial": "0" * 64, "title": "depth", "reason": "BadTrial", "message": "no label"}
        kube.patch(study, {"status": {"failures": [failure]}}, subresource="status")
        done = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind in ("Degraded", "Completed")
        ]
        kube.patch(study, {"status": {"conditions": done}}, subresource="status")

    with pytest.raises(NotAsItShould, match="depth: BadTrial: no label"):
        trying(kube, cluster, namespace, tmp_path / "test", act)


def test_an_installation_whose_results_are_broken(
    kube: Kube, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    folder = tmp_path / "test"

    def act(study: Object) -> None:
        results = Artifacts(folder / "results", study="trial")
        results.root.mkdir(parents=True)
        trials = results.leave_all(parse_study(study, origin="trial"))
        (results.folder(trials[0]) / "losses.parquet").write_bytes(b"not parquet")
        stand(kube, study, len(trials), "Completed", "AllDone")

    with pytest.raises(NotAsItShould, match="not-parquet"):
        trying(kube, cluster, namespace, folder, act)
