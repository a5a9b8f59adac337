"""Pods that come back for ever with nothing new: how many are too many, and what follows."""

from typing import Any

import pytest
from small_server import JOBS, SmallServer, time_of

from taskonomy_catalogue.last_words import FailedTrial, LastWords
from taskonomy_operator import constants
from taskonomy_operator.no_progress import (
    LONGEST,
    LOOK_WAIT,
    MOST,
    FailedPod,
    failed_pod,
    in_vain,
    is_too_much,
)
from taskonomy_operator.reconcile import Reconciler

SMALL: dict[str, Any] = {
    "spec.tasks.subset": ["normals", "reshading"],
    "spec.transfers.orders": [1],
}


def pod(
    code: int, at: int, *, job: str = "u", steps: int = 0, disrupted: bool = False, index: str = ""
) -> Any:
    words = LastWords(steps=steps, failed={"job": FailedTrial(code=code, reason="no network")})
    end = {"exitCode": code, "finishedAt": time_of(at), "message": words.text()}
    target = [{"type": "DisruptionTarget", "status": "True"}] if disrupted else []
    return {
        "metadata": {
            "labels": {constants.JOB_UID: job},
            "annotations": {constants.INDEX: index} if index else {},
        },
        "status": {
            "phase": "Failed",
            "conditions": target,
            "containerStatuses": [{"state": {"terminated": end}}],
        },
    }


def count(*pods: Any) -> dict[str, int]:
    found = in_vain(kept for each in pods if (kept := failed_pod(each)))
    return {uid: len(row) for uid, row in found.items()}


def test_pods_that_save_nothing_new_are_counted_as_they_ended() -> None:
    assert count(*(pod(75, at) for at in (3, 1, 2))) == {"u": 3}
    assert count(pod(75, 1, steps=10), pod(75, 2, steps=10), pod(75, 3, steps=10)) == {"u": 2}
    assert count(pod(75, 1, job="a"), pod(75, 1, job="b"), pod(75, 2, job="b")) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "last", [pod(75, 9, steps=1), pod(75, 9, disrupted=True), pod(1, 9), pod(137, 9)]
)
def test_progress_and_ends_of_another_kind_begin_the_count_anew(last: Any) -> None:
    before = [pod(75, at) for at in range(5)]
    assert count(*before, last) == {}
    assert count(*before, last, pod(75, 10)) == {"u": 1}


def test_a_trial_that_finished_is_progress_though_its_steps_count_no_more() -> None:
    def ended(at: int, finished: str, steps: int) -> FailedPod:
        reached = LastWords(finished=finished, steps=steps).reached
        return FailedPod(job="u", ended_at=at, asks_again=True, reached=reached)

    first, second, further = ended(1, "0", 90), ended(2, "0-1", 10), ended(3, "0-1", 30)
    no_further = ended(3, "0-1", 10)
    assert in_vain([first, second, further]) == {}
    assert in_vain([first, second, no_further]) == {"u": [no_further]}


@pytest.mark.parametrize(
    ("ends", "seconds", "expected"),
    [(MOST + 1, LONGEST + 1, True), (MOST + 1, 60.0, False), (MOST, 9 * LONGEST, False)],
)
def test_many_pods_over_hours_are_too_much(ends: int, seconds: float, expected: bool) -> None:
    """A server that is away for minutes sends many back, and one in the course of weeks too."""
    times = [seconds * place / (ends - 1) for place in range(ends)]
    row = [FailedPod(job="u", ended_at=at, asks_again=True, reached=(0, 0)) for at in times]
    assert is_too_much(row) == expected


def test_of_a_gang_the_pod_that_saves_counts() -> None:
    assert count(*(pod(75, at, index=str(at)) for at in range(4))) == {"u": 1}
    assert failed_pod({"metadata": {}, "status": {}}) == FailedPod(
        job="", ended_at=0.0, asks_again=False, reached=(0, 0)
    )


def running(server: SmallServer, reconciler: Reconciler, **spec: Any) -> tuple[str, str]:
    """Return a study with Jobs that run since hours, and the Job of one that nothing needs."""
    uid = server.submit(**SMALL, **spec)
    reconciler.reconcile(uid)
    names = server.live()
    for name in names:
        server.begin(name)
    reconciler.reconcile(uid)
    server.now += LONGEST + 10
    return uid, names[2]


