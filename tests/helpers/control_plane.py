"""A real Kubernetes control plane on this machine's loopback, with GPU nodes that kwok plays.

    python tests/helpers/control_plane.py build              # once: about 10 minutes on two cores
    python tests/helpers/control_plane.py up [--gpu-nodes N] # prints what to export
    python tests/helpers/control_plane.py down

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the real programs, built from
`tests/cluster/build/go.mod`; Jobs, Services, quotas and RBAC behave as on any cluster. Nodes and
pods are kwok's: nothing runs in them, `tests/cluster/kwok/stages.yaml` says how they end.

A *keeper* process starts the programs, starts again what dies, and ends them in the right order
when it is told to, or when nobody holds the lock file of the control plane any more: so several
test processes share one, and a test process that is killed leaves nothing behind. etcd listens on
a Unix socket alone and the API server on a port that is claimed, so any number may run at once.
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).parent))
from control_plane_settings import GPUS_OF_A_NODE, commands, credentials, nodes
from kube import ApiError, Kube, Object, eventually
from kubernetes_programs import CONTROL_PLANE, PACKAGES, build
from real_servers import free_ports

MOST_DEATHS = 100
"""Times a program is started again: tests kill some on purpose."""
STARTUP = 120.0
"""Seconds a control plane may take to come up on a machine that is busy."""


# --- a control plane that runs -----------------------------------------------------------------


@dataclass(frozen=True)
class ControlPlane:
    """A control plane that answers; `folder` holds its logs, pids and kubeconfig."""

    kubeconfig: Path
    folder: Path | None = None
    """None: somebody else's cluster, named by TASKONOMY_TEST_KUBECONFIG; it cannot be hurt."""

    @property
    def kube(self) -> Kube:
        """A client with every right."""
        return Kube(self.kubeconfig)

    def pid(self, name: str) -> int:
        """Return the process of a program, to pause it (SIGSTOP), resume it, or kill it."""
        return int(self._file(f"pids/{name}").read_text())

    def restart(self, name: str) -> None:
        """Kill a program and wait until the keeper has started it again and the server answers."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.pid(name) != before, what=f"{name} is not started again")
        eventually(lambda: _ready(self.kube), within=STARTUP, what="the API server does not answer")

    def keep_logs(self) -> Path:
        """Have the folder stay when the control plane ends, and return where its logs are."""
        self._file("keep").touch()
        return self._file("logs")

    def _file(self, name: str) -> Path:
        if self.folder is None:
            raise RuntimeError("this cluster is not ours to restart")
        return self.folder / name


def running(folder: Path) -> ControlPlane | None:
    """Return the control plane of a folder, if its keeper says that it is up."""
    up = (folder / "ready").exists()
    return ControlPlane(folder / "admin.kubeconfig", folder) if up else None


@contextmanager
def shared(folder: Path, programs: Path, gpu_nodes: int) -> Iterator[ControlPlane]:
    """Use the control plane of a folder, started by whoever comes first, ended after the last.

    Raises:
        RuntimeError: it did not come up; the message ends with the log's last lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        _locked(folder / "start.lock", fcntl.LOCK_EX) as starting,
        _locked(folder / "users.lock", fcntl.LOCK_SH),  # the keeper stays while it is held
    ):
        if running(folder) is None:
            _spawn(folder, programs, gpu_nodes, until_unused=True)
        control_plane = running(folder)
        fcntl.flock(starting, fcntl.LOCK_UN)
        assert control_plane is not None
        yield control_plane


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[IO[bytes]]:
    with path.open("ab") as file:
        fcntl.flock(file, kind)
        yield file


def _spawn(folder: Path, programs: Path, gpu_nodes: int, *, until_unused: bool) -> None:
    """Start a keeper that outlives this process, and wait until its control plane is up."""
    (folder / "logs").mkdir(exist_ok=True)
    command = [sys.executable, str(Path(__file__).resolve()), "keep", str(folder), str(programs)]
    command += ["--gpu-nodes", str(gpu_nodes), *(["--until-unused"] if until_unused else [])]
    with (folder / "logs" / "keeper").open("ab") as said:
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
    deadline = time.monotonic() + STARTUP + 30
    while running(folder) is None:
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no control plane: see {folder}/logs\n{_last_words(folder)}")
        time.sleep(0.1)
    keeper.returncode = 0  # it outlives this process: nobody is to wait for it


def _last_words(folder: Path) -> str:
    return "\n".join(
        f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}"
        for log in sorted((folder / "logs").iterdir())
    )


# --- the keeper --------------------------------------------------------------------------------


