"""The report's story: read the warehouse, draw, render, put it all in place."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from taskonomy_warehouse.report.against_random import Progress
from taskonomy_warehouse.report.contents import read_contents
from taskonomy_warehouse.report.page import render_page
from taskonomy_warehouse.report.pictures import draw_pictures
from taskonomy_warehouse.report.report_folder import PAGE, PICTURES, check, replaced_together
from taskonomy_warehouse.selection.settings import DEFAULT_SCENARIO


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

    Nothing is put in place before everything is drawn: a report is whole or as it was. Pictures
    that an earlier report made and this one does not are removed, all other files left alone.

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
    check(out_dir)
    tell("reading the warehouse")
    contents = read_contents(connection, study, scenario, seed=seed, draws=draws, progress=tell)
    with replaced_together(out_dir) as folder:
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
