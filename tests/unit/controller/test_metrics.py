"""Metrics, scraped over HTTP as Prometheus does and read by its own parser."""

import http.client
import logging
import math
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator.cluster import Cluster
from taskonomy_operator.health import HealthServer
from taskonomy_operator.metrics import Metrics
from taskonomy_operator.study_status import Condition, Counts, StageStatus, StudyStatus

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

STATUS = StudyStatus(
    trials=Counts(total=10, done=4, running=3, queued=1, failed=1, waiting=1),
    stages=(
        StageStatus(name="task-specific", total=6, done=4, running=2),
        StageStatus(name="first-order", total=4, running=1, queued=1, failed=1, waiting=1),
    ),
    gpu_hours=12.5,
    eta=NOW.replace(minute=30),
    conditions=(
        Condition(
            type="Progressing",
            status="True",
            last_transition_time=NOW,
            reason="Training",
            message="",
        ),
        Condition(
            type="Degraded", status="False", last_transition_time=NOW, reason="AllWell", message=""
        ),
        Condition(
            type="Completed", status="Unknown", last_transition_time=NOW, reason="New", message=""
        ),
    ),
)

Sample = tuple[str, frozenset[tuple[str, str]]]


class Operator:
    """A server whose two checks a test answers."""

    def __init__(self) -> None:
        self.metrics = Metrics(clock=NOW.timestamp)
        self.is_alive = self.is_ready = ""
        self.server = HealthServer(0, self.metrics, lambda: self.is_alive, lambda: self.is_ready)

    def get(self, path: str, accept: str = "*/*") -> tuple[int, str, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)) as link:
            link.request("GET", path, headers={"Accept": accept})
            answer = link.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()

    def scraped(self) -> dict[Sample, float]:
        status, _, text = self.get("/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.scraped().get((name, frozenset(labels.items())))


@pytest.fixture
def operator() -> Iterator[Operator]:
    started = Operator()
    started.server.start()
    yield started
    started.server.stop()


def test_a_study_is_shown_by_stage_and_phase(operator: Operator) -> None:
    operator.metrics.saw_study("team-a", "rooms", STATUS)
    found = operator.scraped()
    trials = {
        (dict(labels)["stage"], dict(labels)["phase"]): value
        for (name, labels), value in found.items()
        if name == "taskonomy_trials"
    }
    nothing = dict.fromkeys(("done", "running", "queued", "failed", "blocked", "waiting"), 0)
    own = nothing | {"done": 4, "running": 2}
    first = nothing | {"running": 1, "queued": 1, "failed": 1, "waiting": 1}
    assert trials == {("task-specific", phase): n for phase, n in own.items()} | {
        ("first-order", phase): n for phase, n in first.items()
    }
    named = frozenset({("namespace", "team-a"), ("study", "rooms")})
    assert found["taskonomy_gpu_hours", named] == 12.5
    assert found["taskonomy_eta_seconds", named] == 1800
    conditions = {
        (dict(labels)["condition"], dict(labels)["reason"]): value
        for (name, labels), value in found.items()
        if name == "taskonomy_study_condition"
    }
    assert conditions == {("Progressing", "Training"): 1, ("Degraded", "AllWell"): 0}


def test_what_is_seen_anew_replaces_what_was_and_what_is_deleted_is_gone(
    operator: Operator,
) -> None:
    operator.metrics.saw_study("team-a", "rooms", STATUS)
    operator.metrics.saw_study("team-b", "rooms", STATUS)
    late = STATUS.model_copy(update={"eta": NOW.replace(hour=1), "stages": STATUS.stages[:1]})
    operator.metrics.saw_study("team-a", "rooms", late)
    assert operator.value("taskonomy_eta_seconds", namespace="team-a", study="rooms") == 0
    stages = {
        (dict(labels)["namespace"], dict(labels)["stage"])
        for name, labels in operator.scraped()
        if name == "taskonomy_trials"
    }
    assert stages == {
        ("team-a", "task-specific"),
        ("team-b", "task-specific"),
        ("team-b", "first-order"),
    }
    operator.metrics.saw_study("team-a", "rooms", late.model_copy(update={"eta": None}))
    assert operator.value("taskonomy_eta_seconds", namespace="team-a", study="rooms") is None
    operator.metrics.forget_study("team-a", "rooms")
    operator.metrics.forget_study("team-a", "rooms")
    assert not [labels for _, labels in operator.scraped() if ("namespace", "team-a") in labels]


def test_passes_and_jobs_are_counted(operator: Operator) -> None:
    assert operator.value("taskonomy_reconciles_total", outcome="error") == 0
    for seconds, outcome in ((0.003, "ok"), (0.2, "ok"), (7, "conflict")):
        operator.metrics.reconciled(seconds, outcome)
    operator.metrics.jobs_created.inc(3)
    operator.metrics.jobs_deleted.inc()
    found = operator.scraped()
    assert found["taskonomy_jobs_created_total", frozenset()] == 3
    assert found["taskonomy_jobs_deleted_total", frozenset()] == 1
    passes = {
        dict(labels)["outcome"]: value
        for (name, labels), value in found.items()
        if name == "taskonomy_reconciles_total"
    }
    assert passes == {"ok": 2, "conflict": 1, "error": 0}
    assert found["taskonomy_reconcile_seconds_count", frozenset()] == 3
    assert found["taskonomy_reconcile_seconds_sum", frozenset()] == pytest.approx(7.203)
    below = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "taskonomy_reconcile_seconds_bucket"
    }
    assert (below["0.005"], below["0.25"], below["5.0"], below["10.0"]) == (1, 2, 2, 3)


