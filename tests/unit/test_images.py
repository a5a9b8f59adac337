"""The images' recipes: who they run as, that no shell is in them, and what each carries."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

IMAGES = Path(__file__).parents[2] / "images"
NAMES = ["operator", "jobs", "warehouse", "mlflow"]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_images", IMAGES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_images"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


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


def test_every_image_of_the_chart_is_built(build: ModuleType) -> None:
    assert list(build.EXTRAS) == NAMES


def test_no_image_carries_what_it_does_not_use(build: ModuleType) -> None:
    carried = {name: build.closure(build.EXTRAS[name], "3.13").keys() for name in NAMES[:3]}
    assert {"torch", "duckdb", "numpy", "pyomo"}.isdisjoint(carried["operator"])
    assert {"torch", "timm"}.isdisjoint(carried["warehouse"])
    assert {"duckdb", "kubernetes", "pyomo"}.isdisjoint(carried["jobs"])
    assert {"kubernetes", "pyyaml", "pydantic"} <= carried["operator"]
    assert {"duckdb", "cbcbox", "kubernetes", "click"} <= carried["warehouse"]
    assert {"torch", "timm", "mlflow-skinny"} <= carried["jobs"]


def test_torch_and_its_cuda_libraries_are_a_layer_of_their_own(build: ModuleType) -> None:
    whole = build.closure(build.EXTRAS["jobs"], "3.13")
    layer = {name for name in whole if build._is_of_torch(name)}
    assert {"torch", "torchvision"} <= layer
    assert {"timm", "numpy", "mlflow-skinny"}.isdisjoint(layer)


def test_versions_are_those_that_constraints_pin(build: ModuleType) -> None:
    text = (IMAGES.parent / "constraints.txt").read_text()
    name = build.canonicalize_name
    pinned = {name(n): v for n, _, v in (line.partition("==") for line in text.split())}
    for image in NAMES[:3]:
        for each, version in build.closure(build.EXTRAS[image], "3.13").items():
            if each in pinned:  # what this environment has beyond it is of another platform
                assert pinned[each] == version, each
