"""`taskonomyctl logs`: what the job of a trial wrote."""

import time
from collections.abc import Iterator
from pathlib import Path

import click

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.launch import (
    Event,
    Failed,
    Finished,
    Progressed,
    Saved,
    SkippedImages,
    Started,
    Validated,
    parse_event,
)
from taskonomy_operator.lookup import find_trials
from taskonomy_operator.observe import Known, is_locked, observe
from taskonomyctl.runs import (
    artifacts_option,
    local_option,
    of_study_option,
    say,
    the_folder,
    trial_argument,
)


@click.command()
@trial_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the trial's job ends.")
@of_study_option
@local_option
@artifacts_option
def logs(trial: str, follow: bool, study: str | None, local: bool, artifacts: str | None) -> None:  # noqa: ARG001
    """Print what the job of a trial wrote, every attempt of it; of a pack, this trial's part.

    TRIAL is the beginning of a digest, or a name:

    \b
      taskonomyctl logs curvature/normals+reshading
      taskonomyctl logs "normals+reshading->curvature"
      taskonomyctl logs scratch/curvature -f
      taskonomyctl logs 3fa9c1
    """
    known = observe(the_folder(artifacts, study))
    nodes = find_trials(known.plan, trial)
    for node in nodes:
        if len(nodes) > 1:
            say(f"{node.trial.title}, seed {node.trial.seed}")
        job = known.history.last_job.get(node.digest)
        if job is None:
            raise NotFound(_never_ran(known, node.digest))
        for text in _lines(known, job, node.digest, follow=follow):
            click.echo(text)


def _never_ran(known: Known, name: str) -> str:
    node = known.plan.node(name)
    title = node.trial.title if node else name
    if node is not None and node.state == "done":
        return f"{title} has its result from another study; its job is in that study's logs"
    why = known.plan.why(node) if node else ""
    return f"{title} has not been started yet{f': it {why}' if why else ''}"


def _lines(known: Known, job: str, name: str, *, follow: bool) -> Iterator[str]:
    """Yield the lines of a job's log that are about a trial, or about the whole job."""
    for line in _raw_lines(known.folder.log(job), known.folder.job_lock(job), follow):
        event = parse_event(line)
        if event is None:
            yield line
        elif event.trial in (name, ""):
            yield words(event)


def _raw_lines(log: Path, lock: Path, follow: bool) -> Iterator[str]:
    try:
        file = log.open(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise NotFound(f"{log} is gone") from error
    with file:
        torn = ""
        while True:
            alive = follow and is_locked(lock)
            for part in file:
                torn += part
                if torn.endswith("\n"):
                    yield torn.rstrip("\n")
                    torn = ""
            if not alive:
                break
            time.sleep(0.3)
        if torn:
            yield torn


def words(event: Event) -> str:
    """Return an event as a line for people."""
    return f"{event.time.astimezone():%H:%M:%S}  {_said(event)}"


def _said(event: Event) -> str:
    match event:
        case Started():
            begun = f"goes on at step {event.step}" if event.step else "started"
            return f"{begun}, {event.steps} steps" if event.steps else begun
        case Progressed():
            rate = event.images_per_second
            speed = "" if rate is None else f", {rate:.0f} images/s"
            return f"step {event.step}/{event.steps}, loss {_figure(event.loss)}{speed}"
        case Validated():
            return f"step {event.step}, validation loss {_figure(event.loss)}"
        case SkippedImages():
            return f"{event.count} images could not be read, the first: {event.first}"
        case Finished():
            return f"finished, mean loss {_figure(event.mean_loss)}, {event.seconds:.1f} s"
        case Failed():
            return f"failed ({event.code}): {event.reason}"
        case Saved():
            return f"saved at step {event.step} and stopped"


def _figure(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"
