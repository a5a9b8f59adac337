"""What is rendered, judged by a real API server: schemas, Pod Security `restricted`, rights."""

from collections.abc import Iterator
from typing import Any

import helm
import pytest
from judged import Judge, pods_of
from kube import ApiError, Kube

from taskonomy_operator.rights import RIGHTS

pytestmark = pytest.mark.cluster

ELSEWHERE = {"ServiceMonitor", "PrometheusRule", "LocalQueue"}
"""Kinds of other operators, which a bare server does not know; test_monitoring.py looks at them."""


@pytest.fixture
def strict(kube: Kube, namespace: str) -> str:
    """A namespace that refuses pods that are not restricted, and warns of what would make some."""
    thing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    kube.patch(thing, {"metadata": {"labels": level}})
    return namespace


@pytest.fixture
def teams(kube: Kube, strict: str) -> Iterator[list[str]]:
    """Two more namespaces."""
    names = [f"{strict}-a", f"{strict}-b"]
    things: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names
    ]
    for thing in things:
        kube.create(thing)
    yield names
    for thing in things:
        kube.delete(thing)


@pytest.mark.parametrize("values", helm.named_cases())
def test_every_object_is_accepted_without_a_warning(
    kube: Kube, strict: str, teams: list[str], values: str
) -> None:
    judge = Judge(kube)
    spaces = f"--set=studyNamespaces={{{','.join(teams)}}}"
    options = [spaces] if values in ("several-namespaces", "buckets") else []
    if values != "default":
        options.append("--set=crds.enabled=false")  # the same everywhere, and long
    found = helm.objects(*options, values=values, namespace=strict)
    unknown = {each["kind"] for each in found if not judge.knows(each)}
    assert unknown <= ELSEWHERE
    for each in found:
        if judge.knows(each):
            _, warnings = judge.judge(each)
            assert warnings == [], each["metadata"]["name"]


@pytest.mark.parametrize("values", helm.named_cases())
def test_every_pod_is_let_in_by_the_restricted_profile(
    kube: Kube, strict: str, values: str
) -> None:
    templates = list(helm.pod_templates(helm.objects(values=values, namespace=strict)))
    for pod in pods_of(templates, strict):
        kube.create(pod, dryRun="All")
    lax = pods_of(templates, strict)[0]
    lax["spec"]["securityContext"].pop("runAsNonRoot")
    with pytest.raises(ApiError, match="violates PodSecurity"):  # so the profile is in force
        kube.create(lax, dryRun="All")


def test_a_warning_would_be_seen(kube: Kube, strict: str) -> None:
    found = helm.objects("--set=podSecurityContext=null", namespace=strict)
    _, warnings = Judge(kube).judge(helm.one(found, "Deployment", "-operator"))
    assert any("would violate PodSecurity" in warning for warning in warnings)


# --- rights, as the server grants them ---------------------------------------------------------


def may(kube: Kube, account: str, namespace: str, **what: str) -> bool:
    """Return whether the server lets a ServiceAccount (`namespace:name`) do something."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{account}",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {"namespace": namespace, **what},
        },
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(kube.request("POST", path, review)["status"]["allowed"])


def asked(verb: str, group: str, resource: str, subresource: str = "") -> dict[str, str]:
    return {"verb": verb, "group": group, "resource": resource, "subresource": subresource}


NEEDED = [
    asked(verb, right.group, right.resource, right.subresource) | {"scope": right.scope}
    for right in RIGHTS
    for verb in right.verbs
]
FORBIDDEN = [
    asked("get", "", "secrets"),
    asked("create", "", "pods"),
    asked("create", "", "pods", "exec"),
    asked("create", "", "serviceaccounts", "token"),
    asked("create", "rbac.authorization.k8s.io", "rolebindings"),
    asked("update", "taskonomy.dev", "studies"),
    asked("delete", "", "persistentvolumeclaims"),
    asked("list", "", "nodes"),
]


@pytest.mark.parametrize("values", ["default", "several-namespaces", "cluster-wide"])
def test_accounts_may_do_what_they_are_for_and_no_more(
    kube: Kube, strict: str, teams: list[str], values: str
) -> None:
    options = (
        [f"--set=studyNamespaces={{{','.join(teams)}}}"] if values == "several-namespaces" else []
    )
    found = helm.objects(*options, values=values, namespace=strict)
    rights = [each for each in found if each["apiVersion"].startswith("rbac.")]
    judge = Judge(kube)
    for each in rights:
        kube.request("POST", judge.path(each).rpartition("/")[0], each)
    try:
        _check_rights(kube, strict, teams, values)
    finally:
        for each in rights:
            if "namespace" not in each["metadata"]:
                kube.request("DELETE", judge.path(each))


def _check_rights(kube: Kube, own: str, teams: list[str], values: str) -> None:
    operator, loader, training, ranking = (
        f"{own}:demo-taskonomy-{part}" for part in ("operator", "loader", "training", "ranking")
    )
    served = {"default": [own], "several-namespaces": [own, *teams], "cluster-wide": [own, *teams]}
    for what in NEEDED:
        scope = what["scope"]
        right = {key: value for key, value in what.items() if key != "scope"}
        for place in [own] if scope == "lease" else served[values]:
            assert may(kube, operator, place, **right), (place, right)
        assert not may(kube, training, own, **right), right
        if values == "default" and scope == "namespace":
            assert not may(kube, operator, teams[0], **right), right
    for what in FORBIDDEN:
        for account in (operator, loader, training, ranking):
            assert not may(kube, account, own, **what), (account, what)
    assert may(kube, loader, own, **asked("list", "taskonomy.dev", "studies"))
    assert may(kube, ranking, own, **asked("update", "", "configmaps"))
    assert not may(kube, loader, own, **asked("get", "", "configmaps"))


def test_who_may_edit_a_namespace_may_submit_there(kube: Kube, strict: str) -> None:
    """The aggregated roles reach `view` and `edit`, by the server's own controller."""
    found = helm.objects(namespace=strict)
    judge = Judge(kube)
    roles = [each for each in found if each["kind"] == "ClusterRole"]
    assert len(roles) == 2
    for role in roles:
        kept, _ = judge.judge(role)
        verbs = {verb for rule in kept["rules"] for verb in rule["verbs"]}
        is_edit = role["metadata"]["name"].endswith("-edit")
        assert ("create" in verbs) == is_edit
        labels = kept["metadata"]["labels"]
        assert labels["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
        assert ("rbac.authorization.k8s.io/aggregate-to-view" in labels) != is_edit
