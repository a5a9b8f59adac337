"""Results found through the runs of a real MLflow server, and what is written back to them."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from mlflow.tracking import MlflowClient
from trial_results import Artifacts, small_study

from taskonomy_catalogue.records import DIGEST_KEY, FOLDER_TAG, STUDY_TAG, BestGuess
from taskonomy_catalogue.study_parts import MAX_NAME
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_warehouse.load import tracking as module
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.load.tracking import (
    find_in_tracking,
    forget_study,
    trial_runs,
    write_back,
)
from taskonomy_warehouse.warehouse import writing

pytestmark = pytest.mark.mlflow


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A study of the test's own: the server is shared."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:MAX_NAME].strip("-")


@pytest.fixture
def artifacts(tmp_path: Path, name: str) -> Artifacts:
    root = tmp_path / "artifacts"
    root.mkdir()
    return Artifacts(root, name)


@pytest.fixture
def client(tracking: str) -> MlflowClient:
    return MlflowClient(tracking_uri=tracking)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with writing(tmp_path / "warehouse.duckdb") as opened:
        yield opened


def track(client: MlflowClient, artifacts: Artifacts, trial: Trial | BestGuess, **tags: str) -> str:
    """Record a run of a trial as its job does; return its id."""
    found = client.get_experiment_by_name(artifacts.study)
    experiment = found.experiment_id if found else client.create_experiment(artifacts.study)
    own = {
        STUDY_TAG: artifacts.study,
        DIGEST_KEY: digest(trial),
        FOLDER_TAG: str(artifacts.folder(trial)),
    }
    run = client.create_run(experiment, run_name=trial.title, tags=own | tags)
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def test_finished_trials_are_found_by_their_runs(
    tracking: str,
    client: MlflowClient,
    artifacts: Artifacts,
    connection: duckdb.DuckDBPyConnection,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    study = small_study(name)
    finished, unfinished = list(enumerate_trials(study))[:10], list(enumerate_trials(study))[10:12]
    for trial in finished:
        artifacts.leave(trial)
        track(client, artifacts, trial)
    for trial in unfinished:
        track(client, artifacts, trial)
    track(client, Artifacts(artifacts.root, f"{name}-other"), unfinished[0])
    findings = find_in_tracking(connection, tracking, name)
    assert {each.digest for each in findings.finished} == {digest(trial) for trial in finished}
    assert list(findings.finished) == sorted(findings.finished)
    done = load(connection, study, findings, origin="x.yaml")
    assert (done.trials, done.refusals) == (10, ())


def test_a_run_without_the_tag_leaves_its_trial_in_its_own_artifacts(
    tracking: str,
    client: MlflowClient,
    artifacts: Artifacts,
    connection: duckdb.DuckDBPyConnection,
    name: str,
) -> None:
    trial = next(enumerate_trials(small_study(name)))
    run = track(client, artifacts, trial)
    client.delete_tag(run, FOLDER_TAG)
    place = client.get_run(run).info.artifact_uri
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    artifacts.leave(trial).rename(place)
    (found,) = find_in_tracking(connection, tracking, name).finished
    assert (found.digest, found.folder) == (digest(trial), place)
    assert (
        load(
            connection, small_study(name), find_in_tracking(connection, tracking, name), origin="x"
        ).exit_code
        == 0
    )


def test_a_study_that_no_run_knows_is_said(
    tracking: str, connection: duckdb.DuckDBPyConnection
) -> None:
    findings = find_in_tracking(connection, tracking, "nobody-s")
    assert findings.finished == ()
    assert findings.notes == (
        f"no run in {tracking} has the tag taskonomy.study = nobody-s and names a trial",
    )


def test_runs_that_only_the_server_can_read_are_counted(
    tracking: str,
    client: MlflowClient,
    artifacts: Artifacts,
    connection: duckdb.DuckDBPyConnection,
    name: str,
) -> None:
    trial = next(enumerate_trials(small_study(name)))
    track(client, artifacts, trial, **{FOLDER_TAG: "mlflow-artifacts:/1/abc/artifacts"})
    findings = find_in_tracking(connection, tracking, name)
    assert findings.finished == ()
    assert findings.notes[0].startswith("1 runs say nothing of a folder that can be read from here")


def test_gain_and_quality_are_written_back_once(
    tracking: str,
    client: MlflowClient,
    artifacts: Artifacts,
    connection: duckdb.DuckDBPyConnection,
    name: str,
) -> None:
    study = small_study(name)
    runs = {}
    for trial in artifacts.leave_all(study):
        runs[digest(trial)] = track(client, artifacts, trial)
    assert write_back(connection, tracking, name) == 0
    load(connection, study, find_in_tracking(connection, tracking, name), origin="x.yaml")
    written = write_back(connection, tracking, name)
    expected = {
        (trial_digest, metric): value
        for trial_digest, gain, quality in connection.execute(
            "SELECT digest, gain, quality FROM measured_transfer JOIN transfer USING "
            "(study, transfer_id)"
        ).fetchall()
        for metric, value in (("gain", gain), ("quality", quality))
        if value is not None
    }
    kept = {
        (run.digest, metric): value
        for run in trial_runs(tracking, name)
        for metric, value in run.metrics.items()
    }
    assert kept == expected
    assert written == len(expected) > 30
    assert write_back(connection, tracking, name) == 0
    one = next(iter(expected))
    client.log_metric(runs[one[0]], one[1], -1.0)
    assert write_back(connection, tracking, name) == 1


def test_a_study_that_is_forgotten_is_seen_no_more(
    tracking: str, client: MlflowClient, artifacts: Artifacts, name: str
) -> None:
    trials = list(enumerate_trials(small_study(name)))[:2]
    runs = [track(client, artifacts, trial) for trial in trials]
    assert len(list(trial_runs(tracking, name))) == 2
    assert forget_study(tracking, name)
    assert list(trial_runs(tracking, name)) == []
    assert [client.get_run(run).info.lifecycle_stage for run in runs] == ["deleted", "deleted"]
    assert not forget_study(tracking, name)
    assert not forget_study(tracking, "nobody trained this")
