"""`taskonomyctl status`, `watch`, `list`: where studies stand, on a cluster or on this machine."""

import time
from collections.abc import Iterable, Iterator

import click

from taskonomy_operator.observe import Watch
from taskonomy_operator.observe import status as status_of_folder
from taskonomy_operator.status import Status
from taskonomy_operator.study_folder import submitted
from taskonomy_operator.study_status import MAX_FAILURES
from taskonomy_operator.words import counted, duration
from taskonomy_warehouse.queries import as_json
from taskonomyctl.cluster_runs import look, looks, the_study
from taskonomyctl.missing import grouped
from taskonomyctl.output import print_rows, say, stdout_console
from taskonomyctl.places import Place, SpecRefused, place_options
from taskonomyctl.progress import bars, view
from taskonomyctl.runs import artifacts_of, artifacts_option, study_argument, the_folder

LIST_COLUMNS = ("study", "phase", "trials", "done", "running", "failed", "blocked", "eta")
MISSING_COLUMNS = ("trial", "state", "why")
EXIT_MISSING = 7

_output_option = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)


@click.command()
@study_argument
@place_options
@artifacts_option
@_output_option
def status(study: str | None, place: Place, artifacts: str | None, output: str) -> None:
    """Show where a study stands: trials by stage and state, what runs, what is missing and why."""
    more: dict[str, object] = {}
    if place.is_local:
        found = status_of_folder(the_folder(artifacts, study))
    else:
        space = place.open()
        seen = the_study(space, study)
        found = look(space, seen)
        more = {
            "namespace": seen.namespace,
            "conditions": [each.model_dump(mode="json") for each in seen.status.conditions],
        }
    if output == "json":
        counts = {"trials": found.trials, "done": found.done}
        click.echo(as_json(found.document() | counts | more))
        return
    stdout_console().print(bars(found))
    spent = _spent(found, place)
    click.echo(f"phase: {found.phase}, {spent} so far")
    print_missing(found)
    if not place.is_local and len(found.missing) == MAX_FAILURES < found.lost:
        listed = "`taskonomyctl sql 'FROM coverage'` lists all once the study is loaded"
        say(f"these are the first of {counted(found.lost, 'trial')} without a result; {listed}")


def _spent(found: Status, place: Place) -> str:
    if place.is_local:
        return f"{duration(found.spent_hours * 3600)} of job time"
    return f"{found.spent_hours:,.2f} GPU hours"


def print_missing(found: Status) -> None:
    """Print the trials that will have no result, and why: a row a reason."""
    if found.missing:
        print_rows(grouped(found.missing), MISSING_COLUMNS, "table")


@click.command()
@study_argument
@place_options
@artifacts_option
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
def watch(study: str | None, place: Place, artifacts: str | None, interval: float) -> int:
    """Watch a study until it ends; Ctrl-C ends the watching and nothing else.

    The exit code is that of `submit --wait`: 0 when every trial has its result, 7 when some never
    will. A study on a cluster is watched while it is suspended, too.
    """
    if place.is_local:
        return show_until_over(_looks_here(Watch(the_folder(artifacts, study)), interval))
    name = the_study(place.open(), study).name
    return show_until_over(looks(place, name, interval))


def _looks_here(looks: Watch, interval: float) -> Iterator[Status]:
    while True:
        found = looks.look()
        yield found
        if found.phase != "Running":
            return
        time.sleep(interval)


def show_until_over(looks: Iterable[Status]) -> int:
    """Show a study at every look; return the exit code that the last one asks for.

    Raises:
        SpecRefused: the study was not accepted.
    """
    found = None
    with view() as show:
        for found in looks:
            show(found)
    if found is not None and found.phase == "Refused":
        raise SpecRefused(f"study {found.study!r} was not accepted: {found.note}")
    return EXIT_MISSING if found is not None and found.phase == "Degraded" else 0


@click.command(name="list")
@place_options
@artifacts_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Studies of every namespace.")
@_output_option
def list_(place: Place, artifacts: str | None, all_namespaces: bool, output: str) -> None:
    """List the studies of a namespace, or those that were run with an artifact root."""
    if place.is_local:
        found = [status_of_folder(folder) for folder in submitted(artifacts_of(artifacts))]
        print_rows([_row(each) for each in found], LIST_COLUMNS, output)
        return
    from datetime import UTC, datetime

    from taskonomy_operator.seen_on_cluster import every_study

    space = place.open()
    studies = every_study(space.cluster) if all_namespaces else space.studies()
    now = datetime.now(UTC)
    rows = [{"namespace": each.namespace, **_row(each.shown(now))} for each in studies]
    print_rows(rows, ("namespace", *LIST_COLUMNS) if all_namespaces else LIST_COLUMNS, output)


def _row(found: Status) -> dict[str, object]:
    return {
        "study": found.study,
        "phase": found.phase,
        "trials": found.trials,
        "done": found.done,
        "running": found.live,
        "failed": sum(stage.failed for stage in found.stages),
        "blocked": sum(stage.blocked for stage in found.stages),
        "eta": None if found.eta_seconds is None else duration(found.eta_seconds),
    }
