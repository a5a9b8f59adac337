"""Trials tracked with a real MLflow server that is away, hangs and comes back, and with SQLite.

What is there afterwards is read by MLflow's REST API and by sqlite3, not by the client we use.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest
import tracked_trial
from real_servers import free_ports, http_status
from tracked_trial import EVERY, the_trial, train, value
from trial_results import Artifacts, result_of, small_study

from taskonomy_catalogue.launch import TRACKING_BUFFER
from taskonomy_catalogue.records import DIGEST_KEY, FOLDER_TAG, STUDY_TAG, parse_result
from taskonomy_catalogue.trials import digest
from taskonomy_jobs.tracking import mlflow_runs, replay
from taskonomy_jobs.tracking.tracker import MlflowTracker
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.load.tracking import find_in_tracking, write_back
from taskonomy_warehouse.warehouse import writing

pytestmark = [pytest.mark.mlflow, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
PLACES = ["catalogue", "jobs", "warehouse", "tests/helpers"]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A study of the test's own: the server is shared."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:45].strip("-")


class Server:
    """A server that can be killed, stopped as it stands, and started again."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        mlflow = os.environ.get("TASKONOMY_MLFLOW") or str(ROOT / ".cache/mlflow/bin/mlflow")
        command = [mlflow, "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/runs.db"]
        command += ["--artifacts-destination", str(self.folder / "runs")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | quiet, start_new_session=True
            )
        until(lambda: http_status(f"{self.url}/health") == 200, 180)

    def signal(self, sign: signal.Signals) -> None:
        """Send a signal to the server and its workers, which are in a session of their own."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, sign)
        if sign == signal.SIGKILL:
            self.process.wait(10)


@pytest.fixture(scope="module")
def own_server(tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    del tracking  # skips where there is no server to start
    server = Server(tmp_path_factory.mktemp("own"))
    server.start()
    yield server
    server.signal(signal.SIGKILL)


def until(holds: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


# --- reading by REST -----------------------------------------------------------------------------


def asked(url: str, call: str, **query: Any) -> dict[str, Any]:
    address = f"{url}/api/2.0/mlflow/{call}?{urlencode(query)}"
    with closing(urlopen(address, timeout=20)) as answer:
        return dict(json.load(answer))


def searched(url: str, study: str) -> list[dict[str, Any]]:
    """Every active run of an experiment, tags, params and latest metrics as plain dictionaries."""
    experiment = asked(url, "experiments/get-by-name", experiment_name=study)["experiment"]
    body = json.dumps({"experiment_ids": [experiment["experiment_id"]], "max_results": 1000})
    request = Request(f"{url}/api/2.0/mlflow/runs/search", body.encode())
    request.add_header("Content-Type", "application/json")
    with closing(urlopen(request, timeout=20)) as answer:
        runs = json.load(answer).get("runs", [])
    for run in runs:
        for part in ("tags", "params", "metrics"):
            run[part] = {each["key"]: each["value"] for each in run["data"].get(part, [])}
    return list(runs)


def trial_run(url: str, study: str) -> dict[str, Any]:
    """The one run of the one trial there is."""
    (run,) = (run for run in searched(url, study) if DIGEST_KEY in run["tags"])
    return dict(run)


def history(url: str, run: dict[str, Any], metric: str) -> list[tuple[int, float]]:
    points = asked(
        url,
        "metrics/get-history",
        run_id=run["info"]["run_id"],
        metric_key=metric,
        max_results=25_000,
    )["metrics"]
    return [(int(point["step"]), float(point["value"])) for point in points]


def pictures(url: str, run: dict[str, Any]) -> list[str]:
    found = asked(url, "artifacts/list", run_id=run["info"]["run_id"], path="images")
    return sorted(Path(file["path"]).name for file in found.get("files", []))


def curve(steps: int, every: int = 1) -> list[tuple[int, float]]:
    return [(step, value(step)) for step in range(every, steps + 1, every)]


def assert_complete(url: str, study: str, steps: int) -> None:
    run = trial_run(url, study)
    assert history(url, run, "train/loss") == curve(steps)
    assert history(url, run, "validation/loss") == curve(steps, EVERY)
    assert run["info"]["status"] == "FINISHED"
    assert run["metrics"]["loss"] == 0.5
    there = pictures(url, run)
    assert len(there) == 2 * (steps // EVERY + 1)  # each with a small copy; the last at step 0 too
    parents = [run for run in searched(url, study) if DIGEST_KEY not in run["tags"]]
    assert [p["info"]["run_id"] for p in parents] == [run["tags"]["mlflow.parentRunId"]]


# --- what a run holds ----------------------------------------------------------------------------


def test_a_run_holds_what_a_trial_is(tracking: str, name: str, tmp_path: Path) -> None:
    trial = next(t for t in (the_trial(name, i) for i in range(60)) if t.order == 2)
    tracker = MlflowTracker(tracking, name, tmp_path, "job-ü-1", interval=0.05)
    run = tracker.start(trial)
    train(run, tmp_path / "checkpoint", 20)
    run.finish(result_of(trial, name, np.array([0.25, 0.75])))
    assert tracker.close(60)
    assert_complete(tracking, name, 20)
    found = trial_run(tracking, name)
    assert found["info"]["run_name"] == f"transfer {'+'.join(trial.sources)} → {trial.target.id}"
    expected = {
        DIGEST_KEY: digest(trial),
        STUDY_TAG: name,
        FOLDER_TAG: str(tmp_path / digest(trial)),
        "taskonomy.stage": "higher-order",
        "taskonomy.sources": "+".join(trial.sources),
        "taskonomy.target": trial.target.id,
        "taskonomy.order": "2",
        "taskonomy.job": "job-ü-1",
    }
    assert expected.items() <= found["tags"].items()
    assert found["params"]["optimiser.learning_rate"] == str(trial.optimiser.learning_rate)
    assert found["metrics"]["gpu_seconds"] == 12.5
    assert not (tmp_path / digest(trial) / TRACKING_BUFFER).exists()


def test_the_loader_finds_the_runs_and_writes_gain_and_quality_back(
    tracking: str, name: str, tmp_path: Path
) -> None:
    artifacts = Artifacts(tmp_path / "artifacts", name)
    artifacts.root.mkdir()
    trials = artifacts.leave_all(small_study(name))
    tracker = MlflowTracker(tracking, name, artifacts.root, interval=0.05)
    for trial in trials:
        tracker.start(trial).finish(
            parse_result((artifacts.folder(trial) / "result.json").read_bytes(), "result.json")
        )
    assert tracker.close(120)
    with writing(tmp_path / "warehouse.duckdb") as warehouse:
        findings = find_in_tracking(warehouse, tracking, name)
        assert {found.digest for found in findings.finished} == set(map(digest, trials))
        assert findings.notes == ()
        load(warehouse, small_study(name), findings, origin="x.yaml")
        assert write_back(warehouse, tracking, name) > 30
    runs = [run for run in searched(tracking, name) if run["params"].get("kind") == "transfer"]
    for run in runs:
        assert {"loss", "gpu_seconds", "gain", "quality"} == set(run["metrics"])


def test_a_failed_trial_says_why_and_a_better_attempt_goes_on(
    tracking: str, name: str, tmp_path: Path
) -> None:
    trial = the_trial(name, 0)
    for attempt in (1, 2):
        tracker = MlflowTracker(tracking, name, tmp_path, interval=0.05)
        run = tracker.start(trial)
        run.metrics(attempt, train_loss=value(attempt))
        if attempt == 1:
            run.fail("loss is NaN at step 2")
        assert tracker.close(60)
        found = trial_run(tracking, name)
        assert found["info"]["status"] == ("FAILED" if attempt == 1 else "RUNNING")
    assert found["tags"]["taskonomy.failure"] == "loss is NaN at step 2"
    assert history(tracking, found, "train/loss") == curve(2)


# --- a server that is away -----------------------------------------------------------------------


def test_a_server_killed_and_started_again_has_the_whole_curve(
    own_server: Server, name: str, tmp_path: Path
) -> None:
    trial = the_trial(name, 0)
    tracker = MlflowTracker(own_server.url, name, tmp_path, interval=0.05)
    run = tracker.start(trial)
    checkpoint = tmp_path / "checkpoint"
    train(run, checkpoint, 30)
    own_server.signal(signal.SIGKILL)
    train(run, checkpoint, 60)
    buffer = tmp_path / digest(trial) / TRACKING_BUFFER
    assert buffer.stat().st_size > 0
    own_server.start()
    train(run, checkpoint, 80)
    run.finish(result_of(trial, name, np.array([0.25, 0.75])))
    assert tracker.close(90)
    assert_complete(own_server.url, name, 80)
    assert not buffer.exists()


def test_a_server_that_hangs_delays_neither_training_nor_the_end(
    own_server: Server, name: str, tmp_path: Path
) -> None:
    trial = the_trial(name, 1)
    tracker = MlflowTracker(own_server.url, name, tmp_path, interval=0.05)
    run = tracker.start(trial)
    checkpoint = tmp_path / "checkpoint"
    train(run, checkpoint, 20)
    own_server.signal(signal.SIGSTOP)
    try:
        train(run, checkpoint, 50)
        began = time.monotonic()
        assert not tracker.close(1.0)
        assert time.monotonic() - began < 10  # not what a client waits for: many minutes
    finally:
        own_server.signal(signal.SIGCONT)
    for thread in tracker._threads:
        thread.join(30)
    tracker = MlflowTracker(own_server.url, name, tmp_path, interval=0.05)
    run = tracker.start(trial)
    train(run, checkpoint, 60)
    run.finish(result_of(trial, name, np.array([0.25, 0.75])))
    assert tracker.close(60)
    assert_complete(own_server.url, name, 60)


def test_requests_whose_answers_were_lost_leave_no_doubles(
    tracking: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two requests of each kind do their work, and the answer never arrives."""
    from mlflow.tracking import MlflowClient

    lost: list[str] = []

    def lossy(method: Any) -> Any:
        def call(self: Any, *args: Any, **more: Any) -> Any:
            answer = method(self, *args, **more)
            if lost.count(method.__name__) < 2:
                lost.append(method.__name__)
                raise ConnectionError("the answer was lost")
            return answer

        return call

    methods = ("create_run", "log_batch", "set_tag", "log_artifact", "set_terminated")
    for method in methods:
        monkeypatch.setattr(MlflowClient, method, lossy(getattr(MlflowClient, method)))
    trial = the_trial(name, 2)
    tracker = MlflowTracker(tracking, name, tmp_path, interval=0.01)
    run = tracker.start(trial)
    train(run, tmp_path / "checkpoint", 30)
    run.finish(result_of(trial, name, np.array([0.25, 0.75])))
    assert tracker.close(90)
    assert sorted(lost) == sorted(2 * methods)
    assert_complete(tracking, name, 30)


