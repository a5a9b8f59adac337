"""What is refused before anything is made."""

import json
from pathlib import Path
from typing import Any

import pytest

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_jobs.rooms.make import split_of
from taskonomy_jobs.rooms.settings import RoomsSettings, claim

GOOD: dict[str, Any] = {"buildings": 3, "views": 10, "size": 64, "seed": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [("buildings", 2), ("views", 1), ("size", 100), ("seed", -1)],
)
def test_settings_out_of_range_are_refused_by_name(field: str, value: int) -> None:
    with pytest.raises(SettingRefused, match=f"--{field} {value}"):
        RoomsSettings(**{**GOOD, field: value})


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputRefused, match="name a new folder"):
        claim(tmp_path, RoomsSettings(**GOOD))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputRefused):
        claim(tmp_path / "file", RoomsSettings(**GOOD))


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "rooms"
    claim(out, RoomsSettings(**GOOD))
    claim(out, RoomsSettings(**GOOD))
    with pytest.raises(InputRefused, match="made with size 64, seed 1"):
        claim(out, RoomsSettings(**{**GOOD, "size": 128, "seed": 2}))
    assert json.loads((out / "rooms.json").read_text())["size"] == 64


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rooms.json").write_text("{")
    with pytest.raises(InputRefused, match=r"rooms\.json"):
        claim(tmp_path, RoomsSettings(**GOOD))


@pytest.mark.parametrize(
    ("buildings", "expected"), [(3, (1, 1, 1)), (12, (9, 1, 2)), (100, (70, 12, 18))]
)
def test_parts_of_a_split(buildings: int, expected: tuple[int, int, int]) -> None:
    parts = split_of(RoomsSettings(**{**GOOD, "buildings": buildings}))
    assert len(parts) == buildings
    assert tuple(list(parts.values()).count(p) for p in ("train", "val", "test")) == expected


def test_the_split_does_not_depend_on_views_or_size() -> None:
    one = RoomsSettings(buildings=9, views=4, size=64, seed=3)
    two = RoomsSettings(buildings=9, views=400, size=256, seed=3)
    assert split_of(one) == split_of(two)
