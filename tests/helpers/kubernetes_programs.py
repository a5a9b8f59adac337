"""The programs of a control plane: given, cached, or built with Go from pinned sources."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

BUILD = Path(__file__).parents[1] / "cluster" / "build"
"""The Go module that pins every program."""
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


def _leave(message: str) -> NoReturn:
    print(message, file=sys.stderr, flush=True)
    sys.exit(1)
