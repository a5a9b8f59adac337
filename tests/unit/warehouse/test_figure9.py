"""The paper's figure 9, cell by cell."""

import csv
from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.figure9 import (
    Cell,
    as_printed,
    compare,
    holds_shipped_measurements,
)
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import write_taxonomies
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.warehouse import reading


def test_all_704_cells_come_out_as_printed(solved_paper: Path) -> None:
    with reading(solved_paper) as connection:
        comparison = compare(connection, "paper")
    assert comparison.mismatches == ()
    assert (comparison.matched, comparison.total) == (704, 704)


def test_the_plain_affinity_would_miss_86(connection: duckdb.DuckDBPyConnection) -> None:
    """The exponent 0.5 is what the paper's own figures were made with."""
    import_published(connection, shipped_measurements(), "paper", published_dictionary())
    settings = Settings(affinity_exponent=1.0)
    problem = read_problem(connection, "paper", settings)
    budgets = [2.0, 4.0, 6.0, 8.0, 12.0, 15.0, 22.0, 26.0]
    taxonomies = solve_taxonomies(problem, budgets, ["1", "4"], workers=2)
    write_taxonomies(connection, "paper", settings.scenario, settings, taxonomies)
    comparison = compare(connection, "paper", settings.scenario)
    assert len(comparison.mismatches) == 86
    assert all(cell.ours is not None for cell in comparison.mismatches)


def test_what_was_not_solved_does_not_match(paper_warehouse: Path) -> None:
    with reading(paper_warehouse) as connection:
        comparison = compare(connection, "paper")
    assert (comparison.matched, comparison.solved, comparison.total) == (0, 0, 704)
    assert comparison.mismatches == ()


def test_a_cell_is_compared_as_the_reader_sees_it() -> None:
    cell = Cell(
        target="depth", budget=2.0, max_order="1", metric="gain", printed="0.8", ours=0.7501
    )
    assert cell.matches


@pytest.mark.parametrize(
    ("win_rate", "printed"),
    [
        (0.0, "0.0"),
        (0.0499999, "0.0"),
        (0.0500001, "0.1"),
        (0.25, "0.2"),
        (0.75, "0.8"),
        (0.35036874855957595, "0.4"),
        (0.9999, "1.0"),
        (1.0, "1.0"),
    ],
)
def test_rounding(win_rate: float, printed: str) -> None:
    assert as_printed(win_rate) == printed


def test_no_cell_hangs_on_how_a_half_is_rounded(solved_paper: Path) -> None:
    with reading(solved_paper) as connection:
        cells = compare(connection, "paper").cells
    nearest = min(abs(cell.ours * 10 % 1 - 0.5) for cell in cells if cell.ours is not None)
    assert nearest > 0.003


def test_only_the_papers_own_measurements_are_held_against_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    import_published(connection, shipped_measurements(), "paper", published_dictionary())
    with shipped_measurements().open() as file:
        rows = list(csv.reader(file))
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("\n".join(",".join(row) for row in rows[:-1]) + "\n")
    import_published(connection, shorter, "mine", published_dictionary())
    assert holds_shipped_measurements(connection, "paper")
    assert not holds_shipped_measurements(connection, "mine")
    assert not holds_shipped_measurements(connection, "nobody's")
