"""The table of rights: exactly what was agreed, no secret, no wildcard."""

from typing import cast

import pytest

from taskonomy_operator.api_errors import Refused
from taskonomy_operator.cluster import Cluster, Object
from taskonomy_operator.rights import RIGHTS, missing, role_rules

AGREED = {
    "namespace": {
        ("taskonomy.dev", "studies"): {"get", "list", "watch"},
        ("taskonomy.dev", "studies/status"): {"patch"},
        ("batch", "jobs"): {"get", "list", "watch", "create", "delete", "deletecollection"},
        ("", "services"): {"create"},
        ("", "configmaps"): {"get"},
        ("", "pods"): {"list"},
        ("", "events"): {"create", "patch"},
    },
    "lease": {("coordination.k8s.io", "leases"): {"get", "create", "update"}},
}


@pytest.mark.parametrize("scope", ["namespace", "lease"])
def test_the_rules_are_those_agreed(scope: str) -> None:
    rules = role_rules("lease" if scope == "lease" else "namespace")
    granted = {}
    for rule in rules:
        (group,), (resource,) = rule["apiGroups"], rule["resources"]
        assert (group, resource) not in granted
        assert len(set(rule["verbs"])) == len(rule["verbs"])
        granted[group, resource] = set(rule["verbs"])
    assert granted == AGREED[scope]


def test_no_secret_is_read_and_nothing_is_a_wildcard() -> None:
    for right in RIGHTS:
        assert "secrets" not in right.resource
        assert "*" not in (right.group, right.resource, right.subresource, *right.verbs)
        assert right.why


class Server:
    """Allows everything but some, and notes what it is asked."""

    def __init__(self, *, but: tuple[str, str] = ("", ""), refuses: bool = False) -> None:
        self.but, self.refuses = but, refuses
        self.asked: list[Object] = []

    def create(self, _: str, review: Object) -> Object:
        if self.refuses:
            raise Refused(403, "Forbidden", "cannot create resource")
        about = review["spec"]["resourceAttributes"]
        self.asked.append(about)
        return {"status": {"allowed": (about["verb"], about["resource"]) != self.but}}


def test_each_right_is_asked_for_where_it_is_needed() -> None:
    server = Server()
    assert missing(cast(Cluster, server), "team-a", "system") == []
    assert len(server.asked) == sum(len(right.verbs) for right in RIGHTS)
    for about in server.asked:
        leases = about["resource"] == "leases"
        assert about["namespace"] == ("system" if leases else "team-a")
        assert about["subresource"] in ("", "status")


def test_everywhere_is_asked_for_as_everywhere() -> None:
    server = Server(but=("watch", "jobs"))
    (sentence,) = missing(cast(Cluster, server), "*", "system")
    assert {a["namespace"] for a in server.asked} == {"", "system"}
    assert sentence == (
        "may not watch jobs.batch in all namespaces, so nobody knows which trials run or are done; "
        'none is started; grant its ServiceAccount a ClusterRole with {apiGroups: ["batch"], '
        'resources: ["jobs"], verbs: ["watch"]}'
    )


def test_who_may_not_ask_is_told_so() -> None:
    (sentence,) = missing(cast(Cluster, Server(refuses=True)), "team-a", "system")
    assert "system:basic-user" in sentence
