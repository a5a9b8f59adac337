"""Retries that were asked for: each trial goes on once its own failed Job is gone."""

import pytest
from small_server import JOBS, SMALL, TOTAL, SmallServer, run

from taskonomy_operator import constants
from taskonomy_operator.known_jobs import HANGS_AFTER
from taskonomy_operator.reconcile import Reconciler


def failed_study(server: SmallServer, reconciler: Reconciler) -> tuple[str, list[str]]:
    """Run a study whose first two Jobs fail; return its uid and their names."""
    uid = server.submit(**SMALL)
    reconciler.reconcile(uid)
    failed = server.live()[2:4]  # of trials that nothing needs
    for name in failed:
        server.end(name, "Failed", "BackoffLimitExceeded", failed=1)
    run(server, reconciler, uid)
    assert server.studies[uid]["status"]["trials"]["failed"] == 2
    return uid, failed


def ask(server: SmallServer, uid: str) -> None:
    server.studies[uid]["metadata"]["annotations"] = {constants.RETRY_FAILED: "1"}


def made(server: SmallServer) -> list[str]:
    return [name for verb, name in server.writes if verb == "create"]


@pytest.mark.parametrize("restarts", [False, True])
def test_one_job_that_does_not_go_holds_back_its_own_trial_alone(
    server: SmallServer, restarts: bool
) -> None:
    reconciler = server.reconciler()
    uid, (hung, gone) = failed_study(server, reconciler)
    server.hanging = {hung}
    ask(server, uid)
    run(server, reconciler, uid, passes=2)
    if restarts:
        reconciler = server.reconciler()
    run(server, reconciler, uid)
    trials = server.studies[uid]["status"]["trials"]
    assert (trials["done"], trials["failed"], trials["waiting"]) == (TOTAL - 1, 0, 1)
    assert (made(server).count(gone), made(server).count(hung)) == (2, 1)
    assert [verb for verb, name in server.writes if name == hung].count("delete") == 1
    server.let_go(hung)
    run(server, reconciler, uid)
    assert server.studies[uid]["status"]["trials"]["done"] == TOTAL
    assert made(server).count(hung) == 2
    assert server.condition(uid, "Completed")[0] == "True"


def test_a_job_that_does_not_go_for_long_is_told_of(server: SmallServer) -> None:
    reconciler = server.reconciler()
    uid, (hung, _) = failed_study(server, reconciler)
    server.hanging = {hung}
    ask(server, uid)
    run(server, reconciler, uid)
    assert server.condition(uid, "Progressing")[1] == "Training"
    wait = reconciler.reconcile(uid)
    assert wait is not None
    assert wait <= HANGS_AFTER  # nothing happens any more, and it is looked at all the same
    server.now += HANGS_AFTER
    reconciler.reconcile(uid)
    assert server.condition(uid, "Progressing") == ("False", "JobInTheWay")
    (said,) = [c for c in server.studies[uid]["status"]["conditions"] if c["type"] == "Progressing"]
    assert hung in said["message"]
    assert ("Warning", "JobInTheWay") in server.events
    server.let_go(hung)
    run(server, reconciler, uid)
    assert server.condition(uid, "Progressing")[1] == "Completed"


def test_trials_of_a_pack_wait_for_the_pack_whatever_they_are_packed_with(
    server: SmallServer,
) -> None:
    """A pack that hangs may still write: none of its trials is begun beside it."""
    reconciler = server.reconciler(pack=2)
    uid = server.submit(**SMALL | {"spec.parallelism": 5})  # a slot for each Job of a first pass
    guesses = "best-guess"
    reconciler.reconcile(uid)
    (pack,) = [
        thing["metadata"]["name"]
        for thing in server.things.values()
        if thing["metadata"]["labels"][constants.STAGE] == guesses
    ]
    for _ in range(8):  # the pack crashes, then each trial of it alone
        for name in server.live():
            thing = server.things[f"{JOBS}/{name}"]
            if thing["metadata"]["labels"][constants.STAGE] == guesses:
                server.end(name, "Failed", "BackoffLimitExceeded", failed=1)
            else:
                server.end(name)
        reconciler.reconcile(uid)
        server.now += 1
    assert server.studies[uid]["status"]["trials"]["failed"] == 2
    server.hanging = {pack}
    ask(server, uid)
    before = len(made(server))
    run(server, reconciler, uid)
    assert len(made(server)) == before
    server.let_go(pack)
    run(server, reconciler, uid)
    assert server.studies[uid]["status"]["trials"]["done"] == TOTAL


def test_a_job_in_the_way_takes_no_other_ones_place(server: SmallServer) -> None:
    """With room for one, the first in order may not be made: the next one is."""
    uid, reconciler = server.submit(**SMALL | {"spec.parallelism": 1}), server.reconciler()
    reconciler.reconcile(uid)
    (first,) = server.live()
    server.end(first, "Failed", "BackoffLimitExceeded", failed=1)
    run(server, reconciler, uid)
    server.hanging = {first}
    done = server.studies[uid]["status"]["trials"]["done"]
    ask(server, uid)
    run(server, reconciler, uid)
    assert server.studies[uid]["status"]["trials"]["done"] == done
    server.let_go(first)
    run(server, reconciler, uid)
    assert server.studies[uid]["status"]["trials"]["done"] == TOTAL
