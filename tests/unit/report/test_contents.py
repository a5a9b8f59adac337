"""A report shows what the warehouse holds, whatever its shape."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.report.contents import Contents, read_contents
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import write_taxonomies
from taskonomy_warehouse.selection.settings import Settings, TransferCost
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.warehouse import reading, writing


def contents_of(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str = "default"
) -> Contents:
    return read_contents(connection, study, scenario, seed=0, draws=100, progress=lambda _: None)


def test_the_papers_facts(paper_contents: Contents) -> None:
    assert len(paper_contents.targets) == 22
    assert len(paper_contents.heat_sources) == 26
    assert "object-classes-selected" not in paper_contents.heat_sources
    assert paper_contents.orders == ("1", "4")
    assert paper_contents.budgets == (2.0, 4.0, 6.0, 8.0, 12.0, 15.0, 22.0, 26.0)
    assert paper_contents.study.settings == ()
    assert paper_contents.study.transfers == 1762
    assert paper_contents.printed is not None
    assert paper_contents.printed.matched == 704


def test_heat_map_cells_are_the_views_rows(paper_contents: Contents, solved_paper: Path) -> None:
    with reading(solved_paper) as connection:
        rows = connection.execute(
            "SELECT target, source, distance, gain, quality FROM affinity_matrix "
            "WHERE study = 'paper'"
        ).fetchall()
    cells = {(c.target, c.source, c.distance, c.gain, c.quality) for c in paper_contents.heat}
    assert cells == set(rows)
    assert len(cells) == 22 * 26


def test_targets_stand_in_the_order_of_the_tree(paper_contents: Contents) -> None:
    leaves = [leaf for leaf in paper_contents.tree.leaves if leaf in paper_contents.targets]
    assert list(paper_contents.targets) == leaves
    assert paper_contents.heat_sources == paper_contents.tree.leaves


def test_every_solved_taxonomy_is_set_against_random_ones(
    paper_contents: Contents, solved_paper: Path
) -> None:
    with reading(solved_paper) as connection:
        rows = connection.execute(
            "SELECT budget, max_order, objective, mean_gain, mean_quality FROM taxonomy_curve"
        ).fetchall()
    optimal = {
        (a.budget, a.max_order, *(s.optimal for s in (a.objective, a.gain, a.quality) if s))
        for a in paper_contents.against_random
    }
    assert optimal == set(rows)
    for against in paper_contents.against_random:
        assert against.objective is not None
        assert against.objective.p_value == pytest.approx(1 / 201)
        assert against.objective.quantiles[-1] <= against.objective.optimal


def test_the_headline_is_the_cheapest_that_comes_close(paper_contents: Contents) -> None:
    headline = paper_contents.headline
    assert headline is not None
    # 0.9 of 5.959921 is 5.3639: budget 8 reaches 5.343930, budget 12 reaches 5.738409.
    assert (headline.budget, headline.max_order) == (12.0, "4")


def test_the_same_seed_gives_the_same_contents(
    paper_contents: Contents, solved_paper: Path
) -> None:
    with reading(solved_paper) as connection:
        again = read_contents(
            connection, "paper", "default", seed=0, draws=200, progress=lambda _: None
        )
        other = read_contents(
            connection, "paper", "default", seed=-1, draws=200, progress=lambda _: None
        )
    assert again == paper_contents
    assert other.against_random != paper_contents.against_random


def test_an_unknown_study_is_named(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(NotFound, match="no study 'nothing'"):
        contents_of(connection, "nothing")


def test_nothing_solved_names_the_command(connection: duckdb.DuckDBPyConnection) -> None:
    import_published(connection, shipped_measurements(), "paper", published_dictionary())
    with pytest.raises(NotFound, match=r"run `taskonomyctl solve --study paper`"):
        contents_of(connection, "paper")


def test_another_scenario_is_named(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    study = make_study()
    with pytest.raises(NotFound, match=r"no scenario 'mine'; it was solved as 'default'"):
        contents_of(connection, study, "mine")


def test_infeasible_budgets_keep_their_reason(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    contents = contents_of(connection, make_study(budgets=(0.0, 0.5, 2.5)))
    assert [t.status for t in contents.taxonomies] == ["infeasible", "infeasible", "optimal"] * 2
    assert all(t.reason for t in contents.taxonomies if t.status == "infeasible")
    assert [(a.budget, a.max_order) for a in contents.against_random] == [(2.5, "1"), (2.5, "all")]


def test_a_study_where_nothing_is_feasible_has_no_headline(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    contents = contents_of(connection, make_study(budgets=(0.0,)))
    assert contents.headline is None
    assert contents.against_random == ()


def test_settings_are_told_in_words(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    settings = Settings(
        source_only=("t2",),
        label_cost={"t0": 2.5},
        transfer_cost=TransferCost(default=0.25),
        affinity_exponent=1.0,
        allow_own_transfer=True,
    )
    study = make_study(settings=settings, budgets=(4.0, 6.5))
    contents = contents_of(connection, study, settings.scenario)
    assert dict(contents.study.settings) == {
        "source only": "Gamma",
        "label cost": "Alpha 2.5",
        "transfer cost": '{"default":0.25}',
        "affinity exponent": "1",
        "allow own transfer": "yes",
    }
    assert contents.printed is None
    assert all(t.status == "optimal" for t in contents.taxonomies)
    assert len(contents.against_random) == 4


def test_a_scenario_narrows_the_taxonomies_and_not_the_heat_maps(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    settings = Settings(exclude=("t2",), source_only=("t1",))
    study = make_study(titles=("A", "B", "C", "D"), settings=settings)
    contents = contents_of(connection, study, settings.scenario)
    assert set(contents.targets) == {"t0", "t3"}
    assert set(contents.supervisable) == {"t0", "t1", "t3"}
    assert set(contents.heat_targets) == set(contents.heat_sources) == {"t0", "t1", "t2", "t3"}


def test_unmeasured_win_rates_stay_unmeasured(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    titles = [f"Task {i}" for i in range(6)]
    contents = contents_of(connection, make_study(titles=titles, holes=0.4))
    (missing,) = connection.execute(
        "SELECT count(*) FROM affinity_matrix WHERE gain IS NULL"
    ).fetchall()[0]
    assert missing > 0
    assert sum(cell.gain is None for cell in contents.heat) == missing
    assert len(contents.heat) < 36


def test_figure_9_follows_the_settings_and_not_their_name(
    paper_warehouse: Path, tmp_path: Path
) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(paper_warehouse.read_bytes())
    with writing(path) as connection:
        asked = {"mine": Settings(), "default": Settings(affinity_exponent=1)}
        for name, settings in asked.items():
            problem = read_problem(connection, "paper", settings)
            solved = solve_taxonomies(problem, [2.0, 3.0], ["1"], solver="highs")
            write_taxonomies(connection, "paper", name, settings, solved)
        mine, default = (contents_of(connection, "paper", name) for name in ("mine", "default"))
    assert default.printed is None
    assert mine.printed is not None
    # One of the eight printed budgets is solved, for one of the two orders: 22 gains, 22 qualities.
    assert (mine.printed.matched, mine.printed.solved, mine.printed.total) == (44, 44, 704)
