"""Process 1 of a one-node cluster's world: its mounts, its network, its daemons.

Started by `one_node.py` in namespaces of its own. When it ends, for whatever reason, the kernel
ends everything in there.
"""

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parent))
import kubernetes_programs
from kube import ApiError, Kube
from one_node_settings import (
    API_SERVICE_IP,
    BRIDGE,
    BRIDGE_IP,
    NODE,
    PAUSE_IMAGE,
    POD_CIDR,
    SERVICE_CIDR,
    Place,
    commands,
    dns_service,
)

STARTUP = 200.0
SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
"""What a kubelet wants to set, and would for the whole machine: it is shown files that say so."""


def main() -> None:
    """Bring the world up, then start nothing more and bury the dead."""
    place = Place(Path(sys.argv[1]), int(sys.argv[2]))
    (place.folder / "logs").mkdir()
    mounts(place)
    network(place)
    daemons = Daemons(place)
    bring_up(place, daemons)
    (place.folder / "up").touch()
    while True:
        daemons.bury()
        time.sleep(0.2)


def bring_up(place: Place, daemons: "Daemons") -> None:
    """Start the daemons, each when what it needs answers."""
    kube = Path(place.folder / "admin.kubeconfig")
    for name in ("containerd", "etcd", "kube-apiserver"):
        daemons.start(name)
    daemons.until(lambda: Path(place.containerd).exists())
    import_pause(place)
    daemons.until(
        lambda: (place.folder / "pki/apiserver.crt").exists() and answers(kube, "/readyz")
    )
    for name in ("kube-controller-manager", "kube-scheduler", "coredns", "kubelet"):
        daemons.start(name)
    for thing in dns_service():
        Kube(kube).create(thing)
    daemons.until(lambda: answers(kube, "/api/v1/namespaces/default/serviceaccounts/default"))
    daemons.until(lambda: node_is_ready(kube))
    daemons.start("kube-proxy")
    daemons.until(lambda: connects(API_SERVICE_IP, 443))
    daemons.until(lambda: urlopen("http://127.0.0.1:8181/ready", timeout=2).status == 200)


class Daemons:
    """The programs of the cluster. One that dies takes the world with it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.commands = commands(place)
        self.running: dict[int, str] = {}

    def start(self, name: str) -> None:
        """Start one; its output goes to its log."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        given = kubernetes_programs.node_program(name)
        with (self.place.folder / "logs" / name).open("ab") as said:
            child = subprocess.Popen(
                [given or name, *self.commands[name]],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.place.folder,
                env=environment,
                start_new_session=True,
            )
        self.running[child.pid] = name
        child.returncode = 0  # `bury` waits for it, not this object

    def bury(self) -> None:
        """Wait for whatever has ended, adopted processes of containers too.

        Raises:
            SystemExit: a daemon has.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.running:
                sys.exit(f"{self.running[pid]} ended with {os.waitstatus_to_exitcode(status)}")

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            SystemExit: it takes too long, or a daemon ends.
        """
        deadline = time.monotonic() + STARTUP
        while True:
            self.bury()
            with suppress(OSError):
                if holds():
                    return
            if time.monotonic() > deadline:
                sys.exit(f"not so in {STARTUP:g} s: {holds.__code__.co_firstlineno}")
            time.sleep(0.1)


# --- what surrounds them -----------------------------------------------------------------------


def mounts(place: Place) -> None:
    """Give the daemons empty places for what they leave lying about, and this machine's folders."""
    run("mount", "--make-rshared", "/")
    for empty in ("/run", "/var/log", "/var/lib"):
        run("mount", "-t", "tmpfs", "tmpfs", empty)
    for name, value in SYSCTLS.items():
        shown = Path("/run") / name.replace("/", ".")
        shown.write_text(f"{value}\n")
        run("mount", "--bind", str(shown), f"/proc/sys/{name}")
    for source in (place.folder / "binds").read_text().splitlines():
        target = str(place.folder / "host" / Path(source).name)
        run("mount", "--bind", source, target)
        run("mount", "-o", "remount,bind,ro", target)


def network(place: Place) -> None:
    """Make the bridge that pods are on, and address the way in from outside.

    There is no default route, and what pods send goes to pods or nowhere.
    """
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "address", "02:00:00:00:00:01", "type", "bridge")
    run("ip", "address", "add", f"{BRIDGE_IP}/{POD_CIDR.partition('/')[2]}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    run("ip", "route", "add", SERVICE_CIDR, "dev", BRIDGE)
    while not Path("/proc/net/dev_snmp6/outside0").exists() and "outside0" not in interfaces():
        time.sleep(0.05)
    run("ip", "address", "add", f"{place.inner}/30", "dev", "outside0")
    run("ip", "link", "set", "outside0", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    run("iptables", "--wait", "--append", "FORWARD", "--out-interface", "outside0", "-j", "REJECT")


def interfaces() -> str:
    """Return the names of this namespace's interfaces, as the kernel lists them."""
    return Path("/proc/net/dev").read_text()


def run(*command: str) -> None:
    """Run a command; what it says on failure ends this process."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}: {ran.stderr}")


def import_pause(place: Place) -> None:
    """Give containerd the image that holds a pod's namespaces open."""
    pause = kubernetes_programs.node_program("pause")
    if pause is None:
        sys.exit("no pause")
    archive = place.folder / "pause.tar"
    write_image(archive, PAUSE_IMAGE, Path(pause))
    ctr = ["ctr", "--address", place.containerd, "--namespace", "k8s.io"]
    deadline = time.monotonic() + STARTUP
    while subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            sys.exit("containerd does not answer")
        time.sleep(0.1)
    run(*ctr, "images", "import", str(archive))


def write_image(archive: Path, name: str, program: Path) -> None:
    """Write a docker archive whose one image is one static program."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        entry = tarfile.TarInfo(program.name)
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as content:
            files.addfile(entry, content)
    digest = sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as out:
        for path, data in (
            ("layer.tar", layer.getvalue()),
            ("config.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))


# --- what they answer --------------------------------------------------------------------------


def answers(kubeconfig: Path, path: str) -> bool:
    """Return whether the API server gives this."""
    with suppress(ApiError):
        return bool(Kube(kubeconfig).get(path))
    return False


def node_is_ready(kubeconfig: Path) -> bool:
    """Return whether the node takes pods."""
    with suppress(ApiError):
        status = Kube(kubeconfig).get(f"/api/v1/nodes/{NODE}")["status"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"])
    return False


def connects(address: str, port: int) -> bool:
    """Return whether somebody listens there."""
    with socket.create_connection((address, port), timeout=1):
        return True


if __name__ == "__main__":
    main()
