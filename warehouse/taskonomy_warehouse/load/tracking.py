"""MLflow: finished trials found by their runs' tags; gain and quality written back to the runs.

Runs are found with tag ``taskonomy.study``; each names its trial in ``taskonomy.digest`` and its
folder in ``taskonomy.artifacts`` (else the run's own artifact folder is taken). MLflow itself says
what is written there already, so nothing is kept here: what could not be written because the server
was away is written by the next load.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import duckdb

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.records import DIGEST_KEY, FOLDER_TAG, RESULT_FILE, STUDY_TAG
from taskonomy_warehouse.files import folders_holding, get_ready, place_of
from taskonomy_warehouse.load.find import Findings, Finished
from taskonomy_warehouse.s3 import Unreachable

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Metric, Run
    from mlflow.tracking import MlflowClient

PAGE = 1000
"""Runs in one answer of the server."""
_SECONDS = "10"
"""How long one request may take; a load does not hang on a run record."""


@dataclass(frozen=True, slots=True)
class TrialRun:
    """A run that trained a trial of the study."""

    run_id: str
    digest: str
    folder: str
    """Path or URI of the trial's folder."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Last value of each metric."""


def find_in_tracking(connection: duckdb.DuckDBPyConnection, uri: str, study: str) -> Findings:
    """Return the finished trials of a study's MLflow runs.

    A run whose folder holds no `result.json` is not finished, whatever its status.

    Args:
        connection: what S3 is asked through.
        uri: MLflow tracking URI.
        study: the study's name.

    Raises:
        Unreachable: the tracking server does not answer.
        NotFound: the MLflow client is not installed.
    """
    runs = list(trial_runs(uri, study))
    places, unreadable = _places(runs)
    get_ready(connection, *places.values())
    holding: set[str] = set()
    for parent in {place.rsplit("/", 1)[0] for place in places.values()}:
        with suppress(NotFound):  # a run's folder may be gone, the others are not
            holding.update(folders_holding(connection, parent, RESULT_FILE))
    finished = (Finished(digest, place) for digest, place in places.items() if place in holding)
    notes = []
    if not runs:
        notes.append(f"no run in {uri} has the tag {STUDY_TAG} = {study} and names a trial")
    if unreadable:
        notes.append(
            f"{unreadable} runs say nothing of a folder that can be read from here; tag them "
            f"{FOLDER_TAG} with a path or an s3:// URI"
        )
    return Findings(
        finished=tuple(sorted(finished)),
        covers=set(places.values()).__contains__,
        notes=tuple(notes),
    )


def _places(runs: Iterable["TrialRun"]) -> tuple[dict[str, str], int]:
    """Return the folders of runs by trial digest, and how many runs have none that we can read."""
    places: dict[str, str] = {}
    unreadable = 0
    for run in runs:
        try:
            places[run.digest] = place_of(run.folder, FOLDER_TAG)
        except SettingRefused:  # such as mlflow-artifacts:/, which only the server can read
            unreadable += 1
    return places, unreadable


def trial_runs(uri: str, study: str) -> Iterator[TrialRun]:
    """Yield the runs of a study's trials, page by page, the oldest first, none that is deleted.

    Raises:
        Unreachable: the tracking server does not answer.
        NotFound: the MLflow client is not installed.
    """
    with _asking(uri) as client:
        experiments = [e.experiment_id for e in _experiments(client)]
        token: str | None = None
        while experiments:
            page = client.search_runs(
                experiments,
                filter_string=f"tags.`{STUDY_TAG}` = '{study}'",
                max_results=PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            yield from (run for each in page if (run := _trial_run(each)))
            token = page.token
            if not token:
                return


def write_back(connection: duckdb.DuckDBPyConnection, uri: str, study: str) -> int:
    """Write gain and quality, where they are known, to the study's MLflow runs.

    Args:
        connection: the warehouse.
        uri: MLflow tracking URI.
        study: the study's name.

    Returns:
        Metrics written: those that a run does not have, or has with another value.

    Raises:
        Unreachable: the tracking server does not answer; what is written stays written.
        NotFound: the MLflow client is not installed.
    """
    known = _known_metrics(connection, study)
    written = 0
    runs = list(trial_runs(uri, study)) if known else []
    with _asking(uri) as client:
        for run in runs:
            figures = known.get(run.digest, {})
            new = {name: v for name, v in figures.items() if run.metrics.get(name) != v}
            if new:
                client.log_batch(run.run_id, metrics=_metrics(new))
                written += len(new)
    return written


def forget_study(uri: str, study: str) -> bool:
    """Delete a study's experiment and all of its runs; return whether there was one.

    MLflow shows them no longer, and keeps them until `mlflow gc`.

    Raises:
        Unreachable: the tracking server does not answer.
        NotFound: the MLflow client is not installed.
    """
    with _asking(uri) as client:
        found = client.get_experiment_by_name(study)
        is_there = found is not None and found.lifecycle_stage == "active"
        if found is not None and is_there:
            client.delete_experiment(found.experiment_id)
    return is_there


def _metrics(values: Mapping[str, float]) -> "list[Metric]":
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(name, value, now, step=0) for name, value in values.items()]


def _known_metrics(
    connection: duckdb.DuckDBPyConnection, study: str
) -> dict[str, dict[str, float]]:
    """Return gain and quality by trial digest; what is not known yet is left out."""
    rows = connection.execute(
        "SELECT digest, gain, quality FROM measured_transfer "
        "JOIN trial_result USING (study, transfer_id) "
        "WHERE study = ? AND (gain IS NOT NULL OR quality IS NOT NULL) ORDER BY digest",
        [study],
    ).fetchall()
    return {
        digest: {
            name: value
            for name, value in (("gain", gain), ("quality", quality))
            if value is not None
        }
        for digest, gain, quality in rows
    }


def _experiments(client: "MlflowClient") -> Iterator["Experiment"]:
    token: str | None = None
    while True:
        page = client.search_experiments(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _trial_run(run: "Run") -> TrialRun | None:
    """Return the run as a trial's; None for a run that only groups others."""
    digest = run.data.tags.get(DIGEST_KEY)
    folder = run.data.tags.get(FOLDER_TAG) or run.info.artifact_uri
    if not digest or not folder:
        return None
    return TrialRun(run.info.run_id, digest, folder, dict(run.data.metrics))


def _check_database(uri: str) -> None:
    """Refuse a database in a file that is not there: the client would make an empty one."""
    if uri.startswith(_SQLITE):
        file = Path(unquote(uri.removeprefix(_SQLITE).partition("?")[0]))
        if not file.is_file():
            raise NotFound(f"no MLflow database at {file.absolute()}; check the tracking URI {uri}")


_SQLITE = "sqlite:///"


@contextmanager
def _asking(uri: str) -> Iterator["MlflowClient"]:
    """Give a client whose troubles are ours to tell."""
    _check_database(uri)
    # Read by the client at its first request; a user's own values win.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", _SECONDS)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise NotFound("MLflow's client is not installed; install taskonomy[tracking]") from error
    try:
        yield MlflowClient(tracking_uri=uri)
    except MlflowException as error:
        said = str(error).splitlines()[0][:300]
        raise Unreachable(
            f"the tracking server {uri} does not answer as it should: {said}; check the URI and "
            "that the server runs, then load again"
        ) from error
