"""Pictures are drawn for every kind of study, and the same contents give the same bytes."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest

from taskonomy_warehouse.report.contents import Contents, read_contents
from taskonomy_warehouse.report.heat_map_pictures import gain
from taskonomy_warehouse.report.pictures import draw_pictures, pictured_taxonomies
from taskonomy_warehouse.report.taxonomy_picture import taxonomy_graph


def bytes_of(folder: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def check_they_are_pictures(folder: Path, names: list[str]) -> None:
    assert len(names) == len(set(names))
    for name in names:
        content = (folder / name).read_bytes()
        if name.endswith(".png"):
            assert content.startswith(b"\x89PNG\r\n\x1a\n")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")
            assert b"dc:date" not in content


def test_every_picture_of_the_paper(paper_contents: Contents, tmp_path: Path) -> None:
    names = draw_pictures(paper_contents, tmp_path)
    check_they_are_pictures(tmp_path, names)
    assert {name.rpartition(".")[0] for name in names} >= {
        "first-order-affinity",
        "first-order-gain",
        "first-order-quality",
        "similarity-tree",
        "gain-and-quality-by-budget",
        "against-random-taxonomies",
        "taxonomy-budget-12-order-4",
    }


def test_the_same_bytes_again(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str], tmp_path: Path
) -> None:
    contents = invented(connection, make_study())
    first = bytes_of(tmp_path / "a", draw_pictures(contents, tmp_path / "a"))
    assert bytes_of(tmp_path / "b", draw_pictures(contents, tmp_path / "b")) == first


SHAPES: dict[str, dict[str, object]] = {
    "three tasks": {},
    "one task": {"titles": ["Alone"], "budgets": [1.0]},
    "many holes": {"titles": [f"Task {i}" for i in range(8)], "holes": 0.6},
    "fractions and one order": {"budgets": [0.5, 1.25, 2.75], "orders": ["2"]},
    "nothing feasible": {"budgets": [0.0]},
    "dollars and markup": {"titles": ["$x_1$ <b>", "a & b", r"\frac{1}{2} $"]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_other_studies(
    shape: str,
    connection: duckdb.DuckDBPyConnection,
    make_study: Callable[..., str],
    tmp_path: Path,
) -> None:
    contents = invented(connection, make_study(**SHAPES[shape]))
    check_they_are_pictures(tmp_path, draw_pictures(contents, tmp_path))


@pytest.mark.slow
def test_a_hundred_tasks(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str], tmp_path: Path
) -> None:
    titles = [f"Task number {i} with a longish title" for i in range(100)]
    contents = invented(
        connection, make_study(titles=titles, budgets=(10.0, 40.0), orders=("all",))
    )
    check_they_are_pictures(tmp_path, draw_pictures(contents, tmp_path))


def test_the_legend_explains_what_is_drawn_and_no_more(paper_contents: Contents) -> None:
    taxonomy = next(t for t in paper_contents.taxonomies if (t.budget, t.max_order) == (8, "4"))
    (legend,) = taxonomy_graph(paper_contents, taxonomy).legends
    titles = {task.id: task.group_title for task in paper_contents.tasks}
    drawn = {*taxonomy.sources, *(choice.target for choice in taxonomy.choices)}
    explained = [words.get_text() for words in legend.get_texts()]
    assert set(explained) == {titles[task] for task in drawn}
    assert "Other" not in explained  # the random projections: measured, and in no taxonomy
    assert titles["random"] == "Other"


def test_a_heat_map_prints_win_rates_as_all_others(paper_contents: Contents) -> None:
    axes = gain(paper_contents).axes[0]
    printed = sorted(float(words.get_text()) for words in axes.texts)
    measured = [cell.gain for cell in paper_contents.heat if cell.gain is not None]
    assert printed == sorted(float(f"{value:.3f}") for value in measured)


def test_the_headline_has_its_picture(paper_contents: Contents) -> None:
    assert paper_contents.headline in pictured_taxonomies(paper_contents)


def invented(connection: duckdb.DuckDBPyConnection, study: str) -> Contents:
    return read_contents(connection, study, "default", seed=0, draws=100, progress=lambda _: None)
