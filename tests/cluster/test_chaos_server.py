"""The API server is slow, restarted, forgetful or silent: the study ends as if it had not been."""

import secrets
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import control_plane as planes
import kubernetes_programs
import pytest
from control_plane import ControlPlane
from etcd import compact
from job_watch import JobWatch
from kube import ApiError, Kube, eventually
from kube_proxy import KubeProxy
from operator_process import OperatorProcess
from study_cases import document
from submitted import TEN, digests, outcome, submit

from taskonomy_operator.crd import study_crd

pytestmark = pytest.mark.cluster

FORTY: dict[str, object] = {"spec.tasks.subset": TEN[:5], "spec.transfers.orders": [1]}
"""40 trials."""


@pytest.fixture(scope="module")
def hurt() -> Iterator[ControlPlane]:
    """A control plane of this module's own, whose API server it restarts."""
    programs = kubernetes_programs.programs()
    if programs is None:
        pytest.skip("NO CONTROL PLANE")
    folder = Path(tempfile.mkdtemp(prefix="taskonomy-"))
    with planes.shared(folder, programs, 4) as started:
        know_studies(started.kube)
        yield started
    eventually(lambda: not (folder / "keeper.pid").exists(), what=f"see {folder}/logs")
    shutil.rmtree(folder)


def know_studies(kube: Kube) -> None:
    """Teach a server what a Study is, and wait until it takes one."""
    kube.create(study_crd())

    def taken() -> bool:
        with suppress(ApiError):
            kube.create(document({"metadata.namespace": "default"}), dryRun="All")
            return True
        return False

    eventually(taken)


def each_once(names: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 1))


@pytest.fixture
def place(hurt: ControlPlane) -> str:
    """A namespace on it that is new."""
    name = f"t-{secrets.token_hex(4)}"
    hurt.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts"
    eventually(lambda: hurt.kube.items(account))
    return name


def test_the_api_server_is_restarted_under_it(
    hurt: ControlPlane, place: str, tmp_path: Path
) -> None:
    kube = hurt.kube
    operator = OperatorProcess(tmp_path, hurt.kubeconfig, place)
    with JobWatch(kube, place) as watch, operator:
        study = submit(kube, place, {**FORTY, "spec.parallelism": 8})
        for made in (6, 25):
            watch.wait(partial(has_made, made))
            hurt.restart("kube-apiserver")
        study.completed()
        watch.caught_up()
        assert operator.is_running
    assert watch.made() == watch.succeeded() == each_once(digests(FORTY))
    assert watch.most_live <= 8
    assert study.trials() == {"total": 40, "done": 40}


def has_made(number: int, watch: JobWatch) -> bool:
    return len(watch.jobs) >= number


def test_history_is_forgotten_while_it_does_not_look(
    hurt: ControlPlane, place: str, tmp_path: Path
) -> None:
    """It sleeps, Jobs end and etcd forgets how: its watch is answered 410, and it lists anew."""
    kube, etcd = hurt.kube, socket_of(hurt)
    operator = OperatorProcess(tmp_path, hurt.kubeconfig, place)
    with JobWatch(kube, place) as watch, operator:
        study = submit(
            kube, place, {**FORTY, "spec.parallelism": 8}, **outcome("succeed", seconds=1)
        )
        watch.wait(partial(has_made, 14))
        operator.signal(signal.SIGSTOP)
        watch.wait(lambda seen: not seen.live())
        watch.caught_up()
        compact(etcd)
        hurt.restart("kube-apiserver")
        operator.signal(signal.SIGCONT)
        study.completed()
        watch.caught_up()
    assert watch.made() == watch.succeeded() == each_once(digests(FORTY))


def test_history_is_forgotten_between_two_pages_of_a_list(
    hurt: ControlPlane, place: str, tmp_path: Path
) -> None:
    """The second page is answered 410: a list that is half known must not pass for the whole."""
    kube, etcd = hurt.kube, socket_of(hurt)
    expired: list[str] = []

    def forget(path: str, query: dict[str, str]) -> None:
        if "continue" in query and path.endswith("/jobs") and not expired:
            expired.append(path)
            # what the server itself remembers of the list goes with its process
            kube.create(a_map(place))
            compact(etcd)
            hurt.restart("kube-apiserver")

    with KubeProxy(kube) as proxy, JobWatch(kube, place) as watch:
        through = proxy.kubeconfig(tmp_path / "kubeconfig")
        operator = OperatorProcess(tmp_path, through, place)
        with operator:
            study = submit(kube, place, {**FORTY, "spec.parallelism": 8})
            watch.wait(partial(has_made, 20))
            operator.kill()
            proxy.page, proxy.before = 5, forget
            operator.start()
            study.completed()
            watch.caught_up()
    assert expired
    assert watch.made() == watch.succeeded() == each_once(digests(FORTY))


def socket_of(plane: ControlPlane) -> Path:
    assert plane.folder is not None
    return plane.folder / "etcd.sock"


def a_map(namespace: str) -> dict[str, object]:
    meta = {"name": f"later-{secrets.token_hex(4)}", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def test_a_server_that_is_overrun(kube: Kube, namespace: str, tmp_path: Path) -> None:
    """Every third request is answered 429 with the wish to wait; nothing is made twice for it."""
    with KubeProxy(kube, seed=429) as proxy, JobWatch(kube, namespace) as watch:
        through = proxy.kubeconfig(tmp_path / "kubeconfig")
        with OperatorProcess(tmp_path, through, namespace) as operator:
            operator.ready()
            proxy.refused_share = 1 / 3
            study = submit(kube, namespace, {"spec.parallelism": 9}).completed()
            watch.caught_up()
            assert operator.metric("taskonomy_api_requests_total", code="429") > 0
    assert proxy.asked["refused"] > 10
    assert watch.made() == watch.succeeded() == each_once(digests())
    assert watch.most_live <= 9
    assert study.trials() == {"total": 18, "done": 18}


def test_answers_that_are_lost(kube: Kube, namespace: str, tmp_path: Path) -> None:
    """What was asked is done, and the connection breaks before the answer: asked again, one Job."""
    with KubeProxy(kube, seed=7) as proxy, JobWatch(kube, namespace) as watch:
        through = proxy.kubeconfig(tmp_path / "kubeconfig")
        with OperatorProcess(tmp_path, through, namespace) as operator:
            operator.ready()
            proxy.lost_share = 1 / 4
            submit(kube, namespace, {"spec.parallelism": 9}).completed()
            watch.caught_up()
    assert proxy.asked["lost"] > 5
    assert watch.made() == watch.succeeded() == each_once(digests())


def test_watches_that_fall_silent(kube: Kube, namespace: str, tmp_path: Path) -> None:
    """No connection breaks, and nothing is said any more: it is noticed, and looked up anew."""
    with KubeProxy(kube) as proxy, JobWatch(kube, namespace) as watch:
        through = proxy.kubeconfig(tmp_path / "kubeconfig")
        with OperatorProcess(tmp_path, through, namespace, watch_silence=3) as operator:
            study = submit(
                kube, namespace, {"spec.parallelism": 4}, **outcome("succeed", seconds=1)
            )
            for made in (3, 9):
                watch.wait(partial(has_made, made))
                proxy.silence()
            study.completed()
            watch.caught_up()
            assert operator.is_running
    assert watch.made() == watch.succeeded() == each_once(digests())
    assert watch.most_live <= 4
