"""Results in a bucket of a real S3 server: found, loaded, refused and published there."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from trial_results import Artifacts, small_study
from warehouse_content import content

from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import digest
from taskonomy_warehouse.files import get_ready, upload, write_file
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import Loaded, load
from taskonomy_warehouse.load.merge import Merged
from taskonomy_warehouse.load.session import Outcome, Request, run_load
from taskonomy_warehouse.queries import run_query
from taskonomy_warehouse.s3 import Unreachable
from taskonomy_warehouse.snapshot import Snapshot
from taskonomy_warehouse.warehouse import writing
from taskonomy_warehouse.win_rate_job import Partition, compute

pytestmark = pytest.mark.s3

STUDY = small_study()


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    """Results on this machine, to be copied to the bucket."""
    root = tmp_path / "artifacts"
    root.mkdir()
    return Artifacts(root)


def copied(artifacts: Artifacts, place: str) -> None:
    with duckdb.connect() as connection:
        get_ready(connection, place)
        for folder in artifacts:
            for file in folder.iterdir():
                upload(connection, file, f"{place}/{folder.name}/{file.name}")


def loaded(path: Path, place: str) -> Loaded:
    with writing(path) as connection:
        get_ready(connection, place)
        return load(connection, STUDY, find_in_artifacts(connection, place), origin="x.yaml")


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a warehouse holds, but for where it came from."""
    with writing(path) as connection:
        connection.execute("UPDATE trial_result SET folder = ''")
        return content(connection)


def test_a_bucket_is_loaded_like_a_folder(artifacts: Artifacts, s3: str, tmp_path: Path) -> None:
    artifacts.leave_all(STUDY)
    copied(artifacts, s3)
    there, here = tmp_path / "there.duckdb", tmp_path / "here.duckdb"
    done = loaded(there, s3)
    assert (done.trials, done.refusals) == (30, ())
    loaded(here, str(artifacts.root))
    assert rows(there) == rows(here)
    again = loaded(there, s3)
    assert (again.trials, again.known) == (0, 30)


def test_what_is_broken_in_a_bucket_is_refused(
    artifacts: Artifacts, s3: str, tmp_path: Path
) -> None:
    trials = list(enumerate_trials(STUDY))
    artifacts.leave_all(STUDY)
    losses = [artifacts.folder(trial) / "losses.parquet" for trial in trials[:3]]
    losses[0].write_bytes(losses[0].read_bytes()[:-5])
    losses[1].unlink()
    artifacts.leave(trials[2], images=3)
    (artifacts.folder(trials[3]) / "trial.json").unlink()
    copied(artifacts, s3)
    done = loaded(tmp_path / "there.duckdb", s3)
    assert done.trials == 26
    assert {refusal.digest: refusal.reason for refusal in done.refusals} == {
        digest(trials[0]): "not-parquet",
        digest(trials[1]): "not-parquet",
        digest(trials[2]): "figures-disagree",
        digest(trials[3]): "not-a-trial",
    }
    assert all(refusal.folder.startswith(s3) for refusal in done.refusals)


def test_a_server_that_goes_away_is_no_fault_of_the_results(
    artifacts: Artifacts, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts.leave_all(STUDY)
    copied(artifacts, s3)
    path = tmp_path / "there.duckdb"
    with writing(path) as connection:
        get_ready(connection, s3)
        findings = find_in_artifacts(connection, s3)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        get_ready(connection, s3)
        with pytest.raises(Unreachable, match="cannot be reached"):
            load(connection, STUDY, findings, origin="x.yaml")
        assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)


def request(path: Path, place: str, publish_to: str, rebuild: bool = False) -> Request:
    return Request(
        warehouse=path,
        study=STUDY,
        study_name=None,
        origin="x.yaml",
        from_artifacts=place,
        from_tracking=None,
        rebuild=rebuild,
        losses_stay=False,
        compute=True,
        win_rates=None,
        publish_to=publish_to,
        publish_losses=False,
        wait=0,
    )


