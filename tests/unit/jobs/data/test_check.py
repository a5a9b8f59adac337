import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_data import SIDE, TinyData

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_jobs.data.__main__ import main
from taskonomy_jobs.data.check import checked


@pytest.fixture
def data(tmp_path: Path) -> TinyData:
    """Building a has 3 views, b has 2; b lacks one depth and one camera."""
    tiny = TinyData(tmp_path)
    tiny.views("a", {0: 3})
    tiny.views("b", {0: 1, 1: 1})
    tiny.matches("a", 0, [])
    tiny.path("b", 0, 0, "depth_zbuffer", "png").unlink()
    tiny.path("b", 1, 0, "points", "json").unlink()
    tiny.npy("a", 0, 0, "class_scene", [0.5, 0.5])
    tiny.split("s", {"train": ["a"], "val": ["b"], "test": ["gone"]})
    return tiny


def run(data: TinyData, *words: str) -> int:
    return main([*words, str(data.root)])


def test_coverage_is_counted_by_task_part_and_building(
    data: TinyData, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, "check", "--splits", "s", "--output", "json") == 0
    report = json.loads(capsys.readouterr().out)
    found = {one["building"]: one for one in report["buildings"]}
    assert [(b, one["part"], one["views"]) for b, one in found.items()] == [
        ("a", "train", 3),
        ("b", "val", 2),
        ("gone", "test", 0),
    ]
    tasks = ("autoencoding", "depth", "pose-fixated", "pose-nonfixated", "scene-classes", "normals")
    assert [found["a"]["labels"][task] for task in tasks] == [3, 3, 3, 3, 1, 0]
    assert [found["b"]["labels"][task] for task in tasks] == [2, 1, 1, 0, 0, 0]
    assert set(found["a"]["labels"]) == {t.id for t in paper_dictionary() if t.is_trained}
    # 5 images, 4 depths, 4 cameras, 1 list of matches, 1 vector
    assert (report["files"], report["examined"], report["image_size"]) == (15, 15, SIDE)
    assert report["damaged"] == []


def test_the_table_says_what_is_missing(data: TinyData, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, "check", "--splits", "s") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.strip()}
    assert rows["task"] == ["task", "train", "(3)", "val", "(2)", "test", "(0)"]
    assert rows["depth"] == ["depth", "3", "1", "50.0%", "0"]
    assert "everything: no RGB image is there" in " ".join(rows["gone"])
    assert "no damaged file by size and header" in lines[-1]


def test_without_a_split_every_building_is_looked_at(data: TinyData) -> None:
    report = checked(str(data.root), "taskonomy", paper_dictionary())
    assert [(one.building, one.part) for one in report.buildings] == [("a", "all"), ("b", "all")]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no image": lambda path: path.write_bytes(b"<html>not found</html>" * 5),
    "another size": lambda path: Image.fromarray(np.zeros((8, 8), np.uint8)).save(path, "PNG"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_shallow_check_sees_sizes_and_headers(
    data: TinyData, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data.path("a", 0, 1, "depth_zbuffer", "png")
    DAMAGES[damage](path)
    assert run(data, "check") == 5
    assert f"{path}: is " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folder", "suffix", "content"),
    [
        ("rgb", "png", None),
        ("points", "json", b'{"camera_location": [1, 2, 3]}'),
        ("class_scene", "npy", None),
    ],
)
def test_the_deep_check_decodes(
    data: TinyData, folder: str, suffix: str, content: bytes | None
) -> None:
    path = data.path("a", 0, 0, folder, suffix)
    path.write_bytes(path.read_bytes()[:130] if content is None else content)
    assert run(data, "check") == 0
    assert run(data, "check", "--deep") == 5
    report = checked(str(data.root), "taskonomy", paper_dictionary(), deep=True)
    assert [one.path for one in report.damaged] == [str(path)]


def test_a_large_data_set_is_sampled_evenly(
    data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskonomy_jobs.data.check.MOST_FILES", 5)
    report = checked(str(data.root), "taskonomy", paper_dictionary())
    assert (report.files, report.examined) == (15, 5)


def test_a_mistake_is_one_line(data: TinyData, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(data.root / "nowhere")]) == 6
    assert run(data, "check", "--splits", "t") == 6
    assert run(data, "browse", "--out", "/nowhere/at/all.png") == 6
    assert run(data, "browse", "--out", str(data.root / "s.png"), "--building", "z") == 6
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("Error: ") for line in lines)


def test_the_sheet_shows_every_task(data: TinyData, capsys: pytest.CaptureFixture[str]) -> None:
    out = data.root / "sheet.png"
    assert run(data, "browse", "--out", str(out), "--building", "a", "--view", "2") == 0
    assert "a/point_0_view_2" in capsys.readouterr().err
    with Image.open(out) as sheet:
        assert sheet.size[0] > 1000
        assert len(sheet.convert("RGB").getcolors(1 << 24) or []) > 500
