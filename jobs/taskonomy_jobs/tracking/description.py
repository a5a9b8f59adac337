"""What a reader of MLflow sees of a trial: names, tags, params. Pure functions.

Names are chosen for the page that compares the runs of one target: a dot groups params (``model.``,
``optimiser.``, ``data.``), a slash groups curves (``train/``, ``validation/``), and what a run ends
with stands by itself: ``loss``, ``gpu_seconds`` and, from the loader, ``gain`` and ``quality``.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict

from taskonomy_catalogue.records import DIGEST_KEY, FOLDER_TAG, STUDY_TAG, BestGuess, Result
from taskonomy_catalogue.trials import Trial, digest

STAGE_TAG = "taskonomy.stage"
"""Tag of every run: the stage of the study it belongs to."""
PARENT_TAG = "mlflow.parentRunId"
"""MLflow's own tag that nests a run under another."""
NOTE_TAG = "mlflow.note.content"
"""MLflow's own tag for a description of a run or an experiment, in Markdown."""
KIND_TAG = "mlflow.experimentKind"
"""MLflow's own tag of an experiment: which of its faces the page shows."""

STAGE_NAMES = {
    "task-specific": "task-specific networks",
    "scratch": "scratch baselines",
    "first-order": "first-order transfers",
    "higher-order": "higher-order transfers",
    "best-guess": "best guesses",
}
"""Names of the runs that the trials of a stage are nested under."""

_CURVES = {"train_": "train/", "validation_": "validation/"}
_LONGEST = 5_900
"""Characters of a param or tag; MLflow takes 6,000 and 8,000."""


class Description(BaseModel):
    """A run, as far as it is known before the trial begins. It opens each journal."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    study: str
    """The experiment."""
    stage: str
    """The stage whose run is the parent."""
    digest: str
    """The trial's: a study has one run of it."""
    name: str
    """Name of the run."""
    tags: dict[str, str]
    """Tags of the run."""
    params: dict[str, str]
    """Params of the run."""
    time: int
    """When its first attempt that is tracked began, in milliseconds."""


def describe(trial: Trial | BestGuess, study: str, folder: str, job: str, time: int) -> Description:
    """Return the run of a trial.

    Args:
        trial: what is trained or guessed.
        study: the study it is trained for.
        folder: path or URI of the trial's folder, where the loader finds its result.
        job: what trains it; empty: not known.
        time: milliseconds since 1970.
    """
    name = digest(trial)
    stage = trial.stage if isinstance(trial, Trial) else "best-guess"
    tags = {
        DIGEST_KEY: name,
        STUDY_TAG: study,
        FOLDER_TAG: folder,
        STAGE_TAG: stage,
        "taskonomy.sources": "+".join(trial.sources),
        "taskonomy.target": trial.target.id,
        "taskonomy.order": str(len(trial.sources)),
        "taskonomy.job": job,
        NOTE_TAG: _note(trial, folder),
    }
    return Description(
        study=study,
        stage=stage,
        digest=name,
        name=trial.title,
        tags={key: value[:_LONGEST] for key, value in tags.items() if value},
        params=dict(params(trial)),
        time=time,
    )


def params(trial: Trial | BestGuess) -> Iterator[tuple[str, str]]:
    """Yield a trial's params: first who learns from whom, then all the rest as `part.field`."""
    yield "kind", trial.kind
    yield "target", trial.target.id
    if trial.sources:
        yield "sources", "+".join(trial.sources)[:_LONGEST]
        yield "order", str(len(trial.sources))
    yield "seed", str(trial.seed)
    content = trial.model_dump(mode="json", exclude_none=True)
    for part, value in content.items():
        if part == "encoders":
            yield "sources.trials", _encoders(value)[:_LONGEST]
        elif isinstance(value, Mapping):
            yield from _flat(f"{part}.", value)
        elif part not in ("kind", "seed"):
            yield part, str(value)[:_LONGEST]


def curve(name: str) -> str:
    """Return what a step metric is called: ``validation_loss`` is ``validation/loss``.

    Whatever names no section is training's, so that what runs end with stands alone.
    """
    for prefix, section in _CURVES.items():
        if name.startswith(prefix) and name != prefix:
            return section + name.removeprefix(prefix)
    return f"train/{name}"


def ends(result: Result) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics and the tags of a run that is done."""
    tags = {"taskonomy.status": result.status, "taskonomy.held_out_images": str(result.images)}
    if result.skipped:
        tags["taskonomy.skipped_images"] = str(result.skipped)
    if result.versions:
        tags["taskonomy.versions"] = ", ".join(f"{k} {v}" for k, v in result.versions.items())
    return {"loss": result.mean_loss, "gpu_seconds": result.gpu_seconds}, tags


def experiment_tags(study: str) -> dict[str, str]:
    """Return the tags of a study's experiment."""
    note = (
        f"Every trial of the study **{study}**, nested by stage. To compare the transfers to one "
        'target, search `params.target = "normals" and params.kind = "transfer"`, sort by the '
        "metric `loss` and switch to the charts; each run's description has that link."
    )
    return {NOTE_TAG: note, KIND_TAG: "custom_model_development"}


def comparison(experiment: str, target: str) -> str:
    """Return Markdown with a link to the page that compares a target's transfers, best first.

    Sorted by a metric, MLflow's page shows runs and not the stages they are nested under; so their
    curves and pictures stand side by side.
    """
    query = {
        "searchFilter": f'params.target = "{target}" and params.kind = "transfer"',
        "orderByKey": "metrics.`loss`",
        "orderByAsc": "true",
        "compareRunsMode": "CHART",
    }
    address = f"#/experiments/{experiment}/runs?{urlencode(query, quote_via=quote)}"
    return f"[Compare all transfers to {target}]({address})"


def stage_tags(description: Description) -> dict[str, str]:
    """Return the tags of the run that a stage's trials are nested under; it has no digest."""
    note = f"The {STAGE_NAMES.get(description.stage, description.stage)} of {description.study}."
    return {STUDY_TAG: description.study, "taskonomy.group": description.stage, NOTE_TAG: note}


def _note(trial: Trial | BestGuess, folder: str) -> str:
    facts = [f"**{trial.title}**, seed {trial.seed}.", f"Files: `{folder}`"]
    if isinstance(trial, Trial) and trial.encoders:
        facts.append(f"Frozen encoders: {_encoders(trial.model_dump(mode='json')['encoders'])}")
    return "\n\n".join(facts)


def _encoders(encoders: list[dict[str, Any]]) -> str:
    return ", ".join(f"{encoder['task']} {encoder['digest'][:10]}" for encoder in encoders)


def _flat(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        elif f"{prefix}{name}" != "target.id":
            yield f"{prefix}{name}", str(value)[:_LONGEST]
