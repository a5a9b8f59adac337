"""Contents -> one HTML file that needs nothing else: style, script and data stand inside it.

The page may not reach the network (its content security policy says so), shows every user-given
word as text (autoescaped here, `textContent` in the script), and hands the script its data as JSON
in which no `<` survives, so that no title can end the script element.
"""

import json
import math
from dataclasses import asdict
from datetime import date
from importlib import resources

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from taskonomy_catalogue.tasks import GROUP_TITLES
from taskonomy_warehouse.published.figure9 import Cell, Comparison
from taskonomy_warehouse.random_taxonomies import Significance
from taskonomy_warehouse.report.against_random import AgainstRandom
from taskonomy_warehouse.report.changes import changes_of
from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.palette import DARK, LIGHT, MARKS, order_colours
from taskonomy_warehouse.report.words import (
    around_zero,
    order_phrase,
    order_words,
    p_value,
    percent,
    plain,
    signed,
    whole_percent,
    win_rate,
)

TEMPLATES = ("report.html.j2", "evidence.html.j2", "changes.html.j2")
DIGITS = 8
"""Significant digits that the page carries: enough that the script rounds as Python does."""


def render_page(contents: Contents, written_on: date) -> str:
    """Return the whole page."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({name: _resource(name) for name in TEMPLATES}),
    )
    environment.filters |= {
        "plain": plain,
        "win": win_rate,
        "p": p_value,
        "order": order_words,
        "orders": order_phrase,
        "percent": percent,
        "whole": whole_percent,
        "signed": signed,
        "around_zero": around_zero,
    }
    template = environment.get_template(TEMPLATES[0])
    return template.render(
        c=contents,
        title={t.id: t.title for t in contents.tasks},
        changes=changes_of(contents.taxonomies, contents.headline),
        group_title=GROUP_TITLES,
        against={(a.budget, a.max_order): a for a in contents.against_random},
        figure9=figure9_tables(contents.printed) if contents.printed else (),
        written_on=written_on,
        style=Markup(_resource("report.css")),  # noqa: S704 - our own file
        script=Markup(_resource("report.js")),  # noqa: S704 - our own file
        data=embedded_json(page_data(contents)),
    )


def page_data(contents: Contents) -> dict[str, object]:
    """Return what the script draws from, tasks as positions in ``tasks``."""
    place = {task.id: i for i, task in enumerate(contents.tasks)}
    headline = contents.headline
    return {
        "tasks": [{"title": t.title, "group": t.group} for t in contents.tasks],
        "groups": {group: {"title": GROUP_TITLES[group], "mark": MARKS[group]} for group in MARKS},
        "targets": [place[t] for t in contents.targets],
        "heatTargets": [place[t] for t in contents.heat_targets],
        "heatSources": [place[s] for s in contents.heat_sources],
        "supervisable": [place[s] for s in contents.supervisable],
        "budgets": list(contents.budgets),
        "orders": list(contents.orders),
        "start": [headline.budget, headline.max_order] if headline else None,
        "heat": [
            [
                place[c.target],
                place[c.source],
                *map(_rounded, (c.affinity, c.share, c.distance, c.gain, c.quality)),
            ]
            for c in contents.heat
        ],
        "tree": {
            "tasks": [place[t] for t in contents.tree.tasks],
            "merges": [[m.left, m.right, _rounded(m.height)] for m in contents.tree.merges],
            "leaves": [place[t] for t in contents.tree.leaves],
        },
        "taxonomies": [
            {
                "budget": t.budget,
                "order": t.max_order,
                "status": t.status,
                "reason": t.reason,
                "objective": _rounded(t.objective),
                "cost": t.cost,
                "gain": _rounded(t.mean_gain),
                "quality": _rounded(t.mean_quality),
                "sources": [place[s] for s in t.sources],
                "choices": [
                    [
                        place[c.target],
                        [place[s] for s in c.sources],
                        int(c.kind == "task-specific"),
                        *map(_rounded, (c.affinity, c.gain, c.quality)),
                    ]
                    for c in t.choices
                ],
            }
            for t in contents.taxonomies
        ],
        "random": [_random_data(a) for a in contents.against_random],
        "colours": {
            name: asdict(palette) | {"orders": order_colours(palette, len(contents.orders))}
            for name, palette in (("light", LIGHT), ("dark", DARK))
        },
    }


def embedded_json(data: object) -> Markup:
    """Return JSON that is inert inside a script element, whatever its strings hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing that HTML reads is left in it


def figure9_tables(
    comparison: Comparison,
) -> tuple[tuple[str, tuple[float, ...], dict[str, dict[tuple[str, float], Cell]]], ...]:
    """Arrange the printed cells as the paper does: per order, targets by metric and budget.

    Budgets that were not solved are left out: a column of dashes says nothing.

    Returns:
        One (order, budgets, {target: {(metric, budget): cell}}) per order that was solved.
    """
    solved = {(c.max_order, c.budget) for c in comparison.cells if c.ours is not None}
    tables = []
    for max_order in dict.fromkeys(cell.max_order for cell in comparison.cells):
        rows: dict[str, dict[tuple[str, float], Cell]] = {}
        for cell in comparison.cells:
            if cell.max_order == max_order and (max_order, cell.budget) in solved:
                rows.setdefault(cell.target, {})[cell.metric, cell.budget] = cell
        if rows:
            budgets = tuple(sorted(budget for order, budget in solved if order == max_order))
            tables.append((max_order, budgets, rows))
    return tuple(tables)


def _random_data(against: AgainstRandom) -> dict[str, object]:
    return {
        "budget": against.budget,
        "order": against.max_order,
        "draws": against.draws,
        "objective": _significance_data(against.objective),
        "gain": _significance_data(against.gain),
        "quality": _significance_data(against.quality),
    }


def _significance_data(found: Significance | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "optimal": _rounded(found.optimal),
        "quantiles": [_rounded(q) for q in found.quantiles],
        "p": _rounded(found.p_value),
    }


def _rounded(value: float | None) -> float | None:
    """Round to the digits the page carries."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def _resource(name: str) -> str:
    file = resources.files("taskonomy_warehouse") / "report" / "templates" / name
    return file.read_text(encoding="utf-8")
