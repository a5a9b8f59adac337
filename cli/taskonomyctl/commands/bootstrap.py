"""`bootstrap`: error bars of the figures, and of the taxonomy chosen by them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_warehouse.warehouse import writing
from taskonomyctl.options import (
    output_option,
    parse_budgets,
    parse_orders,
    study_option,
    the_study,
    warehouse_option,
)
from taskonomyctl.output import number, print_rows, stderr_console

if TYPE_CHECKING:
    from taskonomy_warehouse.stability import Question

MOST_REPLICATES = 10_000
MOST_SEED = 2**63 - 1
"""As `taskonomy_warehouse.bootstrap` has them, which takes a second to import."""


@click.command()
@click.option(
    "--replicates",
    type=click.IntRange(min=2, max=MOST_REPLICATES),
    default=200,
    show_default=True,
    help="Times the held-out images are resampled.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=MOST_SEED),
    default=0,
    show_default=True,
    help="Recorded with the result.",
)
@click.option("--budgets", help="Also solve the taxonomies of these budgets on every replicate.")
@click.option(
    "--orders",
    help="Order limits for --budgets. Unless given: those that were solved, else the study's own.",
)
@click.option(
    "--scenario",
    metavar="NAME",
    help="Settings for --budgets, as solved. Unless given: the last solved, else the study's own.",
)
@study_option
@output_option
@warehouse_option
def bootstrap(
    replicates: int,
    seed: int,
    budgets: str | None,
    orders: str | None,
    scenario: str | None,
    study: str | None,
    output: str,
    warehouse: Path,
) -> None:
    """Compute error bars by resampling the held-out images, and keep them.

    View transfer_mean_ci has the 95 % intervals of affinity, gain and quality, affinity_ci those
    of each seed alone. With --budgets the taxonomy is solved again on every replicate, as it was
    solved or as the study asks: how often each source is chosen is printed, and each transfer is
    in table edge_stability.
    """
    from taskonomy_warehouse.bootstrap import bootstrap as resample  # compiles: a second or two

    wanted_budgets = parse_budgets(budgets) if budgets is not None else ()
    wanted_orders = parse_orders(orders) if orders is not None else ()
    if not wanted_budgets and (wanted_orders or scenario):
        raise SettingRefused("--orders and --scenario say what --budgets solves; give --budgets")
    study = the_study(warehouse, study)
    question = None
    with writing(warehouse) as connection, _progress("resampling") as progress:
        if wanted_budgets:
            from taskonomy_warehouse.stability import question_of  # Pyomo takes a second

            question = question_of(connection, study, scenario, wanted_orders)
        bar = progress.add_task("", total=None)
        resample(
            connection,
            study,
            replicates=replicates,
            seed=seed,
            on_target=lambda _: progress.update(bar, advance=1, refresh=True),
        )
    click.echo(f"study {study!r}: {replicates} replicates, seed {seed}", err=True)
    if question:
        rows = _stability(warehouse, study, question, replicates, wanted_budgets)
        print_rows(rows, ("budget", "order", "source", "share"), output)


def _stability(
    warehouse: Path,
    study: str,
    question: "Question",
    replicates: int,
    budgets: Sequence[float],
) -> list[dict[str, object]]:
    from taskonomy_warehouse.stability import taxonomy_stability

    orders = ", ".join(question.max_orders)
    click.echo(f"scenario {question.scenario!r}, orders {orders}: solved again on each", err=True)
    with writing(warehouse) as connection, _progress("solving") as progress:
        bar = progress.add_task("", total=replicates)
        found = taxonomy_stability(
            connection,
            study,
            question.scenario,
            question.settings,
            budgets,
            question.max_orders,
            workers=os.cpu_count() or 1,
            on_replicate=lambda _: progress.update(bar, advance=1, refresh=True),
        )
    return [
        {
            "budget": number(one.budget),
            "order": one.max_order if one.max_order == "all" else int(one.max_order),
            "source": source,
            "share": chosen / one.replicates,
        }
        for one in found
        for source, chosen in sorted(one.sources.items(), key=lambda item: (-item[1], item[0]))
    ]


def _progress(what: str) -> Progress:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(
        *columns,
        console=stderr_console(),
        transient=True,
        auto_refresh=False,
        disable=not sys.stderr.isatty(),
    )
