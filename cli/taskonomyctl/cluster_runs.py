"""What the commands that act on a cluster share: which study is meant, which trial, how it goes."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from taskonomy_catalogue.errors import NotFound, TaskonomyError
from taskonomy_operator.study_folder import submitted
from taskonomyctl.places import Place
from taskonomyctl.progress import MOST_RUNNING
from taskonomyctl.runs import artifacts_of, study_here

if TYPE_CHECKING:  # they load the Kubernetes client
    from taskonomy_operator.seen_on_cluster import Namespace
    from taskonomy_operator.status import Phase, Status
    from taskonomy_operator.study_object import StudyObject

ENDED: tuple["Phase", ...] = ("Completed", "Degraded", "Refused")
"""Phases that nothing leaves by itself."""
PATIENCE = 300.0
"""Seconds that a server may be away while a study is watched."""


def the_study(space: "Namespace", name: str | None) -> "StudyObject":
    """Return the study that is meant: the one named, that of ./study.yaml, or the only one.

    Raises:
        NotFound: there is none; one that was run on this machine is hinted at.
    """
    if name is not None:
        try:
            return space.study(name)
        except NotFound as error:
            raise NotFound(f"{error}{_run_here(name)}") from error
    given = study_here()
    known = space.names()
    if given is not None and given.study.name in known:
        return space.study(given.study.name)
    if len(known) == 1:
        return space.study(known[0])
    if not known:
        raise NotFound(
            f"namespace {space.name!r} holds no study; `taskonomyctl submit -f study.yaml` sends "
            f"one{_run_here(None)}"
        )
    raise NotFound(
        f"namespace {space.name!r} holds {len(known)} studies; name one of {', '.join(known)}"
    )


def _run_here(name: str | None) -> str:
    """Return a hint at a study that was run on this machine."""
    with suppress(TaskonomyError, OSError):
        for folder in submitted(artifacts_of(None)):
            if name in (None, folder.name):
                return f". A study {folder.name!r} was run on this machine: --local means that one"
    return ""


def look(space: "Namespace", study: "StudyObject") -> "Status":
    """Return where a study stands, with the first trials that run and how far they are."""
    from taskonomy_operator.api_errors import ApiError

    live, is_ranking = [], False
    with suppress(ApiError):  # the counts are told without
        if study.status.trials.running:
            live = space.running(study, MOST_RUNNING)
        is_ranking = study.phase == "Running" and space.is_ranking(study)
    return study.shown(datetime.now(UTC), live, ranking=is_ranking)


def looks(place: Place, name: str, interval: float) -> Iterator["Status"]:
    """Yield where a study stands, again and again, until it has ended.

    A server that is away for a while is waited for.

    Raises:
        NotFound: the study was deleted.
        ApiError: the server stays away.
    """
    from taskonomy_operator.api_errors import Away

    space = place.open()
    away_since: float | None = None
    while True:
        try:
            study = space.study_if_any(name)
            if study is None:
                raise NotFound(f"study {name!r} was deleted")
            found = look(space, study)
            away_since = None
        except Away:
            away_since = away_since or time.monotonic()
            if time.monotonic() > away_since + PATIENCE:
                raise
        else:
            yield found
            if found.phase in ENDED:
                return
        time.sleep(interval)


def where(place: Place) -> str:
    """Return where something is, for people: ``namespace 'default' of context 'c'``."""
    return f"namespace {place.namespace!r} of {place.reach}"
