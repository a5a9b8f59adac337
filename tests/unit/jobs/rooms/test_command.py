"""The command as a process: files, splits, worker counts, continuing, refusing."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskonomy_jobs.data.layout import DOMAINS
from taskonomy_jobs.rooms.make import make
from taskonomy_jobs.rooms.settings import RoomsSettings

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[4]


def make_rooms(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(REPOSITORY / p) for p in ("catalogue", "jobs"))
    command = [sys.executable, "-W", "error", "-m", "taskonomy_jobs.rooms", str(out), *options]
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three buildings of seven views, by two processes."""
    out = tmp_path_factory.mktemp("rooms") / "out"
    options = ("--buildings", "3", "--views", "7", "--size", "64", "--seed", "5")
    done = make_rooms(out, *options, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["made"] == 21
    return out


def test_every_view_has_every_label(rooms: Path) -> None:
    for building in ("building_00000", "building_00001", "building_00002"):
        views = {p.name.partition("_domain")[0] for p in (rooms / building / "rgb").iterdir()}
        assert len(views) == 7
        for domain in DOMAINS.values():
            names = {p.name for p in (rooms / building / domain.name).iterdir()}
            stem, suffix = domain.stems[0], domain.suffix
            if domain.name == "nonfixated_matches":
                points = {v.split("_view")[0] for v in views}
                assert names == {f"{p}_view_all_domain_{stem}.json" for p in points}
            else:
                assert names == {f"{view}_domain_{stem}.{suffix}" for view in views}


def test_images_have_the_published_depths_of_colour(rooms: Path) -> None:
    for domain in DOMAINS.values():
        if domain.suffix != "png":
            continue
        for path in (rooms / "building_00001" / domain.name).iterdir():
            pixels = np.asarray(Image.open(path))
            assert pixels.shape == ((64, 64) if domain.channels == 1 else (64, 64, 3))
            assert pixels.dtype == (np.uint16 if domain.bits == 16 else np.uint8)


def test_the_split_has_a_building_in_each_part(rooms: Path) -> None:
    with (rooms / "splits" / "rooms.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["building_00000", "building_00001", "building_00002"]
    for part in ("train", "val", "test"):
        assert sum(int(row[part]) for row in rows) == 1


def test_a_cut_off_run_goes_on_and_one_process_writes_the_same_bits(
    rooms: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(rooms, again)
    kept = (again / "building_00000" / "rgb" / "point_0_view_0_domain_rgb.png").stat().st_mtime_ns
    shutil.rmtree(again / "building_00002")
    (again / "building_00001").rename(again / "building_00001.unfinished")
    shutil.rmtree(again / "building_00001.unfinished" / "rgb")
    made = make(again, RoomsSettings(buildings=3, views=7, size=64, seed=5), 1, lambda _, __: None)
    assert made == 14
    assert digests(again) == digests(rooms)
    path = again / "building_00000" / "rgb" / "point_0_view_0_domain_rgb.png"
    assert path.stat().st_mtime_ns == kept


def test_a_point_and_its_views_say_the_same(rooms: Path) -> None:
    for path in (rooms / "building_00002" / "points").iterdir():
        info = json.loads(path.read_text())
        point, view = path.name.split("_")[1], path.name.split("_")[3]
        assert (info["point_uuid"], str(info["view_id"])) == (point, view)
        for other in info["nonfixated_points_in_view"]:
            name = f"point_{other}_view_all_domain_nonfixated_matches.json"
            matches = json.loads((path.parents[1] / "nonfixated_matches" / name).read_text())
            assert (point, int(view)) in {
                (match["point_uuid"], match["view_id"]) for match in matches["views"]
            }


def test_other_arguments_for_the_same_folder_are_refused(rooms: Path) -> None:
    before = digests(rooms)
    done = make_rooms(rooms, "--buildings", "3", "--views", "8", "--size", "64", "--seed", "5")
    assert done.returncode == 5
    assert "were made with views 7" in done.stderr
    assert "Traceback" not in done.stderr
    assert digests(rooms) == before


def test_a_place_that_cannot_be_written_is_a_mistake_and_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = make_rooms(tmp_path / "file" / "rooms", "--buildings", "3", "--views", "2")
    assert done.returncode == 6
    assert f"Error: {tmp_path / 'file' / 'rooms'}: cannot be written: Not a dir" in done.stderr
