"""One `taskonomyctl load` from beginning to end: lock, find, load, write back, publish.

What is loaded is committed before anything that may fail for want of a server: a tracking server or
a bucket that is away is a message, and the next load catches up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError
from taskonomy_catalogue.study import Study
from taskonomy_warehouse.files import get_ready, place_of
from taskonomy_warehouse.load.find import Findings, find_in_artifacts
from taskonomy_warehouse.load.insert import loaded_digests
from taskonomy_warehouse.load.loading import Loaded, Progress, load
from taskonomy_warehouse.load.lock import Say, only_loader, opened
from taskonomy_warehouse.load.merge import Merged, merge_win_rates, win_rate_files
from taskonomy_warehouse.load.rebuild import Difference, rebuild, remove_leftovers
from taskonomy_warehouse.load.study import stored_study, trained_studies
from taskonomy_warehouse.load.tracking import find_in_tracking, write_back
from taskonomy_warehouse.snapshot import Manifest, publish


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asks of a load."""

    warehouse: Path
    """The warehouse file; made if it is not there."""
    study: Study | None
    """The study, read from its file; None: as the warehouse knows it from an earlier load."""
    study_name: str | None
    """Its name; None: the study's own, or the only trained one there is."""
    origin: str
    """Name of the study's file, kept for people."""
    from_artifacts: str | None
    """Artifact root; None: the study's own, unless `from_tracking` is given."""
    from_tracking: str | None
    """MLflow tracking URI to find runs in."""
    rebuild: bool
    """Whether to prove the warehouse from the results."""
    force: bool = False
    """Whether a rebuild may drop most of what is loaded, as it is no longer found."""
    losses_stay: bool | None
    """Whether losses are checked and left in their files; None: if the study is large (`load`)."""
    as_it_began: bool = False
    """Whether a study that was loaded the other way keeps to that, instead of being refused."""
    compute: bool
    """Whether win rates are computed here; jobs do it if not."""
    win_rates: str | None
    """Where jobs left win rates; None: none are merged, else none are computed here."""
    publish_to: str | None
    """Where the snapshot goes; None: nowhere."""
    publish_losses: bool
    """Whether the snapshot holds the losses too."""
    wait: float
    """Seconds to wait for others that use the warehouse."""
    tracking: str = ""
    """MLflow tracking URI that gain and quality are written back to; empty: the study's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it."""

    loaded: Loaded
    differences: tuple[Difference, ...] | None
    """Where a rebuild found the warehouse wrong; None: it was no rebuild."""
    merged: Merged | None
    """Win rates of jobs that were merged."""
    written_back: int
    """Metrics written to MLflow runs."""
    snapshot: Manifest | None
    """What was published."""
    is_unpublished: bool
    """Whether a snapshot was asked for and could not be published."""
    troubles: tuple[str, ...]
    """Servers that were away: what the next load catches up on."""

    @property
    def exit_code(self) -> int:
        """What a script is to notice first.

        8 when the warehouse was wrong and is another now, 3 when something is in quarantine, 6 when
        no snapshot could be published, else 0.
        """
        if self.differences:
            return 8
        if self.loaded.refusals:
            return 3
        return 6 if self.is_unpublished else 0


def run_load(request: Request, *, say: Say, progress: Progress) -> Outcome:
    """Load, or rebuild, a study; then write back to its runs and publish a snapshot.

    Raises:
        WarehouseBusy: somebody else had the warehouse for longer than the request waits.
        SettingRefused: the request contradicts itself, or the study what was loaded before.
        NotFound: there is no such study, or no such folder of results.
        Unreachable: the source of results does not answer.
    """
    path, wait = request.warehouse, request.wait
    place = place_of(request.publish_to, "--publish") if request.publish_to else None
    if request.force and not request.rebuild:
        raise SettingRefused("--force is a word about --rebuild; give both, or neither")
    with only_loader(path, wait=wait, say=say):
        remove_leftovers(path)
        with opened(path, wait=wait, say=say) as connection:
            study = _study(connection, request)
            _win_rates(connection, request)  # told before anything is loaded if there are none
            loaded, differences = _load_or_rebuild(connection, request, study, progress)
        with opened(path, wait=wait, say=say) as connection:  # another file, maybe, after a rebuild
            merged = _merge(connection, request, study)
            written, trouble = _write_back(connection, request, study)
            snapshot, other_trouble = _publish(connection, request, place)
    return Outcome(
        loaded=loaded,
        differences=differences,
        merged=merged,
        written_back=written,
        snapshot=snapshot,
        is_unpublished=bool(other_trouble),
        troubles=tuple(filter(None, (trouble, other_trouble))),
    )


