"""`taskonomyctl load`: what a study's trials left behind, into the warehouse."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taskonomy_warehouse.load.session import Outcome, Request, run_load
from taskonomyctl.options import output_option, study_option, warehouse_option
from taskonomyctl.output import print_rows, stderr_console
from taskonomyctl.runs import submitted_here
from taskonomyctl.study_files import read_study

COLUMNS = ("digest", "reason", "detail", "folder")


@click.command()
@study_option
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    help="The study's file (YAML or JSON); needed once, the warehouse keeps it. Not needed for a "
    "study that was submitted here: it lies beside its results.",
)
@click.option(
    "--from-artifacts",
    metavar="URI",
    help="Load from this artifact root, a path or s3://; the study's own unless given, else "
    "./artifacts if the study was submitted there.",
)
@click.option(
    "--from-tracking",
    metavar="URI",
    help="Load what the study's MLflow runs point to.",
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Build the study anew from its results, compare, and correct the warehouse.",
)
@click.option(
    "--force",
    is_flag=True,
    help="With --rebuild: go on, and drop what is gone, though it is most of what was loaded.",
)
@click.option(
    "--losses-stay/--no-losses-stay",
    default=None,
    help="Check losses and leave them in their files: half the time, and no copy; or copy them "
    "into the warehouse. Unless given: leave them if all of the study's are over 50 million. What "
    "the first load did, the next ones do.",
)
@click.option(
    "--no-win-rates",
    is_flag=True,
    help="Compute no win rates here: jobs do, a target each, for studies past one machine.",
)
@click.option(
    "--win-rates",
    metavar="URI",
    help="Merge the win rates that jobs left in this folder or under this s3:// prefix.",
)
@click.option(
    "--publish",
    metavar="URI",
    envvar="TASKONOMY_SNAPSHOT",
    show_envvar=True,
    help="Folder or s3:// that the read-only snapshot goes to; beside the warehouse unless given.",
)
@click.option("--no-publish", is_flag=True, help="Publish no snapshot.")
@click.option("--publish-losses", is_flag=True, help="Put the losses into the snapshot too.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    help="Seconds to wait for another load, or a reader, to finish.",
)
@output_option
@warehouse_option
def load(
    study: str | None,
    file: Path | None,
    from_artifacts: str | None,
    from_tracking: str | None,
    rebuild: bool,
    force: bool,
    losses_stay: bool | None,
    no_win_rates: bool,
    win_rates: str | None,
    publish: str | None,
    no_publish: bool,
    publish_losses: bool,
    wait: float,
    output: str,
    warehouse: Path,
) -> int:
    """Load the finished trials of a study, and publish a snapshot for readers.

    Only what is new is read: run it as often as you like, while trials run. A result that is
    broken, or not of this study, is not loaded: it is listed with the reason, kept in table
    `quarantine`, and taken in by the next load once it is put right. The exit code is 3 then, and 8
    where --rebuild found the warehouse wrong.

    \b
      taskonomyctl load --study rooms --from-artifacts ./artifacts
      taskonomyctl load -f study.yaml --from-artifacts s3://results/taskonomy
      taskonomyctl load --study rooms --from-tracking http://mlflow:5000
      taskonomyctl load --study rooms --rebuild
    """
    if publish and no_publish:
        raise click.UsageError("give --publish or --no-publish, not both")
    tracking = ""
    submitted = None if file or from_tracking else submitted_here(from_artifacts, study)
    if submitted is not None:
        file, tracking = submitted.study_file, submitted.run().tracking
        from_artifacts = str(submitted.artifacts)
    beside = str(warehouse.with_name(f"{warehouse.stem}.snapshot"))
    request = Request(
        warehouse=warehouse,
        study=read_study(file) if file else None,
        study_name=study,
        origin=file.name if file else "the warehouse",
        from_artifacts=from_artifacts,
        from_tracking=from_tracking,
        rebuild=rebuild,
        force=force,
        tracking=tracking,
        losses_stay=losses_stay,
        compute=not no_win_rates,
        win_rates=win_rates,
        publish_to=None if no_publish else publish or beside,
        publish_losses=publish_losses,
        wait=wait,
    )
    with _progress_bar() as progress:
        outcome = run_load(request, say=_say, progress=progress)
    _summarise(outcome)
    refused = [
        {"digest": r.digest, "reason": r.reason, "detail": r.detail, "folder": r.folder}
        for r in outcome.loaded.refusals
    ]
    if refused or output != "table":
        print_rows(refused, COLUMNS, output)
    return outcome.exit_code


def _say(message: str) -> None:
    click.echo(f"taskonomyctl: {message}", err=True)


def _summarise(outcome: Outcome) -> None:
    loaded = outcome.loaded
    parts = [f"loaded {loaded.trials} trials ({loaded.rows:,} losses)"]
    parts += [f"{loaded.known} were in already"] if loaded.known else []
    parts += [f"{loaded.others} are of other studies"] if loaded.others else []
    parts += [f"{len(loaded.refusals)} are in quarantine"] if loaded.refusals else []
    click.echo(f"study {loaded.study!r}: {', '.join(parts)}", err=True)
    if outcome.differences is not None:
        _tell_differences(outcome)
    if outcome.merged:
        click.echo(f"win rates of {len(outcome.merged.targets)} targets merged", err=True)
        if outcome.merged.lacking:
            _say(f"run the jobs again of {', '.join(outcome.merged.lacking)}: they have new trials")
    if outcome.written_back:
        click.echo(f"{outcome.written_back} figures written to MLflow runs", err=True)
    if outcome.snapshot:
        click.echo(f"snapshot {outcome.snapshot.file} published", err=True)
    for message in (*loaded.notes, *outcome.troubles):
        _say(message)


def _tell_differences(outcome: Outcome) -> None:
    if not outcome.differences:
        click.echo("rebuilt, and the warehouse was right: it is left as it was", err=True)
        return
    click.echo("rebuilt, and the warehouse was wrong; it is replaced. It differed in:", err=True)
    for d in outcome.differences:
        click.echo(
            f"  {d.relation}: {d.missing} rows were missing, {d.surplus} too many, "
            f"for example of {d.example}",
            err=True,
        )
    click.echo(
        "  taxonomies and error bars made from it are gone: solve and bootstrap again", err=True
    )


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("loading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(
        *columns, console=stderr_console(), transient=True, disable=not sys.stderr.isatty()
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
