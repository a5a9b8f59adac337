"""A node that runs our images, one for all processes of a test run, and namespaces on it."""

import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import kubernetes_programs
import node_images
import one_node
import pytest
from kube import Kube
from node_world import World, removed
from one_node import OneNode


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    """A real node with our images; skipped, and said so, where it cannot be had."""
    why = one_node.missing() or node_images.missing()
    if why:
        pytest.skip(f"NO NODE: none of the tests in containers ran: {why}")
    archives = node_images.archives()
    base = tmp_path_factory.getbasetemp()
    run = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "node"
    with one_node.shared(run, node_images.torch_folders(), archives) as started:
        yield started


@pytest.fixture(scope="session")
def kube(node: OneNode) -> Kube:
    """A client with every right."""
    return node.kube


@pytest.fixture(scope="session")
def rooms(node: OneNode) -> Path:
    """A small data set of rooms, 64 pixels wide, drawn once."""
    folder = node.place.folder / "rooms"
    with (node.place.folder / "rooms.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            drawn = folder.with_name("rooms.unfinished")
            command = [sys.executable, "-m", "taskonomy_jobs.rooms", str(drawn), "--size", "64"]
            command += ["--buildings", "3", "--views", "8"]
            subprocess.run(command, check=True, capture_output=True)
            drawn.rename(folder)
    return folder


@pytest.fixture(scope="session")
def helm() -> None:
    """Let what installs the chart say so where helm is not built."""
    if kubernetes_programs.installed("helm") is None:
        pytest.skip("NO NODE: helm is not built; `make node` builds it")


@pytest.fixture
def world(node: OneNode) -> Iterator[World]:
    """A namespace that enforces Pod Security's restricted profile, and folders of its volumes."""
    name = f"e2e-{secrets.token_hex(3)}"
    folder = node.place.folder / "volumes" / name
    folder.mkdir(parents=True)
    made = World(node, name, folder)
    made.make_namespace()
    yield made
    removed(node.kube, made.namespace_object())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the node's logs when a test fails, say where they are, and what its pods said."""
    report = yield
    used = getattr(item, "funcargs", {})
    node, world = used.get("node"), used.get("world")
    if report.failed and isinstance(node, OneNode):
        report.sections.append(("node", f"logs: {node.keep_logs()}"))
    if report.failed and isinstance(world, World):
        report.sections.append(("pods", world.story()))
    return report
