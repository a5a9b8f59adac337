"""`taskonomyctl submit`: have a study run, on a cluster or on this machine, or go on with it."""

import shlex
import sys
import time
from pathlib import Path

import click

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_operator.asked import PlanStage
from taskonomy_operator.costs import TRAINING
from taskonomy_operator.local import run_study
from taskonomy_operator.local_commands import Settings, command_of
from taskonomy_operator.machine import Slots, share_out, this_machine
from taskonomy_operator.observe import is_locked, observe_as
from taskonomy_operator.packing import DEFAULT_PACK
from taskonomy_operator.running_studies import start_detached
from taskonomy_operator.status import Status
from taskonomy_operator.study_folder import Run, StudyFolder
from taskonomy_operator.words import duration
from taskonomyctl.commands.watch import EXIT_MISSING, print_missing
from taskonomyctl.first_look import look_at_data
from taskonomyctl.output import say
from taskonomyctl.places import Place, only_here, place_options
from taskonomyctl.progress import line, view
from taskonomyctl.runs import (
    Submission,
    artifacts_option,
    dataset_of,
    file_option,
    folder_of,
    submission,
    tracking_of,
)
from taskonomyctl.sending import EXIT_STOPPED, send


class NotStarted(TaskonomyError):
    """A run in the background ended before it began; the message repeats what it said."""


@click.command()
@file_option
@place_options
@click.option(
    "--stage",
    type=click.Choice(TRAINING),
    help="Train this stage and what it needs, and no more; all stages unless given.",
)
@artifacts_option
@click.option(
    "--tracking",
    metavar="URI",
    help="MLflow tracking URI; the study's own unless given, else MLFLOW_TRACKING_URI, else a "
    "SQLite file in the artifact root. `none` switches tracking off.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1, max=1024),
    metavar="N",
    help="Jobs at once; as many as cores, memory and GPUs allow unless given.",
)
@click.option(
    "--pack",
    type=click.IntRange(min=1, max=1024),
    default=DEFAULT_PACK,
    show_default=True,
    metavar="N",
    help="Most transfers that one job trains together.",
)
@click.option("--retry-failed", is_flag=True, help="Try trials again that failed for good.")
@click.option("--dry-run", is_flag=True, help="Say what would run or change; do nothing.")
@click.option("--wait", is_flag=True, help="On a cluster: watch it until it ends.")
@click.option("--detach", is_flag=True, help="Run in the background; `watch` shows it.")
def submit(
    file: Path | None,
    place: Place,
    stage: PlanStage | None,
    artifacts: str | None,
    tracking: str | None,
    processes: int | None,
    pack: int,
    retry_failed: bool,
    dry_run: bool,
    wait: bool,
    detach: bool,
) -> int:
    """Have a study run, or go on with it where it stopped.

    Trains every network the study asks for, each as soon as what it needs is there; what has a
    result already, from this study or another, is not trained again.

    On a cluster the study is sent there, and changed to what the file says if it is there already.
    With --wait it is watched until it ends; Ctrl-C ends the watching alone.

    With --local it runs on this machine. The first Ctrl-C lets running jobs save and stops, the
    second ends them at once; the same command goes on from there, after a kill -9 or a power cut
    too. Before anything is trained, the split, the image size and every task's labels are looked
    for.

    \b
      taskonomyctl submit -f study.yaml -n vision --wait
      taskonomyctl submit -f study.yaml --dry-run
      taskonomyctl submit -f study.yaml --local --stage first-order --detach

    Exit codes of its own: 7 when trials failed for good, 130 when it was stopped.
    """
    only_here(place, "artifacts", "tracking", "processes", "pack", "retry_failed", "detach")
    given = submission(file)
    if not place.is_local:
        return send(place, given, stage, dry_run=dry_run, wait=wait)
    folder = folder_of(artifacts, given)
    dataset = dataset_of(given)
    look_at_data(given.study, given.origin, dataset)
    run = Run(
        folder=str(given.folder),
        dataset=str(dataset),
        tracking=tracking_of(tracking, given, folder.artifacts),
        stage=stage,
        origin=given.origin,
    )
    slots = share_out(this_machine(), processes)
    settings = Settings(slots=slots, most_in_pack=pack, retry_failed=retry_failed)
    if dry_run:
        return _say_what_would_run(folder, given, run, settings)
    if detach:
        return _detach(folder)
    say(f"study {folder.name!r} in {folder.artifacts}, {_shared_out(slots)}")
    with view() as show:
        status = run_study(folder, given.study, run, settings, show=show)
    return _end(folder, status)


def _shared_out(slots: Slots) -> str:
    gpus = f", GPUs: {','.join(slots.gpus)}" if slots.gpus else ""
    return f"jobs at once: {slots.jobs}, threads of each: {slots.threads}{gpus}"


def _end(folder: StudyFolder, status: Status) -> int:
    """Say how it ended and what comes next; return the exit code."""
    if status.phase in ("Running", "Stopped"):
        return EXIT_STOPPED
    spent = duration(status.spent_hours * 3600)
    click.echo(f"{line(status)}; {spent} of job time", err=True)
    if status.missing:
        print_missing(status)
        say("`taskonomyctl why TRIAL` says more; submit with --retry-failed to try them again")
    load = f"taskonomyctl load --study {folder.name} --from-artifacts"
    say(f"next: {load} {shlex.quote(str(folder.artifacts))}")
    return EXIT_MISSING if status.missing else 0


def _say_what_would_run(
    folder: StudyFolder, given: Submission, run: Run, settings: Settings
) -> int:
    known = observe_as(folder, given.study, run, most_in_pack=settings.most_in_pack)
    for stage, states in known.plan.counts().items():
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        click.echo(f"{stage}: {told}", err=True)
    for job in known.plan.next_jobs(settings.slots.jobs, time.time()):
        click.echo(shlex.join(command_of(known, job, settings)))
    return 0


def _detach(folder: StudyFolder) -> int:
    """Start this very command again in the background, and see it take the study over."""
    folder.log("").parent.mkdir(parents=True, exist_ok=True)
    log = folder.root / "logs" / "submit.log"
    words = [word for word in sys.argv[1:] if word != "--detach"]
    process = start_detached([sys.executable, "-m", "taskonomyctl", *words], log)
    while process.poll() is None and not is_locked(folder.lock_file):
        time.sleep(0.1)
    if process.poll() not in (None, 0):
        said = log.read_text(errors="replace").splitlines()[-5:]
        raise NotStarted("\n".join(said) or f"it ended with exit code {process.returncode}")
    say(f"study {folder.name!r} runs as process {process.pid}, and says so in {log}")
    say(
        f"`taskonomyctl watch {folder.name}` shows it, `taskonomyctl cancel {folder.name}` stops it"
    )
    return 0
