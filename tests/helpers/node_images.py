"""Our images for a node without a registry, built once for the same sources; and torch beside them.

Their base is bootstrapped from the machine's own Debian packages. torch is not built in: it is some
gigabytes with its CUDA libraries, so the node shows pods the folders of the torch that these tests
themselves run with, as a volume would on a cluster that keeps it on its nodes.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import kubernetes_programs

TREE = Path(__file__).parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BOOTSTRAPPED = ("3.11", "3.13")
"""Pythons that a base is made with; torch of a volume must have been made for the images' own."""
TAG = "test"
NAMES = ("operator", "jobs", "warehouse", "mlflow")
PARTS_OF_TORCH = ("torch", "torchvision", "triton", "nvidia", "cuda")
"""Distributions whose name begins so."""


def missing() -> str:
    """Return why images cannot be built here; empty: they can."""
    absent = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} missing; `apt-get install {' '.join(absent)}`"
    if PYTHON not in BOOTSTRAPPED:
        return f"no Debian with Python {PYTHON} is known; use {' or '.join(BOOTSTRAPPED)}"
    return ""


def name_of(image: str) -> str:
    """Return what an image is called on the node."""
    return f"localhost/taskonomy/{image}:{TAG}"


def home() -> Path:
    """Return where images, layers and wheels are kept between runs."""
    return kubernetes_programs.home() / "images"


def archives() -> list[Path]:
    """Return an archive of each image; those of the same sources are built once.

    TASKONOMY_TEST_IMAGES names a folder that has them already.

    Raises:
        RuntimeError: a build failed; the message ends with what was said.
    """
    if given := os.environ.get("TASKONOMY_TEST_IMAGES"):
        return [Path(given) / f"{name}.tar" for name in NAMES]
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, sources = folder / "sources", _sources()
        made = [folder / f"{name}.tar" for name in NAMES]
        if not (stamp.exists() and stamp.read_text() == sources and all(p.exists() for p in made)):
            _build(folder)
            stamp.write_text(sources)
    return made


def _sources() -> str:
    """Return a digest of everything that goes into the images."""
    digest = hashlib.sha256(PYTHON.encode())
    tops = ("images", "catalogue", "operator", "jobs", "warehouse", "cli")
    files = [path for top in tops for path in (TREE / top).rglob("*") if path.is_file()]
    files += [TREE / name for name in ("pyproject.toml", "constraints.txt")]
    for path in sorted(files):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(TREE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _build(folder: Path) -> None:
    command = [sys.executable, str(TREE / "images" / "build.py"), *NAMES, "--save"]
    _run(*command, *options(folder))
    _run("buildah", *_store(folder), "rmi", "--prune")  # of earlier builds stays what this one used


def options(folder: Path) -> list[str]:
    """Return the words that have images/build.py build what tests run, all of it in a folder."""
    store = " ".join(_store(folder))
    return [
        *("--tool", "buildah", "--tool-options", store, "--folder", str(folder)),
        *("--base", "bootstrapped", "--python", PYTHON, "--torch", "mounted"),
        *("--prefix", "localhost/", "--version", TAG),
    ]


def _store(folder: Path) -> list[str]:
    """Return the words that keep buildah's layers in a folder of ours."""
    place = ["--root", str(folder / "store"), "--runroot", str(folder / "run")]
    return [*place, "--storage-driver", "overlay"]


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} …: {ran.stdout}{ran.stderr}")


def torch_folders() -> list[Path]:
    """Return the folders of torch and what comes with it, as they are installed here."""
    site = Path(str(distribution("torch").locate_file("")))
    return sorted(
        path
        for path in site.iterdir()
        if path.is_dir()
        and (
            path.name in {"functorch", "torchgen", "torchvision.libs"}
            or path.name.partition("-")[0].partition("_")[0] in PARTS_OF_TORCH
        )
    )
