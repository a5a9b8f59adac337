"""Load what the Studies of a cluster left behind, solve what is complete, publish one snapshot.

    python -m taskonomyctl.in_cluster.load_studies --namespaces NS[,NS…] --warehouse FILE \
        --artifacts FOLDER --publish FOLDER|s3://… [--tracking URI] [--losses-stay] [--solve]

The chart's CronJob runs it: the one writer of the warehouse. A Study that cannot be loaded is a
message and the others are loaded all the same; readers get one snapshot of all of them, at the end.
The exit code is 0, or that of the last thing that went wrong. Results in quarantine are told and
are no failure: the table `quarantine` keeps them, and the next load looks again.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from taskonomy_catalogue.errors import NotFound, TaskonomyError
from taskonomy_catalogue.study import Study
from taskonomy_operator.cluster import Cluster, connect
from taskonomy_operator.constants import API_VERSION, PLURAL
from taskonomy_operator.study_object import StudyObject
from taskonomy_warehouse.files import get_ready, place_of
from taskonomy_warehouse.load.lock import only_loader, opened
from taskonomy_warehouse.load.session import Outcome, Request, run_load
from taskonomy_warehouse.selection.asked import asked_of
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import latest_scenario, write_taxonomies
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.snapshot import is_published, publish

EVERYWHERE = "*"
PAGE = 100
"""Studies in one answer of a list: each may be 64 KiB."""
WAIT = 1800.0
"""Seconds to wait for another load or a reader; a Job on demand may meet the scheduled one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for."""

    namespaces: tuple[str, ...]
    """Where Studies are; `*` alone: everywhere. The first that has a name of a Study keeps it."""
    warehouse: Path
    """The warehouse file; made if it is not there."""
    artifacts: str
    """Artifact root of Studies that name none."""
    publish: str
    """Where the snapshot goes."""
    tracking: str = ""
    """MLflow tracking URI that gain and quality are written back to, if a Study names none."""
    losses_stay: bool = False
    """Whether losses of Studies that are not loaded yet are checked and left in their files."""
    solve: bool = False
    """Whether taxonomies of complete Studies are solved for."""


def load_studies(cluster: Cluster, asked: Asked) -> int:
    """Load every Study that has results, solve what is complete, publish; return the exit code.

    Raises:
        TaskonomyError: the API server does not answer, or no snapshot can be published.
    """
    worst, changed = 0, False
    for study in _with_results(told_apart(_studies(cluster, asked.namespaces))):
        try:
            loaded = _load(study.study(), asked)
            changed |= loaded > 0
            if asked.solve and study.holds("Completed"):
                changed |= _solve(study.name, asked, anew=loaded > 0)
        except TaskonomyError as error:
            _say(f"study {study.namespace}/{study.name}: {error}")
            worst = error.exit_code
    _publish(asked, changed=changed)
    return worst


# --- which Studies -----------------------------------------------------------------------------


def _studies(cluster: Cluster, namespaces: Sequence[str]) -> Iterator[StudyObject]:
    group = f"/apis/{API_VERSION}"
    for namespace in namespaces:
        inside = "" if namespace == EVERYWHERE else f"/namespaces/{namespace}"
        token = ""
        while True:
            more: dict[str, str | int] = {"continue": token} if token else {}
            page = cluster.get(f"{group}{inside}/{PLURAL}", limit=PAGE, **more)
            yield from map(StudyObject, page.get("items") or [])
            token = page["metadata"].get("continue", "")
            if not token:
                break


def told_apart(studies: Iterable[StudyObject]) -> Iterator[StudyObject]:
    """Yield one Study of each name: the warehouse knows them by it, whatever their namespace."""
    seen: dict[str, str] = {}
    for study in studies:
        first = seen.setdefault(study.name, study.namespace)
        if first == study.namespace:
            yield study
        else:
            _say(
                f"study {study.namespace}/{study.name} is left out: {first} has one of that name; "
                "give one of them another name"
            )


def _with_results(studies: Iterable[StudyObject]) -> Iterator[StudyObject]:
    for study in studies:
        if study.status.trials.done:
            yield study
        else:
            _say(f"study {study.namespace}/{study.name} has no result yet")


# --- one Study ---------------------------------------------------------------------------------


def _load(study: Study, asked: Asked) -> int:
    """Load a study and return how many of its trials are new."""
    request = Request(
        warehouse=asked.warehouse,
        study=study,
        study_name=study.name,
        origin=f"study {study.name}",
        from_artifacts=study.spec.artifacts or asked.artifacts,
        from_tracking=None,
        rebuild=False,
        losses_stay=asked.losses_stay,
        as_it_began=True,
        compute=True,
        win_rates=None,
        publish_to=None,
        publish_losses=False,
        wait=WAIT,
        tracking=study.spec.tracking or asked.tracking,
    )
    outcome = run_load(request, say=_say, progress=lambda _done, _total: None)
    _tell(outcome)
    return outcome.loaded.trials


def _tell(outcome: Outcome) -> None:
    loaded = outcome.loaded
    _say(f"study {loaded.study}: loaded {loaded.trials} trials, {loaded.known} were in already")
    for refused in loaded.refusals:
        _say(f"in quarantine: {refused.digest}: {refused.reason}: {refused.detail}")
    for message in (*loaded.notes, *outcome.troubles):
        _say(message)


def _solve(study: str, asked: Asked, *, anew: bool) -> bool:
    """Solve for the taxonomies a study asks for; return whether there was anything to solve.

    Args:
        study: its name in the warehouse.
        asked: which warehouse.
        anew: whether it has new trials; else it is solved only if it never was.
    """
    from taskonomy_warehouse.selection.solve import solve_taxonomies  # Pyomo takes a second

    if not anew and _is_solved(asked.warehouse, study):
        return False
    with opened(asked.warehouse, wait=WAIT, say=_say) as connection:
        wanted = asked_of(connection, study)
        settings = Settings.model_validate(wanted.settings)
        problem = read_problem(connection, study, settings)
    workers = min(len(wanted.orders), os.cpu_count() or 1)
    solved = solve_taxonomies(problem, wanted.budgets, wanted.orders, workers=workers)
    with opened(asked.warehouse, wait=WAIT, say=_say) as connection:
        write_taxonomies(
            connection, study, settings.scenario, settings, solved, version=problem.version
        )
    _say(f"study {study}: solved for {len(solved)} taxonomies")
    return True


def _is_solved(warehouse: Path, study: str) -> bool:
    with opened(warehouse, wait=WAIT, say=_say) as connection:
        try:
            latest_scenario(connection, study)
        except NotFound:
            return False
        return True


# --- for readers -------------------------------------------------------------------------------


def _publish(asked: Asked, *, changed: bool) -> None:
    """Publish the warehouse unless readers have it already."""
    if not asked.warehouse.exists():
        _say("there is nothing to publish yet")
        return
    place = place_of(asked.publish, "--publish")
    with (
        only_loader(asked.warehouse, wait=WAIT, say=_say),
        opened(asked.warehouse, wait=WAIT, say=_say) as connection,
    ):
        get_ready(connection, place)
        if changed or not is_published(connection, place):
            manifest = publish(connection, asked.warehouse, place)
            _say(f"snapshot {manifest.file} published to {place}")


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def _parse(words: Sequence[str] | None) -> Asked:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--namespaces", required=True, help="separated by commas; *: all")
    parser.add_argument("--warehouse", required=True, type=Path)
    parser.add_argument("--artifacts", required=True)
    parser.add_argument("--publish", required=True)
    parser.add_argument("--tracking", default="")
    parser.add_argument("--losses-stay", action="store_true")
    parser.add_argument("--solve", action="store_true")
    given = vars(parser.parse_args(words))
    given["namespaces"] = tuple(filter(None, given["namespaces"].split(",")))
    return Asked(**given)


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; what goes wrong is one message."""
    asked = _parse(words)
    try:
        return load_studies(connect(), asked)
    except TaskonomyError as error:
        _say(str(error))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