def ran(wanted: Request) -> Outcome:
    return run_load(wanted, say=lambda _: None, progress=lambda _done, _total: None)


def test_from_a_bucket_to_a_snapshot_in_a_bucket(
    artifacts: Artifacts, s3: str, tmp_path: Path
) -> None:
    artifacts.leave_all(STUDY)
    copied(artifacts, f"{s3}/artifacts")
    path = tmp_path / "warehouse.duckdb"
    done = ran(request(path, f"{s3}/artifacts", f"{s3}/snapshot"))
    assert (done.exit_code, done.snapshot is not None) == (0, True)
    gains = "SELECT target, sources, gain FROM measured_transfer ORDER BY ALL"
    assert run_query(Snapshot(f"{s3}/snapshot"), gains) == run_query(path, gains)
    losses = "SELECT count(*) FROM trial_loss"
    assert run_query(Snapshot(f"{s3}/snapshot"), losses).rows == ((0,),)
    proved = ran(request(path, f"{s3}/artifacts", f"{s3}/snapshot", rebuild=True))
    assert proved.differences == ()


def test_a_bucket_that_is_away_costs_the_snapshot_alone(
    artifacts: Artifacts, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts.leave_all(STUDY)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    done = ran(request(tmp_path / "warehouse.duckdb", str(artifacts.root), f"{s3}/snapshot"))
    assert (done.loaded.trials, done.exit_code) == (30, 6)
    assert done.troubles[0].startswith("loaded, and no snapshot published: s3://results/")


def test_an_empty_bucket_has_nothing(s3: str, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        get_ready(connection, s3)
        write_file(connection, f"{s3}/x", b"so that the bucket is there")
    done = loaded(tmp_path / "there.duckdb", f"{s3}/artifacts")
    assert done.trials == 0
    assert f"no folder in {s3}/artifacts holds a result.json" in done.notes[0]


def test_jobs_by_target_over_a_bucket(artifacts: Artifacts, s3: str, tmp_path: Path) -> None:
    artifacts.leave_all(STUDY)
    copied(artifacts, f"{s3}/artifacts")
    here, path = tmp_path / "here.duckdb", tmp_path / "warehouse.duckdb"
    loaded(here, str(artifacts.root))
    wanted = request(path, f"{s3}/artifacts", f"{s3}/snapshot")
    ran(replace(wanted, losses_stay=True, compute=False))
    for index in range(3):
        file = compute(
            Partition(
                snapshot=f"{s3}/snapshot",
                study="rooms",
                target=None,
                index=index,
                out=f"{s3}/win-rates",
            )
        )
        assert file.startswith(f"{s3}/win-rates/target=")
    done = ran(replace(wanted, losses_stay=None, win_rates=f"{s3}/win-rates"))
    assert done.merged == Merged(targets=("curvature", "normals", "reshading"), lacking=())
    assert rows(path)["win_rate"] == rows(here)["win_rate"]
    gains = "SELECT target, sources, gain, affinity FROM measured_transfer ORDER BY ALL"
    assert run_query(path, gains) == run_query(here, gains)


def test_losses_that_stay_in_a_bucket(artifacts: Artifacts, s3: str, tmp_path: Path) -> None:
    artifacts.leave_all(STUDY)
    copied(artifacts, f"{s3}/artifacts")
    here, path = tmp_path / "here.duckdb", tmp_path / "warehouse.duckdb"
    loaded(here, str(artifacts.root))
    wanted = request(path, f"{s3}/artifacts", f"{s3}/snapshot")
    assert ran(replace(wanted, losses_stay=True)).loaded.trials == 30
    figures = "SELECT target, sources, kind, affinity, gain FROM measured_transfer ORDER BY ALL"
    assert run_query(path, figures) == run_query(here, figures)
    assert run_query(path, "SELECT count(*) FROM trial_loss").rows == ((0,),)
