"""What the API server says to studies, bad and good: the tables that the typed spec is run on."""

import math
import re
from typing import Any

import pytest
from kube import ApiError, Kube, Object
from study_cases import (
    BAD,
    BETWEEN_FIELDS,
    GOOD,
    OWN_TASK,
    UNSEEN_BY_THE_SERVER,
    document,
)

from taskonomy_catalogue.study import parse_study

pytestmark = pytest.mark.cluster

STUDIES = "/apis/taskonomy.dev/v1alpha1/namespaces/default/studies"

SEEN = {
    name: case
    for name, case in BAD.items()
    if name not in UNSEEN_BY_THE_SERVER
    and not any(isinstance(v, float) and not math.isfinite(v) for v in case.changes.values())
    and name != "budget without bound"  # JSON has no infinity either
}

SERVERS_WORDS = re.compile(
    "must be of type|Unsupported value.*supported values|should be (greater|less) than|Required"
    "|should have at least|must have at most|multiple of|unknown field|must consist of"
)
"""What the server says of a single field, and what it wants there."""

OTHERWISE = {
    "wrong apiVersion": ("", "404 page not found"),  # kubectl says: no matches for kind "Study"
    "wrong kind": ("kind", "must be Study"),
    "metadata is text": ("ObjectMeta", "cannot unmarshal string"),
    "label is a number": ("ObjectMeta.labels", "cannot unmarshal number"),
    "orders descend": ("spec.transfers.orders", "must ascend without repetition"),
    "an order twice": ("spec.transfers.orders", "must ascend without repetition"),
    "target-only and both": ("spec.tasks.both", "task 'depth' is already in targetOnly; keep one"),
    "own task with a reserved name": ("spec.tasks.custom[0].id", "is reserved; rename it"),
}
"""Field and words of the server where they are its own: a bad study's name to both."""


def applied(kube: Kube, content: Object) -> Object:
    """Have the server judge a study as `kubectl apply` does, without keeping it."""
    version = content["apiVersion"]
    path = STUDIES.replace("taskonomy.dev/v1alpha1", version) if version.count("/") else STUDIES
    return kube.request("POST", path, content, fieldValidation="Strict", dryRun="All")


def refusal(kube: Kube, content: Object) -> str:
    with pytest.raises(ApiError) as refused:
        applied(kube, content)
    assert refused.value.code in {400, 404, 422}
    return refused.value.message


@pytest.mark.parametrize("name", SEEN)
def test_a_bad_study_is_refused_when_applied_by_field_and_with_the_way_out(
    kube: Kube, name: str
) -> None:
    case = SEEN[name]
    field, word = OTHERWISE.get(name, (case.field, case.word))
    message = refusal(kube, document(case.changes))
    assert field in message
    assert word in message or (name not in OTHERWISE and SERVERS_WORDS.search(message))


WORDED = [name for name in BETWEEN_FIELDS if name not in {"orders descend", "an order twice"}]


@pytest.mark.parametrize("name", WORDED)
def test_rules_between_fields_say_the_same_on_both_sides(kube: Kube, name: str) -> None:
    content = document(BETWEEN_FIELDS[name].changes)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - whatever the spec raises
        parse_study(content, origin="study.yaml")
    (problem,) = refused.value.problems  # type: ignore[attr-defined]
    assert problem.message in refusal(kube, content)


def test_most_bad_studies_are_seen_by_the_server() -> None:
    assert len(SEEN) >= 80
    assert not UNSEEN_BY_THE_SERVER.keys() - BAD.keys()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"spec.tasks.custom": [OWN_TASK, OWN_TASK]}, "Duplicate value"),
        ({"spec.tasks.subset": ["depth", "depth"]}, "Duplicate value"),
        ({"spec.tasks.custom": [OWN_TASK | {"title": "two\nlines"}]}, "control character"),
        ({"spec.tasks.custom": [OWN_TASK | {"folder": "a\x07"}]}, "control character"),
        ({"spec.artifacts": "x" * 1025}, "1024"),
    ],
)
def test_what_else_the_server_refuses(kube: Kube, changes: dict[str, object], word: str) -> None:
    assert word in refusal(kube, document(changes))


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD.keys())
def test_a_good_study_is_accepted_and_means_the_same_with_the_defaults_put_in(
    kube: Kube, changes: dict[str, object]
) -> None:
    content = document(changes)
    for added_by_the_server in ("uid", "resourceVersion", "namespace"):
        content["metadata"].pop(added_by_the_server, None)
    accepted = applied(kube, content)
    assert parse_study(accepted, origin="the server").spec == parse_study(content, origin="x").spec


# --- what may change, and when -----------------------------------------------------------------


