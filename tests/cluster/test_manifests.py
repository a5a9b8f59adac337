"""Jobs of every shape on a real control plane: accepted as they are, and ended as they should."""

import copy
import time
from typing import Any

import pytest
import yaml
from kube import ApiError, Kube, Object, eventually
from manifest_cases import SHAPES, Shape, objects_of, study_of
from study_cases import document

from taskonomy_operator import constants
from taskonomy_operator.manifests import Owner

pytestmark = pytest.mark.cluster

KWOK = "kwok.taskonomy.dev"


@pytest.fixture
def owner(kube: Kube, namespace: str) -> Owner:
    """A Study that exists, so that what it owns is not collected as garbage."""
    study = kube.create(document({"metadata.namespace": namespace}))
    return Owner(name="small", namespace=namespace, uid=study["metadata"]["uid"])


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_accepted_under_the_restricted_profile(
    kube: Kube, owner: Owner, name: str
) -> None:
    for thing in objects_of(SHAPES[name], owner):
        kept = kube.create(thing, dryRun="All")
        assert_holds(kept, thing)


def assert_holds(kept: Any, sent: Any) -> None:
    """Assert that everything sent is kept as it was; the server may add to it."""
    if isinstance(sent, dict):
        for key, value in sent.items():
            assert key in kept, key
            assert_holds(kept[key], value)
    elif isinstance(sent, list):
        assert len(kept) == len(sent)
        for one, other in zip(kept, sent, strict=True):
            assert_holds(one, other)
    else:
        assert kept == sent


@pytest.mark.parametrize("name", SHAPES)
def test_its_pod_would_be_let_in_too(kube: Kube, owner: Owner, name: str) -> None:
    """A Job's pods are only judged when they are made: have the server judge one now."""
    job = objects_of(SHAPES[name], owner)[-1]
    template = copy.deepcopy(job["spec"]["template"])
    template["metadata"] |= {"name": "one", "namespace": owner.namespace}
    template["spec"].pop("priorityClassName", None)  # there is no such class here
    template["spec"]["serviceAccountName"] = "default"
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    kube.create(pod, dryRun="All")
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ApiError, match="violates PodSecurity"):  # so the profile is in force
        kube.create(pod, dryRun="All")


# --- how Jobs end ------------------------------------------------------------------------------


