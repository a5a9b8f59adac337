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
import hashlib
import json
import os
import secrets
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
from typing import IO, Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))
from kube import ApiError, Kube, Object, eventually
from real_servers import free_ports

BUILD = Path(__file__).parents[1] / "cluster" / "build"
"""The Go module that pins every program."""
STAGES = Path(__file__).parents[1] / "cluster" / "kwok" / "stages.yaml"
"""How kwok plays nodes and pods."""

KUBERNETES = "v1.34.4"
"""Version the programs say they are: without it charts that ask for a version are refused."""
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
"""Go package of each program. One module graph, so each builds on what the one before compiled.
A program more is a line here, `go get -tool PACKAGE` in `tests/cluster/build`, and its place in
what is built: kubectl is for people, so `build` leaves it to `up`."""
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""What tests need, in the order it is started; it is ended in the opposite one."""

GPUS_OF_A_NODE = 8
MOST_DEATHS = 100
"""Times a program is started again: tests kill some on purpose."""
STARTUP = 120.0
"""Seconds a control plane may take to come up on a machine that is busy."""


# --- programs: given, cached or built ----------------------------------------------------------


def programs() -> Path | None:
    """Return the folder of the programs: a given one, else the cached build; None: neither."""
    given = os.environ.get("TASKONOMY_CONTROL_PLANE_BIN")
    folder = Path(given) if given else cache()
    return folder if all((folder / name).exists() for name in CONTROL_PLANE) else None


def cache() -> Path:
    """Return where this version's build lies: a change of a pin makes another folder."""
    pins = b"".join((BUILD / name).read_bytes() for name in ("go.mod", "go.sum"))
    key = hashlib.sha256(pins + KUBERNETES.encode()).hexdigest()[:12]
    home = os.environ.get("TASKONOMY_CACHE") or Path.home() / ".cache" / "taskonomy"
    return Path(home) / "control-plane" / key


def build(names: tuple[str, ...]) -> Path:
    """Build what is missing into the cache and return it; Go must be there.

    Raises:
        SystemExit: there is no Go, or the build failed; the message says what to do.
    """
    folder = cache()
    missing = [name for name in names if not (folder / name).exists()]
    if missing and shutil.which("go") is None:
        _leave("NO CONTROL PLANE: `go` (1.24 or later) builds it; install Go and run again")
    for name in missing:
        _go_build(name, folder)
    return folder


def _go_build(name: str, folder: Path) -> None:
    print(f"building {name} …", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    facts = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    said = "".join(
        f" -X k8s.io/component-base/version.{key}={value}" for key, value in facts.items()
    )
    # Built under another name and renamed, so that what has its name is whole.
    unfinished = folder / f".{name}.{os.getpid()}"
    command = ["go", "build", "-trimpath", "-ldflags", f"-s -w{said}", "-o", str(unfinished)]
    built = subprocess.run(
        [*command, PACKAGES[name]], cwd=BUILD, env=os.environ | {"CGO_ENABLED": "0"}, check=False
    )
    if built.returncode:
        _leave(f"NO CONTROL PLANE: building {name} failed")
    unfinished.rename(folder / name)


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
        self.commands = _commands(folder, self.port)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.deaths: Counter[str] = Counter()

    def bring_up(self, gpu_nodes: int) -> None:
        """Start everything and return once pods can be run."""
        _credentials(self.folder, self.port)
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


# --- what the programs are told ----------------------------------------------------------------


def _commands(folder: Path, port: int) -> dict[str, list[str]]:
    etcd = f"unix://{folder}/etcd.sock"
    pki = folder / "pki"
    quick = ["--kube-api-qps=300", "--kube-api-burst=600", "--leader-elect=false"]
    return {
        "etcd": [
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls={etcd}",
            "--advertise-client-urls=http://localhost:1",  # must be host:port; nobody goes there
            f"--listen-peer-urls=unix://{folder}/peer.sock",
            "--unsafe-no-fsync=true",
            "--quota-backend-bytes=2147483648",
        ],
        "kube-apiserver": [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={port}",
            f"--cert-dir={pki}",
            f"--token-auth-file={pki}/tokens.csv",
            "--authorization-mode=RBAC",
            # Pods that ask for GPUs may go to nodes tainted for those that do.
            "--enable-admission-plugins=ExtendedResourceToleration",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/accounts.key",
            f"--service-account-signing-key-file={pki}/accounts.key",
            "--shutdown-delay-duration=0s",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={folder}/controller-manager.kubeconfig",
            f"--service-account-private-key-file={pki}/accounts.key",
            f"--root-ca-file={pki}/apiserver.crt",
            "--use-service-account-credentials",
            "--secure-port=0",
            "--concurrent-job-syncs=10",
            *quick,
        ],
        "kube-scheduler": [
            f"--kubeconfig={folder}/scheduler.kubeconfig",
            "--secure-port=0",
            *quick,
        ],
        "kwok": [
            f"--kubeconfig={folder}/admin.kubeconfig",
            "--manage-nodes-with-label-selector=type=kwok",
            "--node-lease-duration-seconds=40",
            "--cidr=10.245.0.0/16",
            "--node-ip=10.245.255.254",
            f"--config={STAGES}",
        ],
    }


def _credentials(folder: Path, port: int) -> None:
    """Write a token for each client, and a kubeconfig each."""
    pki = folder / "pki"
    key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]
    subprocess.run([*key, "-out", str(pki / "accounts.key")], check=True, capture_output=True)
    users = {
        "admin": ("admin", "system:masters"),
        "controller-manager": ("system:kube-controller-manager", ""),
        "scheduler": ("system:kube-scheduler", ""),
    }
    rows = []
    for file, (user, groups) in users.items():
        token = secrets.token_hex(16)
        rows.append(f'{token},{user},{user},"{groups}"\n')
        config = json.dumps(_kubeconfig(folder, port, token))
        (folder / f"{file}.kubeconfig").write_text(config)
        (folder / f"{file}.kubeconfig").chmod(0o600)
    (pki / "tokens.csv").write_text("".join(rows))


def _kubeconfig(folder: Path, port: int, token: str) -> Object:
    authority = f"{folder}/pki/apiserver.crt"
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": server}],
        "users": [{"name": "test", "user": {"token": token}}],
    }


def nodes(gpu_nodes: int) -> Iterator[Object]:
    """Yield the nodes: some with 8 GPUs, tainted as GPU nodes are, and two without."""
    for index in range(gpu_nodes):
        taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
        yield _node(f"gpu-{index}", {"nvidia.com/gpu": str(GPUS_OF_A_NODE)}, [taint])
    for index in range(2):
        yield _node(f"cpu-{index}", {}, [])


def _node(name: str, extra: dict[str, str], taints: list[Object]) -> Object:
    size = {"cpu": "96", "memory": "768Gi", "ephemeral-storage": "1Ti", "pods": "200"} | extra
    labels = {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    labels |= {"kubernetes.io/arch": "amd64"}
    if extra:
        labels["nvidia.com/gpu.present"] = "true"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": taints},
        "status": {"capacity": size, "allocatable": size},
    }


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


def _leave(message: str) -> NoReturn:
    print(message, file=sys.stderr, flush=True)
    sys.exit(1)


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
