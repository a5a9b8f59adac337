"""What the operator must be allowed to do, why, and what it may not do yet.

One table, so that the chart's Role, the check at the start and the documentation cannot differ.
Nothing here reads a secret, and nothing is a wildcard.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from taskonomy_operator.api_errors import Refused
from taskonomy_operator.cluster import Cluster, Object
from taskonomy_operator.constants import GROUP, PLURAL

Scope = Literal["namespace", "lease"]
"""Where a right is needed: in every namespace with Studies, or where the lease is."""

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on one resource that are needed for one reason."""

    group: str
    """API group; empty: the core one."""
    resource: str
    """Plural, as in a Role."""
    subresource: str
    """`status`, `log`; empty: the object itself."""
    verbs: tuple[str, ...]
    """What is done with it."""
    why: str
    """What does not work without, as the end of "so …"."""
    scope: Scope = "namespace"
    """Where it is needed."""

    @property
    def rule_resource(self) -> str:
        """The resource as a Role's rule writes it, e.g. `studies/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def full_name(self) -> str:
        """The resource with its group, e.g. `studies.taskonomy.dev/status`."""
        named = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{named}/{self.subresource}" if self.subresource else named


SEE = ("get", "list", "watch")

RIGHTS: tuple[Right, ...] = (
    Right(GROUP, PLURAL, "", SEE, "Studies are not seen and nothing is done for them"),
    Right(GROUP, PLURAL, "status", ("patch",), "no progress is kept and no trial is started"),
    Right("batch", "jobs", "", SEE, "nobody knows which trials run or are done; none is started"),
    Right("batch", "jobs", "", ("create",), "no trial is started"),
    Right("batch", "jobs", "", ("delete",), "a suspended Study keeps its GPUs"),
    Right("batch", "jobs", "", ("deletecollection",), "finished Jobs stay for ever"),
    Right("", "services", "", ("create",), "trials of several nodes do not find each other"),
    Right("", "configmaps", "", ("get",), "higher orders cannot be chosen, as no ranking is read"),
    Right("", "pods", "", ("list",), "nobody knows why a trial failed"),
    Right("", "events", "", ("create", "patch"), "`kubectl describe study` tells no history"),
    Right(
        "coordination.k8s.io",
        "leases",
        "",
        ("get", "create", "update"),
        "no replica can become the one that acts",
        "lease",
    ),
)
"""Everything the operator asks an API server for."""


def role_rules(scope: Scope, rights: Iterable[Right] = RIGHTS) -> list[Object]:
    """Return the rules of the Role that grants the rights of a scope, one for each resource."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        if right.scope == scope:
            verbs.setdefault((right.group, right.rule_resource), []).extend(right.verbs)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": granted}
        for (group, resource), granted in verbs.items()
    ]


def missing(cluster: Cluster, namespace: str, lease_namespace: str) -> list[str]:
    """Return a sentence for each thing that the operator needs to do and may not.

    Args:
        cluster: the API server, which answers for whoever we are there.
        namespace: where Studies are; `*`: everywhere, which takes a ClusterRole.
        lease_namespace: where the lease is.

    Raises:
        ApiError: the server does not answer.
    """
    said = []
    for right in RIGHTS:
        where = lease_namespace if right.scope == "lease" else namespace.strip("*")
        for verb in right.verbs:
            try:
                if not _may(cluster, right, verb, where):
                    said.append(_sentence(right, verb, where))
            except Refused as error:
                return [_cannot_ask(error)]
    return said


def _may(cluster: Cluster, right: Right, verb: str, namespace: str) -> bool:
    attributes = {
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "verb": verb,
        "namespace": namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool(cluster.create(REVIEWS, review)["status"].get("allowed"))


def _sentence(right: Right, verb: str, namespace: str) -> str:
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    role = f"a Role of namespace {namespace}" if namespace else "a ClusterRole"
    return (
        f"may not {verb} {right.full_name} {where}, so {right.why}; grant its ServiceAccount "
        f'{role} with {{apiGroups: ["{right.group}"], resources: ["{right.rule_resource}"], '
        f'verbs: ["{verb}"]}}'
    )


def _cannot_ask(error: Refused) -> str:
    return (
        f"may not ask what it is allowed to do ({error}), so what is missing shows only when it is "
        "needed; bind the ClusterRole system:basic-user to its ServiceAccount"
    )
