"""What the report says of two taxonomies side by side."""

import re
from datetime import date
from itertools import pairwise
from typing import Any

from taskonomy_warehouse.report.changes import changes_of
from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.page import render_page
from taskonomy_warehouse.selection.results import Choice, SolvedTaxonomy


def taxonomy(budget: float, order: str, served: dict[str, str], gain: float) -> SolvedTaxonomy:
    """A taxonomy whose targets are served from one source each; none served: infeasible."""
    choices = tuple(
        Choice(
            target=target,
            kind="transfer",
            sources=tuple(sources.split("+")),
            affinity=0.1,
            gain=gain,
            quality=None,
        )
        for target, sources in served.items()
    )
    known: dict[str, Any] = dict.fromkeys(
        ("reason", "objective", "bound", "gap", "cost", "mean_quality")
    )
    return SolvedTaxonomy(
        scenario="default",
        budget=budget,
        max_order=order,
        status="optimal" if served else "infeasible",
        solver="cbc",
        seconds=0.0,
        mean_gain=gain if served else None,
        sources=tuple(sorted({s for each in served.values() for s in each.split("+")})),
        choices=choices,
        **known,
    )


SOLVED = [
    taxonomy(0, "1", {}, 0.0),
    taxonomy(1, "1", {"x": "a", "y": "a"}, 0.5),
    taxonomy(2, "1", {"x": "a", "y": "b"}, 0.6),
    taxonomy(1, "2", {"x": "a", "y": "a"}, 0.5),
    taxonomy(2, "2", {"x": "b+c", "y": "b"}, 0.75),
]


def test_each_budget_is_compared_with_the_next_and_first_order_with_the_widest() -> None:
    changes = changes_of(SOLVED, SOLVED[4])
    (step,) = changes.budgets
    assert (step.before.budget, step.after.budget) == (1, 2)
    assert step.comparison.added == ("b", "c")
    assert step.comparison.dropped == ("a",)
    assert [one.target for one in step.comparison.changed] == ["x", "y"]
    assert step.gain == 0.25
    assert step.quality is None
    assert [(c.after.budget, len(c.comparison.changed)) for c in changes.orders] == [(1, 0), (2, 1)]
    assert changes.in_full is changes.orders[1]


def test_one_taxonomy_has_nothing_to_be_compared_with() -> None:
    alone = changes_of(SOLVED[:2], SOLVED[1])
    assert (alone.budgets, alone.orders, alone.in_full) == ((), (), None)
    assert changes_of(SOLVED[:1], None).budgets == ()


def test_the_page_says_what_the_paper_s_taxonomies_change(paper_contents: Contents) -> None:
    page = render_page(paper_contents, date(2026, 11, 22))
    part = page[page.index('<section id="changes"') :]
    part = part[: part.index("</section>")]
    steps = re.findall(r'<th scope="row">([\d.]+) → ([\d.]+)</th>', part)
    budgets = [f"{b:g}" for b in paper_contents.budgets]
    assert steps == list(pairwise(budgets))
    assert part.count("+&nbsp;") >= len(steps)  # every larger budget supervises something more
    assert "Target by target, budget 12" in part
