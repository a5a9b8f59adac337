"""MLflow, the edge: a trial's run found by its tags or created, batches written to it, once each.

The only module that talks to MLflow. Two errors come out of it: `Away`, try again later, and
`Refused`, never. Whatever was tried may be tried again:

- a run is searched for before it is created. Where an answer was lost, two may have been created:
  the search then keeps one and deletes the other,
- a point of a curve is sent only if it lies beyond the last step that the run has. Points are sent
  in the order they were logged, so what the run has is always a beginning of the curve,
- a picture is sent only if the run has none of that name and step.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PIL import Image

from taskonomy_catalogue.records import DIGEST_KEY
from taskonomy_jobs.tracking.client import get_ready, opened
from taskonomy_jobs.tracking.description import (
    NOTE_TAG,
    PARENT_TAG,
    STAGE_NAMES,
    Description,
    comparison,
    experiment_tags,
    stage_tags,
)
from taskonomy_jobs.tracking.sqlite import picture_folder, sqlite_file

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

MOST_POINTS = 1000
"""Points in one batch; MLflow's own limit."""

_THUMBNAIL = 256
"""Longer side of the small copy that MLflow's grid of pictures shows, in pixels."""
_NEVER = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "MALFORMED_REQUEST"}
"""Error codes that the same request would meet again."""


class Away(Exception):
    """The server does not answer as it should; what was sent may have arrived or not."""


class Refused(Exception):
    """The server will not have this, now or later."""


@dataclass(slots=True)
class RunRecord:
    """A run at the server, and what of it is there already."""

    run_id: str
    experiment_id: str
    last_step: dict[str, int] = field(default_factory=dict)
    """Step of the last point, by metric."""
    value: dict[str, float] = field(default_factory=dict)
    """Last value, by metric."""
    pictures: set[str] = field(default_factory=set)
    """Beginnings of the names of the pictures there, up to the step."""