def test_what_others_keep_is_read_when_it_is_asked_for(operator: Operator) -> None:
    requests: Counter[tuple[str, int]] = Counter({("GET", 200): 2})
    ages, depth, leads = {"jobs": math.inf, "studies": 1.5}, 3, False
    metrics = operator.metrics
    metrics.requests_of(cast(Cluster, SimpleNamespace(requests=requests)))
    metrics.watch_source("jobs", lambda: ages["jobs"])
    metrics.watch_source("studies", lambda: ages["studies"])
    metrics.queue_of(lambda: depth)
    metrics.leads(lambda: leads)
    assert operator.value("taskonomy_watch_age_seconds", resource="jobs") == math.inf
    assert operator.value("taskonomy_watch_age_seconds", resource="studies") == 1.5
    assert operator.value("taskonomy_queue_depth") == 3
    assert operator.value("taskonomy_leader") == 0
    requests["POST", 201] += 5
    requests["GET", 0] += 1
    depth, leads, ages["jobs"] = 0, True, 0.25
    found = operator.scraped()
    asked = {
        (dict(labels)["verb"], dict(labels)["code"]): value
        for (name, labels), value in found.items()
        if name == "taskonomy_api_requests_total"
    }
    assert asked == {("GET", "200"): 2, ("POST", "201"): 5, ("GET", "0"): 1}
    assert found["taskonomy_queue_depth", frozenset()] == 0
    assert found["taskonomy_leader", frozenset()] == 1
    assert found["taskonomy_watch_age_seconds", frozenset({("resource", "jobs")})] == 0.25


def test_two_operators_share_no_number() -> None:
    one, other = Metrics(), Metrics()
    one.jobs_created.inc()
    assert other.registry.get_sample_value("taskonomy_jobs_created_total") == 0


def test_its_own_memory_is_shown(operator: Operator) -> None:
    resident = operator.value("process_resident_memory_bytes")
    assert resident is not None
    assert resident > 1_000_000


def test_a_name_in_a_label_is_what_it_was(operator: Operator) -> None:
    nasty = 'a"b\\c\nd{e="f"} 1'
    operator.metrics.saw_study("n", nasty, STATUS)
    assert operator.value("taskonomy_gpu_hours", namespace="n", study=nasty) == 12.5


def test_a_scrape_while_studies_come_and_go(operator: Operator) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for n in range(50):
                operator.metrics.saw_study("n", f"s-{n}", STATUS)
            for n in range(50):
                operator.metrics.forget_study("n", f"s-{n}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(10):
            operator.scraped()
    finally:
        stop.set()
        thread.join()


# --- health ------------------------------------------------------------------------------------


def test_health_is_ok_or_says_what_is_wrong(operator: Operator) -> None:
    assert operator.get("/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    assert operator.get("/readyz?verbose")[0] == 200
    operator.is_ready = "studies are not listed yet: 'größer' → 3"
    assert operator.get("/readyz")[::2] == (503, "studies are not listed yet: 'größer' → 3\n")
    assert operator.get("/healthz")[0] == 200
    operator.is_alive = "the watch of jobs has been silent for 300 s"
    assert operator.get("/healthz")[::2] == (503, "the watch of jobs has been silent for 300 s\n")


def test_other_paths_and_verbs_are_refused(operator: Operator) -> None:
    assert operator.get("/metricz")[0] == 404
    with closing(http.client.HTTPConnection("127.0.0.1", operator.server.port)) as link:
        link.request("POST", "/healthz", body="x")
        assert link.getresponse().status == 501


def test_openmetrics_is_given_to_who_asks_for_it(operator: Operator) -> None:
    _, kind, text = operator.get("/metrics", "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_a_check_that_breaks_is_logged_and_the_next_request_answered(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise ZeroDivisionError("our slip")

    checks = cast(Any, operator.server)._checks
    whole, checks["/healthz"] = checks["/healthz"], broken
    with caplog.at_level(logging.ERROR), pytest.raises(http.client.RemoteDisconnected):
        operator.get("/healthz")
    assert "our slip" in caplog.text
    checks["/healthz"] = whole
    assert operator.get("/healthz")[0] == 200


def test_a_client_that_says_nothing_keeps_nobody_waiting(operator: Operator) -> None:
    with closing(socket.create_connection(("127.0.0.1", operator.server.port))):
        assert operator.get("/healthz")[0] == 200


def test_a_port_that_is_taken_is_said_so(operator: Operator) -> None:
    second = HealthServer(operator.server.port, Metrics(), str, str)
    with pytest.raises(SettingRefused, match=r"port \d+: .*in use; choose another with --port"):
        second.start()


def test_it_can_be_stopped_twice() -> None:
    started = Operator()
    started.server.stop()
    started.server.start()
    started.server.stop()
    started.server.stop()
    with pytest.raises(OSError, match="refused"):
        started.get("/healthz")
