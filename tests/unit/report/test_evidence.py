"""Error bars, sanity, significance, coverage: on the page when the study holds them, and right."""

import re
import shlex
from collections.abc import Iterator
from datetime import date
from html import unescape
from pathlib import Path
from statistics import mean

import duckdb
import numpy as np
import pytest
import yaml
from new_warehouse import new_warehouse
from rooms import leave_rooms
from trial_results import Artifacts, small_study, trials_of

from taskonomy_catalogue.study import parse_study
from taskonomy_warehouse.bootstrap import bootstrap
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.report.contents import Contents, headline_of, read_contents
from taskonomy_warehouse.report.evidence import Evidence, read_evidence
from taskonomy_warehouse.report.page import render_page
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import read_taxonomies, write_taxonomies
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.stability import taxonomy_stability
from taskonomy_warehouse.warehouse import reading, writing

Connection = duckdb.DuckDBPyConnection
SECTIONS = ("error-bars", "sanity", "significance", "groups", "novel", "elsewhere", "coverage")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Two trained studies; `rooms` solved, with error bars of five replicates."""
    folder = tmp_path_factory.mktemp("rooms")
    leave_rooms(folder)
    with writing(new_warehouse(folder / "warehouse.duckdb")) as connection:
        for name in ("rooms", "places"):
            study = parse_study(
                yaml.safe_load((folder / f"{name}.yaml").read_text()), origin=f"{name}.yaml"
            )
            findings = find_in_artifacts(connection, str(folder / "results"))
            assert load(connection, study, findings, origin=f"{name}.yaml").refusals == ()
        settings = Settings()
        problem = read_problem(connection, "rooms", settings)
        solved = solve_taxonomies(problem, [1.0, 2.0], ["1", "2"], solver="highs")
        write_taxonomies(connection, "rooms", "default", settings, solved)
        bootstrap(connection, "rooms", replicates=5)
        taxonomy_stability(connection, "rooms", "default", settings, [1.0, 2.0], ["1", "2"])
        yield connection


@pytest.fixture(scope="module")
def evidence(rooms: Connection) -> Evidence:
    headline = headline_of(read_taxonomies(rooms, "rooms", "default"))
    return read_evidence(rooms, "rooms", "default", headline)


def sections(page: str) -> list[str]:
    return [found for found in re.findall(r'<section id="([-a-z]+)"', page) if found in SECTIONS]


def test_a_trained_study_has_every_section_and_each_says_how_to_read_it(rooms: Connection) -> None:
    contents = read_contents(rooms, "rooms", "default", seed=0, draws=20, progress=lambda _: None)
    page = render_page(contents, date(2026, 11, 22))
    assert sections(page) == list(SECTIONS)
    for section in SECTIONS[:-1]:
        part = page[page.index(f'<section id="{section}"') :]
        assert "Read " in part[: part.index("<table")], section
        assert f'<a href="#{section}">' in page
    assert commands(page) == []  # solved again: nothing left to count


def test_the_papers_set_shows_what_it_can(paper_contents: Contents) -> None:
    page = render_page(paper_contents, date(2026, 11, 22))
    assert sections(page) == ["sanity", "groups", "novel", "coverage"]
    assert "Over random features" in page
    assert "Over best guess" not in page
    means = {mean.max_order: mean for mean in paper_contents.evidence.novel_means}
    assert means["1"].targets == 22
    assert f"{means['1'].gain:.3f}" in page


def test_error_bars_are_of_what_the_headline_taxonomy_chose(
    rooms: Connection, evidence: Evidence
) -> None:
    bars = evidence.error_bars
    assert bars is not None
    assert (bars.replicates, bars.seed, bars.images) == (5, 0, 1200)
    headline = headline_of(read_taxonomies(rooms, "rooms", "default"))
    assert headline is not None
    chosen = {choice.target: choice for choice in headline.choices}
    assert [row.target for row in bars.served] == ["curvature", "normals", "reshading"]
    for row in bars.served:
        assert frozenset(row.sources) == frozenset(chosen[row.target].sources)
        ((gains,),) = rooms.execute(
            "SELECT r.gain FROM replicate AS r JOIN transfer AS t USING (study, transfer_id) "
            "WHERE r.target = ? AND t.kind = ? AND list_sort(t.sources) = list_sort(?)",
            [row.target, chosen[row.target].kind, list(row.sources)],
        ).fetchall()
        assert row.gain is not None
        assert row.gain.value == chosen[row.target].gain
        assert min(gains) <= row.gain.low <= row.gain.high <= max(gains)
        assert row.chosen in {0, 0.2, 0.4, 0.6, 0.8, 1}
    shares = {source: share for source, share, _ in bars.sources}
    assert sum(shares.values()) == pytest.approx(headline.budget)  # every replicate spends it
    assert {s for s, _, supervised in bars.sources if supervised} == set(headline.sources)


def test_sanity_and_sign_tests_count_images(rooms: Connection, evidence: Evidence) -> None:
    wins = """
        SELECT avg((a.loss < b.loss)::INTEGER) FROM loss AS a JOIN loss AS b USING (study, image_id)
        JOIN transfer AS mine ON (mine.study, mine.transfer_id) = (study, a.transfer_id)
        JOIN transfer AS theirs ON (theirs.study, theirs.transfer_id) = (study, b.transfer_id)
        WHERE study = 'rooms' AND mine.target = 'normals' AND theirs.target = 'normals'
            AND mine.kind = 'task-specific' AND theirs.kind = 'best-guess'
    """
    ((rate,),) = rooms.execute(wins).fetchall()
    sane = {row.target: row for row in evidence.sanity}["normals"]
    assert sane.over_best_guess == pytest.approx(rate)
    assert 0.5 < (sane.over_scratch or 0) < rate
    for row in evidence.significance:
        assert row.better + row.worse + row.undecided == 7
    scratch = {row.target: row for row in evidence.significance if row.baseline == "scratch"}
    assert scratch["normals"].better > 0


def test_holes_are_what_was_not_measured(rooms: Connection, evidence: Evidence) -> None:
    assert (evidence.coverage.cells, evidence.coverage.holes) == (12, ())
    rooms.begin()
    rooms.execute(
        "DELETE FROM computed_affinity WHERE study = 'rooms' AND transfer_id IN "
        "(SELECT transfer_id FROM transfer "
        "WHERE study = 'rooms' AND target = 'normals' AND sources = ['random'])"
    )
    holes = read_evidence(rooms, "rooms", "default", None).coverage
    rooms.rollback()
    assert (holes.cells, holes.measured) == (12, 11)
    (hole,) = holes.holes
    assert (hole.target, hole.source, hole.lacks_encoder) == ("normals", "random", False)
    assert (hole.ranked, hole.taxonomies) == (7, 4)
    assert hole.transfers == (("random", "reshading", "curvature"),)  # pairs with it are measured


def test_groups_are_compared_with_their_error_bars(rooms: Connection, evidence: Evidence) -> None:
    """Own encoders left out, a 3D target has two 3D sources and the random one."""
    (found,) = [e for e in evidence.groups if e.targets == "3d"]
    gains: dict[str, dict[str, list[float]]] = {}
    for target, source, gain in rooms.execute(
        "SELECT target, sources[1], gain FROM measured_transfer WHERE study = 'rooms' "
        "AND kind = 'transfer' AND transfer_order = 1 AND sources[1] <> target"
    ).fetchall():
        groups = gains.setdefault(target, {"3d": [], "other": []})
        groups["other" if source == "random" else "3d"].append(gain)
    effects = [mean(of["3d"]) - mean(of["other"]) for of in gains.values()]
    assert found.count == len(effects) == 3
    assert found.effect == pytest.approx(mean(effects))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.high


def test_other_studies_are_compared_and_strangers_left_out(evidence: Evidence) -> None:
    ((name, agreement),) = evidence.elsewhere
    assert name == "places"
    assert agreement.transfers == 24
    assert 0.5 < (agreement.spearman or 0) <= 1


def test_nothing_solved_or_resampled_has_no_error_bars(
    rooms: Connection, paper_warehouse: Path
) -> None:
    assert read_evidence(rooms, "places", "default", None).error_bars is None
    with reading(paper_warehouse) as connection:
        assert read_evidence(connection, "paper", "default", None).error_bars is None


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A study of two seeds a transfer, solved with affinity itself, resampled, not solved again."""
    folder = tmp_path_factory.mktemp("seeds")
    study = small_study(training={"transfer": {"seeds": [0, 1]}})
    Artifacts(folder).leave_all(study)
    with writing(new_warehouse(folder / "warehouse.duckdb")) as connection:
        load(connection, study, find_in_artifacts(connection, str(folder)), origin="rooms.yaml")
        settings = Settings(affinity_exponent=1.0)
        problem = read_problem(connection, "rooms", settings)
        solved = solve_taxonomies(problem, [1.0], ["2"], solver="highs")
        write_taxonomies(connection, "rooms", settings.scenario, settings, solved)
        bootstrap(connection, "rooms", replicates=20, seed=4)
        yield connection


