"""Passes over a study: what is done before what, and what errors leave behind."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_server import JOBS, SMALL, TOTAL, SmallServer, run
from study_cases import document

from taskonomy_catalogue.study import parse_study
from taskonomy_catalogue.study_trials import task_specific_trials
from taskonomy_catalogue.trials import digest
from taskonomy_operator import constants
from taskonomy_operator.api_errors import Away, Refused
from taskonomy_operator.reconcile import UNSEEN_WAIT
from taskonomy_operator.start_jobs import REFUSED_WAIT
from taskonomy_operator.surroundings import Rhythm


def test_the_start_is_written_before_the_first_job(server: SmallServer) -> None:
    uid = server.submit(**SMALL)
    server.reconciler().reconcile(uid)
    assert server.writes[0] == ("status", "small")
    assert server.writes[1][0] == "create"
    assert server.studies[uid]["status"]["startTime"]


def test_a_study_runs_to_its_end_and_is_then_left_alone(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    run(server, reconciler, uid)
    assert server.studies[uid]["status"]["trials"]["done"] == TOTAL
    assert [verb for verb, _ in server.writes].count("create") == TOTAL
    server.now += 200
    assert reconciler.reconcile(uid) is None  # its Jobs are tidied up
    assert server.things == {}
    before = list(server.writes)
    assert reconciler.reconcile(uid) is None
    assert server.writes == before
    server.change(uid, parallelism=7)
    assert reconciler.reconcile(uid) is None
    assert {verb for verb, _ in server.writes[len(before) :]} <= {"status"}


def test_a_job_goes_only_once_its_end_is_written_down(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    run(server, reconciler, uid)
    server.now += 200
    reconciler.reconcile(uid)
    deleted = [place for place, (verb, _) in enumerate(server.writes) if verb == "delete"]
    assert len(deleted) == TOTAL
    last_status = max(place for place, (verb, _) in enumerate(server.writes) if verb == "status")
    assert last_status < min(deleted)


@pytest.mark.parametrize(
    "content", [{"data": {}}, {"data": {"dataset": "x"}, "parallelism": "many"}]
)
def test_a_study_that_is_none_says_so_and_stops_no_other(
    server: SmallServer, content: dict[str, Any]
) -> None:
    bad, good = server.submit("bad", **SMALL), server.submit("good", **SMALL)
    server.studies[bad]["spec"] = content  # from before a rule was made
    reconciler = server.reconciler()
    assert reconciler.reconcile(bad) == REFUSED_WAIT
    assert server.condition(bad, "Accepted") == ("False", "Refused")
    assert ("Warning", "Refused") in server.events
    said = len(server.writes)
    reconciler.reconcile(bad)
    assert len(server.writes) == said  # once is enough
    run(server, reconciler, good)
    assert server.condition(good, "Completed")[0] == "True"
    server.studies[bad]["spec"] = server.studies[good]["spec"]
    server.studies[bad]["metadata"]["generation"] = 2
    run(server, reconciler, bad)
    assert server.condition(bad, "Accepted") == ("True", "Valid")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Refused(403, "Forbidden", "exceeded quota: gpus, requested: 1"), "QuotaExceeded"),
        (Refused(403, "Forbidden", "cannot create resource jobs"), "JobsRefused"),
    ],
)
def test_a_server_that_takes_no_job_is_left_alone_for_a_while(
    server: SmallServer, error: Exception, reason: str
) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    server.refuses = [error]
    wait = reconciler.reconcile(uid)
    assert wait is not None
    assert wait <= REFUSED_WAIT
    assert [verb for verb, _ in server.writes] == ["status", "status"]
    assert server.condition(uid, "Progressing") == ("False", reason)
    assert ("Warning", reason) in server.events
    server.now += REFUSED_WAIT + 1
    run(server, reconciler, uid)
    assert server.condition(uid, "Completed")[0] == "True"


def test_an_installation_that_lacks_something_says_what(server: SmallServer) -> None:
    uid = server.submit(**SMALL)
    server.reconciler(artifacts="").reconcile(uid)
    conditions = {c["type"]: c for c in server.studies[uid]["status"]["conditions"]}
    assert "set spec.artifacts" in conditions["Progressing"]["message"]


def test_a_server_that_is_away_ends_the_pass_and_loses_nothing(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    server.refuses = [Away(503, "ServiceUnavailable", "later")]
    with pytest.raises(Away):
        reconciler.reconcile(uid)
    run(server, reconciler, uid)
    assert [verb for verb, _ in server.writes].count("create") == TOTAL
    assert server.condition(uid, "Completed")[0] == "True"


def test_suspending_stops_what_runs_and_resuming_makes_it_again(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    made = set(server.live())
    assert made
    server.change(uid, suspend=True)
    reconciler.reconcile(uid)
    reconciler.reconcile(uid)
    assert server.live() == []
    assert server.condition(uid, "Suspended") == ("True", "Asked")
    assert server.condition(uid, "Completed")[0] == "False"
    server.change(uid, suspend=False)
    reconciler.reconcile(uid)
    assert set(server.live()) == made
    run(server, reconciler, uid)
    assert server.studies[uid]["status"]["trials"]["done"] == TOTAL


def test_failed_trials_are_tried_again_once_asked(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    first = server.live()[0]
    server.end(first, "Failed", "BackoffLimitExceeded", failed=1)
    run(server, reconciler, uid)
    assert server.condition(uid, "Degraded") == ("True", "TrialsFailed")
    assert server.condition(uid, "Completed")[0] == "True"
    assert f"{JOBS}/{first}" in server.things
    server.studies[uid]["metadata"]["annotations"] = {constants.RETRY_FAILED: "1"}
    run(server, reconciler, uid)
    status = server.studies[uid]["status"]
    assert (status["retried"], status["trials"]["done"]) == ("1", TOTAL)
    assert server.condition(uid, "Degraded")[0] == "False"
    created = [name for verb, name in server.writes if verb == "create"]
    assert created.count(first) == 2
    assert len(created) == TOTAL + 1
    run(server, server.reconciler(), uid)  # one that starts anew does not forgive again
    assert [name for verb, name in server.writes if verb == "create"] == created


def test_what_one_study_trained_no_other_does(server: SmallServer) -> None:
    first, second = server.submit("first", **SMALL), server.submit("second", **SMALL)
    reconciler = server.reconciler()
    run(server, reconciler, first)
    created = len([verb for verb, _ in server.writes if verb == "create"])
    run(server, reconciler, second)
    assert server.studies[second]["status"]["trials"]["done"] == TOTAL
    assert len([verb for verb, _ in server.writes if verb == "create"]) == created


def test_results_that_lie_in_the_artifact_root_are_found(
    server: SmallServer, tmp_path: Path
) -> None:
    study = parse_study(document(SMALL), origin="it")
    for trial in task_specific_trials(study):
        (tmp_path / digest(trial)).mkdir()
        (tmp_path / digest(trial) / "result.json").write_text("{}")
    uid = server.submit(**SMALL)
    run(server, server.reconciler(artifacts=str(tmp_path)), uid)
    assert server.studies[uid]["status"]["trials"]["done"] == TOTAL
    assert len([verb for verb, _ in server.writes if verb == "create"]) == TOTAL - 2


def test_a_name_that_somebody_else_has_is_said_to_be_taken(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    name = server.live()[0]
    other = server.things[f"{JOBS}/{name}"]
    other["metadata"]["ownerReferences"][0]["uid"] = "before"
    other["metadata"]["labels"][constants.STUDY_UID] = "before"
    for job in server.live():
        if job != name:
            server.end(job)
    run(server, server.reconciler(), uid, passes=3)
    assert server.condition(uid, "Progressing") == ("False", "NameTaken")  # nothing else is left


def test_one_job_that_is_refused_holds_no_other_back(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    server.refuses = [Refused(422, "Invalid", "spec.template: Invalid value")]
    reconciler.reconcile(uid)
    assert len(server.live()) == 5  # of two networks, two from scratch and two best guesses
    assert server.condition(uid, "Progressing") == ("True", "JobsRefused")
    reconciler.reconcile(uid)
    assert len(server.live()) == 5
    server.now += REFUSED_WAIT + 1
    run(server, reconciler, uid)
    assert server.condition(uid, "Completed")[0] == "True"


def test_what_was_removed_is_trained_again_once_its_study_was_deleted(server: SmallServer) -> None:
    first, reconciler = server.submit("first", **SMALL), server.reconciler()
    run(server, reconciler, first)
    del server.studies[first]
    reconciler.reconcile(first)
    created = len(server.writes)
    second = server.submit("second", **SMALL)
    run(server, reconciler, second)
    made = [name for verb, name in server.writes[created:] if verb == "create"]
    assert len(made) == TOTAL


def test_jobs_not_seen_yet_outlive_a_change_of_the_spec(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler(pack=8)
    server.is_blind = True
    reconciler.reconcile(uid)
    made = set(server.live())
    server.change(uid, parallelism=2)
    server.now += 1
    reconciler.reconcile(uid)
    server.change(uid, parallelism=40)
    reconciler.reconcile(uid)
    assert set(server.live()) == made
    server.is_blind = False


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_job_that_the_watch_does_not_show_is_asked_after(
    server: SmallServer, is_gone: bool
) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    server.is_blind = True
    reconciler.reconcile(uid)
    made = server.live()
    created = len(server.writes)
    if is_gone:
        del server.things[f"{JOBS}/{made[0]}"]
    server.now += UNSEEN_WAIT + 1
    reconciler.reconcile(uid)
    again = [name for verb, name in server.writes[created:] if verb == "create"]
    assert again == (made[:1] if is_gone else [])


def test_a_change_of_labels_right_after_the_end_loses_no_word(server: SmallServer) -> None:
    rhythm = Rhythm(status_interval=5.0, keep_ended=100.0)
    uid, reconciler = server.submit(**SMALL), server.reconciler(rhythm)
    for _ in range(40):
        reconciler.reconcile(uid)
        for job in server.live():
            server.end(job)
        server.studies[uid]["metadata"]["labels"] = {"at": str(server.now)}
        server.now += 0.4
    server.now += 6
    reconciler.reconcile(uid)
    assert server.condition(uid, "Completed")[0] == "True"
    assert server.studies[uid]["status"]["trials"]["done"] == TOTAL


def test_a_suspended_study_is_not_looked_at_without_need(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    server.end(server.live()[0], "Failed", "BackoffLimitExceeded", failed=1)
    server.change(uid, suspend=True, retries=3)
    for _ in range(4):
        server.now += 1
        wait = reconciler.reconcile(uid)
    assert wait is None or wait > 50


def test_a_study_that_was_over_is_not_planned_again_at_a_start(server: SmallServer) -> None:
    uid = server.submit(**SMALL)
    run(server, server.reconciler(), uid)
    server.now += 200
    run(server, server.reconciler(), uid)
    assert server.things == {}
    before = list(server.writes)
    fresh = server.reconciler()
    assert fresh.reconcile(uid) is None
    assert server.writes == before
    assert fresh._tracked == {}


def test_gpu_hours_are_written_down_as_they_pass(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    for job in server.live():
        server.begin(job)
    for _ in range(4):
        reconciler.reconcile(uid)
        server.now += 900
    assert server.studies[uid]["status"]["gpuHours"] > 2


def test_a_clock_that_is_set_forward_makes_no_gpu_hours(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.around = replace(reconciler.around, ticks=float)
    reconciler.reconcile(uid)
    for job in server.live():
        server.begin(job)
    reconciler.reconcile(uid)
    server.now += 90 * 86_400
    reconciler.reconcile(uid)
    assert server.studies[uid]["status"]["gpuHours"] == 0


def test_a_stage_that_is_not_asked_for_any_more_keeps_what_is_known(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    scratch = next(
        thing["metadata"]["name"]
        for thing in server.things.values()
        if thing["metadata"]["labels"][constants.STAGE] == "scratch"
    )
    server.end(scratch, "Failed", "BackoffLimitExceeded", failed=1)
    run(server, reconciler, uid)
    server.change(uid, stage="first-order")
    run(server, reconciler, uid, passes=3)
    (kept,) = [s for s in server.studies[uid]["status"]["stages"] if s["name"] == "scratch"]
    assert (kept["done"], kept["failed"]) == (1, 1)
    created = len([verb for verb, _ in server.writes if verb == "create"])
    server.studies[uid]["spec"].pop("stage")
    server.studies[uid]["metadata"]["generation"] += 1
    run(server, server.reconciler(), uid)
    assert len([verb for verb, _ in server.writes if verb == "create"]) == created


def test_a_study_that_is_deleted_is_forgotten(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), server.reconciler()
    reconciler.reconcile(uid)
    server.studies[uid]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    before = list(server.writes)
    assert reconciler.reconcile(uid) is None
    del server.studies[uid]
    assert reconciler.reconcile(uid) is None
    assert server.writes == before
