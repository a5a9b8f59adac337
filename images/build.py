"""Build the images from this tree: `make images`, or `python images/build.py --help`.

Wheels are collected outside and installed in the images without a network: the closure of what each
image's extra needs, at the versions of this environment, which constraints.txt pins. Whichever of
docker, podman and buildah works builds them; with podman and buildah the same tree makes the same
image to the byte, as every time in it is that of the last commit.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TREE = Path(__file__).resolve().parents[1]
TOOLS = ("docker", "podman", "buildah")
EXTRAS = {
    "operator": ("operator",),
    "jobs": ("jobs", "tracking"),
    "warehouse": ("cli", "operator"),
    "mlflow": (),
}
"""What each image installs of taskonomy; the server of others has its own list."""
TORCH = ("torch", "torchvision", "triton", "nvidia-", "cuda-")
"""Beginnings of the distributions that are the jobs image's torch layer."""
PLATFORMS = [f"manylinux_2_{minor}" for minor in range(36, 16, -1)] + ["manylinux2014"]
"""Wheels that run on Debian 12 and anything newer."""


@dataclass(frozen=True)
class Options:
    """What is built, and with what."""

    tool: str
    tool_options: tuple[str, ...]
    base: str
    python: str
    """Version of the base's Python, as in 3.13."""
    prefix: str
    """What stands before ``taskonomy/operator:VERSION``."""
    version: str
    torch: str
    """included, or mounted: left out of the image."""
    folder: Path
    """Build contexts and wheels."""
    save: bool
    """Whether each image is written to the folder too."""


def main() -> None:
    """Build what is asked for; print what each image is called and its size."""
    names, options = _asked()
    last_commit = _said("git", "log", "-1", "--format=%ct", default="0")
    epoch = os.environ.setdefault("SOURCE_DATE_EPOCH", last_commit)
    own = _own_wheel(options.folder)
    for name in names:
        context = _context(name, own, options)
        tag = f"{options.prefix}taskonomy/{name}:{options.version}"
        _run(*_build_command(name, tag, context, epoch, options))
        print(f"{tag}\t{_size(tag, options)}", flush=True)
        if options.save:
            _save(name, tag, options)


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
        version, lines = _ours(extra) if name == "taskonomy" else _installed(name)
        found[name] = version
        for needed in map(Requirement, lines):
            if needed.marker is None or needed.marker.evaluate({**where, "extra": extra}):
                plain = canonicalize_name(needed.name)
                wanted += [(plain, each) for each in ("", *needed.extras)]
    found.pop("taskonomy")
    return found


def _ours(extra: str) -> tuple[str, list[str]]:
    """Return our version and what an extra of ours needs: as the file says, installed or not."""
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    needed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return project["version"], needed


def _installed(name: str) -> tuple[str, list[str]]:
    try:
        has = distribution(name)
    except PackageNotFoundError:
        _leave(f"{name} is not installed here: run `make images`, or pip install '.[all]'")
    return has.version, has.requires or []


