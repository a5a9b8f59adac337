"""What goes into an image: the closure of what it needs as wheels, and taskonomy's own wheel."""

import hashlib
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from programs import TREE, leave, run

EXTRAS = {
    "operator": ("operator",),
    "jobs": ("jobs", "tracking"),
    "warehouse": ("cli", "operator", "tracking"),
    "mlflow": (),
}
"""What each image installs of taskonomy; the server of others has its own list."""
TORCH = ("torch", "torchvision", "triton", "nvidia-", "cuda-")
"""Beginnings of the distributions that are the jobs image's torch layer."""
PLATFORMS = [f"manylinux_2_{minor}" for minor in range(36, 16, -1)] + ["manylinux2014"]
"""Wheels that run on Debian 12 and anything newer."""

# --- which distributions -----------------------------------------------------------------------


def closure(extras: Iterable[str], python: str) -> dict[str, str]:
    """Return name and version of all that taskonomy with these extras needs, without itself.

    Args:
        extras: of taskonomy.
        python: version that markers are judged for.

    Raises:
        SystemExit: this environment lacks one of them.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    wanted = [("taskonomy", extra) for extra in ("", *extras)]
    where = {"python_version": python, "python_full_version": f"{python}.0"}
    while wanted:
        name, extra = wanted.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        version, lines = ours(extra) if name == "taskonomy" else _installed(name)
        found[name] = version
        for needed in map(Requirement, lines):
            if needed.marker is None or needed.marker.evaluate({**where, "extra": extra}):
                plain = canonicalize_name(needed.name)
                wanted += [(plain, each) for each in ("", *needed.extras)]
    found.pop("taskonomy")
    return found


def ours(extra: str) -> tuple[str, list[str]]:
    """Return our version and what an extra of ours needs: as the file says, installed or not."""
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    needed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return project["version"], needed


def _installed(name: str) -> tuple[str, list[str]]:
    try:
        has = distribution(name)
    except PackageNotFoundError:
        leave(f"{name} is not installed here: run `make images`, or pip install '.[all]'")
    return has.version, has.requires or []


def _listed(name: str) -> dict[str, str]:
    lines = (TREE / "images" / name / "requirements.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines)


def is_of_torch(name: str) -> bool:
    """Return whether a distribution is torch or one of the libraries it comes with."""
    return name in TORCH or any(n.endswith("-") and name.startswith(n) for n in TORCH)


# --- the wheel folder --------------------------------------------------------------------------


def own_wheel(folder: Path) -> Path:
    """Build taskonomy's own wheel from a copy: setuptools leaves things beside the sources."""
    out, copy = folder / "own", folder / "tree"
    for former in (out, copy):
        shutil.rmtree(former, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(TREE / name, copy)
    for name in ("catalogue", "operator", "jobs", "warehouse", "cli"):
        shutil.copytree(TREE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*"):  # who checked it out may have had another umask
        path.chmod(0o755 if path.is_dir() else 0o644)
    _pip("wheel", "--no-deps", "--wheel-dir", str(out), str(copy))
    (wheel,) = out.glob("*.whl")
    return wheel


def build_context(name: str, own: Path, python: str, *, torch: bool) -> Path:
    """Lay out a build context beside the wheel of ours, and return it.

    Args:
        name: of the image.
        own: the wheel of ours, in a folder of its own.
        python: version that its wheels are for.
        torch: whether torch is among them.
    """
    folder = own.parent.parent
    pinned = closure(EXTRAS[name], python) if EXTRAS[name] else _listed(name)
    layers = {"requirements.txt": {n: v for n, v in pinned.items() if not is_of_torch(n)}}
    layers["torch.txt"] = {n: v for n, v in pinned.items() if is_of_torch(n) and torch}
    made = folder / name
    shutil.rmtree(made, ignore_errors=True)
    for listing, wanted in layers.items():
        place = made / ("torch" if listing == "torch.txt" else "wheels")
        place.mkdir(parents=True)
        lines = sorted(f"{n}=={v}" for n, v in wanted.items())
        shutil.copy2(TREE / "images" / "install.py", place)
        for wheel in _wheels(lines, folder / f"wheels-{python}", python):
            os.link(wheel, place / wheel.name)
        (place / listing).write_text("".join(f"{line}\n" for line in lines))
        os.utime(place / listing, (0, 0))  # builders know a layer again by its files
    (made / "own").mkdir()
    shutil.copy(own, made / "own")
    return made


def _wheels(lines: Sequence[str], pool: Path, python: str) -> list[Path]:
    """Return a wheel for each pinned distribution, downloaded where it is not there yet."""
    pool.mkdir(parents=True, exist_ok=True)
    missing = [line for line in lines if not _wheel(pool, line)]
    if missing:
        machine = platform.machine()
        fits = [word for each in PLATFORMS for word in ("--platform", f"{each}_{machine}")]
        only = ["--only-binary=:all:", "--python-version", python, *fits]
        _pip("download", "--no-deps", *only, "--dest", str(pool), *missing)
    return [wheel for line in lines if (wheel := _wheel(pool, line))]


def _wheel(pool: Path, line: str) -> Path | None:
    name, _, version = line.partition("==")
    for wheel in pool.glob(f"*-{version}-*.whl"):
        if canonicalize_name(wheel.name.split("-")[0]) == name:
            return wheel
    return None


def _pip(*words: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, words[0], "--quiet", *words[1:])


def digest(folder: Path) -> str:
    """Return what tells one folder's content from another's."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:  # torch's are half a gigabyte
            content = hashlib.file_digest(file, "sha256").digest()
        whole.update(f"{path.name}\0".encode() + content)
    return whole.hexdigest()
