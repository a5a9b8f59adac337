"""What we solve against what the paper printed: the 704 cells of its figure 9.

Zamir et al. 2018, figure 9: gain and quality of every target under the taxonomies of budgets 2 to
26 and order limits 1 and 4, printed to one decimal. `data/figure9.csv` holds the printed cells.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import duckdb

from taskonomy_warehouse.published.importer import shipped_measurements

Metric = Literal["gain", "quality"]
METRICS: tuple[Metric, ...] = ("gain", "quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One printed cell and our figure for it."""

    target: str
    """Task id; the printed name where the study's dictionary does not know it."""
    budget: float
    max_order: str
    metric: Metric
    printed: str
    ours: float | None
    """The win rate in [0, 1]; None where the study has no such taxonomy or figure."""

    @property
    def matches(self) -> bool:
        """Whether ours, rounded as the paper rounds, is what was printed."""
        return self.ours is not None and as_printed(self.ours) == self.printed


@dataclass(frozen=True, slots=True)
class Comparison:
    """All printed cells, in the order of the file."""

    cells: tuple[Cell, ...]

    @property
    def total(self) -> int:
        """Return how many cells the paper printed."""
        return len(self.cells)

    @property
    def matched(self) -> int:
        """Return how many of them ours equal."""
        return sum(cell.matches for cell in self.cells)

    @property
    def solved(self) -> int:
        """Return how many of them we have a figure for."""
        return sum(cell.ours is not None for cell in self.cells)

    @property
    def mismatches(self) -> tuple[Cell, ...]:
        """Return the cells that were solved and differ."""
        return tuple(c for c in self.cells if c.ours is not None and not c.matches)


def compare(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str = "default"
) -> Comparison:
    """Compare the taxonomies of a study with the paper's figure 9, cell by cell."""
    task_of = _published_names(connection, study)
    ours = _figures(connection, study, scenario)
    cells = []
    for row in _printed_rows():
        target = task_of.get(row["target"], row["target"])
        metric: Metric = "gain" if row["metric"] == "gain" else "quality"
        budget = float(row["budget"])
        cells.append(
            Cell(
                target=target,
                budget=budget,
                max_order=row["order"],
                metric=metric,
                printed=row["printed"],
                ours=ours.get((target, budget, row["order"], metric)),
            )
        )
    return Comparison(tuple(cells))


def holds_shipped_measurements(connection: duckdb.DuckDBPyConnection, study: str) -> bool:
    """Return whether the study's measurements are the ones the figure was printed from."""
    row = connection.execute("SELECT source_sha256 FROM study WHERE study = ?", [study]).fetchone()
    return row is not None and row[0] == _shipped_sha256()


def as_printed(win_rate: float) -> str:
    """Round to one decimal as the paper's tools do: the nearest, and to even from a true half.

    A half that floats can hold (0.25, 0.75) goes to even; no other is a half. None of the 704
    cells hangs on it: the nearest lies 0.0003 from one.
    """
    return f"{win_rate:.1f}"


def _printed_rows() -> list[dict[str, str]]:
    file = resources.files("taskonomy_warehouse") / "published" / "data" / "figure9.csv"
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


@cache
def _shipped_sha256() -> str:
    return hashlib.sha256(shipped_measurements().read_bytes()).hexdigest()


def _published_names(connection: duckdb.DuckDBPyConnection, study: str) -> Mapping[str, str]:
    rows = connection.execute(
        "SELECT published_name, task FROM task WHERE study = ? AND published_name IS NOT NULL",
        [study],
    ).fetchall()
    return dict(rows)


def _figures(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str
) -> dict[tuple[str, float, str, Metric], float]:
    rows = connection.execute(
        "SELECT target, budget, max_order, gain, quality FROM taxonomy_choice "
        "WHERE study = ? AND scenario = ?",
        [study, scenario],
    ).fetchall()
    return {
        (target, budget, max_order, metric): value
        for target, budget, max_order, *values in rows
        for metric, value in zip(METRICS, values, strict=True)
        if value is not None
    }
