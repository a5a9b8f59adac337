"""The page is whole in itself, says what the warehouse holds, and no title can break out of it."""

import json
import re
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import duckdb
import pytest

from taskonomy_warehouse.published.figure9 import Cell, Comparison
from taskonomy_warehouse.report.contents import Contents, read_contents
from taskonomy_warehouse.report.page import embedded_json, figure9_tables, page_data, render_page

HOSTILE = (
    "</script><script>window.broken = true</script>",
    "<b>bold</b> & \"quoted\" 'twice'",
    "{{ 7 * 7 }} <!-- ",
)


class Elements(HTMLParser):
    """Collects start tags with their attributes, and the text of each element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text.setdefault(self._open[-1], []).append(data)


@pytest.fixture(scope="module")
def page(paper_contents: Contents) -> str:
    return render_page(paper_contents, date(2026, 11, 22))


def data_of(page: str) -> dict[str, list[dict[str, object]]]:
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    loaded: dict[str, list[dict[str, object]]] = json.loads(block[1])
    return loaded


def test_nothing_is_fetched(page: str) -> None:
    for tag, attributes in Elements(page).tags:
        assert tag not in ("iframe", "object", "embed", "base", "img")
        assert "src" not in attributes, (tag, attributes)
        href = attributes.get("href") or ""
        assert href.startswith(("#", "data:")) or not href, (tag, href)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_headings_descend_and_ids_are_unique(page: str) -> None:
    elements = Elements(page)
    levels = [int(tag[1]) for tag, _ in elements.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(elements.ids) == len(set(elements.ids))
    labelled = {a["for"] for t, a in elements.tags if t == "label" and a.get("for")}
    assert labelled <= set(elements.ids)
    named = {a["aria-labelledby"] for _, a in elements.tags if a.get("aria-labelledby")}
    assert named <= set(elements.ids)


def test_the_facts_are_there(page: str, paper_contents: Contents) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "all 16 taxonomies proven optimal" in text
    assert "taskonomy_16k.csv" in text
    assert paper_contents.study.source_sha256[:12] in text
    assert "704 of 704 cells match" in text
    assert "22 November 2026" in text
    assert "Lower is better here" in text
    assert all(solver in text for solver in paper_contents.solvers)


def test_the_script_gets_every_taxonomy(page: str, paper_contents: Contents) -> None:
    data = data_of(page)
    ids = [task.id for task in paper_contents.tasks]
    for told, taxonomy in zip(data["taxonomies"], paper_contents.taxonomies, strict=True):
        assert (told["budget"], told["order"]) == (taxonomy.budget, taxonomy.max_order)
        assert [ids[i] for i in told["sources"]] == list(taxonomy.sources)  # type: ignore[attr-defined]
        choices = {ids[c[0]]: [ids[s] for s in c[1]] for c in told["choices"]}  # type: ignore[attr-defined]
        assert choices == {c.target: list(c.sources) for c in taxonomy.choices}


def test_the_same_contents_give_the_same_page(page: str, paper_contents: Contents) -> None:
    assert render_page(paper_contents, date(2026, 11, 22)) == page


def test_titles_cannot_break_out(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    name = "</title><script>window.broken = true</script>"
    study = make_study(name=name, titles=HOSTILE)
    contents = read_contents(
        connection, study, "default", seed=0, draws=100, progress=lambda _: None
    )
    page = render_page(contents, date(2026, 1, 1))
    elements = Elements(page)
    assert [tag for tag, _ in elements.tags].count("script") == 2
    assert "window.broken" not in "".join(elements.text["script"][1:])
    assert "b" not in {tag for tag, _ in elements.tags}
    assert [task["title"] for task in data_of(page)["tasks"]] == list(HOSTILE)
    assert "".join(elements.text["h1"]) == name
    assert "49" not in "".join(elements.text["option"])


def test_embedded_json_is_inert_and_true() -> None:
    hostile = {"title": "</ScRiPt> <!-- & \u2028 \u2029 é"}
    text = str(embedded_json(hostile))
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile


def test_nothing_feasible_is_still_a_page(
    connection: duckdb.DuckDBPyConnection, make_study: Callable[..., str]
) -> None:
    study = make_study(budgets=(0.0,))
    contents = read_contents(
        connection, study, "default", seed=0, draws=100, progress=lambda _: None
    )
    page = render_page(contents, date(2026, 1, 1))
    assert "0 proven optimal, 2 infeasible" in page
    assert "figure9-title" not in page


def test_budgets_that_were_not_solved_take_no_column() -> None:
    def cell(order: str, budget: float, ours: float | None) -> Cell:
        return Cell(
            target="depth", budget=budget, max_order=order, metric="gain", printed="0.8", ours=ours
        )

    cells = (cell("1", 2, 0.8), cell("1", 4, None), cell("4", 2, None), cell("4", 4, None))
    ((order, budgets, rows),) = figure9_tables(Comparison(cells))
    assert (order, budgets) == ("1", (2,))
    assert rows == {"depth": {("gain", 2): cells[0]}}


def test_the_script_can_round_as_python_does(paper_contents: Contents) -> None:
    """To three digits, the figures that the page carries are those of the warehouse."""
    told: Any = page_data(paper_contents)["taxonomies"]
    for row, taxonomy in zip(told, paper_contents.taxonomies, strict=True):
        for carried, choice in zip(row["choices"], taxonomy.choices, strict=True):
            assert [f"{v:.3f}" for v in carried[4:]] == [
                f"{v:.3f}" for v in (choice.gain, choice.quality) if v is not None
            ]
