"""Options that several commands share, their parsing and their completion."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError
from taskonomy_catalogue.tasks import TaskDictionary, plain_text, published_dictionary
from taskonomy_warehouse.dictionary import read_dictionary
from taskonomy_warehouse.parsing import parse_number
from taskonomy_warehouse.selection.taxonomy import ALL_ORDERS
from taskonomy_warehouse.snapshot import Snapshot, Source, opened_to_read
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

_snapshot_option = click.option(
    "--snapshot",
    metavar="URI",
    help="Read the snapshot published in this folder or under this s3:// prefix instead: it can be "
    "read while the warehouse is written.",
)
_no_verify_option = click.option(
    "--no-verify",
    is_flag=True,
    help="Compare a snapshot's size alone, and do not read all of it for its sha256.",
)


def source_option(command: Command) -> Command:
    """Give a command that only reads its ``warehouse``: the file, or a snapshot of it."""

    @wraps(command)
    def read(*, warehouse: Path, snapshot: str | None, no_verify: bool, **given: Any) -> Any:
        if no_verify and not snapshot:
            raise click.UsageError("--no-verify is a word about --snapshot; give both, or neither")
        source = Snapshot(snapshot, verify=not no_verify) if snapshot else warehouse
        return command(warehouse=source, **given)

    return _snapshot_option(_no_verify_option(warehouse_option(read)))


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
    try:
        with reading(_warehouse_of(ctx)) as connection:
            names = studies(connection)
    except TaskonomyError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _warehouse_of(ctx: click.Context) -> Path:
    return Path(ctx.params.get("warehouse") or "warehouse.duckdb")


def _complete_task(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    done, comma, last = incomplete.rpartition(",")
    return [
        CompletionItem(f"{done}{comma}{task.id}", help=task.title)
        for task in _dictionary_of(ctx)
        if task.id.startswith(last)
    ]


def _dictionary_of(ctx: click.Context) -> TaskDictionary:
    """Return the dictionary of the study meant so far, the paper's where none is."""
    try:
        with reading(_warehouse_of(ctx)) as connection:
            names = studies(connection)
            study = ctx.params.get("study") or (names[0] if len(names) == 1 else None)
            if study in names:
                return read_dictionary(connection, study)
    except TaskonomyError:
        pass
    return published_dictionary()


study_option = click.option(
    "--study",
    metavar="NAME",
    shell_complete=_complete_study,
    help="The study; may be left out when the warehouse holds one.",
)

MAX_STUDY_NAME = 100


class StudyName(click.ParamType[str]):
    """The name of a study to be: short, printable, not blank, free otherwise."""

    name = "study"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with what is wrong with it."""
        try:
            plain_text(value)
        except ValueError as error:
            self.fail(f"the name {error}", param, ctx)
        if not value.strip() or len(value) > MAX_STUDY_NAME:
            self.fail(f"a name has 1 to {MAX_STUDY_NAME} characters, not all blank", param, ctx)
        return value


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


def the_study(warehouse: Source, named: str | None) -> str:
    """Return the study a command is about: the one named, or the only one there is.

    A snapshot is not verified for this: the command reads it again, and that time it is.

    Raises:
        NotFound: none is named and the warehouse holds none or several.
    """
    if named is not None:
        return named
    quick = replace(warehouse, verify=False) if isinstance(warehouse, Snapshot) else warehouse
    with opened_to_read(quick) as connection:
        names = studies(connection)
    if len(names) != 1:
        held = f"holds {', '.join(names)}; name one with --study" if names else "holds no study"
        place = warehouse.uri if isinstance(warehouse, Snapshot) else warehouse
        raise NotFound(f"{place} {held}")
    return names[0]


MAX_BUDGETS = 1000

_RANGE = re.compile(r"^(\d{1,9})-(\d{1,9})$", re.ASCII)
_ORDER = re.compile(r"0*([1-9]\d{0,3})", re.ASCII)


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
    if len(budgets) > MAX_BUDGETS:
        raise SettingRefused(f"--budgets: {len(budgets)} of them; at most {MAX_BUDGETS} at a time")
    return tuple(sorted(budgets))


def _budget(text: str) -> float:
    try:
        budget = parse_number(text)
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
        SettingRefused: a part is neither a whole number from 1 to 9999 nor ``all``.
    """
    return tuple(dict.fromkeys(parse_order(part) for part in text.split(",")))


def parse_order(text: str) -> str:
    """Read one order limit as the warehouse writes it: ``01`` is ``1``, ``ALL`` is ``all``.

    Raises:
        SettingRefused: as `parse_orders`.
    """
    word = text.strip()
    number = _ORDER.fullmatch(word)
    if number:
        return number[1]
    if word.lower() != ALL_ORDERS:
        raise SettingRefused(f"order {word[:20]!r}: allowed is 1, 2, 3, … or {ALL_ORDERS!r}")
    return ALL_ORDERS