class Keeper:
    """Starts the programs, starts again what dies, ends all in the opposite order."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        self.is_told_to_end = False
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._note)
        for name in ("logs", "pids", "pki"):
            (folder / name).mkdir(exist_ok=True)
        (self.port,) = free_ports(1)
        self.commands = commands(folder, self.port)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.deaths: Counter[str] = Counter()

    def bring_up(self, gpu_nodes: int) -> None:
        """Start everything and return once pods can be run."""
        credentials(self.folder, self.port)
        self.start("etcd")
        self.start("kube-apiserver")
        kubeconfig = self.folder / "admin.kubeconfig"
        certificate = self.folder / "pki" / "apiserver.crt"
        self._until(lambda: certificate.exists() and _ready(Kube(kubeconfig)))
        kube = Kube(kubeconfig)
        for name in CONTROL_PLANE[2:]:
            self.start(name)
        for node in nodes(gpu_nodes):
            kube.create(node)
        self._until(lambda: _exists(kube, "/api/v1/namespaces/default/serviceaccounts/default"))
        self._until(lambda: all(map(_is_ready, kube.items("/api/v1/nodes"))))

    def start(self, name: str) -> None:
        """Start a program; its output goes to the end of its log."""
        with (self.folder / "logs" / name).open("ab") as said:
            self.children[name] = subprocess.Popen(
                [str(self.programs / name), *self.commands[name]],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.folder,
                start_new_session=True,
            )
        written = self.folder / "pids" / f".{name}"
        written.write_text(str(self.children[name].pid))
        written.rename(self.folder / "pids" / name)

    def revive(self) -> None:
        """Start again what has died.

        Raises:
            RuntimeError: something dies again and again.
        """
        for name, child in self.children.items():
            if child.poll() is not None:
                print(f"{name} ended with {child.returncode}; it is started again", flush=True)
                self.deaths[name] += 1
                if self.deaths[name] > MOST_DEATHS:
                    raise RuntimeError(f"{name} does not stay up; see {self.folder}/logs/{name}")
                self.start(name)

    def end(self) -> None:
        """End all, the last started first: an API server whose etcd is gone hangs on SIGTERM."""
        for name in reversed(CONTROL_PLANE):
            child = self.children.get(name)
            if child is None:
                continue
            child.send_signal(signal.SIGCONT)  # one that a test has paused
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _note(self, *_: object) -> None:
        # noted, not raised: the programs end one after another, not in a traceback
        self.is_told_to_end = True

    def _until(self, holds: Any) -> None:
        def held() -> bool:
            if self.is_told_to_end:
                raise RuntimeError("told to end before it was up")
            dead = [name for name, child in self.children.items() if child.poll() is not None]
            if dead:
                raise RuntimeError(f"{dead[0]} died; see {self.folder}/logs/{dead[0]}")
            return bool(holds())

        eventually(held, within=STARTUP, what="the control plane does not come up")


def keep(folder: Path, programs: Path, gpu_nodes: int, *, until_unused: bool) -> None:
    """Be the keeper of a control plane until told to end, or until nobody uses it."""
    with (
        _locked(folder / "keeper.lock", fcntl.LOCK_EX),
        (folder / "users.lock").open("ab") as users,
    ):
        (folder / "keeper.pid").write_text(str(os.getpid()))
        (folder / "keep").touch()  # until it is up, its logs may be needed
        keeper = Keeper(folder, programs)
        try:
            keeper.bring_up(gpu_nodes)
            (folder / "keep").unlink()
            (folder / "ready").touch()
            while not keeper.is_told_to_end and not (until_unused and _nobody_holds(users)):
                keeper.revive()
                time.sleep(0.3)
        finally:
            (folder / "ready").unlink(missing_ok=True)
            keeper.end()
            _tidy(folder)


def _nobody_holds(users: IO[bytes]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tidy(folder: Path) -> None:
    """Remove the state; logs stay if somebody asked for that, lock files as others may wait."""
    for entry in folder.iterdir():
        if entry.is_dir() and not (entry.name == "logs" and (folder / "keep").exists()):
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.is_file() and entry.suffix not in {".lock"}:
            entry.unlink(missing_ok=True)


def _ready(kube: Kube) -> bool:
    try:
        return bool(kube.get("/readyz")["message"] == "ok")
    except (ApiError, OSError):
        return False


def _exists(kube: Kube, path: str) -> bool:
    try:
        kube.get(path)
    except ApiError:
        return False
    return True


def _is_ready(node: Object) -> bool:
    conditions = node["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


# --- for people --------------------------------------------------------------------------------

PERSONAL = Path(tempfile.gettempdir()) / f"taskonomy-cluster-{os.getuid()}"
"""State of the control plane that `make cluster-up` starts. A socket's path must be short."""


def up(gpu_nodes: int) -> None:
    """Start the personal control plane and say how to reach it."""
    folder = build(tuple(PACKAGES))
    began = time.monotonic()
    if running(PERSONAL) is None:
        PERSONAL.mkdir(exist_ok=True, mode=0o700)
        _spawn(PERSONAL, folder, gpu_nodes, until_unused=False)
    seconds = time.monotonic() - began
    print(f"# up in {seconds:.1f} s: {gpu_nodes} nodes with {GPUS_OF_A_NODE} GPUs each")
    print(f"export KUBECONFIG={PERSONAL}/admin.kubeconfig PATH={folder}:$PATH")


def down() -> None:
    """End the personal control plane by its keeper."""
    pid = PERSONAL / "keeper.pid"
    if not pid.exists():
        print("nothing is up")
        return
    with suppress(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGTERM)
    eventually(lambda: not pid.exists(), within=60, what=f"see {PERSONAL}/logs")
    print("down")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build what tests need, unless it is cached")
    verbs.add_parser("down", help="end what up started")
    starting, keeping = verbs.add_parser("up"), verbs.add_parser("keep")
    keeping.add_argument("folder", type=Path)
    keeping.add_argument("programs", type=Path)
    keeping.add_argument("--until-unused", action="store_true")
    for verb in (starting, keeping):
        verb.add_argument("--gpu-nodes", type=int, default=8)
    asked = parser.parse_args()
    if asked.verb == "build":
        print(build(CONTROL_PLANE))
    elif asked.verb == "up":
        up(asked.gpu_nodes)
    elif asked.verb == "down":
        down()
    else:
        keep(asked.folder, asked.programs, asked.gpu_nodes, until_unused=asked.until_unused)


if __name__ == "__main__":
    main()
