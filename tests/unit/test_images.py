"""The images' recipes: who they run as, that no shell is in them, and what each carries."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import build
import install
import node_images
import pytest
import wheels
from packaging.utils import canonicalize_name

IMAGES = Path(__file__).parents[2] / "images"
NAMES = ["operator", "jobs", "warehouse", "mlflow"]


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the instructions of a recipe, each with its words on one line."""
    text = (IMAGES / name / "Containerfile").read_text()
    whole = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in whole.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


@pytest.mark.parametrize("name", NAMES)
def test_no_shell_runs_when_it_is_built_or_started(name: str) -> None:
    told = [words for what, words in instructions(name) if what in ("RUN", "CMD", "ENTRYPOINT")]
    assert told
    for words in told:
        command = re.sub(r"--mount=\S+\s*", "", words)
        assert isinstance(json.loads(command), list), words


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_nobody_on_any_base(name: str) -> None:
    listed = instructions(name)
    assert [words for what, words in listed if what == "USER"] == ["65532:65532"]
    assert listed[0] == ("ARG", "BASE=python:3.13-slim")
    stages = {
        words.split(" AS ")[1] for what, words in listed if what == "FROM" and " AS " in words
    }
    bases = {words.split(" AS ")[0] for what, words in listed if what == "FROM"}
    assert bases - stages == {"${BASE}"}
    assert "org.opencontainers.image.revision" in dict(listed)["LABEL"]


def test_every_image_of_the_chart_is_built() -> None:
    assert list(wheels.EXTRAS) == NAMES


def test_no_image_carries_what_it_does_not_use() -> None:
    carried = {name: wheels.closure(wheels.EXTRAS[name], "3.13").keys() for name in NAMES[:3]}
    assert {"torch", "duckdb", "numpy", "pyomo"}.isdisjoint(carried["operator"])
    assert {"torch", "timm"}.isdisjoint(carried["warehouse"])
    assert {"duckdb", "kubernetes", "pyomo"}.isdisjoint(carried["jobs"])
    assert {"kubernetes", "pyyaml", "pydantic"} <= carried["operator"]
    assert {"duckdb", "cbcbox", "kubernetes", "click"} <= carried["warehouse"]
    assert {"torch", "timm", "mlflow-skinny"} <= carried["jobs"]


CODE = {
    "operator": ("operator/taskonomy_operator",),
    "jobs": ("jobs/taskonomy_jobs",),
    "warehouse": (
        "cli/taskonomyctl",
        "operator/taskonomy_operator",
        "warehouse/taskonomy_warehouse",
    ),
}
"""What runs in each image, beside the catalogue."""


def imported(folder: Path) -> Iterator[str]:
    """Yield the packages that a package's code imports, at its top or where they are needed."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize("image", CODE)
def test_an_image_carries_all_that_its_code_imports(image: str) -> None:
    """What is imported where it is needed too: a loader without MLflow's client would go on."""
    folders = [IMAGES.parent / name for name in ("catalogue/taskonomy_catalogue", *CODE[image])]
    names = {name for folder in folders for name in imported(folder)} - sys.stdlib_module_names
    ours = {folder.name for folder in folders}
    distributions = packages_distributions()
    needed = {canonicalize_name(distributions[name][0]) for name in names - ours}
    assert needed - {"taskonomy"} <= wheels.closure(wheels.EXTRAS[image], "3.13").keys()


WITHOUT = """
import importlib, json, pkgutil, sys
from pathlib import Path, PurePath

left_out, packages, needed = json.load(sys.stdin)

class Absent:
    def find_spec(self, name, path=None, target=None):
        place = PurePath(*name.split("."))
        is_folder = any((Path(parent) / place.name).is_dir() for parent in path or ())
        if is_folder and any(place.match(pattern) for pattern in left_out):
            raise ModuleNotFoundError(f"{name} is left out", name=name)

sys.meta_path.insert(0, Absent())
for name in needed:
    importlib.import_module(name)
for name in packages:
    package = importlib.import_module(name)
    for each in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
try:
    import kubernetes.aio
except ModuleNotFoundError:
    print("whole")
"""
"""Imports everything of some packages, where what images leave out cannot be imported."""


@pytest.mark.slow
def test_all_of_our_code_is_imported_without_what_images_leave_out() -> None:
    folders = {IMAGES.parent / folder for image in CODE.values() for folder in image}
    ours = sorted(folder.name for folder in folders)
    names = {name for folder in folders for name in imported(folder)} - sys.stdlib_module_names
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        input=json.dumps([install.NOT_RUN, ours, sorted(names - set(ours))]),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "whole\n", ran.stderr[-3000:]


def test_torch_and_its_cuda_libraries_are_a_layer_of_their_own() -> None:
    whole = wheels.closure(wheels.EXTRAS["jobs"], "3.13")
    layer = {name for name in whole if wheels.is_of_torch(name)}
    assert {"torch", "torchvision"} <= layer
    assert {"timm", "numpy", "mlflow-skinny"}.isdisjoint(layer)


def test_versions_are_those_that_constraints_pin() -> None:
    text = (IMAGES.parent / "constraints.txt").read_text()
    pinned = {
        str(canonicalize_name(n)): v for n, _, v in (line.partition("==") for line in text.split())
    }
    for image in NAMES[:3]:
        for each, version in wheels.closure(wheels.EXTRAS[image], "3.13").items():
            if each in pinned:  # what this environment has beyond it is of another platform
                assert pinned[each] == version, each


def test_pythons_that_a_base_is_made_with_are_told_alike() -> None:
    assert tuple(build.SUITES) == node_images.BOOTSTRAPPED
