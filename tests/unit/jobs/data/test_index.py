import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_data import TinyData

from taskonomy_catalogue.errors import NotFound
from taskonomy_jobs.data import index as index_module
from taskonomy_jobs.data.index import Index

GREY = np.zeros((4, 4), np.uint8)


@pytest.fixture(params=["taskonomy", "omnidata"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> TinyData:
    """Building b: points 2 (views 0, 10) and 10 (view 1); building a: point 0, view 0."""
    tiny = TinyData(tmp_path / "data", request.param)
    for building, point, view in (("b", 10, 1), ("b", 2, 10), ("b", 2, 0), ("a", 0, 0)):
        tiny.png(building, point, view, "rgb", GREY)
    tiny.png("b", 2, 10, "normal", GREY)
    tiny.png("b", 3, 3, "normal", GREY)  # no RGB image: no view
    return tiny


def test_views_are_sorted_by_building_point_and_view_as_numbers(data: TinyData) -> None:
    index = Index(data.root, data.layout)  # type: ignore[arg-type]

    assert index.buildings == ("a", "b")
    assert [index.name(row) for row in range(len(index))] == [
        "a/point_0_view_0",
        "b/point_2_view_0",
        "b/point_2_view_10",
        "b/point_10_view_1",
    ]
    assert index.has("normal").tolist() == [False, False, True, False]
    assert index.has("reshading").tolist() == [False] * 4
    assert index.rows_of(["b", "nowhere"]).tolist() == [1, 2, 3]
    assert index.row("b", 2, 10) == 2
    assert index.row("b", 2, 1) is None
    assert index.path("normal", 2) == data.path("b", 2, 10, "normal", "png")
    assert index.path("reshading", 0) == data.path("a", 0, 0, "reshading", "png")


def test_ids_do_not_depend_on_the_arrangement(tmp_path: Path) -> None:
    ids = []
    for layout in ("taskonomy", "omnidata"):
        tiny = TinyData(tmp_path / layout, layout)
        for building, point, view in (("a", 0, 0), ("a", 0, 1), ("b", 0, 0)):
            tiny.png(building, point, view, "rgb", GREY)
        ids.append(Index(tiny.root, layout).ids.tolist())
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_every_published_name_of_a_folder_and_file_is_read(tmp_path: Path) -> None:
    tiny = TinyData(tmp_path)
    tiny.png("a", 0, 0, "rgb", GREY)
    other = tmp_path / "a" / "point_info" / "point_0_view_0_domain_point_info.json"
    scene = tmp_path / "a" / "class_scene" / "point_0_view_0_domain_class_scene.npy"
    for path in (other, scene):
        path.parent.mkdir()
        path.write_bytes(b"{}")
    (scene.parent / "notes.txt").write_text("not ours")

    index = Index(tmp_path, "taskonomy")

    assert index.path("points", 0) == other
    assert index.path("class_scene", 0) == scene
    assert index.listings("class_scene")[0].others == 1


def test_listings_are_kept_until_a_folder_changes(
    data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    _age(data.root)
    first = Index(data.root, data.layout)  # type: ignore[arg-type]
    first.has("normal")
    listed: list[str] = []
    monkeypatch.setattr(index_module, "_scanned", _counting(listed))

    again = Index(data.root, data.layout)  # type: ignore[arg-type]
    assert again.has("normal").tolist() == first.has("normal").tolist()
    assert again.ids.tolist() == first.ids.tolist()
    assert listed == []

    data.png("b", 2, 0, "normal", GREY)
    changed = Index(data.root, data.layout)  # type: ignore[arg-type]
    assert changed.has("normal").tolist() == [False, True, True, False]
    assert listed == ["normal"]


def test_a_data_set_written_anew_in_place_is_listed_anew(data: TinyData) -> None:
    _age(data.root)
    before = Index(data.root, data.layout).listings("rgb")  # type: ignore[arg-type]
    data.png("b", 2, 0, "rgb", GREY)  # the same name: its folder does not change
    after = Index(data.root, data.layout).listings("rgb")  # type: ignore[arg-type]
    assert before[0].changed == after[0].changed
    assert before[1].changed < after[1].changed


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut short", b"nonsense"])
def test_a_damaged_cache_is_made_again(data: TinyData, damage: bytes) -> None:
    _age(data.root)
    ids = Index(data.root, data.layout).ids.tolist()  # type: ignore[arg-type]
    kept = list((data.root / ".taskonomy").rglob("*.npz"))
    assert kept
    for path in kept:
        path.write_bytes(damage)
    assert Index(data.root, data.layout).ids.tolist() == ids  # type: ignore[arg-type]


def test_a_read_only_data_set_is_indexed_and_left_alone(
    data: TinyData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _age(data.root)
    monkeypatch.setenv("TASKONOMY_CACHE", str(tmp_path / "cache"))
    assert len(Index(data.root, data.layout).ids) == 4  # type: ignore[arg-type]
    assert not (data.root / ".taskonomy").exists()
    assert list((tmp_path / "cache").rglob("*.npz"))


def test_a_folder_without_images_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no building has a folder of RGB images"):
        Index(tmp_path / "empty", "taskonomy")
    with pytest.raises(NotFound, match="name the data set's folder, and the layout"):
        Index(tmp_path / "empty", "omnidata")


@pytest.mark.parametrize(("has", "named"), [("taskonomy", "omnidata"), ("omnidata", "taskonomy")])
def test_the_layout_that_a_data_set_has_is_named(tmp_path: Path, has: Any, named: Any) -> None:
    TinyData(tmp_path, has).views("a", {0: 1})
    said = f"no building has .* in the {named} layout .*; it has the {has} layout: say so"
    with pytest.raises(NotFound, match=said):
        Index(tmp_path, named)


def _counting(listed: list[str]) -> object:
    scanned = index_module._scanned

    def counted(folder: Path, name: str, domain: object) -> object:
        listed.append(name)
        return scanned(folder, name, domain)  # type: ignore[arg-type]

    return counted


def _age(root: Path) -> None:
    """Make everything look written a minute ago: fresh folders are not trusted."""
    shutil.rmtree(root / ".taskonomy", ignore_errors=True)
    then = time.time() - 60
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (then, then))