def _listed(name: str) -> dict[str, str]:
    lines = (TREE / "images" / name / "requirements.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines)


def _is_of_torch(name: str) -> bool:
    return name in TORCH or any(n.endswith("-") and name.startswith(n) for n in TORCH)


# --- the wheel folder --------------------------------------------------------------------------


def _own_wheel(folder: Path) -> Path:
    """Build taskonomy's own wheel from a copy: setuptools leaves things beside the sources."""
    out, copy = folder / "own", folder / "tree"
    for former in (out, copy):
        shutil.rmtree(former, ignore_errors=True)
    copy.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(TREE / name, copy)
    for name in ("catalogue", "operator", "jobs", "warehouse", "cli"):
        shutil.copytree(TREE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    _pip("wheel", "--no-deps", "--wheel-dir", str(out), str(copy))
    (wheel,) = out.glob("*.whl")
    return wheel


def _context(name: str, own: Path, options: Options) -> Path:
    """Lay out a build context: wheels, their list, and what installs them."""
    pinned = closure(EXTRAS[name], options.python) if EXTRAS[name] else _listed(name)
    ours = {n: v for n, v in pinned.items() if not _is_of_torch(n)}
    torch = {n: v for n, v in pinned.items() if n not in ours and options.torch == "included"}
    context = options.folder / name
    shutil.rmtree(context, ignore_errors=True)
    for place, listing, wanted in (
        ("wheels", "requirements.txt", ours),
        ("torch", "torch.txt", torch),
    ):
        (context / place).mkdir(parents=True)
        lines = sorted(f"{n}=={v}" for n, v in wanted.items())
        shutil.copy2(TREE / "images" / "install.py", context / place)
        for wheel in _wheels(lines, options):
            os.link(wheel, context / place / wheel.name)
        (context / place / listing).write_text("".join(f"{line}\n" for line in lines))
        os.utime(context / place / listing, (0, 0))  # builders know a layer again by its files
    (context / "own").mkdir()
    shutil.copy(own, context / "own")
    return context


def _wheels(lines: Sequence[str], options: Options) -> list[Path]:
    """Return a wheel for each pinned distribution, downloaded where it is not there yet."""
    pool = options.folder / f"wheels-{options.python}"
    pool.mkdir(parents=True, exist_ok=True)
    missing = [line for line in lines if not _wheel(pool, line)]
    if missing:
        machine = platform.machine()
        fits = [word for each in PLATFORMS for word in ("--platform", f"{each}_{machine}")]
        only = ["--only-binary=:all:", "--python-version", options.python, *fits]
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
    _run(*pip, words[0], "--quiet", *words[1:])


def _digest(folder: Path) -> str:
    """Return what tells one folder's content from another's."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


# --- the builder -------------------------------------------------------------------------------


def _build_command(
    name: str, tag: str, context: Path, epoch: str, options: Options
) -> Sequence[str]:
    revision = _said("git", "rev-parse", "HEAD", default="unknown")
    arguments = {
        "BASE": options.base,
        "VERSION": options.version,
        "REVISION": revision,
        "SOURCE_DATE_EPOCH": epoch,
        "WHEELS": _digest(context / "wheels"),
        "TORCH": _digest(context / "torch"),
        "CODE": _digest(context / "own"),
    }
    given = [word for key in arguments for word in ("--build-arg", f"{key}={arguments[key]}")]
    file = ["--file", str(TREE / "images" / name / "Containerfile")]
    command = [options.tool, *options.tool_options]
    if options.tool == "docker":
        command += ["build"]
    elif options.tool == "podman":
        command += ["build", "--timestamp", epoch]
    else:
        command += ["build", "--layers", "--isolation", "chroot", "--timestamp", epoch]
    return [*command, "--quiet", *file, *given, "--tag", tag, str(context)]


def _size(tag: str, options: Options) -> str:
    command = [options.tool, *options.tool_options]
    if options.tool == "buildah":
        listed = [*command, "images", "--format", "{{.Size}}", tag]
        return _said(*listed, default="?").replace("\n", " ")
    size = int(_said(*command, "image", "inspect", "--format", "{{.Size}}", tag, default="0"))
    return f"{size / 1e6:,.0f} MB"


def _save(name: str, tag: str, options: Options) -> None:
    """Write an image as an archive that nodes without a registry import."""
    archive = options.folder / f"{name}.tar"
    archive.unlink(missing_ok=True)
    command = [options.tool, *options.tool_options]
    if options.tool == "buildah":
        _run(*command, "push", "--quiet", tag, f"docker-archive:{archive}:{tag}")
    else:
        _run(*command, "save", "--output", str(archive), tag)


def _found_tool() -> str:
    """Return the first builder that works here."""
    found = [tool for tool in TOOLS if shutil.which(tool) and _works(tool)]
    if not found:
        _leave("NO IMAGES: none of docker, podman, buildah works here; install one and run again")
    return found[0]


def _works(tool: str) -> bool:
    return subprocess.run([tool, "info"], capture_output=True, check=False).returncode == 0


def _asked() -> tuple[list[str], Options]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("images", nargs="*", help=f"which: {', '.join(EXTRAS)}; default: all")
    parser.add_argument("--base", default="python:3.13-slim", help="image they stand on")
    parser.add_argument("--python", default="3.13", help="version of the base's python3")
    parser.add_argument("--prefix", default="", help="what stands before taskonomy/operator")
    parser.add_argument("--version", default=_ours("")[0], help="their tag")
    parser.add_argument("--torch", default="included", choices=["included", "mounted"])
    parser.add_argument("--tool", choices=TOOLS, help="default: the first that works")
    parser.add_argument("--tool-options", default="", help="words for the tool itself")
    parser.add_argument("--folder", type=Path, default=TREE / ".cache" / "images")
    parser.add_argument("--save", action="store_true", help="write FOLDER/NAME.tar too")
    asked = parser.parse_args()
    if unknown := set(asked.images) - EXTRAS.keys():
        parser.error(f"no image {sorted(unknown)[0]!r}; there are {', '.join(EXTRAS)}")
    return asked.images or list(EXTRAS), Options(
        tool=asked.tool or _found_tool(),
        tool_options=tuple(asked.tool_options.split()),
        base=asked.base,
        python=asked.python,
        prefix=asked.prefix,
        version=asked.version,
        torch=asked.torch,
        folder=asked.folder.resolve(),
        save=asked.save,
    )


def _run(*command: str) -> None:
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        _leave(f"{ran.stdout}{ran.stderr}\n{' '.join(command[:4])} … failed")


def _said(*command: str, default: str) -> str:
    ran = subprocess.run(command, cwd=TREE, check=False, capture_output=True, text=True)
    return ran.stdout.strip() if ran.returncode == 0 else default


def _leave(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
