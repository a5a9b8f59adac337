"""The copy of a list, and the lease of the acting replica, on a real API server."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml
from control_plane import ControlPlane
from kube import ApiError, Kube, Object, eventually

from taskonomy_operator import reflector as module
from taskonomy_operator.api_errors import Conflict, Refused
from taskonomy_operator.cluster import Cluster, connect
from taskonomy_operator.lease import Lease, Timing
from taskonomy_operator.reflector import Reflector

pytestmark = pytest.mark.cluster

Record = tuple[str, str]


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Cluster:
    return connect(kubeconfig=control_plane.kubeconfig, qps=500, burst=500)


def a_map(namespace: str, name: str, value: str = "", *, study: str = "a") -> Object:
    meta = {"name": name, "namespace": namespace, "labels": {"study": study}}
    data = {"value": value}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def record(thing: Object) -> Record:
    return thing["metadata"]["name"], thing["data"]["value"]


@contextmanager
def reflecting(
    cluster: Cluster,
    namespace: str,
    changed: Callable[[Record], None] = lambda _: None,
    silence: float = 90,
) -> Iterator[Reflector[Record]]:
    stop = threading.Event()
    reflector = Reflector(
        cluster,
        f"/api/v1/namespaces/{namespace}/configmaps",
        selector="study=a",
        trim=record,
        changed=changed,
        silence=silence,
    )
    thread = threading.Thread(target=reflector.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield reflector
    finally:
        stop.set()


def truth(kube: Kube, namespace: str) -> list[Record]:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    return sorted(map(record, kube.items(path, labelSelector="study=a")))


def settles(reflector: Reflector[Record], kube: Kube, namespace: str) -> None:
    eventually(
        lambda: sorted(reflector.records()) == truth(kube, namespace),
        what=lambda: (reflector.trouble, len(reflector.records())),
    )


def test_pages_and_changes_make_the_same_list(
    kube: Kube, cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 10)
    for n in range(35):
        kube.create(a_map(namespace, f"m-{n}"))
    kube.create(a_map(namespace, "of-another-study", study="b"))
    told: list[Record] = []
    with reflecting(cluster, namespace, told.append) as reflector:
        assert reflector.synced.wait(30)
        assert len(reflector.records()) == len(told) == 35
        kube.create(a_map(namespace, "later"))
        kube.patch(a_map(namespace, "m-3"), {"data": {"value": "new"}})
        kube.delete(a_map(namespace, "m-4"))
        kube.patch(a_map(namespace, "m-5"), {"metadata": {"labels": {"study": "b"}}})
        settles(reflector, kube, namespace)
        assert {("later", ""), ("m-3", "new"), ("m-4", ""), ("m-5", "")} <= set(told)
        assert "of-another-study" not in {name for name, _ in told}
        assert reflector.age() < 60
    assert cluster.requests["GET", 200] >= 5  # four pages and a watch


def test_it_outlives_a_restart_and_a_history_that_is_forgotten(
    own_control_plane: ControlPlane,
) -> None:
    """After a restart the server knows no old version: a watch from one is answered 410."""
    kube = own_control_plane.kube
    cluster = connect(kubeconfig=own_control_plane.kubeconfig, qps=500, burst=500)
    kube.create(a_map("default", "first"))
    with reflecting(cluster, "default") as reflector:
        settles(reflector, kube, "default")
        for n in range(3):
            own_control_plane.restart("kube-apiserver")
            _patiently(partial(kube.create, a_map("default", f"after-{n}")))
            settles(reflector, kube, "default")
        reflector._version = "1"
        own_control_plane.restart("kube-apiserver")
        _patiently(lambda: kube.delete(a_map("default", "first")))
        settles(reflector, kube, "default")
        assert reflector._version != "1"


def _patiently(ask: Callable[[], object]) -> None:
    def done() -> bool:
        try:
            ask()
        except (ApiError, OSError):
            return False
        return True

    eventually(done)


def test_a_connection_that_falls_silent_is_given_up(own_control_plane: ControlPlane) -> None:
    """The server is stopped, not ended: no connection breaks, and nothing is said any more."""
    kube, server = own_control_plane.kube, own_control_plane.pid("kube-apiserver")
    cluster = connect(kubeconfig=own_control_plane.kubeconfig)
    with reflecting(cluster, "default", silence=2) as reflector:
        assert reflector.synced.wait(30)
        os.kill(server, signal.SIGSTOP)
        eventually(lambda: reflector.trouble, what="nothing was noticed")
        os.kill(server, signal.SIGCONT)
        kube.create(a_map("default", "after"))
        settles(reflector, kube, "default")


def test_a_missing_right_is_said_with_verb_and_resource(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = kube.request("POST", path, request)["status"]["token"]
    settings = yaml.safe_load(control_plane.kubeconfig.read_text())
    settings["users"][0]["user"] = {"token": token}
    (tmp_path / "poor").write_text(yaml.safe_dump(settings))
    poor = connect(kubeconfig=tmp_path / "poor")
    with pytest.raises(Refused, match='cannot create resource "configmaps"'):
        poor.create(f"/api/v1/namespaces/{namespace}/configmaps", a_map(namespace, "x"))
    with reflecting(poor, namespace) as reflector:
        eventually(lambda: reflector.trouble)
        assert 'cannot list resource "configmaps"' in reflector.trouble
        assert not reflector.synced.is_set()


def test_a_second_creation_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = cluster.create(path, a_map(namespace, "one"))
    with pytest.raises(Conflict, match="already exists"):
        cluster.create(path, a_map(namespace, "one"))
    with pytest.raises(Refused, match="unknown field"):
        cluster.create(path, a_map(namespace, "two") | {"dta": {}})
    cluster.delete(f"{path}/one", uid="another")
    assert cluster.get(f"{path}/one")["metadata"]["uid"] == made["metadata"]["uid"]
    cluster.delete(f"{path}/one", uid=made["metadata"]["uid"])
    cluster.delete(f"{path}/one")


# --- the lease ---------------------------------------------------------------------------------

QUICK = Timing(duration=2.0, deadline=1.5, retry=0.3)


def replica(cluster: Cluster, namespace: str, identity: str) -> Lease:
    return Lease(cluster, namespace=namespace, name="operator", identity=identity, timing=QUICK)


def test_of_many_that_try_at_once_one_holds_it(cluster: Cluster, namespace: str) -> None:
    replicas = [replica(cluster, namespace, f"r-{n}") for n in range(8)]
    gate = threading.Barrier(len(replicas))
    won: list[bool] = []

    def take(one: Lease) -> None:
        gate.wait()
        won.append(one.try_once())

    threads = [threading.Thread(target=take, args=(one,)) for one in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 1
    assert sum(one.is_held for one in replicas) == 1


def test_a_standby_takes_over_from_one_that_died_and_never_before(
    cluster: Cluster, namespace: str
) -> None:
    first, standby = (replica(cluster, namespace, name) for name in ("first", "standby"))
    assert first.try_once()
    assert not standby.try_once()
    # the first is gone without a word: it stops believing in itself before the standby acts
    overlapped = False

    def taken() -> bool:
        nonlocal overlapped
        if not standby.try_once():
            return False
        overlapped = first.is_held
        return True

    eventually(taken, within=30)
    assert not overlapped
    assert not first.try_once()


def test_one_that_ends_hands_it_on_at_once(kube: Kube, cluster: Cluster, namespace: str) -> None:
    first, standby = (replica(cluster, namespace, name) for name in ("first", "standby"))
    stop = threading.Event()
    thread = threading.Thread(target=first.run, args=(stop,))
    thread.start()
    eventually(lambda: first.is_held)
    assert not standby.try_once()
    stop.set()
    thread.join()
    assert not first.is_held
    assert standby.try_once()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/operator"
    spec = kube.get(path)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("standby", 1)
