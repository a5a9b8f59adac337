"""`taskonomyctl solve`: the best taxonomy of every budget and order."""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import TaskDictionary
from taskonomy_warehouse.dictionary import read_dictionary
from taskonomy_warehouse.selection.asked import asked_of
from taskonomy_warehouse.selection.data import Problem, read_problem
from taskonomy_warehouse.selection.inputs import read_task_values, read_transfer_cost
from taskonomy_warehouse.selection.results import (
    SolvedTaxonomy,
    check_scenario,
    read_choices,
    solved_taxonomy,
    write_taxonomies,
)
from taskonomy_warehouse.selection.settings import Settings, TransferCost, resolved_tasks
from taskonomy_warehouse.selection.taxonomy import Taxonomy
from taskonomy_warehouse.warehouse import WarehouseBusy, reading, require_study, writing
from taskonomyctl.options import (
    names_option,
    output_option,
    parse_budgets,
    parse_orders,
    study_option,
    tasks_option,
    the_study,
    warehouse_option,
)
from taskonomyctl.output import print_rows, stderr_console
from taskonomyctl.taxonomies import taxonomy_record

COLUMNS = ("budget", "order", "status", "objective", "gap", "mean_gain", "mean_quality", "sources")
INFEASIBLE = 4
WAITS = (1, 2, 4, 8, 15, 30)
"""Seconds between tries to write to a warehouse that another client has open."""


@click.command()
@study_option
@click.option(
    "--budgets", help="Such as 1-26 or 2,4.5,8. Unless given: the study's own, else 1-26."
)
@click.option(
    "--orders",
    help="Most sources per transfer, or all. Unless given: the study's own, else 1,4,all.",
)
@click.option(
    "--solver",
    type=click.Choice(["cbc", "highs"]),
    default="cbc",
    show_default=True,
    help="CBC as processes, one per order limit at a time, or HiGHS in this one.",
)
@click.option(
    "--solver-executable",
    type=click.Path(path_type=Path),
    help="Another CBC than the one installed with taskonomy.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Per budget; past it the best found is kept as feasible, with its gap.",
)
@tasks_option("--source-only", "Tasks that need no solving, on top of the study's own.")
@tasks_option("--target-only", "Tasks that cannot be labelled in full: nothing starts from them.")
@tasks_option("--exclude", "Tasks to leave out, with every transfer that stands on one.")
@tasks_option("--use", "Tasks that the study leaves unused by default.")
@click.option(
    "--importance",
    type=click.Path(path_type=Path),
    help="Weight of each target: CSV (task,value) or TOML; 1 for the rest.",
)
@click.option(
    "--label-cost",
    type=click.Path(path_type=Path),
    help="Cost of supervising each source: CSV (task,value) or TOML; 1 for the rest.",
)
@click.option(
    "--transfer-cost",
    metavar="VALUE|FILE",
    help="Cost of a transfer: one number, CSV (task,value) per target, or (target,sources,value).",
)
@click.option(
    "--affinity-exponent",
    type=float,
    help="The objective adds affinity to this power. Unless given: the study's own, else 0.5, "
    "which the paper's figures were made with.",
)
@click.option(
    "--sources-serve-themselves",
    is_flag=True,
    help="A target chosen as a source is served by its own network.",
)
@click.option(
    "--allow-own-transfer",
    is_flag=True,
    help="Take transfers whose sources include their own target.",
)
@click.option("--scenario", metavar="NAME", help="Name to keep these settings under.")
@click.option(
    "--replace", is_flag=True, help="Replace what the scenario holds, solved with other settings."
)
@names_option
@output_option
@warehouse_option
def solve(
    study: str | None,
    budgets: str | None,
    orders: str | None,
    solver: Any,
    solver_executable: Path | None,
    time_limit: float | None,
    scenario: str | None,
    replace: bool,
    names: Any,
    output: str,
    warehouse: Path,
    **options: Any,
) -> int:
    """Find the best taxonomy of every budget and order, and keep it in the warehouse.

    A budget is the total cost of the sources to label and of the transfers to train. Each is
    solved to proven optimality: which sources to supervise, and for every target the one transfer
    that serves it, so that importance-weighted affinity is largest.
    """
    _bring_up_to_date(warehouse)
    study = the_study(warehouse, study)
    given_budgets = parse_budgets(budgets) if budgets is not None else ()
    given_orders = parse_orders(orders) if orders is not None else ()
    if solver_executable is not None and solver != "cbc":
        raise SettingRefused("--solver-executable names a CBC; leave it out with --solver highs")
    with reading(warehouse) as connection:
        require_study(connection, study)
    with writing(warehouse) as connection:  # to write: better busy now than after the sweep
        dictionary = read_dictionary(connection, study)
        asked = asked_of(connection, study)
        settings = _settings(dictionary, options, asked.settings)
        wanted_budgets = given_budgets or asked.budgets
        wanted_orders = given_orders or asked.orders
        scenario = scenario or settings.scenario
        if not replace:
            check_scenario(connection, study, scenario, settings)
        problem = read_problem(connection, study, settings)
        choices = read_choices(connection, study)
    for note in problem.notes:
        click.echo(f"taskonomyctl: note: {note}", err=True)
    solved: list[Taxonomy] = []
    try:
        _solve_with_progress(
            problem,
            wanted_budgets,
            wanted_orders,
            solved,
            solver=solver,
            executable=solver_executable,
            time_limit=time_limit,
        )
    finally:  # an interrupted sweep keeps and prints what it has solved
        in_order = sorted(
            solved, key=lambda t: (wanted_orders.index(t.max_order), wanted_budgets.index(t.budget))
        )
        answers = [solved_taxonomy(taxonomy, scenario, choices) for taxonomy in in_order]
        if solved:
            records = [taxonomy_record(answer, study, dictionary, names) for answer in answers]
            try:
                _keep(warehouse, study, scenario, settings, in_order, problem.version, replace)
            except BaseException:  # not kept: the more reason to show what took so long
                with contextlib.suppress(BrokenPipeError):  # the message matters more
                    print_rows(records, COLUMNS, output)
                raise
            print_rows(records, COLUMNS, output)
    return _say_what_is_infeasible(answers)