def test_error_bars_of_several_seeds_are_those_of_their_mean(seeds: Connection) -> None:
    scenario = Settings(affinity_exponent=1.0).scenario
    (taxonomy,) = read_taxonomies(seeds, "rooms", scenario)
    bars = read_evidence(seeds, "rooms", scenario, taxonomy).error_bars
    assert bars is not None
    chosen = {choice.target: choice for choice in taxonomy.choices}
    served = [row for row in bars.served if not row.own_network]
    assert served
    for row in served:
        of_seeds = seeds.execute(
            "SELECT r.affinity, r.gain, r.quality FROM replicate AS r "
            "JOIN transfer AS t USING (study, transfer_id) "
            "WHERE t.kind = 'transfer' AND r.target = ? AND t.sources = ?",
            [row.target, list(row.sources)],
        ).fetchall()
        assert len(of_seeds) == 2
        for k, figure in enumerate(("affinity", "gain", "quality")):
            interval = getattr(row, figure)
            means = np.mean([lists[k] for lists in of_seeds], axis=0)
            assert interval.value == getattr(chosen[row.target], figure)
            ends = np.quantile(means, [0.025, 0.975])
            assert (interval.low, interval.high) == pytest.approx(tuple(ends))


def page_of(connection: Connection, scenario: str) -> str:
    contents = read_contents(
        connection, "rooms", scenario, seed=0, draws=20, progress=lambda _: None
    )
    return render_page(contents, date(2026, 11, 22))


