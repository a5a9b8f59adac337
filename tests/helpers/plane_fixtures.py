"""Fixtures for conftests: the control plane of cluster tests, a namespace for each of them."""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import control_plane as planes
import kubernetes_programs
import pytest
from control_plane import ControlPlane
from kube import ApiError, Kube, eventually

from taskonomy_operator.crd import study_crd

GPU_NODES = 8
"""64 GPUs: more than the Jobs of any test at once."""

MISSING = (
    "NO CONTROL PLANE: none of the cluster tests ran. `make control-plane` builds one (Go, about "
    "10 minutes on 2 cores, once); TASKONOMY_CONTROL_PLANE_BIN names a folder of built programs, "
    "TASKONOMY_TEST_KUBECONFIG a cluster that may be written to"
)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real control plane: given, cached or built; one for all processes of this run."""
    given = os.environ.get("TASKONOMY_TEST_KUBECONFIG")
    if given:
        yield ControlPlane(Path(given))
        return
    with planes.shared(_folder(tmp_path_factory), _programs(), GPU_NODES) as started:
        yield started


@pytest.fixture
def own_control_plane() -> Iterator[ControlPlane]:
    """A control plane of the test's own, to be hurt: programs killed, paused, restarted."""
    folder = Path(tempfile.mkdtemp(prefix="taskonomy-"))
    with planes.shared(folder, _programs(), GPU_NODES) as started:
        yield started
    eventually(lambda: not (folder / "keeper.pid").exists(), what=f"see {folder}/logs")
    shutil.rmtree(folder)


def _programs() -> Path:
    programs = kubernetes_programs.programs()
    if programs is None:
        pytest.skip(MISSING)
    return programs


def _folder(factory: pytest.TempPathFactory) -> Path:
    """Return the one folder of this run: workers of xdist have temporary folders side by side."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "plane"
    if len(str(folder)) < 80:
        return folder
    # the path of a Unix socket ends at 107 characters
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"taskonomy-plane-{key}"


@pytest.fixture(scope="session")
def kube(control_plane: ControlPlane) -> Kube:
    """A client with every right, on a server that knows Studies."""
    return know_studies(control_plane.kube)


def know_studies(client: Kube) -> Kube:
    """Teach a server what a Study is, and wait until it serves them."""
    crd = study_crd()
    try:
        client.create(crd)
    except ApiError as error:
        if error.code != 409:
            raise
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    eventually(lambda: _is_established(client, path), what=lambda: client.get(path)["status"])
    return client


def _is_established(client: Kube, path: str) -> bool:
    conditions = client.get(path).get("status", {}).get("conditions") or []
    served = any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
    if served:
        with suppress(ApiError):
            client.get("/apis/taskonomy.dev/v1alpha1/studies")
            return True
    return False


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """A namespace of the test's own, as strict about pods as Kubernetes can be."""
    name = f"t-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    thing = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }
    kube.create(thing)
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    eventually(lambda: _found(kube, account), what="no default service account")
    yield name
    kube.delete(thing)


def _found(client: Kube, path: str) -> bool:
    with suppress(ApiError):
        return bool(client.get(path))
    return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the control plane's logs when a test fails, and say where they are."""
    report = yield
    plane = getattr(item, "funcargs", {}).get("control_plane")
    if report.failed and isinstance(plane, ControlPlane) and plane.folder is not None:
        report.sections.append(("control plane", f"logs: {plane.keep_logs()}"))
    return report