def _bring_up_to_date(warehouse: Path) -> None:
    """Let a warehouse that an earlier version wrote be read; one that is not there stays away."""
    if warehouse.exists():
        with writing(warehouse):
            pass


def _keep(
    warehouse: Path,
    study: str,
    scenario: str,
    settings: Settings,
    solved: list[Taxonomy],
    version: str,
    replace: bool,
) -> None:
    """Write the taxonomies, waiting a while for a client that has the file open."""
    for wait in (*WAITS, None):
        try:
            with writing(warehouse) as connection:
                write_taxonomies(
                    connection, study, scenario, settings, solved, version=version, replace=replace
                )
        except WarehouseBusy:
            if wait is None:
                raise
            click.echo(f"taskonomyctl: {warehouse} is in use; waiting to write to it", err=True)
            time.sleep(wait)
        else:
            return


def _settings(
    dictionary: TaskDictionary, options: dict[str, Any], asked: dict[str, Any]
) -> Settings:
    """Turn the options into checked settings, with every task by its id.

    What no option says is as the study asks; a flag of either holds.
    """
    for option in ("source_only", "target_only", "exclude", "use"):
        options[option] = resolved_tasks(options[option], dictionary)
    for option in ("importance", "label_cost"):
        path = options[option]
        options[option] = read_task_values(path, dictionary) if path else None
    cost = options["transfer_cost"]
    options["transfer_cost"] = (
        TransferCost() if cost is None else read_transfer_cost(cost, dictionary)
    )
    given = {n: value for n, value in options.items() if value is not None and value is not False}
    try:
        return Settings.model_validate(asked | given)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        option = "--" + str(problem["loc"][0]).replace("_", "-")
        raise SettingRefused(f"{option} {problem['input']}: {problem['msg']}") from error


def _solve_with_progress(
    problem: Problem,
    budgets: tuple[float, ...],
    orders: tuple[str, ...],
    solved: list[Taxonomy],
    **how: Any,
) -> None:
    """Solve, appending each taxonomy to ``solved`` as it comes."""
    from taskonomy_warehouse.selection.solve import solve_taxonomies  # Pyomo takes a second

    columns = (
        TextColumn("solving"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("budget {task.fields[budget]} order {task.fields[order]}"),
        TimeElapsedColumn(),
    )
    # No refreshing thread: HiGHS redirects the process's output while it runs.
    progress = Progress(
        *columns,
        console=stderr_console(),
        transient=True,
        auto_refresh=False,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        bar = progress.add_task("", total=len(budgets) * len(orders), budget="", order="")

        def on_solved(taxonomy: Taxonomy) -> None:
            solved.append(taxonomy)
            budget = f"{taxonomy.budget:g}"
            progress.update(bar, advance=1, budget=budget, order=taxonomy.max_order, refresh=True)

        workers = min(len(orders), os.cpu_count() or 1)
        solve_taxonomies(problem, budgets, orders, workers=workers, on_solved=on_solved, **how)


def _say_what_is_infeasible(taxonomies: list[SolvedTaxonomy]) -> int:
    reasons = dict.fromkeys(
        f"budget {t.budget:g}, order {t.max_order}: {t.reason}"
        for t in taxonomies
        if t.status == "infeasible"
    )
    for reason in reasons:
        click.echo(f"taskonomyctl: infeasible: {reason}", err=True)
    return INFEASIBLE if reasons else 0