class MlflowRuns:
    """The runs of one tracking server or file.

    Args:
        uri: MLflow's tracking URI: ``http://…``, or ``sqlite:///…`` for a file on this machine.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}

    def attach(self, run: Description) -> RunRecord:
        """Return the run of a trial, created if the study has none, and set to running.

        Raises:
            Away: try again later.
            Refused: the server will not have such a run.
        """
        with self._asking() as client:
            experiment = self._experiment(client, run.study)
            parent = _stage_run(client, experiment, run)
            found = _only(client, _trial_runs(client, experiment, run)) or _created(
                client, experiment, run, parent
            )
            run_id = found.info.run_id
            _log_new_params(client, found, run.params)
            for key, value in _tags(experiment, run, parent).items():
                if found.data.tags.get(key) != value:
                    client.set_tag(run_id, key, value)
            if found.info.status != "RUNNING":
                client.update_run(run_id, status="RUNNING")
            client.update_run(parent, status="RUNNING")
            return _record(client, found)

    def write(self, record: RunRecord, points: Iterable[tuple[str, float, int, int]]) -> None:
        """Write points that the run does not have yet.

        Args:
            record: the run.
            points: (metric, value, step, milliseconds), by rising step of each metric.

        Raises:
            Away: try again later.
            Refused: the run is gone, or a name is not allowed.
        """
        from mlflow.entities import Metric

        last = dict(record.last_step)
        new: list[Metric] = []
        for name, value, step, time in points:
            if step > last.get(name, -1):
                new.append(Metric(name, value, time, step))
                last[name] = step
        with self._asking() as client:
            for start in range(0, len(new), MOST_POINTS):
                client.log_batch(record.run_id, metrics=new[start : start + MOST_POINTS])
        record.last_step.update(last)

    def picture(self, record: RunRecord, name: str, step: int, time: int, png: bytes) -> None:
        """Add a picture to the run's grid of pictures, under its name and step.

        Raises:
            Away: try again later.
            Refused: it cannot be stored where the experiment keeps its artifacts.
        """
        beginning = f"{name.replace('/', '~')}+step+{step}+"
        if beginning in record.pictures:
            return
        identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{record.run_id} {beginning}")
        file = f"{beginning}timestamp+{time}+{identity}"
        with self._asking(storing=True) as client, TemporaryDirectory() as made:
            # The names that MLflow's page looks for: the picture, and a small copy for the grid.
            picture, small = Path(made, f"{file}.png"), Path(made, f"{file}+compressed.webp")
            picture.write_bytes(png)
            _thumbnail(png).save(small)
            for path in (picture, small):
                client.log_artifact(record.run_id, str(path), "images")
        with self._asking() as client:
            client.set_tag(record.run_id, "mlflow.loggedImages", "True")
        record.pictures.add(beginning)

    def end(
        self,
        record: RunRecord,
        run: Description,
        status: str,
        time: int,
        values: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> None:
        """Write what the run ended with, and end it; doubles made on the way are removed.

        Args:
            record: the run.
            run: its description.
            status: MLflow's word: FINISHED, FAILED or KILLED.
            time: when it ended, in milliseconds.
            values: final metrics.
            tags: further tags.

        Raises:
            Away: try again later.
            Refused: the run is gone.
        """
        from mlflow.entities import Metric, RunTag

        # At step 0, where the page draws bars, and where the loader puts gain and quality.
        new = [Metric(k, v, time, 0) for k, v in values.items() if record.value.get(k) != v]
        with self._asking() as client:
            _only(client, _trial_runs(client, record.experiment_id, run), keep=record.run_id)
            parent = _stage_run(client, record.experiment_id, run)
            more = {**tags, PARENT_TAG: parent}
            client.log_batch(
                record.run_id, metrics=new, tags=[RunTag(k, v) for k, v in more.items()]
            )
            client.set_terminated(record.run_id, status, end_time=time)
            client.set_terminated(parent, "FINISHED", end_time=time)
        record.value.update(values)

    def _experiment(self, client: "MlflowClient", study: str) -> str:
        if study not in self._experiments:
            self._experiments[study] = _experiment(client, study, self._pictures_of(study))
        return self._experiments[study]

    def _pictures_of(self, study: str) -> str | None:
        """Return where a new experiment keeps artifacts; None: where the server says."""
        file = sqlite_file(self.uri)
        return None if file is None else picture_folder(file, study)

    @contextmanager
    def _asking(self, *, storing: bool = False) -> Iterator["MlflowClient"]:
        """Give the client, and tell its troubles apart."""
        get_ready()
        from mlflow.exceptions import MlflowException, RestException

        try:
            self._client = self._client or opened(self.uri)
            yield self._client
        except MlflowException as error:
            said = str(error).splitlines()[0][:300]
            # A gateway whose server is away may answer 404 too, but not in MLflow's words.
            is_told = isinstance(error, RestException) or sqlite_file(self.uri) is not None
            if error.error_code in _NEVER and is_told:
                self._experiments.clear()
                raise Refused(said) from error
            raise Away(said) from error
        except OSError as error:  # `requests` raises such too
            raise (Refused if storing and _is_local(error) else Away)(str(error)) from error
        except Exception as error:  # of the database, of a storage client that is not installed
            raise (Refused if storing else Away)(f"{type(error).__name__}: {error}") from error


def _is_local(error: OSError) -> bool:
    """Whether a disk of ours said so, and not the network."""
    return isinstance(error, PermissionError | FileNotFoundError | NotADirectoryError)


# --- experiments and runs ----------------------------------------------------------------------


def _experiment(client: "MlflowClient", study: str, artifacts: str | None) -> str:
    """Return the id of the study's experiment, created if it is not there."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(study)
    if found is None:
        tags = experiment_tags(study)
        try:
            return str(client.create_experiment(study, artifact_location=artifacts, tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(study)  # another process was quicker
        if found is None:
            raise Away(f"experiment {study} is there and cannot be found")
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _trial_runs(client: "MlflowClient", experiment: str, run: Description) -> "list[Run]":
    return list(client.search_runs([experiment], f"tags.`{DIGEST_KEY}` = '{run.digest}'"))


def _only(client: "MlflowClient", runs: "list[Run]", keep: str = "") -> "Run | None":
    """Return the one of several runs that stays, and delete those that hold nothing.

    Args:
        client: MLflow's.
        runs: runs of one trial or one stage.
        keep: id of the run to keep; else the one with the most metrics, the first of equals.
    """
    ordered = sorted(
        runs,
        key=lambda r: (
            r.info.run_id != keep,
            -len(r.data.metrics),
            r.info.start_time,
            r.info.run_id,
        ),
    )
    for double in ordered[1:]:
        if not double.data.metrics:
            client.delete_run(double.info.run_id)
    return ordered[0] if ordered else None


def _created(client: "MlflowClient", experiment: str, run: Description, parent: str) -> "Run":
    tags = _tags(experiment, run, parent)
    return client.create_run(experiment, start_time=run.time, tags=tags, run_name=run.name)


def _tags(experiment: str, run: Description, parent: str) -> dict[str, str]:
    target = run.params.get("target", "")
    note = f"{comparison(experiment, target)}\n\n{run.tags.get(NOTE_TAG, '')}"
    return {**run.tags, NOTE_TAG: note, PARENT_TAG: parent}


def _stage_run(client: "MlflowClient", experiment: str, run: Description) -> str:
    """Return the id of the run that the trials of a stage are nested under.

    Processes that start at once may each create one. All of them meet the same few here again,
    when their trials end, and keep the same one.
    """
    tags = stage_tags(run)
    found = client.search_runs([experiment], f"tags.`taskonomy.group` = '{run.stage}'")
    kept = _only(client, list(found))
    if kept is None:
        name = STAGE_NAMES.get(run.stage, run.stage)
        kept = client.create_run(experiment, start_time=run.time, tags=tags, run_name=name)
    return str(kept.info.run_id)


def _log_new_params(client: "MlflowClient", run: "Run", params: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    new = [Param(k, v) for k, v in params.items() if k not in run.data.params]
    for start in range(0, len(new), 100):
        client.log_batch(run.info.run_id, params=new[start : start + 100])


def _record(client: "MlflowClient", run: "Run") -> RunRecord:
    # MLflow keeps, of each metric, the point of the highest step.
    latest: list[Metric] = run.data._metric_objs
    pictures: set[str] = set()
    if run.data.tags.get("mlflow.loggedImages"):
        names = (Path(each.path).name for each in client.list_artifacts(run.info.run_id, "images"))
        pictures = {name.partition("timestamp+")[0] for name in names if name.endswith(".webp")}
    return RunRecord(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        last_step={metric.key: metric.step for metric in latest},
        value={metric.key: metric.value for metric in latest},
        pictures=pictures,
    )


def _thumbnail(png: bytes) -> Image.Image:
    picture = Image.open(BytesIO(png))
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return picture
