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
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "pause": "./pause",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
"""Go package of each program. One module graph, so each builds on what the one before compiled.
A program more is a line here, `go get -tool PACKAGE` in `tests/cluster/build`, and its place in
what is built: kubectl is for people, so `build` leaves it to `up`."""
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""What tests need, in the order it is started; it is ended in the opposite one."""
NODE = (*CONTROL_PLANE[:-1], "kubelet", "kube-proxy", "pause")
"""What a node needs that really runs pods, beside the machine's containerd and runc."""
HELM = "v3.21.4"
ELSEWHERE = {
    "helm": (
        f"helm.sh/helm/v3/cmd/helm@{HELM}",
        f"helm.sh/helm/v3/internal/version.version={HELM}",
    ),
    "coredns": ("github.com/coredns/coredns@v1.15.0", ""),
}
"""Go package and version of each program that is a module graph of its own, and the version it is
to say it is."""


def programs() -> Path | None:
    """Return the folder of the programs: a given one, else the cached build; None: neither."""
    given = os.environ.get("TASKONOMY_CONTROL_PLANE_BIN")
    folder = Path(given) if given else cache()
    return folder if all((folder / name).exists() for name in CONTROL_PLANE) else None


def cache() -> Path:
    """Return where this version's build lies: a change of a pin makes another folder."""
    pins = b"".join((BUILD / name).read_bytes() for name in ("go.mod", "go.sum"))
    key = hashlib.sha256(pins + KUBERNETES.encode()).hexdigest()[:12]
    return home() / "control-plane" / key


def home() -> Path:
    """Return where all that tests build is kept between runs."""
    return Path(os.environ.get("TASKONOMY_CACHE") or Path.home() / ".cache" / "taskonomy")


def node_programs() -> Path | None:
    """Return the folder of the programs of a node; None: some of them are not there."""
    folder = programs()
    whole = folder is not None and all((folder / name).exists() for name in NODE)
    return folder if whole and installed("coredns") else None


def node_program(name: str) -> str | None:
    """Return the path of a program that we have built; None: it is the machine's."""
    if name in ELSEWHERE:
        path = installed(name)
        return str(path) if path else None
    folder = programs()
    return str(folder / name) if folder and (folder / name).exists() else None


def installed(name: str) -> Path | None:
    """Return the path of a program of `ELSEWHERE`, if it is built."""
    path = _installed(name)
    return path if path.exists() else None


def _installed(name: str) -> Path:
    version = ELSEWHERE[name][0].partition("@")[2]
    return home() / "programs" / f"{name}-{version}" / name


def build_node() -> Path:
    """Build what a node needs, and helm.

    Raises:
        SystemExit: there is no Go, or a build failed.
    """
    folder = build(NODE)
    for name in ELSEWHERE:
        install(name)
    return folder


def install(name: str) -> Path:
    """Build a program of `ELSEWHERE` at its pinned version, unless it is there; return its path.

    Raises:
        SystemExit: there is no Go, or the build failed.
    """
    path = _installed(name)
    if path.exists():
        return path
    if shutil.which("go") is None:
        _leave(f"NO {name.upper()}: `go` (1.24 or later) builds it; install Go and run again")
    print(f"building {name} …", flush=True)
    package, said = ELSEWHERE[name]
    unfinished = path.parent / f".{os.getpid()}"
    environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": str(unfinished)}
    flags = ["-trimpath", "-ldflags", "-s -w" + (f" -X {said}" if said else "")]
    built = subprocess.run(
        ["go", "install", *flags, package], cwd=Path.home(), env=environment, check=False
    )
    if built.returncode:
        _leave(f"NO {name.upper()}: building it failed")
    (unfinished / name).rename(path)
    unfinished.rmdir()
    return path


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
