"""Build the images from this tree: `make images`, or `python images/build.py --help`.

Wheels are collected outside and installed in the images without a network: the closure of what each
image's extra needs, at the versions of this environment, which constraints.txt pins. Whichever of
docker, podman and buildah works builds them. With the latter two the same tree on the same base
makes the same image to the byte, and what two versions share is fetched once: every time in a layer
is SOURCE_DATE_EPOCH, by default 0, and a label says when the commit was made.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from programs import TREE, leave, ran, run, said
from wheels import EXTRAS, build_context, digest, ours, own_wheel

TOOLS = ("docker", "podman", "buildah")
BOOTSTRAPPED = "bootstrapped"
"""What ``--base`` says for a base that is made here, where no registry can be reached."""
SUITES = {"3.11": "bookworm", "3.13": "trixie"}
"""Debian whose python3 is of this version."""


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
    # One time for all: a layer that holds the same is the same, whatever the commit.
    epoch = os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    options = _with_base(options)
    own = own_wheel(options.folder)
    for name in names:
        folder = build_context(name, own, options.python, torch=options.torch == "included")
        tag = f"{options.prefix}taskonomy/{name}:{options.version}"
        run(*_build_command(name, tag, folder, epoch, options))
        print(f"{tag}\t{_size(tag, options)}", flush=True)
        if options.save:
            _save(name, tag, options)


# --- the base ----------------------------------------------------------------------------------


def _with_base(options: Options) -> Options:
    """Return the options with a base that is here: fetched, or made of Debian's packages.

    Raises:
        SystemExit: it cannot be had.
    """
    if options.base == BOOTSTRAPPED:
        return replace(options, base=_bootstrapped(options))
    if not _is_there(options.base, options):
        pulled = ran(options.tool, *options.tool_options, "pull", options.base)
        if pulled.returncode:
            leave(
                f"{pulled.stderr}NO IMAGES: their base {options.base} cannot be fetched; --base "
                f"names another, and --base {BOOTSTRAPPED} makes one of Debian's packages"
            )
    return options


def _bootstrapped(options: Options) -> str:
    """Bootstrap a minimal Debian with Python, once; return what it is called."""
    tag = f"localhost/taskonomy-base:{options.python}"
    suite = SUITES.get(options.python) or leave(
        f"no Debian with Python {options.python} is known; --python is {' or '.join(SUITES)}"
    )
    context = options.folder / f"base-{suite}"
    if not (context / "rootfs.tar").exists():
        if shutil.which("mmdebstrap") is None:
            leave("NO IMAGES: a base is bootstrapped by mmdebstrap; install it and run again")
        context.mkdir(parents=True, exist_ok=True)
        left_out = [f"--dpkgopt=path-exclude=/usr/share/{x}/*" for x in ("man", "doc", "locale")]
        wanted = ["--include=python3,python3-venv,ca-certificates", *left_out, suite]
        quick = ["--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io"]
        run("mmdebstrap", *quick, *wanted, str(context / "unfinished.tar"))
        (context / "unfinished.tar").rename(context / "rootfs.tar")
    (context / "Containerfile").write_text(
        "FROM scratch\nADD rootfs.tar /\nENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8\n"
    )
    if not _is_there(tag, options):
        file = ["--file", str(context / "Containerfile")]
        run(*_builder("0", options), *file, "--tag", tag, str(context))
    return tag


def _is_there(image: str, options: Options) -> bool:
    listed = ["images", image] if options.tool == "buildah" else ["image", "inspect", image]
    return ran(options.tool, *options.tool_options, *listed).returncode == 0


# --- the builder -------------------------------------------------------------------------------


def _build_command(
    name: str, tag: str, context: Path, epoch: str, options: Options
) -> Sequence[str]:
    arguments = {
        "BASE": options.base,
        "VERSION": options.version,
        "REVISION": said("git", "rev-parse", "HEAD", default="unknown"),
        "CREATED": said("git", "log", "-1", "--format=%cI", default=""),
        "SOURCE_DATE_EPOCH": epoch,
        "WHEELS": digest(context / "wheels"),
        "TORCH": digest(context / "torch"),
        "CODE": digest(context / "own"),
    }
    given = [word for key in arguments for word in ("--build-arg", f"{key}={arguments[key]}")]
    file = ["--file", str(TREE / "images" / name / "Containerfile")]
    return [*_builder(epoch, options), *file, *given, "--tag", tag, str(context)]


def _builder(epoch: str, options: Options) -> list[str]:
    """Return the words that begin a build: without a network and at one time, where it can be."""
    command = [options.tool, *options.tool_options, "build", "--quiet"]
    if options.tool == "buildah":  # chroot is the isolation that works in a container too
        return [*command, "--layers", "--isolation", "chroot", "--timestamp", epoch]
    command += ["--network", "none"]
    return [*command, "--timestamp", epoch] if options.tool == "podman" else command


def _size(tag: str, options: Options) -> str:
    command = [options.tool, *options.tool_options]
    if options.tool == "buildah":
        listed = [*command, "images", "--format", "{{.Size}}", tag]
        return said(*listed, default="?").replace("\n", " ")
    size = int(said(*command, "image", "inspect", "--format", "{{.Size}}", tag, default="0"))
    return f"{size / 1e6:,.0f} MB"


def _save(name: str, tag: str, options: Options) -> None:
    """Write an image as an archive that nodes without a registry import."""
    archive = options.folder / f"{name}.tar"
    archive.unlink(missing_ok=True)
    command = [options.tool, *options.tool_options]
    if options.tool == "buildah":
        run(*command, "push", "--quiet", tag, f"docker-archive:{archive}:{tag}")
    else:
        run(*command, "save", "--output", str(archive), tag)


def _found_tool() -> str:
    """Return the first builder that works here."""
    found = [tool for tool in TOOLS if shutil.which(tool) and _works(tool)]
    if not found:
        leave("NO IMAGES: none of docker, podman, buildah works here; install one and run again")
    return found[0]


def _works(tool: str) -> bool:
    """Return whether a builder can build here: docker's needs its daemon, and BuildKit."""
    if ran(tool, "info").returncode:
        return False
    version = said(tool, "version", "--format", "{{.Client.Version}}", default="0")
    has_own = tool != "docker" or int(version.partition(".")[0]) < 23  # from then on a plugin
    return has_own or ran(tool, "buildx", "version").returncode == 0


def _asked() -> tuple[list[str], Options]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("images", nargs="*", help=f"which: {', '.join(EXTRAS)}; default: all")
    parser.add_argument(
        "--base",
        default="python:3.13-slim",
        help=f"image they stand on; {BOOTSTRAPPED}: made here of Debian's packages",
    )
    parser.add_argument("--python", default="3.13", help="version of the base's python3")
    parser.add_argument("--prefix", default="", help="what stands before taskonomy/operator")
    parser.add_argument("--version", default=ours("")[0], help="their tag")
    parser.add_argument("--torch", default="included", choices=["included", "mounted"])
    parser.add_argument("--tool", choices=TOOLS, help="default: the first that works")
    parser.add_argument("--tool-options", default="", help="words for the tool itself")
    parser.add_argument("--folder", type=Path, default=TREE / ".cache" / "images")
    parser.add_argument("--save", action="store_true", help="write FOLDER/NAME.tar too")
    asked = parser.parse_args()
    if sys.platform != "linux":
        leave("NO IMAGES: their wheels are collected on Linux, for its own processor")
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


if __name__ == "__main__":
    main()
