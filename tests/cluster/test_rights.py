"""The operator's Role on a real API server: it is enough, and each verb that lacks is named."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from control_plane import ControlPlane
from kube import Kube, Object, eventually
from operator_process import OperatorProcess
from submitted import outcome, submit

from taskonomy_operator.cluster import Cluster, connect
from taskonomy_operator.rights import RIGHTS, Right, Scope, missing, role_rules

pytestmark = pytest.mark.cluster

VERBS = [
    pytest.param(right, verb, id=f"{verb} {right.full_name}")
    for right in RIGHTS
    for verb in right.verbs
]


class Account:
    """A ServiceAccount with a Role in the Studies' namespace and one where the lease is."""

    def __init__(self, kube: Kube, namespace: str, lease_namespace: str) -> None:
        self.kube, self.namespace = kube, namespace
        self.lease_namespace = lease_namespace
        kube.create(self.thing("ServiceAccount", {}, "v1"))
        for place in {namespace, lease_namespace}:
            for scope in ("namespace", "lease"):
                kube.create(self._role(place, scope, []))
                kube.create(self._binding(place, scope))

    def thing(self, kind: str, content: Object, version: str, name: str = "operator") -> Object:
        meta = {"name": name, "namespace": self.namespace}
        return {"apiVersion": version, "kind": kind, "metadata": meta, **content}

    def grant(self, rights: tuple[Right, ...]) -> None:
        """Have exactly these rights, each where its scope is."""
        places: dict[Scope, str] = {"namespace": self.namespace, "lease": self.lease_namespace}
        for scope, place in places.items():
            self.kube.update(self._role(place, scope, role_rules(scope, rights)))

    def kubeconfig(self, control_plane: ControlPlane, folder: Path) -> Path:
        """Write the kubeconfig of this account, by a token as a pod's."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/operator/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = self.kube.request("POST", path, request)["status"]["token"]
        settings = yaml.safe_load(control_plane.kubeconfig.read_text())
        settings["users"][0]["user"] = {"token": token}
        (folder / "kubeconfig").write_text(yaml.safe_dump(settings))
        return folder / "kubeconfig"

    def _role(self, place: str, scope: str, rules: list[Object]) -> Object:
        role = self.thing("Role", {"rules": rules}, "rbac.authorization.k8s.io/v1", f"o-{scope}")
        role["metadata"]["namespace"] = place
        return role

    def _binding(self, place: str, scope: str) -> Object:
        group = "rbac.authorization.k8s.io"
        who = {"kind": "ServiceAccount", "name": "operator", "namespace": self.namespace}
        role = {"apiGroup": group, "kind": "Role", "name": f"o-{scope}"}
        bound = {"subjects": [who], "roleRef": role}
        binding = self.thing("RoleBinding", bound, f"{group}/v1", f"o-{scope}")
        binding["metadata"]["namespace"] = place
        return binding


@pytest.fixture(scope="module")
def place(kube: Kube) -> Iterator[tuple[str, str]]:
    """Two namespaces: of Studies, and of the lease."""
    names = tuple(f"{name}-{secrets.token_hex(4)}" for name in ("studies", "system"))
    for name in names:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield names[0], names[1]
    for name in names:
        kube.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@pytest.fixture(scope="module")
def account(kube: Kube, place: tuple[str, str]) -> Account:
    return Account(kube, *place)


@pytest.fixture(scope="module")
def cluster(
    account: Account, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Cluster:
    path = account.kubeconfig(control_plane, tmp_path_factory.mktemp("account"))
    return connect(kubeconfig=path, qps=1000, burst=1000)


def without(right: Right, verb: str) -> tuple[Right, ...]:
    """Return all rights but one verb of one of them."""
    rest = tuple(other for other in right.verbs if other != verb)
    poorer = Right(
        right.group, right.resource, right.subresource, rest, right.why, scope=right.scope
    )
    others = tuple(other for other in RIGHTS if other is not right)
    return (*others, poorer) if rest else others


def lacking(cluster: Cluster, place: tuple[str, str], *beginnings: str) -> list[str]:
    """Return what is missing, once it begins so: the server's copy of the Roles lags a little."""
    found: list[str] = []

    def settled() -> bool:
        found[:] = missing(cluster, *place)
        told = zip(found, beginnings, strict=False)
        return len(found) == len(beginnings) and all(one.startswith(word) for one, word in told)

    eventually(settled, what=lambda: found)
    return found


