"""A solved taxonomy: found by budget and order, printed as the machine-readable contract says."""

import math
import shlex
from collections.abc import Iterable

import click

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import NameStyle, TaskDictionary
from taskonomy_warehouse.dictionary import read_dictionary
from taskonomy_warehouse.selection.results import (
    SolvedTaxonomy,
    latest_scenario,
    read_taxonomies,
)
from taskonomy_warehouse.selection.settings import DEFAULT_SCENARIO
from taskonomy_warehouse.selection.taxonomy import order_limit
from taskonomy_warehouse.snapshot import Source, opened_to_read
from taskonomyctl.options import parse_order
from taskonomyctl.output import number


def taxonomy_record(
    taxonomy: SolvedTaxonomy, study: str, dictionary: TaskDictionary, style: NameStyle
) -> dict[str, object]:
    """Return the taxonomy with its sources and edges, tasks called as asked."""

    def named(tasks: Iterable[str]) -> list[str]:
        return [dictionary[task].name(style) for task in tasks]

    return {
        "study": study,
        "scenario": taxonomy.scenario,
        "budget": number(taxonomy.budget),
        "order": "all" if taxonomy.max_order == "all" else int(taxonomy.max_order),
        "status": taxonomy.status,
        "reason": taxonomy.reason,
        "objective": taxonomy.objective,
        "bound": taxonomy.bound,
        "gap": taxonomy.gap,
        "cost": taxonomy.cost,
        "solver": taxonomy.solver,
        "seconds": taxonomy.seconds,
        "sources": named(taxonomy.sources),
        "edges": [
            {
                "target": dictionary[choice.target].name(style),
                "sources": named(choice.sources),
                "affinity": choice.affinity,
                "gain": choice.gain,
                "quality": choice.quality,
            }
            for choice in taxonomy.choices
        ],
        "mean_gain": taxonomy.mean_gain,
        "mean_quality": taxonomy.mean_quality,
    }


budget_option = click.option(
    "--budget", type=float, required=True, help="Supervision budget it was solved for."
)
order_option = click.option(
    "--order",
    help="Order limit it was solved for: 1, 2, … or all; the highest that was unless given.",
)


def read_one(
    warehouse: Source, study: str, scenario: str | None, budget: float, order: str | None
) -> tuple[SolvedTaxonomy, TaskDictionary]:
    """Return the solved taxonomy of one budget and order, with the study's dictionary.

    Args:
        warehouse: the DuckDB file, or a snapshot of it.
        study: which study.
        scenario: the settings it was solved with; None: the last solved.
        budget: supervision budget.
        order: order limit as people write it; None: the highest solved for this budget.

    Raises:
        NotFound: it was not solved; the message names what was.
        SettingRefused: it is no order limit.
    """
    limit = None if order is None else parse_order(order)
    with opened_to_read(warehouse) as connection:
        scenario = scenario or latest_scenario(connection, study)
        solved = read_taxonomies(connection, study, scenario)
        dictionary = read_dictionary(connection, study)
    fitting = [t for t in solved if t.budget == budget and limit in (None, t.max_order)]
    if not fitting:
        raise NotFound(_what_was_solved(study, scenario, budget, limit, solved))
    return max(fitting, key=lambda t: order_limit(t.max_order) or math.inf), dictionary


def _what_was_solved(
    study: str, scenario: str, budget: float, order: str | None, solved: list[SolvedTaxonomy]
) -> str:
    missing = f"study {study!r}, scenario {scenario!r} has no taxonomy of budget {budget:g}" + (
        f", order {order}" if order else ""
    )
    if scenario == DEFAULT_SCENARIO and budget >= 0:
        words = shlex.join(["taskonomyctl", "solve", "--study", study])
        orders = f" --orders {order}" if order else ""
        missing += f" (`{words} --budgets {budget:g}{orders}` makes it)"
    if not solved:
        return missing
    budgets = sorted({t.budget for t in solved})
    orders = ", ".join(dict.fromkeys(t.max_order for t in solved))
    there = f"solved are budgets {budgets[0]:g} to {budgets[-1]:g} of orders {orders}"
    return f"{missing}; {there}"