def test_journals_of_ended_processes_are_replayed(tracking: str, name: str, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    trial = the_trial(name, 3)
    tracker = MlflowTracker(nobody, name, tmp_path, interval=0.05)
    run = tracker.start(trial)
    train(run, tmp_path / "checkpoint", 20)
    run.finish(result_of(trial, name, np.array([0.25, 0.75])))
    assert not tracker.close(5)
    buffer = tmp_path / digest(trial) / TRACKING_BUFFER
    kept = buffer.read_bytes()
    again = replay(nobody, tmp_path)
    assert (again.sent, again.left) == (0, 1)
    for _ in range(2):  # the second time, as by a process that was killed before it removed them
        done = replay(tracking, tmp_path)
        assert (done.sent, done.left) == (1, 0)
        assert not buffer.exists()
        assert_complete(tracking, name, 20)
        buffer.write_bytes(kept)


# --- a trial that is killed ----------------------------------------------------------------------


def started(uri: str, study: str, artifacts: Path, index: int, steps: int) -> Any:
    path = os.pathsep.join(str(ROOT / place) for place in PLACES)
    command = [sys.executable, str(Path(tracked_trial.__file__)), uri, study, str(artifacts)]
    return subprocess.Popen(
        [*command, str(index), str(steps)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_trial_killed_and_resumed_has_one_run_and_a_whole_curve(
    tracking: str, name: str, tmp_path: Path
) -> None:
    draw = random.Random(1)
    for _ in range(3):
        process = started(tracking, name, tmp_path, 4, 400)
        with process:
            process.stdout.readline()
            time.sleep(draw.uniform(0.3, 2.0))
            process.kill()
    with started(tracking, name, tmp_path, 4, 400) as process:
        _, complaints = process.communicate(timeout=180)
    assert process.returncode == 0, complaints.decode()
    assert_complete(tracking, name, 400)


def test_four_processes_at_once_make_one_sqlite_file(name: str, tmp_path: Path) -> None:
    # Two ways to spell it: what keeps them apart must be the file, not its name.
    (tmp_path / "other").symlink_to(tmp_path)
    files = [tmp_path / "mlflow.db", tmp_path / "other" / "mlflow.db"] * 2
    processes = [
        started(f"sqlite:///{file}", name, tmp_path, index, 100) for index, file in enumerate(files)
    ]
    for process in processes:
        _, complaints = process.communicate(timeout=240)
        assert process.returncode == 0, complaints.decode()
        assert complaints.decode() == ""
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        runs = database.execute(
            "SELECT run_uuid, status, (SELECT value FROM tags t WHERE t.run_uuid = r.run_uuid "
            "AND key = 'taskonomy.digest') FROM runs r WHERE lifecycle_stage = 'active'"
        ).fetchall()
        points = database.execute(
            "SELECT run_uuid, step, value FROM metrics WHERE key = 'train/loss' ORDER BY 1, 2"
        ).fetchall()
        parents = database.execute(
            "SELECT DISTINCT value FROM tags WHERE key = 'mlflow.parentRunId'"
        ).fetchall()
    trials = {run: trial for run, _, trial in runs if trial}
    assert sorted(trials.values()) == sorted(digest(the_trial(name, i)) for i in range(4))
    assert [(step, v) for _, step, v in points] == curve(100) * 4
    assert {status for _, status, _ in runs} == {"FINISHED"}
    assert {parent for (parent,) in parents} <= {run for run, _, trial in runs if not trial}
    assert len(list((tmp_path / "mlflow-artifacts" / name).rglob("*.png"))) == 4 * 11


def test_a_gateway_that_knows_no_such_page_is_no_answer() -> None:
    """A proxy whose server is away may say 404 in its own words: nothing is given up for that."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404, "default backend")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as gateway:
        Thread(target=gateway.serve_forever, daemon=True).start()
        runs = mlflow_runs.MlflowRuns(f"http://127.0.0.1:{gateway.server_port}")
        from taskonomy_jobs.tracking.description import describe

        with pytest.raises(mlflow_runs.Away):
            runs.attach(describe(the_trial("rooms", 0), "rooms", "/x", "", 0))
        gateway.shutdown()