def _load_or_rebuild(
    connection: duckdb.DuckDBPyConnection, request: Request, study: Study, progress: Progress
) -> tuple[Loaded, tuple[Difference, ...] | None]:
    find = _finder(request, study)
    origin = request.origin
    losses_stay = _losses_stay(connection, request, study)
    if request.rebuild:
        done = rebuild(
            request.warehouse,
            connection,
            study,
            find,
            origin=origin,
            progress=progress,
            losses_stay=losses_stay,
            force=request.force,
        )
        return done.loaded, done.differences
    loaded = load(
        connection,
        study,
        find(connection),
        origin=origin,
        losses_stay=losses_stay,
        compute=request.compute and request.win_rates is None,
        progress=progress,
    )
    return loaded, None


def _losses_stay(
    connection: duckdb.DuckDBPyConnection, request: Request, study: Study
) -> bool | None:
    """Return what is asked: a snapshot that is to hold losses needs them in the warehouse."""
    if request.as_it_began and loaded_digests(connection, study.name):
        return None
    if request.losses_stay is None and request.publish_losses:
        return False
    return request.losses_stay


def _merge(connection: duckdb.DuckDBPyConnection, request: Request, study: Study) -> Merged | None:
    place = _win_rates(connection, request)
    return None if place is None else merge_win_rates(connection, study.name, place)


def _win_rates(connection: duckdb.DuckDBPyConnection, request: Request) -> str | None:
    """Return the place that jobs left win rates in, found to hold some; None: not asked for."""
    if request.win_rates is None:
        return None
    place = place_of(request.win_rates, "--win-rates")
    get_ready(connection, place)
    win_rate_files(connection, place)
    return place


# --- what the request means --------------------------------------------------------------------


def _study(connection: duckdb.DuckDBPyConnection, request: Request) -> Study:
    if request.study is not None:
        if request.study_name not in (None, request.study.name):
            raise SettingRefused(
                f"--study {request.study_name} is not the study of {request.origin}, which is "
                f"{request.study.name!r}; leave --study out"
            )
        return request.study
    name = request.study_name or _only_study(connection)
    study = stored_study(connection, name)
    if study is None:
        raise NotFound(
            f"this warehouse knows no trained study {name!r}; the first load names its file: "
            f"`taskonomyctl load -f study.yaml`"
        )
    return study


def _only_study(connection: duckdb.DuckDBPyConnection) -> str:
    names = trained_studies(connection)
    if len(names) == 1:
        return names[0]
    held = (
        f"holds {', '.join(names)}; name one with --study"
        if names
        else ("holds no trained study yet; name a study file with -f")
    )
    raise NotFound(f"this warehouse {held}")


def _finder(request: Request, study: Study) -> Callable[[duckdb.DuckDBPyConnection], Findings]:
    if request.from_artifacts and request.from_tracking:
        raise SettingRefused("give --from-artifacts or --from-tracking, not both")
    tracking = request.from_tracking
    if tracking:
        return lambda connection: find_in_tracking(connection, tracking, study.name)
    artifacts = request.from_artifacts or study.spec.artifacts
    if not artifacts:
        raise SettingRefused(
            f"study {study.name!r} says nothing of where its results lie (spec.artifacts); give "
            "--from-artifacts or --from-tracking"
        )
    place = place_of(artifacts, "--from-artifacts")

    def find(connection: duckdb.DuckDBPyConnection) -> Findings:
        get_ready(connection, place)
        return find_in_artifacts(connection, place)

    return find


# --- what needs servers ------------------------------------------------------------------------


def _write_back(
    connection: duckdb.DuckDBPyConnection, request: Request, study: Study
) -> tuple[int, str]:
    tracking = request.from_tracking or request.tracking or study.spec.tracking
    if not tracking:
        return 0, ""
    try:
        return write_back(connection, tracking, study.name), ""
    except TaskonomyError as error:
        return 0, f"gain and quality are not written to MLflow yet, the next load will: {error}"


def _publish(
    connection: duckdb.DuckDBPyConnection, request: Request, place: str | None
) -> tuple[Manifest | None, str]:
    if place is None:
        return None, ""
    try:
        get_ready(connection, place)
        manifest = publish(connection, request.warehouse, place, losses=request.publish_losses)
    except (TaskonomyError, OSError) as error:
        return None, f"loaded, and no snapshot published: {error}"
    return manifest, ""
