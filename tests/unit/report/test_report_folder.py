"""A report replaces the one before it, and removes of it what it does not make again."""

import hashlib
from pathlib import Path

import pytest

from taskonomy_warehouse.report.report_folder import replaced_together


def write(out: Path, pictures: dict[str, str]) -> None:
    """Put a report of these pictures in place."""
    with replaced_together(out) as folder:
        (folder / "pictures").mkdir()
        (folder / "report.html").write_text("a page")
        for name, content in pictures.items():
            (folder / "pictures" / name).write_text(content)


def pictures_in(out: Path) -> dict[str, str]:
    return {
        file.name: file.read_text()
        for file in (out / "pictures").iterdir()
        if file.name != "manifest.json"
    }


def test_pictures_no_longer_drawn_go(tmp_path: Path) -> None:
    write(tmp_path, {"budget-1.png": "one", "budget-2.png": "two", "budget-3.png": "three"})
    write(tmp_path, {"budget-2.png": "two, again"})
    assert pictures_in(tmp_path) == {"budget-2.png": "two, again"}
    write(tmp_path, {"budget-1.png": "one"})
    assert pictures_in(tmp_path) == {"budget-1.png": "one"}


def test_what_somebody_else_made_stays(tmp_path: Path) -> None:
    write(tmp_path, {"budget-1.png": "one", "budget-2.png": "two", "budget-3.png": "three"})
    theirs = {"budget-1.png": "touched up by hand", "budget-9.png": "never ours"}
    for name, content in theirs.items():
        (tmp_path / "pictures" / name).write_text(content)
    (tmp_path / "kept.png").write_text("three")
    (tmp_path / "pictures/budget-3.png").unlink()
    (tmp_path / "pictures/budget-3.png").symlink_to(tmp_path / "kept.png")
    write(tmp_path, {})
    assert pictures_in(tmp_path) == theirs | {"budget-3.png": "three"}


def test_a_report_of_before_there_were_manifests_stays(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/budget-1.png").write_text("one")
    write(tmp_path, {"budget-2.png": "two"})
    assert pictures_in(tmp_path) == {"budget-1.png": "one", "budget-2.png": "two"}


FOREIGN = {
    "no JSON": "{",
    "a list": "[]",
    "no files": "{}",
    "files that are none": '{"files": [1, 2]}',
    "files elsewhere": '{"files": {"../mine.txt": "DIGEST", "/mine.txt": "DIGEST", "..": "x"}}',
    "a folder": '{"files": {"mine": "DIGEST", "": "DIGEST", "mine\\u0000": 1}}',
}


@pytest.mark.parametrize("manifest", FOREIGN)
def test_a_manifest_that_is_not_ours_removes_nothing(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "pictures/mine").mkdir(parents=True)
    (tmp_path / "mine.txt").write_text("mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    (tmp_path / "pictures/manifest.json").write_text(FOREIGN[manifest].replace("DIGEST", digest))
    write(tmp_path, {"budget-1.png": "one"})
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "pictures/mine").is_dir()
    assert (tmp_path / "pictures/budget-1.png").read_text() == "one"
