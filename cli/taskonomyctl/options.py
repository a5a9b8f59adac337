"""Options that several commands share, their parsing and their completion."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.selection.taxonomy import order_limit
from taskonomy_warehouse.warehouse import reading, studies

Command = Callable[..., Any]

warehouse_option = click.option(
    "--warehouse",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="TASKONOMY_WAREHOUSE",
    default=Path("warehouse.duckdb"),
    show_default=True,
    show_envvar=True,
    help="The DuckDB file that holds the study.",
)

output_option = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)

names_option = click.option(
    "--names",
    type=click.Choice(["ours", "published", "title"]),
    default="ours",
    show_default=True,
    help="What to call the tasks in the output.",
)


def _complete_study(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    path = ctx.params.get("warehouse") or Path("warehouse.duckdb")
    try:
        with reading(Path(path)) as connection:
            names = studies(connection)
    except TaskonomyError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _complete_task(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    done, comma, last = incomplete.rpartition(",")
    return [
        CompletionItem(f"{done}{comma}{task.id}", help=task.title)
        for task in published_dictionary()
        if task.id.startswith(last)
    ]


study_option = click.option(
    "--study",
    metavar="NAME",
    shell_complete=_complete_study,
    help="The study; may be left out when the warehouse holds one.",
)

scenario_option = click.option(
    "--scenario",
    metavar="NAME",
    help="The settings it was solved with; the last solved unless given.",
)


def tasks_option(flag: str, help_text: str) -> Callable[[Command], Command]:
    """Return an option that takes task names, separated by commas or given again."""
    return click.option(
        flag,
        metavar="TASK,…",
        multiple=True,
        callback=lambda _ctx, _param, values: _split(values),
        shell_complete=_complete_task,
        help=help_text,
    )


def _split(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def the_study(warehouse: Path, named: str | None) -> str:
    """Return the study a command is about: the one named, or the only one there is.

    Raises:
        NotFound: none is named and the warehouse holds none or several.
    """
    if named is not None:
        return named
    with reading(warehouse) as connection:
        names = studies(connection)
    if len(names) != 1:
        held = f"holds {', '.join(names)}; name one with --study" if names else "holds no study"
        raise NotFound(f"{warehouse} {held}")
    return names[0]


MAX_BUDGETS = 1000

_RANGE = re.compile(r"^(\d+)-(\d+)$")


def parse_budgets(text: str) -> tuple[float, ...]:
    """Read budgets such as ``1-26`` or ``2,4.5,8``; each once, in rising order.

    Raises:
        SettingRefused: a part is no number, no range, negative, or there are too many.
    """
    budgets: set[float] = set()
    for part in text.split(","):
        span = _RANGE.match(part.strip())
        if span:
            first, last = int(span[1]), int(span[2])
            if last < first or last - first >= MAX_BUDGETS:
                raise SettingRefused(
                    f"--budgets {part.strip()!r}: a range rises and holds at most {MAX_BUDGETS}"
                )
            budgets.update(float(b) for b in range(first, last + 1))
        else:
            budgets.add(_budget(part))
    return tuple(sorted(budgets))


def _budget(text: str) -> float:
    try:
        budget = float(text)
    except ValueError:
        budget = -1.0
    if not 0 <= budget < float("inf"):
        raise SettingRefused(
            f"--budgets {text.strip()!r}: give numbers from 0 up and ranges, "
            "such as 1-26 or 2,4.5,8"
        )
    return budget


def parse_orders(text: str) -> tuple[str, ...]:
    """Read order limits such as ``1,4,all``; each once, in the order given.

    Raises:
        SettingRefused: a part is neither a whole number from 1 nor ``all``.
    """
    orders = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    for order in orders:
        order_limit(order)
    return orders
