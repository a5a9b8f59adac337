"""`taskonomyctl why`: one answer to why a trial or a study is where it is."""

from collections import Counter
from dataclasses import asdict

import click

from taskonomy_catalogue.launch import parse_event
from taskonomy_operator.lookup import find_trials
from taskonomy_operator.observe import Known, observe
from taskonomy_operator.observe import status as status_of_folder
from taskonomy_operator.plan_parts import Node
from taskonomy_operator.pod_facts import Answer
from taskonomy_operator.status import Status
from taskonomy_operator.study_folder import submitted
from taskonomy_operator.words import counted
from taskonomy_warehouse.queries import as_json
from taskonomyctl.cluster_runs import the_study
from taskonomyctl.places import Place, place_options
from taskonomyctl.progress import line
from taskonomyctl.runs import (
    artifacts_of,
    artifacts_option,
    of_study_option,
    the_folder,
    what_argument,
)

LAST_LINES = 8
"""Lines of a failed trial's log that are shown."""

Found = list[tuple[str, Answer]]
"""What is asked about, and the answer."""


@click.command()
@what_argument
@of_study_option
@place_options
@artifacts_option
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def why(
    what: str | None, study: str | None, place: Place, artifacts: str | None, output: str
) -> None:
    """Say why a trial or a study is where it is: one answer, and what to do about it.

    Whatever it waits for (an encoder, its turn, a queue, quota, a node, an image), what blocks it,
    or how it failed, with its exit code and last lines. Without a name it is the study.

    \b
      taskonomyctl why
      taskonomyctl why curvature/normals+reshading
      taskonomyctl why 3fa9c1
    """
    found = _here(artifacts, study, what) if place.is_local else _there(place, study, what)
    if output == "json":
        click.echo(as_json([{"about": about, **asdict(answer)} for about, answer in found]))
        return
    for about, answer in found:
        _tell(about, answer)


def _tell(about: str, answer: Answer) -> None:
    click.echo(f"{about} {answer.sentence}")
    if answer.next:
        click.echo(f"  next: {answer.next}")
    if answer.lines:
        click.echo("  its last lines:")
        for text in answer.lines:
            click.echo(f"    {text}")


# --- on a cluster ------------------------------------------------------------------------------


def _there(place: Place, study: str | None, what: str | None) -> Found:
    from taskonomy_operator.why import Asked, why_study

    space = place.open()
    if what is None or (study is None and _may_be_study(what) and space.study_if_any(what)):
        found = the_study(space, what or study)
        return [(f"study {found.name!r}", why_study(space, found))]
    asked = Asked(space, the_study(space, study))
    return [(node.trial.title, asked.why(node)) for node in asked.find(what)]


def _may_be_study(what: str) -> bool:
    return not set(what) & set("/+> \n") and what.isascii()


# --- on this machine ---------------------------------------------------------------------------


def _here(artifacts: str | None, study: str | None, what: str | None) -> Found:
    names = {each.name for each in submitted(artifacts_of(artifacts))}
    if what is None or (study is None and what in names):
        folder = the_folder(artifacts, what or study)
        return [(f"study {folder.name!r}", _study_answer(status_of_folder(folder)))]
    known = observe(the_folder(artifacts, study))
    running = {each.digest: each for each in status_of_folder(known.folder).running}
    found: Found = []
    for node in find_trials(known.plan, what):
        live = running.get(node.digest)
        step = f", step {live.step} of {live.steps}" if live and live.steps else ""
        found.append((node.trial.title, _trial_answer(known, node, bool(live), step)))
    return found


def _trial_answer(known: Known, node: Node, is_live: bool, step: str) -> Answer:
    said = known.plan.why(node)
    if is_live:
        return Answer(reason="Running", sentence=f"runs{step}")
    sentence = {
        "done": "is done: it has its result",
        "ready": "waits for its turn: as many jobs run at once as fit",
        "running": "is about to run",
        "waiting": said,
        "resting": f"{said}; it is tried again in a while",
        "failed": f"failed for good: {said}",
        "blocked": f"is blocked: it {said}",
    }[node.state]
    again = "put the cause right, then `taskonomyctl submit --local --retry-failed`"
    lost = node.state in ("failed", "blocked")
    lines = _last_lines(known, node) if node.state == "failed" else ()
    return Answer(
        reason=node.state.capitalize(),
        sentence=sentence,
        next=again if lost else "",
        lines=lines,
    )


def _last_lines(known: Known, node: Node) -> tuple[str, ...]:
    """Return the last lines of the job that trained it last, events left out."""
    job = known.history.last_job.get(node.digest)
    try:
        content = known.folder.log(job or "").read_text(errors="replace")
    except OSError:
        return ()
    plain = [text for text in content.splitlines() if text.strip() and parse_event(text) is None]
    return tuple(plain[-LAST_LINES:])


def _study_answer(found: Status) -> Answer:
    causes = Counter(each.why for each in found.missing if each.state == "failed")
    if not causes:
        return Answer(reason=found.phase, sentence=f"is {found.phase.lower()}: {line(found)}")
    (cause, number), *_ = causes.most_common(1)
    sentence = f"is {found.phase.lower()}: {counted(number, 'trial')} failed with: {cause}"
    again = "put the cause right, then `taskonomyctl submit --local --retry-failed`"
    return Answer(reason=found.phase, sentence=sentence, next=again)
