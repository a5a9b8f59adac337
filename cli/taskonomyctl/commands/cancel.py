"""`taskonomyctl cancel`: stop a study; nothing it did is lost."""

import time

import click

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_operator.observe import status
from taskonomy_operator.running_studies import cancel as cancel_run
from taskonomyctl.commands.steer import suspend_study
from taskonomyctl.output import say
from taskonomyctl.places import Place, place_options
from taskonomyctl.runs import artifacts_option, study_argument, the_folder


class StillRuns(TaskonomyError):
    """Jobs were asked to stop and have not yet; the message says what to do."""


@click.command()
@study_argument
@place_options
@artifacts_option
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=90,
    show_default=True,
    help="Seconds to wait until its jobs have saved and stopped.",
)
def cancel(study: str | None, place: Place, artifacts: str | None, wait: float) -> None:
    """Stop a study: its jobs save and end. Nothing it did is lost.

    On this machine, submit it again to go on where it stopped. On a cluster it is suspended, as by
    `taskonomyctl suspend`, and `taskonomyctl resume` goes on; `taskonomyctl delete` forgets it.
    """
    if not place.is_local:
        say("on a cluster, cancelling a study is suspending it")
        suspend_study(place, study)
        return
    _cancel_here(study, artifacts, wait)


def _cancel_here(study: str | None, artifacts: str | None, wait: float) -> None:
    folder = the_folder(artifacts, study)
    asked = cancel_run(folder)
    if not asked:
        say(f"study {folder.name!r} does not run")
        return
    until = time.monotonic() + wait
    while (found := status(folder)).running or found.phase == "Running":
        if time.monotonic() > until:
            raise StillRuns(
                f"study {folder.name!r}: {len(found.running)} trials have not stopped after "
                f"{wait:g} s; `taskonomyctl watch {folder.name}` shows them"
            )
        time.sleep(0.2)
    say(f"study {folder.name!r} is stopped; submit it again to go on")
