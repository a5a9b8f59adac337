"""`taskonomyctl cancel`: stop a study that runs on this machine; nothing it did is lost."""

import time

import click

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_operator.local import cancel as cancel_run
from taskonomy_operator.observe import status
from taskonomyctl.runs import artifacts_option, local_option, say, study_argument, the_folder


class StillRuns(TaskonomyError):
    """Jobs were asked to stop and have not yet; the message says what to do."""


@click.command()
@study_argument
@local_option
@artifacts_option
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=90,
    show_default=True,
    help="Seconds to wait until its jobs have saved and stopped.",
)
def cancel(study: str | None, local: bool, artifacts: str | None, wait: float) -> None:  # noqa: ARG001
    """Stop a study: its jobs save and end. Submit it again to go on where it stopped."""
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