def stuck(server: SmallServer, name: str, ends: int) -> None:
    job = server.things[f"{JOBS}/{name}"]["metadata"]["uid"]
    server.pods = [pod(75, int(server.now) - at * 600, job=job) for at in range(ends)]


def test_a_trial_that_never_gets_further_is_given_up(server: SmallServer) -> None:
    reconciler = server.reconciler()
    uid, name = running(server, reconciler)
    stuck(server, name, MOST)
    reconciler.reconcile(uid)
    assert server.studies[uid]["status"]["trials"]["failed"] == 0  # one more may do it
    stuck(server, name, MOST + 1)
    server.now += LOOK_WAIT
    before = len(server.writes)
    reconciler.reconcile(uid)
    status = server.studies[uid]["status"]
    assert status["trials"]["failed"] == 1
    (failure,) = [each for each in status["failures"] if each["reason"] != "BlockedBy"]
    assert failure["reason"] == "NoProgress"
    assert f"{MOST + 1} pods in a row" in failure["message"]
    assert "no network" in failure["message"]
    assert server.writes[before:] == [("status", "small"), ("delete", name)]  # in this order
    server.pods = []
    for fresh in (reconciler, server.reconciler()):
        fresh.reconcile(uid)
        assert server.studies[uid]["status"]["trials"]["failed"] == 1
        assert f"{JOBS}/{name}" not in server.things


def test_one_that_finishes_as_it_is_given_up_counts_as_done(server: SmallServer) -> None:
    reconciler = server.reconciler()
    uid, name = running(server, reconciler)
    stuck(server, name, MOST + 1)
    server.hanging = {name}
    reconciler.reconcile(uid)
    assert server.studies[uid]["status"]["trials"]["failed"] == 1
    server.end(name)
    reconciler.reconcile(uid)
    trials = server.studies[uid]["status"]["trials"]
    assert (trials["failed"], trials["done"]) == (0, 1)


def test_a_pack_that_never_gets_further_goes_on_in_halves_once_it_is_gone(
    server: SmallServer,
) -> None:
    reconciler = server.reconciler(pack=2)
    uid, _ = running(server, reconciler, **{"spec.parallelism": 5})
    (pack,) = [
        thing["metadata"]["name"]
        for thing in server.things.values()
        if "," in thing["metadata"]["annotations"][constants.DIGESTS]
    ]
    digests = server.things[f"{JOBS}/{pack}"]["metadata"]["annotations"][constants.DIGESTS]
    stuck(server, pack, MOST + 1)
    server.hanging = {pack}
    before = len(server.writes)
    for _ in range(3):
        reconciler.reconcile(uid)
        server.now += 1
    assert [verb for verb, _ in server.writes[before:] if verb == "create"] == []
    server.pods = []
    server.let_go(pack)
    reconciler.reconcile(uid)
    carried = [
        thing["metadata"]["annotations"][constants.DIGESTS] for thing in server.things.values()
    ]
    assert len(set(digests.split(",")) & set(carried)) == 1  # alone, as there is room for one


def test_the_pods_of_young_studies_are_not_asked_for() -> None:
    asked = []

    class Watched(SmallServer):
        def get(self, path: str, **query: Any) -> Any:
            asked.append(path)
            return super().get(path, **query)

    watched = Watched()
    uid, reconciler = watched.submit(**SMALL), watched.reconciler()
    for _ in range(20):
        reconciler.reconcile(uid)
        for name in watched.live():
            watched.begin(name)
        watched.now += 600
    assert not [path for path in asked if path.endswith("/pods")]


def test_a_gang_whose_meeting_point_is_gone_is_not_waited_for(server: SmallServer) -> None:
    """Others may have retries left: they would look for index 0 for as long as these last."""
    changes = {"spec.resources.scratch": {"gpus": 1, "nodes": {"min": 1, "max": 4}}}
    reconciler = server.reconciler()
    uid = server.submit(**SMALL | changes)
    reconciler.reconcile(uid)
    (gang, *_) = [
        thing["metadata"]["name"]
        for thing in server.things.values()
        if thing["spec"].get("completionMode") == "Indexed"
    ]
    server.begin(gang)
    server.things[f"{JOBS}/{gang}"]["status"] |= {"failedIndexes": "0,2-3", "failed": 4}
    before = len(server.writes)
    reconciler.reconcile(uid)
    status = server.studies[uid]["status"]
    assert status["trials"]["failed"] == 1
    assert "index 0" in status["failures"][0]["message"]
    assert server.writes[before:] == [("status", "small"), ("delete", gang)]
