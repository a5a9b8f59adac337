"""A real Kubernetes of one node on this machine: its pods are containers that run.

etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kube-proxy are built from
`tests/cluster/build/go.mod`, CoreDNS is built too, containerd and runc are the machine's packages.

All of it lives in network, mount and process namespaces of its own. Addresses, iptables chains,
mounts and daemons are in there and nowhere else, no route leads out, and everything ends the moment
the namespace's first process does: there is nothing to clean up one by one, whatever happened. Two
processes keep it: a *keeper* outside, which ends it when nobody uses it any more, and process 1
inside, which starts the daemons. What stays until the keeper removes it is one folder and empty
control groups.
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).parent))
import kubernetes_programs
from kube import Kube, eventually
from one_node_settings import Place, configure

STARTUP = 240.0
"""Seconds the cluster may take to come up on a machine that is busy."""
NEEDED = ("containerd", "ctr", "runc", "iptables", "ip", "unshare", "nsenter", "setpriv", "openssl")
PACKAGES = "containerd runc containernetworking-plugins iptables iproute2 util-linux openssl"


def missing() -> str:
    """Return why no node can be had here, with what to do about it; empty: it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a node needs Linux and root"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if not Path("/usr/lib/cni/bridge").exists():
        absent.append("/usr/lib/cni/bridge")
    if absent:
        return f"{', '.join(absent)} missing; `apt-get install {PACKAGES}`"
    if kubernetes_programs.node_programs() is None:
        return "its programs are not built; `make node` builds them (Go, some minutes, once)"
    return _namespaces_refused()


def _namespaces_refused() -> str:
    """Return why this machine makes no namespaces; empty: it does."""
    tried = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc"]
    tried += ["sh", "-c", "ip link add x type bridge && iptables -t nat -S"]
    ran = subprocess.run(tried, capture_output=True, text=True, check=False)
    return f"no namespaces: {ran.stderr.strip()}" if ran.returncode else ""


# --- a node that runs --------------------------------------------------------------------------


