"""Images: the same tree makes the same one, whoever checked it out, where and when."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import node_images
import pytest

pytestmark = [pytest.mark.node, pytest.mark.slow]

PARTS = ("images", "catalogue", "operator", "jobs", "warehouse", "cli")
FILES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """An empty folder beside the images of the tests: layers do not lie in memory."""
    folder = node_images.home() / "again"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    subprocess.run(["umount", str(folder / "store" / "overlay")], check=False, capture_output=True)
    shutil.rmtree(folder)


def test_another_checkout_makes_the_same_image(elsewhere: Path) -> None:
    if why := node_images.missing():
        pytest.skip(f"NO NODE: no image was built: {why}")
    (first,) = (path for path in node_images.archives() if path.name == "operator.tar")
    _build(_checkout(elsewhere), elsewhere)
    assert _content(elsewhere / "operator.tar") == _content(first)


def _checkout(folder: Path) -> Path:
    """Copy the tree as another person has it: other times, other rights, another order of files."""
    tree = folder / "checkout"
    for name in reversed(PARTS):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(node_images.TREE / name, tree / name, ignore=ignored)
    for name in FILES:
        shutil.copy(node_images.TREE / name, tree)
    for path in sorted(tree.rglob("*"), reverse=True):
        path.chmod(0o750 if path.is_dir() else 0o640)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return tree


def _build(tree: Path, folder: Path) -> None:
    """Build the operator's image; only the base's archive and the wheels are there already."""
    for there in [*node_images.home().glob("base-*"), *node_images.home().glob("wheels-*")]:
        shutil.copytree(there, folder / there.name, copy_function=os.link)
    command = [sys.executable, str(tree / "images" / "build.py"), "operator", "--save"]
    command += node_images.options(folder)
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr


def _content(archive: Path) -> dict[str, Any]:
    """Return the digests of an image's layers, and what it is started with.

    What says from which commit it is is left out: an archive stays while its sources are the same.
    """
    with tarfile.open(archive) as opened:
        (listed,) = json.loads(_read(opened, "manifest.json"))
        config = json.loads(_read(opened, listed["Config"]))
    for label in ("revision", "created"):
        config["config"]["Labels"].pop(f"org.opencontainers.image.{label}")
    return {
        "layers": config["rootfs"]["diff_ids"],
        "started": config["config"],
        "created": config["created"],
    }


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()