def run(kube: Kube, owner: Owner, outcome: str, shape: Shape, seconds: float = 0) -> Object:
    """Make the objects of a shape, whose pods end as they are told, and return the Job."""
    made = objects_of(shape, owner)
    for thing in made:
        if thing["kind"] == "Job":
            labels = thing["spec"]["template"]["metadata"]["labels"]
            labels[f"outcome.{KWOK}/all"] = outcome
            labels[f"seconds.{KWOK}/all"] = f"{seconds:g}"
            thing["spec"]["template"]["spec"]["volumes"] = [
                volume
                for volume in thing["spec"]["template"]["spec"]["volumes"]
                if "persistentVolumeClaim" not in volume  # there are no claims here
            ]
            thing["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = []
        kube.create(thing)
    return made[-1]


def now(kube: Kube, thing: Object) -> Object:
    meta = thing["metadata"]
    return kube.get(f"/apis/batch/v1/namespaces/{meta['namespace']}/jobs/{meta['name']}")


def conditions(job: Object) -> dict[str, str]:
    return {
        c["type"]: c.get("reason", "")
        for c in job["status"].get("conditions") or []
        if c["status"] == "True"
    }


def ended(kube: Kube, job: Object, *, within: float = 60) -> Object:
    def is_over() -> Object | None:
        found = now(kube, job)
        return found if {"Complete", "Failed"} & conditions(found).keys() else None

    seen = eventually(is_over, within=within, what=lambda: yaml.safe_dump(now(kube, job)["status"]))
    return dict(seen)


def pods(kube: Kube, owner: Owner) -> list[Object]:
    selector = f"{constants.STUDY_UID}={owner.uid}"
    return kube.items(f"/api/v1/namespaces/{owner.namespace}/pods", labelSelector=selector)


def running(kube: Kube, owner: Owner, count: int = 1) -> list[Object]:
    def found() -> list[Object]:
        live = [pod for pod in pods(kube, owner) if pod["status"].get("phase") == "Running"]
        return live if len(live) == count else []

    return list(eventually(found, what=lambda: [pod["status"] for pod in pods(kube, owner)]))


ONE = SHAPES["one-gpu"]
FRESH = Shape({"spec.retries": 1})


def test_a_trial_that_succeeds_completes_its_job_on_a_gpu_node(kube: Kube, owner: Owner) -> None:
    job = ended(kube, run(kube, owner, "succeed", ONE))
    assert "Complete" in conditions(job)
    (pod,) = pods(kube, owner)
    assert pod["spec"]["nodeName"].startswith("gpu-")


def test_a_bad_trial_is_not_tried_again(kube: Kube, owner: Owner) -> None:
    job = ended(kube, run(kube, owner, "exit-64", FRESH))
    assert conditions(job)["Failed"] == "PodFailurePolicy"
    assert len(pods(kube, owner)) == 1


def test_a_crash_is_tried_again_as_often_as_the_study_says(kube: Kube, owner: Owner) -> None:
    job = ended(kube, run(kube, owner, "exit-1", FRESH), within=90)
    assert conditions(job)["Failed"] == "BackoffLimitExceeded"
    assert job["status"]["failed"] == 2


def told(kube: Kube, pod: Object, outcome: str) -> None:
    """Tell a pod that runs how to end."""
    kube.patch(
        {"apiVersion": "v1", "kind": "Pod", **pod},
        {"metadata": {"labels": {f"outcome.{KWOK}/all": outcome}}},
    )


@pytest.mark.parametrize("how", ["exit-75", "evict", "eviction API"])
def test_what_is_nobodys_fault_uses_no_retry_up(kube: Kube, owner: Owner, how: str) -> None:
    """With no retry at all, the Job goes on after each of these."""
    job = run(kube, owner, "hang", Shape({"spec.retries": 0}))
    (first,) = running(kube, owner)
    if how == "eviction API":
        path = f"/api/v1/namespaces/{owner.namespace}/pods/{first['metadata']['name']}/eviction"
        meta = {"name": first["metadata"]["name"], "namespace": owner.namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
        kube.request("POST", path, eviction)
    else:
        told(kube, first, how)
    second = eventually(
        lambda: [
            pod
            for pod in pods(kube, owner)
            if pod["metadata"]["uid"] != first["metadata"]["uid"]
            and pod["status"].get("phase") == "Running"
        ],
        what=lambda: yaml.safe_dump([now(kube, job)["status"], pods(kube, owner)]),
    )
    assert not conditions(now(kube, job)).keys() & {"Failed", "FailureTarget"}
    told(kube, second[0], "succeed")
    assert "Complete" in conditions(ended(kube, job))


def test_a_queued_job_waits_until_it_is_admitted(kube: Kube, owner: Owner) -> None:
    job = run(kube, owner, "succeed", Shape({"spec.queue": "team-a"}))
    eventually(lambda: "Suspended" in conditions(now(kube, job)))
    time.sleep(1)
    assert pods(kube, owner) == []
    assert now(kube, job)["metadata"]["labels"][constants.QUEUE_NAME] == "team-a"
    kube.patch(job, {"spec": {"suspend": False}})
    assert "Complete" in conditions(ended(kube, job))


GANG = Shape(
    {"spec.retries": 1, "spec.resources.scratch": {"gpus": 8, "nodes": {"min": 2, "max": 3}}},
    "scratch",
)


def test_a_gang_outlives_a_pod_and_is_done_when_its_first_one_is(kube: Kube, owner: Owner) -> None:
    job = run(kube, owner, "hang", GANG)
    gang = {p["metadata"]["annotations"][INDEX]: p for p in running(kube, owner, 3)}
    assert sorted(gang) == ["0", "1", "2"]
    service = kube.get(
        f"/api/v1/namespaces/{owner.namespace}/services/{gang['0']['spec']['subdomain']}"
    )
    assert service["spec"]["clusterIP"] == "None"
    assert gang["0"]["spec"]["hostname"] == f"{job['metadata']['name']}-0"
    told(kube, gang["1"], "exit-1")
    again = eventually(
        lambda: [
            pod
            for pod in running(kube, owner, 3)
            if pod["metadata"]["uid"] not in {p["metadata"]["uid"] for p in gang.values()}
        ]
    )
    assert [pod["metadata"]["annotations"][INDEX] for pod in again] == ["1"]
    told(kube, gang["0"], "succeed")
    assert conditions(ended(kube, job))["Complete"] == "SuccessPolicy"


INDEX = "batch.kubernetes.io/job-completion-index"


def test_everything_goes_with_its_study(kube: Kube, owner: Owner) -> None:
    run(kube, owner, "hang", GANG)
    running(kube, owner, 3)
    study = study_of(GANG)
    meta = {"name": study.name, "namespace": owner.namespace}
    kube.delete({"apiVersion": constants.API_VERSION, "kind": "Study", "metadata": meta})

    def left() -> list[str]:
        space = f"namespaces/{owner.namespace}"
        lists = (
            f"/apis/batch/v1/{space}/jobs",
            f"/api/v1/{space}/pods",
            f"/api/v1/{space}/services",
        )
        return [thing["metadata"]["name"] for path in lists for thing in kube.items(path)]

    eventually(lambda: not left(), what=left)