@dataclass(frozen=True)
class OneNode:
    """A one-node cluster that answers."""

    place: Place

    @property
    def kubeconfig(self) -> Path:
        """Reaches it from this machine, with every right."""
        return self.place.folder / "admin.kubeconfig"

    @property
    def kube(self) -> Kube:
        """A client with every right."""
        return Kube(self.kubeconfig)

    @property
    def logs(self) -> Path:
        """What its daemons say."""
        return self.place.folder / "logs"

    @property
    def host_folders(self) -> Path:
        """Where the folders of this machine are that it was given; seen by the node alone."""
        return self.place.folder / "host"

    def import_image(self, archive: Path) -> None:
        """Give the node the images of a docker or OCI archive."""
        command = ["ctr", "--address", self.place.containerd, "--namespace", "k8s.io"]
        subprocess.run(
            [*command, "images", "import", str(archive)], check=True, capture_output=True
        )

    def images(self) -> list[str]:
        """Return the names of the images it has."""
        command = ["ctr", "--address", self.place.containerd, "--namespace", "k8s.io"]
        listed = subprocess.run(
            [*command, "images", "list", "--quiet"], check=True, capture_output=True, text=True
        )
        return listed.stdout.split()

    def inside(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start a program in the cluster's network, as any machine beside it would be."""
        pid = (self.place.folder / "init.pid").read_text()
        return subprocess.Popen(["nsenter", "--target", pid, "--net", *command])

    def keep_logs(self) -> Path:
        """Have the logs stay when the cluster ends, and return where they will be."""
        (self.place.folder / "keep").touch()
        return _kept_logs(self.place)


@contextmanager
def shared(
    run: Path, folders: Sequence[Path] = (), images: Sequence[Path] = ()
) -> Iterator[OneNode]:
    """Use the node of a test run, started by whoever comes first, ended after the last.

    Args:
        run: a folder of the run, the same for all its processes.
        folders: folders of this machine that are shown together in `OneNode.host_folders`.
        images: archives of images that it is to have.

    Raises:
        RuntimeError: it did not come up; the message ends with the logs' last lines.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (
        _locked(run / "start.lock", fcntl.LOCK_EX) as starting,
        _locked(run / "users.lock", fcntl.LOCK_SH),  # the keeper stays while it is held
    ):
        node = _running(run)
        if node is None:
            node = _spawn(run, folders)
            for archive in images:
                node.import_image(archive)
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield node


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[IO[bytes]]:
    with path.open("ab") as file:
        fcntl.flock(file, kind)
        yield file


def _running(run: Path) -> OneNode | None:
    with suppress(FileNotFoundError):
        folder, slot = (run / "ready").read_text().rsplit(" ", 1)
        return OneNode(Place(Path(folder), int(slot)))
    return None


def _spawn(run: Path, folders: Sequence[Path]) -> OneNode:
    """Start a keeper that outlives this process, and wait until its node is ready."""
    command = [sys.executable, str(Path(__file__).resolve()), "keep", str(run)]
    with (run / "keeper.log").open("wb") as said:
        keeper = subprocess.Popen(
            [*command, *map(str, folders)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    deadline = time.monotonic() + STARTUP + 30
    while (node := _running(run)) is None:
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no node:\n{(run / 'keeper.log').read_text()}")
        time.sleep(0.1)
    keeper.returncode = 0  # it outlives this process: nobody is to wait for it
    return node


# --- outside: the keeper -----------------------------------------------------------------------


def keep(run: Path, folders: Sequence[Path]) -> None:
    """Be the keeper of a node until told to end, or until nobody uses it."""
    told = _ends_when_told()
    with (run / "users.lock").open("ab") as users, _claimed_place() as place:
        _remove(place)
        place.folder.mkdir(parents=True)
        configure(place)
        _show_to_namespace(place, folders)
        _cgroups(place, _make_group)
        world = _new_world(place)
        try:
            _until(lambda: (place.folder / "up").exists(), world, place)
            (run / "ready").write_text(f"{place.folder} {place.slot}")
            while world.poll() is None and not told() and not _nobody_holds(users):
                time.sleep(0.3)
        finally:
            (run / "ready").unlink(missing_ok=True)
            world.kill()
            world.wait()
            _remove(place)


def _ends_when_told() -> Callable[[], bool]:
    said: list[int] = []
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda number, _frame: said.append(number))
    return lambda: bool(said)


@contextmanager
def _claimed_place() -> Iterator[Place]:
    """Give the first place that no other keeper of this machine has."""
    home = kubernetes_programs.home() / "node"
    home.mkdir(parents=True, exist_ok=True)
    for slot in range(8):
        with (home / f"{slot}.lock").open("ab") as claim, suppress(BlockingIOError):
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Place(home / str(slot), slot)
            return
    raise RuntimeError("8 one-node clusters are up already")


def _show_to_namespace(place: Place, folders: Sequence[Path]) -> None:
    (place.folder / "host").mkdir()
    for folder in folders:
        (place.folder / "host" / folder.name).mkdir()
    (place.folder / "binds").write_text("\n".join(map(str, folders)))


def _cgroups(place: Place, act: Callable[[Path], None]) -> None:
    """Make or remove the pods' control group, in each hierarchy if there are several."""
    root = Path("/sys/fs/cgroup")
    several = [each.parent for each in root.glob("*/cgroup.procs")]
    for hierarchy in [root] if (root / "cgroup.controllers").exists() else several:
        if not hierarchy.is_symlink():
            act(hierarchy / place.cgroup.strip("/"))


def _make_group(group: Path) -> None:
    group.mkdir()
    weight = group / "cpu.shares"
    if weight.exists():  # all pods together are not one process among many
        weight.write_text("4096")


def _new_world(place: Place) -> "subprocess.Popen[bytes]":
    """Start process 1 in namespaces of its own; it ends with this process, and all with it."""
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net", "--fork"]
    command += ["--propagation", "private", "--mount-proc", "--kill-child=SIGKILL"]
    command += [sys.executable, str(Path(__file__).parent / "one_node_init.py")]
    world = subprocess.Popen([*command, str(place.folder), str(place.slot)])
    children = Path(f"/proc/{world.pid}/task/{world.pid}/children")
    first = eventually(lambda: children.read_text().split(), within=20, what="no process 1")[0]
    (place.folder / "init.pid").write_text(first)
    pair = ["ip", "link", "add", place.outer_interface, "type", "veth", "peer", "name", "outside0"]
    _until(lambda: _is_apart(first), world, place)
    subprocess.run([*pair, "netns", first], check=True)
    address = ["ip", "address", "add", f"{place.outer}/30", "dev", place.outer_interface]
    subprocess.run(address, check=True)
    subprocess.run(["ip", "link", "set", place.outer_interface, "up"], check=True)
    return world


def _is_apart(pid: str) -> bool:
    """Return whether a process has a network of its own already."""
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def _until(holds: Callable[[], bool], world: "subprocess.Popen[bytes]", place: Place) -> None:
    deadline = time.monotonic() + STARTUP
    while not holds():
        if world.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the node does not come up:\n{_last_words(place)}")
        time.sleep(0.1)


def _last_words(place: Place) -> str:
    return "\n".join(
        f"--- {log.name}\n{log.read_text(errors='replace')[-1000:]}"
        for log in sorted((place.folder / "logs").glob("*"))
    )


def _nobody_holds(users: IO[bytes]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(place: Place) -> None:
    """Remove what a world that has ended leaves: a folder, and empty control groups.

    Its mounts were its own and are gone, so a volume's folder of this machine is never walked into.
    """
    if (place.folder / "keep").exists():
        shutil.rmtree(_kept_logs(place), ignore_errors=True)
        shutil.copytree(place.folder / "logs", _kept_logs(place))
    if place.folder.exists():
        shutil.rmtree(place.folder)
    eventually(lambda: _emptied(place), within=30, what=f"processes stay in {place.cgroup}")


def _kept_logs(place: Place) -> Path:
    return place.folder.with_name(f"{place.slot}-logs")


def _emptied(place: Place) -> bool:
    with suppress(OSError):  # a process of it is still dying
        _cgroups(place, _remove_groups)
        return True
    return False


def _remove_groups(top: Path) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        Path(folder).rmdir()


# --- for people --------------------------------------------------------------------------------


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build what a node needs, unless it is cached")
    up = verbs.add_parser("up", help="start a node, say how to reach it, end it on Ctrl-C")
    keeping = verbs.add_parser("keep")
    for verb in (up, keeping):
        verb.add_argument("run", type=Path)
        verb.add_argument("folders", type=Path, nargs="*")
    asked = parser.parse_args()
    if asked.verb == "build":
        print(kubernetes_programs.build_node())
    elif asked.verb == "keep":
        keep(asked.run, asked.folders)
    else:
        if why := missing():
            sys.exit(f"NO NODE: {why}")
        with shared(asked.run, asked.folders) as node:
            print(f"export KUBECONFIG={node.kubeconfig}; images go in by `ctr --address", end=" ")
            print(f"{node.place.containerd} -n k8s.io images import`; Ctrl-C ends it", flush=True)
            with suppress(KeyboardInterrupt):
                signal.pause()


if __name__ == "__main__":
    main()