def commands(page: str) -> list[list[str]]:
    found = re.findall(r"<code>(taskonomyctl bootstrap .*?)</code>", page)
    return [shlex.split(unescape(command)) for command in found]


def test_a_page_without_stability_says_why_and_what_counts_it(seeds: Connection) -> None:
    settings = Settings(affinity_exponent=1.0)
    scenario = settings.scenario
    asked = ["--budgets", "1", "--orders", "2", "--scenario", scenario]
    again = ["taskonomyctl", "bootstrap", "--study", "rooms", "--replicates", "20", "--seed", "4"]
    page = page_of(seeds, scenario)
    assert "no taxonomy was solved anew on the replicates" in page
    assert commands(page) == [[*again, *asked]]
    seeds.begin()
    seeds.execute(
        "INSERT INTO source_stability VALUES ('rooms', 'default', 3, '4', 'normals', 1, 2), "
        "('rooms', 'default', 2, '4', 'normals', 1, 2)"
    )
    page = page_of(seeds, scenario)
    seeds.rollback()
    assert "those of order ≤ 4 at budget 2, 3 (settings “default”)" in page
    assert commands(page) == [[*again, *asked]]
    seeds.begin()
    seeds.execute("DELETE FROM bootstrap")
    seeds.execute("DELETE FROM replicate")
    page = page_of(seeds, scenario)
    seeds.rollback()
    assert sections(page)[0] == "error-bars"
    assert "not resampled since the last network was loaded" in page
    assert '<a href="#error-bars">' in page
    assert commands(page) == [["taskonomyctl", "bootstrap", "--study", "rooms", *asked]]


def test_missing_baselines_and_seeds_are_told(tmp_path: Path) -> None:
    """A target without a network from scratch, one without its own, one cell without a seed."""
    study = small_study(training={"transfer": {"seeds": [0, 1]}})
    artifacts = Artifacts(tmp_path)
    for trial in trials_of(study):
        lacks_scratch = (trial.kind, trial.target.id) == ("scratch", "normals")
        lacks_own = (trial.kind, trial.target.id) == ("task-specific", "reshading")
        if not (lacks_scratch or lacks_own):
            artifacts.leave(trial)
    gone = next(t for t in trials_of(study) if t.kind == "transfer" and t.target.id == "curvature")
    artifacts.remove(gone)
    with writing(new_warehouse(tmp_path / "warehouse.duckdb")) as connection:
        load(connection, study, find_in_artifacts(connection, str(tmp_path)), origin="rooms.yaml")
        solved = solve_taxonomies(
            read_problem(connection, "rooms", Settings()), [2.0], ["1"], solver="highs"
        )
        write_taxonomies(connection, "rooms", "default", Settings(), solved)
        coverage = read_evidence(connection, "rooms", "default", None).coverage
        page = page_of(connection, "default")
        ((gains, qualities),) = connection.execute(
            "SELECT count(*) FILTER (target = 'normals' AND gain IS NULL), "
            "count(*) FILTER (target = 'reshading' AND quality IS NULL) "
            "FROM measured_transfer WHERE kind = 'transfer'"
        ).fetchall()
    assert (coverage.cells, coverage.measured, coverage.holes) == (12, 12, ())
    assert (coverage.few_seeds, coverage.seeds_asked) == (1, 2)
    assert {(b.target, b.kind, b.transfers, b.taxonomies) for b in coverage.baselines} == {
        ("normals", "scratch", gains, 0),
        ("reshading", "task-specific", qualities, 1),
    }
    assert gains == qualities == 14  # seven transfers of two seeds
    words = " ".join(page[page.index('<section id="coverage"') :].split())
    assert (
        "<b>Surface normals</b>: it has no network trained from scratch, so none of its 14" in words
    )
    assert "1 of the 12 with an affinity have it from fewer seeds than the 2" in words
    assert "nothing was left out" not in words
