"""Passes that a server cut short, or that were too early to tell: the next makes up for it."""

from typing import Any

import pytest
from small_server import SmallServer

from taskonomy_operator.api_errors import Away
from taskonomy_operator.cluster import Object
from taskonomy_operator.reconcile import Reconciler
from taskonomy_operator.surroundings import Rhythm

SMALL: dict[str, Any] = {
    "spec.tasks.subset": ["normals", "reshading"],
    "spec.transfers.orders": [1],
    "spec.retries": 0,
}
TOTAL = 2 + 2 + 2 + 4


class Stumbling(SmallServer):
    """A server that is away for some of those who ask for pods."""

    away_for = 0

    def get(self, path: str, **query: Any) -> Object:
        if path.endswith("/pods") and self.away_for:
            self.away_for -= 1
            raise Away(503, "ServiceUnavailable", "later")
        return super().get(path, **query)


@pytest.fixture
def server() -> Stumbling:
    return Stumbling()


def settle(server: Stumbling, reconciler: Reconciler, uid: str) -> None:
    for _ in range(10):
        reconciler.reconcile(uid)
        server.now += 1


def created(server: Stumbling) -> list[str]:
    return [name for verb, name in server.writes if verb == "create"]


def test_the_last_job_of_a_suspended_study_ends_too_soon_after_a_write(server: Stumbling) -> None:
    rhythm = Rhythm(status_interval=10.0, keep_ended=100.0)
    uid, reconciler = server.submit(**SMALL), server.reconciler(rhythm)
    reconciler.reconcile(uid)
    server.now += 20
    server.change(uid, suspend=True)
    reconciler.reconcile(uid)
    assert server.condition(uid, "Suspended") == ("False", "Stopping")
    server.now += 1
    wait = reconciler.reconcile(uid)  # sees the Jobs gone, and must not write yet
    assert server.condition(uid, "Suspended") == ("False", "Stopping")
    assert wait is not None
    server.now += wait
    reconciler.reconcile(uid)
    assert server.condition(uid, "Suspended") == ("True", "Asked")


def test_news_that_an_error_interrupted_is_taken_in_later(server: Stumbling) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    failed = server.live()
    for job in failed:
        server.end(job, "Failed", "BackoffLimitExceeded", failed=1)
    server.away_for = 3
    for _ in range(3):
        with pytest.raises(Away):
            reconciler.reconcile(uid)
    settle(server, reconciler, uid)
    trials = server.studies[uid]["status"]["trials"]
    assert (trials["failed"], trials["done"] + trials["waiting"]) == (len(failed), 0)
    assert created(server) == failed


def test_one_that_starts_anew_and_is_interrupted_makes_no_failed_job_again(
    server: Stumbling,
) -> None:
    uid = server.submit(**SMALL)
    server.reconciler().reconcile(uid)
    failed = server.live()
    for job in failed:
        server.end(job, "Failed", "BackoffLimitExceeded", failed=1)
    reconciler = server.reconciler()
    server.away_for = 2
    for _ in range(2):
        with pytest.raises(Away):
            reconciler.reconcile(uid)
    settle(server, reconciler, uid)
    assert created(server) == failed
    assert "delete" not in {verb for verb, _ in server.writes}
    assert server.studies[uid]["status"]["trials"]["failed"] == len(failed)
    assert server.condition(uid, "Completed")[0] == "True"
