"""What is known of a study before it has begun, and when what it began with is gone."""

from typing import Any

from small_server import JOBS, SmallServer

from taskonomy_catalogue.rankings import FirstOrder, RankedTarget, RankingFile
from taskonomy_catalogue.study import parse_study
from taskonomy_operator import constants
from taskonomy_operator.cluster import Object
from taskonomy_operator.reconcile import Reconciler

TASKS = ["normals", "reshading", "curvature"]
SMALL: dict[str, Any] = {"spec.tasks.subset": TASKS, "spec.transfers.orders": [1, 2]}
MAPS = "/api/v1/namespaces/n/configmaps/small-ranking"


def run(server: SmallServer, reconciler: Reconciler, uid: str, passes: int = 40) -> None:
    """Have every Job do what it is for until nothing changes any more."""
    for _ in range(passes):
        reconciler.reconcile(uid)
        for name in server.live():
            job = server.things[f"{JOBS}/{name}"]
            if job["metadata"]["labels"][constants.STAGE] == "ranking":
                publish(server, uid)
            server.end(name)
        server.now += 1


def publish(server: SmallServer, uid: str, *, backwards: bool = False) -> None:
    """Leave the ConfigMap that a ranking Job leaves."""
    study = parse_study(server.studies[uid], origin="it")
    first = FirstOrder(study)
    ranked = {}
    for target in TASKS:
        sources = [task for task in TASKS if task != target]
        sources = sources[::-1] if backwards else sources
        ranked[target] = RankedTarget(sources=tuple(sources), of=first.key(target))
    server.things[MAPS] = {
        "kind": "ConfigMap",
        "metadata": {"name": "small-ranking", "ownerReferences": [{"uid": uid}], "labels": {}},
        "data": {"ranking.json": RankingFile(targets=ranked).model_dump_json()},
    }


def reconciler_of(server: SmallServer) -> Reconciler:
    return server.reconciler(warehouse_image="warehouse:1", operator_image="operator:1")


def made(server: SmallServer) -> list[str]:
    return [name for verb, name in server.writes if verb == "create"]


def higher(server: SmallServer, uid: str) -> Object:
    stages = server.studies[uid]["status"]["stages"]
    return next(stage for stage in stages if stage["name"] == "higher-order")


# --- before it begins --------------------------------------------------------------------------


def test_a_study_that_is_suspended_from_its_start_has_not_begun(server: SmallServer) -> None:
    """Its spec may change in any way until then: the rules of the server go by `startTime`."""
    uid, reconciler = server.submit(**SMALL | {"spec.suspend": True}), reconciler_of(server)
    reconciler.reconcile(uid)
    assert server.studies[uid]["status"].get("startTime") is None
    assert server.condition(uid, "Suspended") == ("True", "Asked")
    assert ("Normal", "Started") not in server.events
    server.change(uid, tasks={"subset": TASKS[:2]}, transfers={"orders": [1]})
    reconciler.reconcile(uid)
    assert server.studies[uid]["status"]["trials"]["total"] == 10
    server.change(uid, suspend=False)
    reconciler.reconcile(uid)
    assert server.studies[uid]["status"]["startTime"]
    assert ("Normal", "Started") in server.events
    assert server.live()


def test_what_others_trained_is_not_numbered_before_a_study_has_begun(server: SmallServer) -> None:
    """Numbers would come to mean other trials, should its tasks change."""
    first, reconciler = server.submit("first", **SMALL), reconciler_of(server)
    run(server, reconciler, first)
    second = server.submit("second", **SMALL, **{"spec.suspend": True})
    reconciler.reconcile(second)
    status = server.studies[second]["status"]
    assert status["trials"]["done"] > 0
    assert not any(stage["doneIndexes"] for stage in status["stages"])


def test_a_study_that_is_refused_is_suspended_all_the_same(server: SmallServer) -> None:
    uid, reconciler = server.submit(**SMALL), reconciler_of(server)
    reconciler.reconcile(uid)
    jobs = server.live()
    assert jobs
    server.change(uid, parallelism="many")  # as a rule that a newer version has
    reconciler.reconcile(uid)
    assert server.live() == jobs  # they go on
    server.hanging = {jobs[0]}
    server.change(uid, suspend=True)
    reconciler.reconcile(uid)
    assert [t["metadata"]["name"] for t in server.things.values()] == jobs[:1]
    assert server.condition(uid, "Suspended") == ("False", "Stopping")
    server.let_go(jobs[0])
    reconciler.reconcile(uid)
    assert server.condition(uid, "Suspended") == ("True", "Asked")
    assert server.condition(uid, "Accepted") == ("False", "Refused")
    deleted = [name for verb, name in server.writes if verb == "delete"]
    assert sorted(deleted) == sorted(jobs)
    server.change(uid, suspend=False, parallelism=4)
    reconciler.reconcile(uid)
    assert server.condition(uid, "Suspended") == ("False", "NotAsked")
    assert server.live()


# --- a ranking that is gone --------------------------------------------------------------------


def orphaned(server: SmallServer) -> tuple[str, Object]:
    """Return a study that is done and whose ranking was deleted by hand, with what was known."""
    uid = server.submit(**SMALL)
    run(server, reconciler_of(server), uid)
    assert server.condition(uid, "Completed")[0] == "True"
    known = higher(server, uid)
    assert (known["done"], known["doneIndexes"]) == (3, "0-2")
    server.now += 200
    run(server, reconciler_of(server), uid, passes=2)
    del server.things[MAPS]
    return uid, known


def test_a_ranking_that_is_gone_is_made_again_and_nothing_is_trained_twice(
    server: SmallServer,
) -> None:
    uid, known = orphaned(server)
    server.change(uid, parallelism=9)
    before = len(made(server))
    reconciler_of(server).reconcile(uid)
    assert higher(server, uid)["doneIndexes"] == known["doneIndexes"]  # not read, and not lost
    for passes in (1, 40):  # one that was replaced in between as well
        run(server, reconciler_of(server), uid, passes=passes)
    (ranking,) = made(server)[before:]
    assert ranking.startswith("small-ranking-")
    now = higher(server, uid)
    assert {key: now[key] for key in known if key != "gpuHours"} == {
        key: known[key] for key in known if key != "gpuHours"
    }
    assert server.condition(uid, "Completed")[0] == "True"


def test_numbers_that_mean_other_trials_by_now_count_for_nothing(server: SmallServer) -> None:
    """As when a release makes digests of something else: what was done is not taken for that."""
    uid, _ = orphaned(server)
    publish(server, uid)
    stages = server.studies[uid]["status"]["stages"]
    (stage,) = [each for each in stages if each["name"] == "first-order"]
    stage["checksum"] = "0" * 16
    server.studies[uid]["status"]["completionTime"] = None
    before = len(made(server))
    run(server, reconciler_of(server), uid)
    assert len(made(server)) - before == stage["total"] == 9
    assert server.studies[uid]["status"]["trials"]["done"] == 3 * 3 + 9 + 3
