"""The report's story: read the warehouse, draw, render, put it all in place."""

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_warehouse.report.contents import Progress, read_contents
from taskonomy_warehouse.report.page import render_page
from taskonomy_warehouse.report.pictures import draw_pictures
from taskonomy_warehouse.selection.settings import DEFAULT_SCENARIO

PAGE = "report.html"
PICTURES = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """What was written."""

    page: Path
    """The self-contained HTML file."""
    pictures: tuple[Path, ...]
    """Each picture as PNG and SVG, in the order of the page."""
    newick: Path
    """The similarity tree, for other tools."""


def write_report(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    out_dir: Path,
    *,
    scenario: str = DEFAULT_SCENARIO,
    seed: int = 0,
    draws: int = 1000,
    progress: Progress | None = None,
) -> ReportFiles:
    """Write a study's report into a folder, which is made if missing.

    Nothing is put in place before everything is drawn: a report is whole or as it was. Other
    files in the folder are left alone.

    Args:
        connection: an open warehouse; read only.
        study: the study to report on.
        out_dir: where `PAGE` and the folder `PICTURES` go.
        scenario: the settings that its taxonomies were solved with.
        seed: of the random taxonomies; the same seed gives the same figures.
        draws: random taxonomies per budget and order.
        progress: told what is being worked on.

    Raises:
        NotFound: no such study, or it was never solved under the scenario.
        TaskonomyError: the folder cannot be made or written to.
    """
    tell = progress or (lambda _: None)
    _check_folder(out_dir)
    tell("reading the warehouse")
    contents = read_contents(connection, study, scenario, seed=seed, draws=draws, progress=tell)
    with _replaced_together(out_dir) as folder:
        tell("drawing pictures")
        names = draw_pictures(contents, folder / PICTURES)
        tell("writing the page")
        (folder / PICTURES / "similarity-tree.nwk").write_text(
            contents.tree.newick() + "\n", encoding="utf-8"
        )
        page = render_page(contents, datetime.now(UTC).date())
        (folder / PAGE).write_text(page, encoding="utf-8")
    return ReportFiles(
        page=out_dir / PAGE,
        pictures=tuple(out_dir / PICTURES / name for name in names),
        newick=out_dir / PICTURES / "similarity-tree.nwk",
    )


def _check_folder(out_dir: Path) -> None:
    """Refuse a file in the folder's place before any work is done."""
    if out_dir.exists() and not out_dir.is_dir():
        raise TaskonomyError(f"{out_dir} is a file; --out names a folder")


@contextmanager
def _replaced_together(out_dir: Path) -> Iterator[Path]:
    """Yield a scratch folder beside the real one; move its files into place at the end."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".report-", dir=out_dir))
    except OSError as error:
        raise TaskonomyError(f"{out_dir} cannot be written to: {error.strerror}") from error
    try:
        yield scratch
        _move_files(scratch, out_dir)
    except OSError as error:
        raise TaskonomyError(f"{out_dir} cannot be written to: {error.strerror}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move_files(scratch: Path, out_dir: Path) -> None:
    """Replace file by file, the page last: it is never newer than its pictures."""
    files = sorted(f.relative_to(scratch) for f in scratch.rglob("*") if f.is_file())
    for file in sorted(files, key=lambda f: f == Path(PAGE)):
        target = out_dir / file
        target.parent.mkdir(parents=True, exist_ok=True)
        (scratch / file).replace(target)
    _remove_former_pictures(out_dir / PICTURES, {file.name for file in files})


def _remove_former_pictures(folder: Path, now: Collection[str]) -> None:
    """Remove taxonomies that an earlier report drew and this one does not; others' files stay."""
    for file in folder.glob("taxonomy-budget-*-order-*.*"):
        if file.name not in now and file.suffix in (".png", ".svg"):
            file.unlink(missing_ok=True)
