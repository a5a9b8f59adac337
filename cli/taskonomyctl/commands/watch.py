"""`taskonomyctl status`, `watch`, `list`: where studies stand that run on this machine."""

import time

import click

from taskonomy_operator.observe import Watch
from taskonomy_operator.observe import status as status_of_folder
from taskonomy_operator.status import Status
from taskonomy_operator.study_folder import submitted
from taskonomy_warehouse.queries import as_json
from taskonomyctl.output import print_rows, stdout_console
from taskonomyctl.progress import bars, duration, view
from taskonomyctl.runs import (
    artifacts_of,
    artifacts_option,
    local_option,
    study_argument,
    the_folder,
)

LIST_COLUMNS = ("study", "phase", "trials", "done", "running", "failed", "blocked", "eta")
MISSING_COLUMNS = ("trial", "state", "why")

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
@local_option
@artifacts_option
@_output_option
def status(study: str | None, local: bool, artifacts: str | None, output: str) -> None:  # noqa: ARG001
    """Show where a study stands: trials by stage and state, what runs, what is missing and why."""
    found = status_of_folder(the_folder(artifacts, study))
    if output == "json":
        click.echo(as_json(found.document() | {"trials": found.trials, "done": found.done}))
        return
    stdout_console().print(bars(found))
    click.echo(f"phase: {found.phase}, {duration(found.spent_hours * 3600)} of job time so far")
    if found.missing:
        rows = [{"trial": m.title, "state": m.state, "why": m.why} for m in found.missing]
        print_rows(rows, MISSING_COLUMNS, "table")


@click.command()
@study_argument
@local_option
@artifacts_option
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
def watch(study: str | None, local: bool, artifacts: str | None, interval: float) -> int:  # noqa: ARG001
    """Watch a study until its run ends; Ctrl-C ends the watching and nothing else.

    The exit code is that of `submit`: 0 when every trial has its result, 7 when some never will.
    """
    folder = the_folder(artifacts, study)
    looks = Watch(folder)
    with view() as show:
        while True:
            found = looks.look()
            show(found)
            if found.phase != "Running":
                return 7 if found.phase == "Degraded" else 0
            time.sleep(interval)


@click.command(name="list")
@local_option
@artifacts_option
@_output_option
def list_(local: bool, artifacts: str | None, output: str) -> None:  # noqa: ARG001
    """List the studies that were run with an artifact root."""
    found = [status_of_folder(folder) for folder in submitted(artifacts_of(artifacts))]
    print_rows([_row(each) for each in found], LIST_COLUMNS, output)


def _row(found: Status) -> dict[str, object]:
    return {
        "study": found.study,
        "phase": found.phase,
        "trials": found.trials,
        "done": found.done,
        "running": sum(stage.running for stage in found.stages),
        "failed": sum(stage.failed for stage in found.stages),
        "blocked": sum(stage.blocked for stage in found.stages),
        "eta": None if found.eta_seconds is None else duration(found.eta_seconds),
    }