def test_the_role_is_enough(account: Account, cluster: Cluster, place: tuple[str, str]) -> None:
    account.grant(RIGHTS)
    assert lacking(cluster, place) == []


def test_with_no_right_each_is_named_once(
    account: Account, cluster: Cluster, place: tuple[str, str]
) -> None:
    account.grant(())
    beginnings = [f"may not {verb} {right.full_name} " for right in RIGHTS for verb in right.verbs]
    sentences = lacking(cluster, place, *beginnings)
    assert len(set(sentences)) == len(VERBS)


@pytest.mark.parametrize(("right", "verb"), VERBS)
def test_a_verb_that_lacks_is_named_with_its_consequence_and_the_fix(
    account: Account, cluster: Cluster, place: tuple[str, str], right: Right, verb: str
) -> None:
    account.grant(without(right, verb))
    where = place[1] if right.scope == "lease" else place[0]
    (sentence,) = lacking(cluster, place, f"may not {verb} {right.full_name} ")
    assert f"may not {verb} {right.full_name} in namespace {where}, so {right.why};" in sentence
    grant = yaml.safe_load(sentence[sentence.index("{") :])
    assert grant == {
        "apiGroups": [right.group],
        "resources": [right.rule_resource],
        "verbs": [verb],
    }


def test_another_namespace_is_not_covered(
    account: Account, cluster: Cluster, place: tuple[str, str]
) -> None:
    account.grant(RIGHTS)
    lacking(cluster, place)
    elsewhere = missing(cluster, "default", place[1])
    everywhere = missing(cluster, "*", place[1])
    assert (
        len(elsewhere)
        == len(everywhere)
        == sum(len(right.verbs) for right in RIGHTS if right.scope == "namespace")
    )
    assert "in all namespaces" in everywhere[0]
    assert "a ClusterRole with" in everywhere[0]


def test_the_operator_does_all_it_has_to_with_these_rights_alone(
    account: Account,
    cluster: Cluster,
    place: tuple[str, str],
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    """It makes a gang, tells why a trial failed, stops and goes on, cleans up: never forbidden."""
    kube, (namespace, system) = account.kube, place
    account.grant(RIGHTS)
    lacking(cluster, place)
    operator = OperatorProcess(
        tmp_path,
        account.kubeconfig(control_plane, tmp_path),
        namespace,
        keep_finished=0,
        lease_namespace=system,
    )
    with operator:
        changes = {
            "spec.resources.scratch": {"gpus": 1, "nodes": {"min": 1, "max": 2}},
            "spec.retries": 0,
            "spec.parallelism": 5,
        }
        study = submit(kube, namespace, changes, **outcome("hang"))
        eventually(study.pods, what=study.status)
        study.change({"spec": {"suspend": True}})
        study.wait(lambda it: it.condition("Suspended")[0] == "True")
        labels = outcome("succeed") | outcome("exit-64", of="task-specific.normals")
        study.change({"spec": {"suspend": False}, "metadata": {"labels": labels}})
        study.completed()
        study.wait(lambda it: not it.children("jobs"))
        (bad,) = (f for f in study.status()["failures"] if f["reason"] == "BadTrial")
        assert bad["exitCode"] == 64
        assert study.trials()["failed"] == 1
        assert operator.metric("taskonomy_api_requests_total", code="403") == 0
        path = f"/api/v1/namespaces/{namespace}/events"
        assert {"Started", "TrialsFailed"} <= {e["reason"] for e in kube.items(path)}
        assert operator.terminate() == 0
    assert not operator.said("may not|Forbidden|forbidden")
