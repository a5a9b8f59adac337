"""`generalization`, `novel-task`, `taxonomy --compare`: what the figures say, side by side."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import click

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import NameStyle, TaskDictionary
from taskonomy_warehouse.dictionary import read_dictionary
from taskonomy_warehouse.generalization import generalization as agreement_of
from taskonomy_warehouse.novel_task import Mean, Service, means
from taskonomy_warehouse.novel_task import novel_task as best_services
from taskonomy_warehouse.selection.compare import Comparison, compare
from taskonomy_warehouse.selection.results import Choice, SolvedTaxonomy
from taskonomy_warehouse.selection.settings import resolved_tasks
from taskonomy_warehouse.snapshot import Source, opened_to_read
from taskonomyctl.options import (
    names_option,
    output_option,
    parse_budgets,
    parse_orders,
    scenario_option,
    source_option,
    study_option,
    tasks_option,
    the_study,
)
from taskonomyctl.output import print_rows
from taskonomyctl.taxonomies import read_one

# --- novel-task --------------------------------------------------------------------------------


@click.command("novel-task")
@click.option("--orders", default="1,2,3,4", show_default=True, help="Most sources, or all.")
@tasks_option("--target", "Targets to take as new, each alone; every one unless given.")
@study_option
@names_option
@output_option
@source_option
def novel_task(
    orders: str,
    target: tuple[str, ...],
    study: str | None,
    names: Any,
    output: str,
    warehouse: Source,
) -> None:
    """Say how well each target would be served if it were new, with a few labels of its own.

    Each target in turn is no source: it is served by the best transfer of at most so many sources
    that do not contain it. Gain is the win rate over training from scratch on the same few labels,
    quality over the network trained with all labels. Zamir et al. 2018, figure 10. The last rows,
    which have no sources, are the means over the targets.
    """
    study = the_study(warehouse, study)
    with opened_to_read(warehouse) as connection:
        dictionary = read_dictionary(connection, study)
        targets = resolved_tasks(target, dictionary)
        services = best_services(
            connection, study, max_orders=parse_orders(orders), targets=targets
        )
    rows = [_service_row(service, dictionary, names) for service in services]
    rows += [_mean_row(mean) for mean in means(services)]
    print_rows(rows, ("target", "order", "sources", "affinity", "gain", "quality"), output)


def _service_row(
    service: Service, dictionary: TaskDictionary, style: NameStyle
) -> dict[str, object]:
    return {
        "target": dictionary[service.target].name(style),
        "order": _order(service.max_order),
        "sources": _named(service.sources, dictionary, style),
        "affinity": service.affinity,
        "gain": service.gain,
        "quality": service.quality,
    }


def _mean_row(mean: Mean) -> dict[str, object]:
    return {
        "target": f"mean of {mean.targets}",
        "order": _order(mean.max_order),
        "sources": None,
        "affinity": None,
        "gain": mean.gain,
        "quality": mean.quality,
    }


# --- generalization ----------------------------------------------------------------------------


@click.command()
@click.argument("study")
@click.argument("other")
@names_option
@output_option
@source_option
def generalization(study: str, other: str, names: Any, output: str, warehouse: Source) -> None:
    """Say how alike two studies rank transfers: Spearman's rank correlation of their affinities.

    STUDY and OTHER are two studies of the same tasks, say on two data sets. 1 is the same ranking,
    0 none; the paper reports 0.857 on ImageNet and 0.823 on Places. The last row is the mean over
    targets, one of three transfers (the fewest that can be ranked) counting as much as one of
    thirty, and the transfers that it stands on.
    """
    with opened_to_read(warehouse) as connection:
        agreement = agreement_of(connection, study, other)
        dictionary = read_dictionary(connection, study)
    rows: list[dict[str, object]] = [
        {
            "target": dictionary[t.target].name(names),
            "transfers": t.transfers,
            "spearman": t.spearman,
        }
        for t in agreement.targets
    ]
    rows.append({"target": "all", "transfers": agreement.transfers, "spearman": agreement.spearman})
    print_rows(rows, ("target", "transfers", "spearman"), output)


# --- taxonomy --compare ------------------------------------------------------------------------


@click.command()
@click.option(
    "--compare",
    "specs",
    nargs=2,
    required=True,
    metavar="A B",
    help="Two solved taxonomies, each [STUDY:]BUDGET:ORDER, such as 8:4 or paper:8:all.",
)
@study_option
@scenario_option
@names_option
@output_option
@source_option
def taxonomy(
    specs: tuple[str, str],
    study: str | None,
    scenario: str | None,
    names: Any,
    output: str,
    warehouse: Source,
) -> None:
    """Say what changes from one taxonomy to another: between budgets, orders or studies.

    \b
      taskonomyctl taxonomy --compare 4:4 8:4             what twice the budget changes
      taskonomyctl taxonomy --compare 8:1 8:4             what higher orders change
      taskonomyctl taxonomy --compare paper:8:4 mine:8:4  what another data set changes
    """
    found = [_read_spec(spec, warehouse, study, scenario) for spec in specs]
    (before, dictionary), (after, other_dictionary) = found
    merged = _Names((dictionary, other_dictionary), names)
    comparison = compare(before, after)
    rows = list(_changes(comparison, merged))
    if output == "json":
        print_rows([_comparison_record(specs, comparison, rows)], (), output)
        return
    print_rows(rows, ("target", "before", "after", "quality_before", "quality_after"), output)
    if output == "table":
        for word, tasks in (
            ("both supervise", comparison.kept),
            ("only A", comparison.dropped),
            ("only B", comparison.added),
        ):
            click.echo(f"{word}: {', '.join(map(merged, tasks)) or 'none'}")
        click.echo(f"served alike: {comparison.unchanged} targets")


class _Names:
    """What to call a task that either of two dictionaries may hold."""

    def __init__(self, dictionaries: Sequence[TaskDictionary], style: NameStyle) -> None:
        self._name = {t.id: t.name(style) for d in reversed(dictionaries) for t in d}

    def __call__(self, task: str) -> str:
        return self._name.get(task, task)


_SPEC = re.compile(r"^(?:(?P<study>.+):)?(?P<budget>[\d.]+):(?P<order>\w+)$")


def _read_spec(
    spec: str, warehouse: Source, study: str | None, scenario: str | None
) -> tuple[SolvedTaxonomy, TaskDictionary]:
    parts = _SPEC.match(spec)
    if parts is None:
        raise SettingRefused(
            f"--compare {spec!r}: give [STUDY:]BUDGET:ORDER, such as 8:4 or paper:8:all"
        )
    (budget,) = parse_budgets(parts["budget"])
    named = the_study(warehouse, parts["study"] or study)
    return read_one(warehouse, named, scenario, budget, parts["order"])


def _changes(comparison: Comparison, name: _Names) -> Iterable[dict[str, object]]:
    for change in comparison.changed:
        yield {
            "target": name(change.target),
            "before": _way(change.before, name),
            "after": _way(change.after, name),
            "quality_before": change.before.quality if change.before else None,
            "quality_after": change.after.quality if change.after else None,
        }


def _way(choice: Choice | None, name: _Names) -> str | None:
    if choice is None:
        return None
    if choice.kind == "task-specific":
        return "its own network"
    return " + ".join(map(name, choice.sources))


def _comparison_record(
    specs: tuple[str, str], comparison: Comparison, rows: list[dict[str, object]]
) -> dict[str, object]:
    return {
        "a": specs[0],
        "b": specs[1],
        "kept": comparison.kept,
        "dropped": comparison.dropped,
        "added": comparison.added,
        "unchanged": comparison.unchanged,
        "changed": rows,
    }


def _order(max_order: str) -> int | str:
    return max_order if max_order == "all" else int(max_order)


def _named(tasks: Iterable[str], dictionary: TaskDictionary, style: NameStyle) -> list[str]:
    return [dictionary[task].name(style) for task in tasks]
