"""The report in a real browser: alone, without complaint, and showing what the warehouse says."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from taskonomy_warehouse.report.contents import read_contents
from taskonomy_warehouse.report.page import render_page
from taskonomy_warehouse.warehouse import reading, writing

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = '</script><script>broken=1</script><b onclick="x">b</b>'


@dataclass
class Opened:
    """A page in the browser, with what it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"NO BROWSER: {CHROMIUM} is missing, so no page was opened; install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(solved_paper: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with reading(solved_paper) as connection:
        contents = read_contents(
            connection, "paper", "default", seed=0, draws=100, progress=lambda _: None
        )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_page(contents, date(2026, 11, 22)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hostile_report(solved_paper: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's study with a task and a study whose names are markup."""
    folder = tmp_path_factory.mktemp("hostile")
    warehouse = folder / "warehouse.duckdb"
    shutil.copy(solved_paper, warehouse)
    with writing(warehouse) as connection:
        connection.execute("UPDATE task SET title = ? WHERE task = 'normals'", [HOSTILE])
        contents = read_contents(
            connection, "paper", "default", seed=0, draws=100, progress=lambda _: None
        )
    path = folder / "report.html"
    path.write_text(render_page(contents, date(2026, 11, 22)), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    with open_page(browser, report) as found:
        yield found


@contextmanager
def open_page(
    browser: Browser, path: Path, *, width: int = 1400, scheme: str = "light"
) -> Iterator[Opened]:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    found = Opened(context.new_page())

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.complaints.append(message.text)

    def asked(request: Request) -> None:
        found.requests.append(request.url)

    found.page.on("console", heard)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", asked)
    found.page.goto(path.as_uri())
    yield found
    context.close()


def drawn_taxonomy(page: Page) -> dict[str, frozenset[str]]:
    """Each target with the sources whose strands reach it, read off the drawing."""
    strands = page.eval_on_selector_all(
        "#taxonomy-plot path[data-source]",
        "paths => paths.map(p => [p.dataset.target, p.dataset.source])",
    )
    titles = page.evaluate("data.tasks.map(task => task.title)")
    found: dict[str, set[str]] = {}
    for target, source in strands:
        found.setdefault(titles[int(target)], set()).add(titles[int(source)])
    return {target: frozenset(sources) for target, sources in found.items()}


def taxonomy_of(warehouse: Path, budget: float, order: str) -> dict[str, frozenset[str]]:
    with reading(warehouse) as connection:
        titles = dict(connection.execute("SELECT task, title FROM task").fetchall())
        rows = connection.execute(
            "SELECT target, sources FROM taxonomy_choice WHERE budget = ? AND max_order = ?",
            [budget, order],
        ).fetchall()
    return {titles[target]: frozenset(titles[s] for s in sources) for target, sources in rows}


def move_slider(page: Page, key: str, times: int = 1) -> None:
    page.locator("#budget").focus()
    for _ in range(times):
        page.keyboard.press(key)


def test_it_asks_for_nothing_and_complains_of_nothing(opened: Opened, report: Path) -> None:
    opened.page.wait_for_load_state("networkidle")
    for name in ("gain", "quality", "affinity"):
        opened.page.locator(f"input[name=heat][value={name}]").check(force=True)
    opened.page.emulate_media(media="print")
    assert opened.requests == [report.as_uri()]
    assert opened.complaints == []


@pytest.mark.parametrize("order", ["1", "4"])
def test_the_slider_draws_what_the_warehouse_says(
    opened: Opened, solved_paper: Path, order: str
) -> None:
    page = opened.page
    page.locator(f"input[name=order][value='{order}']").check(force=True)
    move_slider(page, "Home")
    for budget in (2.0, 4.0, 6.0, 8.0, 12.0, 15.0, 22.0, 26.0):
        assert page.locator("#budget-value").inner_text() == f"{budget:g}"
        assert page.locator("#budget").get_attribute("aria-valuetext") == f"budget {budget:g}"
        assert drawn_taxonomy(page) == taxonomy_of(solved_paper, budget, order)
        move_slider(page, "ArrowRight")
    assert opened.complaints == []


def test_the_summary_is_the_warehouses(opened: Opened, solved_paper: Path) -> None:
    page = opened.page
    page.locator("input[name=order][value='4']").check(force=True)
    move_slider(page, "Home")
    move_slider(page, "ArrowRight", 3)
    with reading(solved_paper) as connection:
        objective, gain, quality = connection.execute(
            "SELECT objective, mean_gain, mean_quality FROM taxonomy_curve "
            "WHERE budget = 8 AND max_order = '4'"
        ).fetchall()[0]
    summary = page.locator("#taxonomy-summary").inner_text()
    assert "Budget 8, order ≤ 4" in summary
    assert f"objective {objective:.4f}" in summary
    assert f"mean gain {gain:.3f}" in summary
    assert f"mean quality {quality:.3f}" in summary
    assert "proven optimal" in summary


def test_the_table_follows_filters_and_sorts(opened: Opened, solved_paper: Path) -> None:
    page = opened.page
    page.select_option("#filter-budget", label="8")
    page.select_option("#filter-order", value="1")
    page.locator("#choice-table th[data-key=gain] button").click()
    with reading(solved_paper) as connection:
        gains = connection.execute(
            "SELECT gain FROM taxonomy_choice WHERE budget = 8 AND max_order = '1' ORDER BY gain"
        ).fetchall()
    shown = page.locator("#choice-table td[data-key=gain]").all_inner_texts()
    assert shown == [f"{gain:.3f}" for (gain,) in gains]
    assert page.locator("th[data-key=gain]").get_attribute("aria-sort") == "ascending"
    page.locator("#choice-table th[data-key=gain] button").click()
    assert page.locator("#choice-table td[data-key=gain]").all_inner_texts() == shown[::-1]
    page.fill("#filter-task", "surface")
    for row in page.locator("#choice-table tbody tr").all_inner_texts():
        assert "surface" in row.lower()
    page.fill("#filter-task", "no such task")
    assert page.locator("#choice-count").inner_text() == "0 choices"


def test_the_heat_map_is_walked_with_the_arrow_keys(opened: Opened, solved_paper: Path) -> None:
    page = opened.page
    page.locator("#heat-plot svg").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    tip = page.locator("#tip")
    assert tip.is_visible()
    source, target = tip.locator("b").inner_text().split(" → ")
    with reading(solved_paper) as connection:
        ((distance, gain),) = connection.execute(
            "SELECT distance, gain FROM affinity_matrix AS m "
            "JOIN task AS s ON s.task = m.source JOIN task AS t ON t.task = m.target "
            "WHERE s.title = ? AND t.title = ?",
            [source, target],
        ).fetchall()
    assert f"{distance:.3f}" in tip.inner_text()
    assert f"{gain:.3f}" in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def focused(page: Page) -> str:
    """What a screen reader says of the part of a picture that has the focus."""
    return str(page.evaluate("document.activeElement.getAttribute('aria-label')"))


def said(page: Page) -> str:
    """What the tip shows, as a screen reader would say it."""
    lines = page.eval_on_selector_all(
        "#tip > *", "all => all.map(e => [...e.childNodes].map(n => n.textContent).join(' '))"
    )
    return "; ".join(lines)


def test_the_taxonomy_is_walked_with_the_arrow_keys(opened: Opened) -> None:
    page = opened.page
    tip = page.locator("#tip")
    page.locator("input[name=order]").last.focus()
    page.keyboard.press("Tab")
    targets = page.locator('[data-hot="target"] text:first-of-type').all_text_contents()
    assert focused(page).startswith(f"{targets[0]}; from ")
    assert said(page) == focused(page)
    assert page.locator("#taxonomy-plot .dim, #taxonomy-plot .dim-text").count() > 0
    page.keyboard.press("End")
    assert focused(page).startswith(f"{targets[-1]}; from ")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert focused(page).startswith(f"{targets[1]}; from ")
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    assert page.locator("#taxonomy-plot .dim, #taxonomy-plot .dim-text").count() == 0
    page.keyboard.press("ArrowUp")
    page.locator("#budget").focus()
    assert not tip.is_visible()
    assert page.locator("#taxonomy-plot [tabindex='0']").count() == 1


def test_every_transfer_is_reached_and_says_its_figures(opened: Opened, solved_paper: Path) -> None:
    page = opened.page
    page.locator("input[name=order][value='4']").check(force=True)
    move_slider(page, "Home")
    move_slider(page, "ArrowRight", 3)
    page.locator("#taxonomy-plot [tabindex='0']").focus()
    page.keyboard.press("ArrowLeft")
    with reading(solved_paper) as connection:
        titles = dict(connection.execute("SELECT task, title FROM task").fetchall())
        rows = connection.execute(
            "SELECT target, kind, sources, affinity, gain, quality FROM taxonomy_choice "
            "WHERE budget = 8 AND max_order = '4'"
        ).fetchall()
    expected = set()
    for target, kind, sources, affinity, gain, quality in rows:
        own = f"{titles[target]}, its own network"
        named = f"{' + '.join(titles[s] for s in sources)} → {titles[target]}"
        figures = f"affinity {affinity:.4f}; gain {gain:.3f}; quality {quality:.3f}"
        expected.add(f"{own if kind == 'task-specific' else named}; {figures}")
    reached = set()
    for _ in rows:
        assert said(page) == focused(page)
        reached.add(focused(page))
        page.keyboard.press("ArrowDown")
    assert reached == expected
    page.keyboard.press("ArrowLeft")
    source = focused(page)
    assert " serves " in source
    page.keyboard.press("ArrowRight")
    assert source.split(";")[0] in focused(page).split("→")[0]
    page.keyboard.press("ArrowRight")
    assert "; from " in focused(page)
    assert opened.complaints == []


def test_pointing_at_a_transfer_says_the_same(opened: Opened) -> None:
    page = opened.page
    transfer = page.locator('[data-hot="transfer"]').nth(4)
    transfer.dispatch_event("pointerenter")
    assert said(page) == transfer.get_attribute("aria-label")
    transfer.dispatch_event("pointerleave")
    assert page.locator("#tip").is_hidden()


def test_the_similarity_tree_is_walked_with_the_arrow_keys(opened: Opened) -> None:
    page = opened.page
    page.locator("#tree-plot [tabindex='0']").focus()
    joints = page.locator("#tree-plot .reach").count()
    assert joints == page.evaluate("data.tree.merges.length")
    seen = set()
    for _ in range(joints):
        assert said(page).strip() == focused(page)
        seen.add(focused(page))
        page.keyboard.press("ArrowDown")
    assert len(seen) == joints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_reader(browser: Browser, report: Path, scheme: str) -> None:
    with open_page(browser, report, scheme=scheme) as opened:
        page = opened.page

        def background(page: Page = page) -> str:
            return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

        light, dark = "rgb(255, 255, 255)", "rgb(18, 22, 28)"
        preferred, other = (light, dark) if scheme == "light" else (dark, light)
        assert background() == preferred
        button = page.get_by_role("button", name="Dark theme")
        button.click()
        assert background() == other
        assert button.get_attribute("aria-pressed") == str(other == dark).lower()
        page.reload()
        assert background() == other
        assert opened.complaints == []


def test_a_page_without_storage_still_changes_its_theme(browser: Browser, report: Path) -> None:
    with open_page(browser, report) as opened:
        opened.page.add_init_script(
            "Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied') }})"
        )
        opened.page.reload()
        opened.page.get_by_role("button", name="Dark theme").click()
        assert opened.page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert opened.complaints == []


def test_markup_in_a_title_is_text(browser: Browser, hostile_report: Path) -> None:
    with open_page(browser, hostile_report) as opened:
        page = opened.page
        assert page.evaluate("window.broken") is None
        assert page.locator("[onclick]").count() == 0
        move_slider(page, "End")
        assert page.evaluate("data.tasks.some(task => task.title.includes('</script>'))")
        assert HOSTILE in page.locator("#choice-table").inner_text()
        assert opened.complaints == []


@pytest.mark.parametrize("width", [1400, 800, 390])
def test_nothing_spills_sideways(browser: Browser, report: Path, width: int) -> None:
    with open_page(browser, report, width=width) as opened:
        page = opened.page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#taxonomy-plot svg").count() == 2
        assert opened.complaints == []


def test_no_name_is_cut_on_a_telephone(browser: Browser, report: Path) -> None:
    with open_page(browser, report, width=390) as opened:
        page = opened.page
        shown = page.eval_on_selector_all(
            "#taxonomy-plot [data-hot][data-task] text:first-of-type",
            """names => names.map(name => {
                const box = name.getBoundingClientRect();
                const parts = name.children.length ? [...name.children] : [name];
                return [parts.map(part => part.textContent).join(' '), box.left, box.right];
            })""",
        )
        whole = page.evaluate(
            "[...document.querySelectorAll('#taxonomy-plot [data-hot][data-task]')]"
            ".map(group => title(Number(group.dataset.task)))"
        )
        assert [name for name, _, _ in shown] == whole
        assert all(left >= 0 and right <= 390 for _, left, right in shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_scrolls_sideways_says_so(browser: Browser, report: Path, scheme: str) -> None:
    with open_page(browser, report, width=390, scheme=scheme) as opened:
        page = opened.page
        table = page.locator("#figure9 .scroll").first
        hint = page.locator("#figure9 .scroll-hint").first
        assert hint.is_visible()
        assert "more-right" in (table.get_attribute("class") or "")
        assert table.get_attribute("tabindex") == "0"
        table.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
        expect(table).to_have_class("scroll more-left")
        name = table.locator("tbody th").first
        assert name.evaluate("e => e.getBoundingClientRect().left") >= 0  # stays beside its row
        page.set_viewport_size({"width": 1400, "height": 900})
        hint.wait_for(state="hidden")
        assert table.get_attribute("tabindex") is None
        assert opened.complaints == []


def test_every_picture_and_control_has_a_name(opened: Opened) -> None:
    unnamed = opened.page.evaluate(
        """() => [...document.querySelectorAll('svg[role=img], input, select, button')]
            .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() ||
                           (e.labels && e.labels.length && e.labels[0].textContent.trim())))
            .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []


def test_print_is_light_whatever_the_theme(browser: Browser, report: Path) -> None:
    with open_page(browser, report, scheme="dark") as opened:
        page = opened.page
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(18, 22, 28)"
        )
        assert page.pdf().startswith(b"%PDF")
