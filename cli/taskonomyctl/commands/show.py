"""`taskonomyctl show`: what the warehouse holds, for a terminal."""

from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from taskonomy_catalogue.tasks import GROUP_TITLES, NameStyle, TaskDictionary
from taskonomy_warehouse.report.words import win_rate
from taskonomy_warehouse.selection.results import Choice, SolvedTaxonomy
from taskonomy_warehouse.selection.settings import DEFAULT_SCENARIO
from taskonomy_warehouse.snapshot import Source
from taskonomyctl.options import (
    names_option,
    output_option,
    scenario_option,
    source_option,
    study_option,
    the_study,
)
from taskonomyctl.output import print_rows, stdout_console
from taskonomyctl.taxonomies import budget_option, order_option, read_one, taxonomy_record


@click.group()
def show() -> None:
    """Show what the warehouse holds."""


@show.command()
@budget_option
@order_option
@study_option
@scenario_option
@names_option
@output_option
@source_option
def taxonomy(
    budget: float,
    order: str | None,
    study: str | None,
    scenario: str | None,
    names: Any,
    output: str,
    warehouse: Source,
) -> None:
    """Show one solved taxonomy: what to label, and what serves every target."""
    study = the_study(warehouse, study)
    found, dictionary = read_one(warehouse, study, scenario, budget, order)
    record = taxonomy_record(found, study, dictionary, names)
    if output == "json":
        print_rows([record], (), output)
    elif output == "csv":
        print_rows(record["edges"], ("target", "sources", "affinity", "gain", "quality"), output)  # type: ignore[arg-type]
    else:
        style: NameStyle = "title" if names == "ours" else names
        stdout_console().print(taxonomy_tree(found, study, dictionary, style))


def taxonomy_tree(
    taxonomy: SolvedTaxonomy, study: str, dictionary: TaskDictionary, style: NameStyle
) -> Tree:
    """Return the taxonomy as a tree: what to supervise, then the targets by group."""
    tree = Tree(_headline(taxonomy, study))
    supervised = tree.add(Text(f"Label and train in full ({len(taxonomy.sources)})", "bold green"))
    for source in taxonomy.sources:
        supervised.add(Text(dictionary[source].name(style)))
    width = max((len(dictionary[c.target].name(style)) for c in taxonomy.choices), default=0)
    for group, title in GROUP_TITLES.items():
        choices = [c for c in taxonomy.choices if dictionary[c.target].group == group]
        if choices:
            branch = tree.add(Text(f"{title} targets ({len(choices)})", "bold cyan"))
            for choice in choices:
                branch.add(_line(choice, dictionary, style, width))
    return tree


def _headline(taxonomy: SolvedTaxonomy, study: str) -> Text:
    order = "any order" if taxonomy.max_order == "all" else f"order ≤ {taxonomy.max_order}"
    named = "" if taxonomy.scenario == DEFAULT_SCENARIO else f", scenario {taxonomy.scenario}"
    line = Text(f"{study}{named}: budget {taxonomy.budget:g}, {order}", "bold")
    if taxonomy.status == "infeasible":
        return line.append(f"  infeasible: {taxonomy.reason}", "red")
    proof = "proven optimal" if taxonomy.status == "optimal" else f"gap {taxonomy.gap:.2%}"
    line.append(f"  objective {taxonomy.objective:.6f} ({proof})", "not bold")
    means = f"  mean gain {win_rate(taxonomy.mean_gain)}, quality {win_rate(taxonomy.mean_quality)}"
    return line.append(means, "not bold")


def _line(choice: Choice, dictionary: TaskDictionary, style: NameStyle, width: int) -> Text:
    line = Text(f"{dictionary[choice.target].name(style):{width}}  ")
    line.append(f"gain {win_rate(choice.gain):>5}  quality {win_rate(choice.quality):>5}  ", "dim")
    if choice.kind == "task-specific":
        return line.append("its own network", "green")
    sources = " + ".join(dictionary[s].name(style) for s in choice.sources)
    return line.append(f"from {sources}")
