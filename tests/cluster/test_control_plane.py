"""The control plane of the tests itself: shared, hurt on purpose, and ended with its last user."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import control_plane as planes
import kubernetes_programs
import pytest
from control_plane import ControlPlane
from kube import ApiError, Kube, eventually

pytestmark = pytest.mark.cluster

HELPERS = Path(planes.__file__).parent

USER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import control_plane
import kubernetes_programs
with control_plane.shared(Path(sys.argv[2]), kubernetes_programs.programs(), gpu_nodes=1) as plane:
    print(plane.kube.get("/version")["gitVersion"], plane.pid("etcd"), flush=True)
    sys.stdin.read()
"""


def test_users_share_one_and_the_last_one_ends_it() -> None:
    programs = kubernetes_programs.programs()
    if programs is None:
        pytest.skip("NO CONTROL PLANE")
    folder = Path(tempfile.mkdtemp(prefix="taskonomy-"))
    command = [sys.executable, "-c", USER, str(HELPERS), str(folder)]
    users = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [user.stdout.readline() for user in users if user.stdout]
    assert said[0] == said[1]
    version, etcd = said[0].split()
    assert version == kubernetes_programs.KUBERNETES
    users[0].kill()  # a user that is killed holds nothing back
    users[0].communicate()
    time.sleep(1)
    assert planes.running(folder) is not None
    users[1].communicate("")
    eventually(lambda: not _is_alive(int(etcd)), within=30, what="etcd is still there")
    eventually(lambda: [f for f in folder.iterdir() if f.suffix != ".lock"] == [], within=30)
    shutil.rmtree(folder)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_version_is_the_one_that_is_pinned(kube: Kube, control_plane: ControlPlane) -> None:
    if control_plane.folder is None:
        pytest.skip("somebody else's cluster")
    assert kube.get("/version")["gitVersion"] == kubernetes_programs.KUBERNETES
    pins = (kubernetes_programs.BUILD / "go.mod").read_text()
    assert f"k8s.io/kubernetes {kubernetes_programs.KUBERNETES}" in pins


def test_what_is_killed_is_started_again_and_forgets_nothing(
    own_control_plane: ControlPlane,
) -> None:
    kube = own_control_plane.kube
    meta = {"name": "kept", "namespace": "default"}
    kept = kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    for name in ("kube-apiserver", "kube-controller-manager", "etcd", "kwok"):
        own_control_plane.restart(name)
    found = eventually(lambda: _answer(kube), what="the API server does not find its etcd again")
    assert found["metadata"]["uid"] == kept["metadata"]["uid"]


def test_a_paused_server_is_silent_and_then_goes_on(own_control_plane: ControlPlane) -> None:
    kube = own_control_plane.kube
    server = own_control_plane.pid("kube-apiserver")
    os.kill(server, signal.SIGSTOP)
    with pytest.raises(OSError, match="timed out"):
        kube.request("GET", "/version", timeout=1)
    os.kill(server, signal.SIGCONT)
    assert kube.get("/version")["gitVersion"] == kubernetes_programs.KUBERNETES
    assert own_control_plane.pid("kube-apiserver") == server


def _answer(kube: Kube) -> object:
    try:
        return kube.get("/api/v1/namespaces/default/configmaps/kept")
    except (ApiError, OSError):
        return None
