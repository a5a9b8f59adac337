"""A report is put in place whole, or not at all."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.errors import NotFound, TaskonomyError
from taskonomy_warehouse.report import write as module
from taskonomy_warehouse.report.write import write_report


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }


def test_everything_that_is_named_is_there(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str], tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "report"
    told: list[str] = []
    files = write_report(connection, make_study(), out, draws=100, progress=told.append)
    assert files.page == out / "report.html"
    written = {str(f.relative_to(out)) for f in (files.page, files.newick, *files.pictures)}
    assert set(files_in(out)) == written | {"pictures/manifest.json"}
    assert len(files.pictures) % 2 == 0
    assert told[0] == "reading the warehouse"
    assert told[-1] == "writing the page"


def test_again_replaces_and_leaves_other_files_alone(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str], tmp_path: Path
) -> None:
    out = tmp_path / "report"
    study = make_study()
    write_report(connection, study, out, draws=100)
    before = files_in(out)
    (out / "report.html").write_text("an old report")
    (out / "notes.txt").write_text("mine")
    write_report(connection, study, out, draws=100)
    assert files_in(out) == before | {"notes.txt": b"mine"}


def test_a_failure_leaves_the_old_report(
    connection: duckdb.DuckDBPyConnection,
    make_study: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "report"
    study = make_study()
    write_report(connection, study, out, draws=100)
    before = files_in(out)

    def fail(*_: object) -> str:
        raise RuntimeError("power cut")

    monkeypatch.setattr(module, "render_page", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        write_report(connection, study, out, draws=150)
    assert files_in(out) == before


def test_a_file_in_the_folders_place_is_refused(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str], tmp_path: Path
) -> None:
    out = tmp_path / "report"
    out.write_text("a file")
    with pytest.raises(TaskonomyError, match="is a file; --out names a folder"):
        write_report(connection, make_study(), out)
    with pytest.raises(TaskonomyError, match="cannot be written to"):
        write_report(connection, "invented", out / "below", draws=100)
    assert out.read_text() == "a file"


def test_nothing_to_report_leaves_no_trace_in_the_folder(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    with pytest.raises(NotFound):
        write_report(connection, "nothing", out)
    assert not out.exists()
