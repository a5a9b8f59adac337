import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_data import SIDE, TinyData, task, trial_data

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_jobs.data.__main__ import main
from taskonomy_jobs.data.check import checked
from taskonomy_jobs.data.examples import Part, open_examples
from taskonomy_jobs.data.sheet import Cell


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
    assert "no damaged file by size, header and end" in lines[-1]


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


CUT_SHORT = {"rgb": "png", "depth_zbuffer": "png", "points": "json", "class_scene": "npy"}


@pytest.mark.parametrize("folder", CUT_SHORT)
def test_the_shallow_check_sees_what_was_cut_short(data: TinyData, folder: str) -> None:
    path = data.path("a", 0, 0, folder, CUT_SHORT[folder])
    path.write_bytes(path.read_bytes()[:130])
    report = checked(str(data.root), "taskonomy", paper_dictionary())
    assert [one.path for one in report.damaged] == [str(path)]


def test_more_behind_the_end_is_no_damage(data: TinyData) -> None:
    for folder, suffix, more in (("rgb", "png", b"made by hand"), ("points", "json", b"\n" * 99)):
        path = data.path("a", 0, 0, folder, suffix)
        path.write_bytes(path.read_bytes() + more)
    assert run(data, "check") == 0


def test_the_deep_check_decodes(data: TinyData) -> None:
    path = data.path("a", 0, 0, "points", "json")
    path.write_bytes(b'{"camera_location": [1, 2, 3]}')
    image = data.path("a", 0, 0, "rgb", "png")
    content = bytearray(image.read_bytes())
    content[100] ^= 255
    image.write_bytes(content)
    assert run(data, "check") == 0
    assert run(data, "check", "--deep") == 5
    report = checked(str(data.root), "taskonomy", paper_dictionary(), deep=True)
    assert [one.path for one in report.damaged] == [str(path), str(image)]


def test_a_view_counts_where_training_takes_it(data: TinyData) -> None:
    """Masked tasks need the depth that masks them, and some cameras have no label."""
    shapes = {"normal": (SIDE, SIDE, 3), "segment_unsup25d": (SIDE, SIDE)}
    for building, point, view in (("a", 0, 0), ("a", 0, 1), ("a", 0, 2), ("b", 0, 0), ("b", 1, 0)):
        for folder, shape in shapes.items():
            data.png(building, point, view, folder, np.full(shape, 127, np.uint8))
    data.path("a", 0, 1, "depth_zbuffer", "png").unlink()
    for view, field in ((1, "bounding_box_ranges"), (2, "vanishing_points_gaussian_sphere")):
        path = data.path("a", 0, view, "points", "json")
        content = json.loads(path.read_text())
        del content[field]
        path.write_text(json.dumps(content))
    data.split("halves", {"train": ["a"], "val": ["b"], "test": []})
    report = checked(str(data.root), "taskonomy", paper_dictionary(), splits="halves")
    of_building = {one.building: one.labels for one in report.buildings}
    tasks = ("normals", "segmentation-25d", "depth", "room-layout", "vanishing-points")
    assert [of_building["a"][name] for name in tasks] == [2, 2, 2, 2, 2]
    assert [of_building["b"][name] for name in tasks] == [1, 1, 1, 1, 1]
    parts: dict[str, Part] = {"a": "train", "b": "val"}
    for building, part in parts.items():
        of_part = partial(
            open_examples, str(data.root), trial_data(splits="halves"), image_size=SIDE, part=part
        )
        assert [of_building[building][name] for name in tasks] == [
            len(of_part(task=task(name))) for name in tasks
        ]


def test_of_too_many_cameras_files_are_counted(
    data: TinyData, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data.path("a", 0, 0, "points", "json")
    path.write_text('{"camera_location": [0, 0, 0], "camera_rotation_final": [0, 0, 0]}')
    for most, counted in ((4, 2), (3, 3)):
        monkeypatch.setattr("taskonomy_jobs.data.check.MOST_FILES", most)
        report = checked(str(data.root), "taskonomy", paper_dictionary())
        assert report.buildings[0].labels["room-layout"] == counted
    assert report.by_file_alone == ["room-layout", "vanishing-points"]
    assert run(data, "check") == 0
    assert "room-layout, vanishing-points: cameras counted" in capsys.readouterr().out
    deep = checked(str(data.root), "taskonomy", paper_dictionary(), deep=True)
    assert (deep.buildings[0].labels["room-layout"], deep.by_file_alone) == (2, [])


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


@pytest.mark.parametrize("given", ["abc", "-1", "1.5", "9" * 10])
def test_memory_that_is_no_number_is_refused_in_one_line(
    data: TinyData, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TASKONOMY_MEMORY_MIB", given)
    assert run(data, "check") == 2
    said = capsys.readouterr().err
    assert said == (
        f"Error: TASKONOMY_MEMORY_MIB is {given!r}; write a whole number of MiB from 0\n"
    )


def test_a_sheet_is_a_png_of_a_view_that_is_there(
    data: TinyData, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, "browse", "--out", str(data.root / "s.txt")) == 2
    assert not (data.root / "s.txt").exists()
    assert run(data, "browse", "--out", str(data.root / "s.png"), "--point", "9") == 6
    mistaken, absent = capsys.readouterr().err.splitlines()
    assert mistaken.endswith("s.txt: the sheet is a PNG; name it " + str(data.root / "s.png"))
    assert "no RGB image of point 9; there are 5 views" in absent


def test_classes_are_called_by_name_where_names_are_known(
    data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, list[str]] = {}

    def drawn(cells: Sequence[Cell], heading: str) -> Image.Image:
        words.update({cell.title: list(cell.words) for cell in cells}, heading=[heading])
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr("taskonomy_jobs.data.browse.drawn", drawn)
    data.npy("a", 0, 0, "class_object", [0.1, 0.0, 0.7, 0.2])
    data.npy("a", 0, 0, "class_scene", np.eye(365)[203].tolist())  # kitchen, in Places365
    assert run(data, "browse", "--out", str(data.root / "s.png")) == 0
    assert words["Object classes"] == ["class 2: 0.700", "class 3: 0.200", "class 0: 0.100"]
    assert words["Scene classes"][0] == "kitchen: 1.000"
    data.npy("a", 0, 0, "class_scene", [0.0, 0.25, 0.0, 0.75])
    (data.root / "rooms.json").write_text("{}")
    assert run(data, "browse", "--out", str(data.root / "s.png")) == 0
    assert words["Object classes"] == ["chair: 0.700", "couch: 0.200", "room: 0.100"]
    assert words["Scene classes"][:2] == ["kitchen: 0.750", "bedroom: 0.250"]


def test_the_sheet_shows_every_task(data: TinyData, capsys: pytest.CaptureFixture[str]) -> None:
    out = data.root / "sheet.png"
    assert run(data, "browse", "--out", str(out), "--building", "a", "--view", "2") == 0
    assert "a/point_0_view_2" in capsys.readouterr().err
    with Image.open(out) as sheet:
        assert sheet.size[0] > 1000
        assert len(sheet.convert("RGB").getcolors(1 << 24) or []) > 500
