"""`taskonomyctl suspend`, `resume`, `retry`, `delete`: what is done to a study on a cluster."""

import sys
from datetime import UTC, datetime
from typing import Any

import click

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator.constants import RETRY_FAILED
from taskonomy_operator.words import counted
from taskonomyctl.cluster_runs import the_study, where
from taskonomyctl.output import say
from taskonomyctl.places import Place, cluster_options
from taskonomyctl.runs import named_study_argument, study_argument


@click.command()
@study_argument
@cluster_options
def suspend(study: str | None, place: Place) -> None:
    """Free all GPUs of a study and start nothing more. What it did is kept.

    Its pods save a checkpoint and end; `taskonomyctl resume` goes on from there.
    """
    suspend_study(place, study)


def suspend_study(place: Place, name: str | None) -> None:
    """Suspend a study and say so."""
    space = place.open()
    found = the_study(space, name)
    if found.is_suspended:
        say(f"study {found.name!r} is suspended already")
        return
    space.change(found.name, {"spec": {"suspend": True}})
    live = found.status.trials.running + found.status.trials.queued
    saving = f"{counted(live, 'trial')} under way save and stop; " if live else ""
    say(f"study {found.name!r} is suspended: {saving}`taskonomyctl resume {found.name}` goes on")


@click.command()
@study_argument
@cluster_options
def resume(study: str | None, place: Place) -> None:
    """Go on with a study that was suspended."""
    space = place.open()
    found = the_study(space, study)
    if not found.is_suspended:
        say(f"study {found.name!r} is not suspended")
        return
    space.change(found.name, {"spec": {"suspend": False}})
    say(f"study {found.name!r} goes on; `taskonomyctl watch {found.name}` shows it")


@click.command()
@study_argument
@click.option("--failed", is_flag=True, help="Those that failed for good: what there is to retry.")
@cluster_options
def retry(study: str | None, failed: bool, place: Place) -> None:  # noqa: ARG001 - the one there is
    """Try trials again that failed for good, and those that wait for them.

    Their budget of retries begins anew. What has a result is left alone.
    """
    space = place.open()
    found = the_study(space, study)
    counts = found.status.trials
    if not counts.failed + counts.blocked:
        say(f"study {found.name!r} has no trial that failed for good")
        return
    mark = datetime.now(UTC).isoformat(timespec="microseconds")
    space.change(found.name, {"metadata": {"annotations": {RETRY_FAILED: mark}}})
    waiting = f" and {counts.blocked:,} that wait for them" if counts.blocked else ""
    say(
        f"study {found.name!r}: {counted(counts.failed, 'trial')} that failed{waiting} are tried "
        f"again; `taskonomyctl watch {found.name}` shows it"
    )
    if found.is_suspended:
        say(f"it is suspended: `taskonomyctl resume {found.name}` first")


@click.command()
@named_study_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@cluster_options
def delete(study: str, yes: bool, place: Place) -> int:
    """Delete a study from the cluster, with its Jobs and pods.

    Results stay where they are, in the artifact root and in MLflow: submitted again, the study
    trains nothing that has its result. `taskonomyctl gc` removes results that no study asks for.
    """
    space = place.open()
    found = the_study(space, study)
    live = found.status.trials.running + found.status.trials.queued
    if live:
        say(f"{counted(live, 'trial')} of it are under way: they save and end")
    if not yes and not _is_meant(f"Delete study {found.name!r} from {where(place)}?"):
        say("nothing was deleted")
        return 1
    space.delete(found)
    say(f"study {found.name!r} is deleted; {_results_stay(found.spec)}")
    return 0


def _is_meant(question: str) -> bool:
    if not sys.stdin.isatty():
        raise SettingRefused("nobody is there to ask; say --yes")
    return click.confirm(question, err=True)


def _results_stay(spec: dict[str, Any]) -> str:
    place = spec.get("artifacts") or "the installation's artifact root"
    return f"its results stay in {place}"
