"""`taskonomyctl logs`: what the job of a trial wrote, on a cluster or on this machine."""

import time
from collections.abc import Iterator
from pathlib import Path

import click

from taskonomy_catalogue.errors import NotFound
from taskonomy_operator.lookup import find_trials
from taskonomy_operator.observe import Known, is_locked, observe
from taskonomyctl.job_words import told_of
from taskonomyctl.output import say
from taskonomyctl.places import Place, place_options
from taskonomyctl.runs import artifacts_option, of_study_option, the_folder, trial_argument


@click.command()
@trial_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the trial's job ends.")
@of_study_option
@place_options
@artifacts_option
def logs(trial: str, follow: bool, study: str | None, place: Place, artifacts: str | None) -> None:
    """Print what the job of a trial wrote; of a pack, this trial's part.

    On this machine that is every attempt of it. On a cluster it is what its newest pod wrote, as
    long as the pod is there; with -f also those that follow it. After that MLflow has the record.

    TRIAL is the beginning of a digest, or a name:

    \b
      taskonomyctl logs curvature/normals+reshading
      taskonomyctl logs "normals+reshading->curvature"
      taskonomyctl logs scratch/curvature -f
      taskonomyctl logs 3fa9c1
    """
    if not place.is_local:
        from taskonomyctl.cluster_logs import print_logs

        print_logs(place, study, trial, follow=follow)
        return
    _print_here(observe(the_folder(artifacts, study)), trial, follow)


def _print_here(known: Known, trial: str, follow: bool) -> None:
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
    yield from told_of(name, _raw_lines(known.folder.log(job), known.folder.job_lock(job), follow))


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
