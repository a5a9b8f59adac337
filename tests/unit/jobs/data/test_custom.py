from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_data import SIDE, TinyData, trial_data

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import Output, Task
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs import custom
from taskonomy_jobs.custom import PluginRefused, TaskPlugin, plugin
from taskonomy_jobs.data.examples import Example, open_examples, statistics
from taskonomy_jobs.data.skips import Unreadable


def doubled(
    paths: Sequence[Path], size: int, random: np.random.Generator
) -> tuple[np.ndarray, None]:
    """A label format of a user's own: a text file with one number."""
    number = float(paths[0].read_text())
    drawn = random.random(dtype=np.float32)
    return np.full((1, size, size), 2 * number + 0 * drawn, np.float32), None


GOOD = TaskPlugin(decode=doubled)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points that installed packages offer."""
    points: list[EntryPoint] = []

    def found(**wanted: Any) -> EntryPoints:
        return EntryPoints(points).select(**wanted)

    monkeypatch.setattr(custom, "entry_points", found)
    plugin.cache_clear()
    yield points
    plugin.cache_clear()


def own(kind: str, channels: int, folder: str, **rest: object) -> TrialTask:
    output = Output.model_validate({"kind": kind, "channels": channels})
    return TrialTask.of(
        Task.model_validate(
            {"id": "mine", "title": "Mine", "folder": folder, "output": output, "loss": "l1"} | rest
        )
    )


@pytest.fixture
def data(tmp_path: Path) -> TinyData:
    tiny = TinyData(tmp_path)
    tiny.views("a", {0: 2})
    tiny.split("s", {"train": ["a"]})
    return tiny


def first(data: TinyData, task: TrialTask) -> Example:
    return open_examples(str(data.root), trial_data(), task, SIDE, "train").example(0, 0)


def entry(value: str) -> EntryPoint:
    return EntryPoint("mine", value, "taskonomy.tasks")


def test_a_task_of_our_folders_is_read_like_ours(data: TinyData) -> None:
    one = first(data, own("image", 1, "depth_zbuffer"))
    assert one.mask is not None
    assert 0 < one.target.max() < 1


def test_output_kinds_imply_formats(data: TinyData) -> None:
    numbers = np.random.default_rng(0).integers(0, 7, (SIDE, SIDE), np.uint8)
    for view in (0, 1):
        data.png("a", 0, view, "parts", numbers)
        data.npy("a", 0, view, "size", [1.0 + 2 * view, 5.0])
    classes = first(data, own("class-map", 5, "parts"))
    assert np.array_equal(classes.target, np.where(numbers < 5, numbers, 0))
    assert classes.mask is not None
    assert np.array_equal(classes.mask[0] > 0, numbers < 5)
    image = first(data, own("image", 1, "parts"))
    np.testing.assert_allclose(image.target[0], numbers / 127.5 - 1, atol=1e-5)
    embedding = first(data, own("embedding", 16, "parts"))
    assert embedding.target.shape == (300, 2)

    found = open_examples(str(data.root), trial_data(), own("vector", 2, "size"), SIDE, "train")
    assert [found.example(i, 0).target.tolist() for i in (0, 1)] == [[-1, 0], [1, 0]]
    assert statistics(found).to_dict()["mean"] == [2, 5]


def test_a_plugin_decodes_a_format_of_its_own(data: TinyData, offered: list[EntryPoint]) -> None:
    offered.append(_Loaded("mine", "test:GOOD", "taskonomy.tasks", GOOD))
    path = data.path("a", 0, 0, "words", "json")
    path.parent.mkdir()
    for view in (0, 1):
        data.path("a", 0, view, "words", "json").write_text(str(view + 0.25))
    task = own("image", 1, "words")
    assert (first(data, task).target == 0.5).all()
    path.write_text("no number")
    with pytest.raises(Unreadable, match="could not convert"):
        first(data, task)


def test_a_format_that_nothing_implies_is_refused(data: TinyData) -> None:
    with pytest.raises(SettingRefused, match=r"'mine'.*image × 5 .*'parts'.*TaskPlugin"):
        first(data, own("image", 5, "parts"))


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([entry("nowhere_at_all:x")], "cannot be imported"),
        ([entry("json:loads")], "is a function; make it a"),
        ([entry("json:loads"), entry("json:dumps")], "several plugins: json:dumps, json:loads"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused(
    offered: list[EntryPoint], points: list[EntryPoint], said: str
) -> None:
    offered.extend(points)
    with pytest.raises(PluginRefused, match=said):
        plugin("mine")


def test_without_a_plugin_nothing_changes(offered: list[EntryPoint]) -> None:
    assert not offered
    assert plugin("mine") == TaskPlugin()


class _Loaded(EntryPoint):
    """An entry point whose object is already here: test modules cannot be imported by name."""

    def __init__(self, name: str, value: str, group: str, loaded: object) -> None:
        super().__init__(name, value, group)
        vars(self)["loaded"] = loaded

    def load(self) -> object:
        return vars(self)["loaded"]