@pytest.fixture
def study(kube: Kube, namespace: str) -> Object:
    content = document({"metadata.namespace": namespace, "spec.transfers.orders": [1, 2]})
    return kube.create(content)


def begin(kube: Kube, study: Object) -> Object:
    status = {"status": {"startTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}}
    return kube.patch(study, status, subresource="status")


FIXED: dict[str, Any] = {
    "model": {"encoder": "resnet18"},
    "training": {"transfer": {"epochs": 3}},
    "data": {"transferFraction": 0.5},
    "tasks": {"subset": ["depth", "normals"]},
    "transfers": {"candidates": "exhaustive"},
    "artifacts": "/elsewhere",
}
FREE: dict[str, Any] = {
    "parallelism": 7,
    "retries": 1,
    "gpuHours": 12.5,
    "queue": "other",
    "priorityClassName": "low",
    "resources": {"firstOrder": {"memory": "64Gi"}},
    "taxonomy": {"budgets": [3]},
    "tracking": "http://elsewhere:5000",
}


@pytest.mark.parametrize("part", FIXED)
def test_what_digests_are_made_of_is_fixed_once_trials_run(
    kube: Kube, study: Object, part: str
) -> None:
    change = {"spec": {part: FIXED[part]}}
    kube.request(
        "PATCH",
        f"/apis/taskonomy.dev/v1alpha1/namespaces/{study['metadata']['namespace']}/studies/small",
        change,
        content_type="application/merge-patch+json",
        dryRun="All",
    )
    begin(kube, study)
    with pytest.raises(ApiError) as refused:
        kube.patch(study, change)
    assert f"spec.{part}" in refused.value.message
    assert "once trials run" in refused.value.message
    assert "put it back" in refused.value.message


@pytest.mark.parametrize("part", FREE)
def test_how_a_study_is_run_may_change_at_any_time(kube: Kube, study: Object, part: str) -> None:
    begin(kube, study)
    changed = kube.patch(study, {"spec": {part: FREE[part]}})
    assert changed["metadata"]["generation"] == 2


def test_orders_may_be_added_above_the_highest_and_never_taken_back(
    kube: Kube, study: Object
) -> None:
    begin(kube, study)
    with pytest.raises(ApiError, match="only orders above the highest may be added"):
        kube.patch(study, {"spec": {"transfers": {"orders": [1]}}})
    grown = kube.patch(study, {"spec": {"transfers": {"orders": [1, 2, 3]}}})
    assert grown["spec"]["transfers"]["orders"] == [1, 2, 3]


def test_data_with_an_identity_may_move(kube: Kube, namespace: str) -> None:
    moving = kube.create(
        document({"metadata.namespace": namespace, "spec.data.identity": "rooms-v1"})
    )
    begin(kube, moving)
    moved = kube.patch(moving, {"spec": {"data": {"dataset": "/data/rooms"}}})
    assert moved["spec"]["data"]["dataset"] == "/data/rooms"


# --- what people see ---------------------------------------------------------------------------


def test_a_table_of_studies_has_the_columns_people_look_for(kube: Kube, study: Object) -> None:
    begin(kube, study)
    counts = {"total": 26, "done": 12, "failed": 1, "running": 5}
    status = {"stage": "task-specific", "trials": counts, "eta": "2026-12-01T10:00:00Z"}
    kube.patch(study, {"status": status}, subresource="status")
    namespace = study["metadata"]["namespace"]
    seen = kube.table(f"/apis/taskonomy.dev/v1alpha1/namespaces/{namespace}/studies")
    names = [column["name"] for column in seen["columnDefinitions"]]
    assert names == ["Name", "Stage", "Done", "Total", "Failed", "Running", "ETA", "Age"]
    assert seen["rows"][0]["cells"][:7] == [
        "small",
        "task-specific",
        12,
        26,
        1,
        5,
        "2026-12-01T10:00:00Z",
    ]


def test_status_is_written_apart_from_the_spec(kube: Kube, study: Object) -> None:
    written = kube.patch(study, {"spec": {"retries": 9}, "status": {"stage": "x"}})
    assert (written["spec"]["retries"], written.get("status")) == (9, None)
    written = kube.patch(
        study, {"spec": {"retries": 5}, "status": {"stage": "x"}}, subresource="status"
    )
    assert (written["spec"]["retries"], written["status"]["stage"]) == (9, "x")


def test_a_study_answers_to_its_short_name_and_categories(kube: Kube) -> None:
    (found,) = [
        resource
        for resource in kube.get("/apis/taskonomy.dev/v1alpha1")["resources"]
        if resource["name"] == "studies"
    ]
    assert found["shortNames"] == ["stu"]
    assert set(found["categories"]) == {"all", "taskonomy"}
