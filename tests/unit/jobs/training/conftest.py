"""What the tests of training share: a small world, a study about it, one thread."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from small_world import World, live_in, make_study

from taskonomy_catalogue.study import Study


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path / "artifacts")
    live_in(made, monkeypatch.setattr)
    return made


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_study() -> Callable[..., Study]:
    """Makes small studies; what is given is every stage's training."""
    return make_study
