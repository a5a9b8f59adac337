"""Try an installation out: submit a study of two tasks, wait for it, load it, query it, remove it.

    python -m taskonomyctl.in_cluster.try_installation --namespace NS --name NAME --folder FOLDER

`helm test` runs it, once rooms are drawn in ``FOLDER/rooms``. It goes the way a user's study goes:
the API server's validation, the operator, training pods, their results, the loader's checks, a
published snapshot, SQL. It leaves nothing behind, whatever happens, in MLflow neither; it exits 1
and says what it saw if anything is not as it should be.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.study import API_VERSION, KIND, parse_study
from taskonomy_operator.api_errors import ApiError
from taskonomy_operator.cluster import connect
from taskonomy_operator.seen_on_cluster import Namespace
from taskonomy_operator.study_object import StudyObject
from taskonomy_warehouse.load.session import Request, run_load
from taskonomy_warehouse.load.tracking import forget_study
from taskonomy_warehouse.queries import run_query
from taskonomy_warehouse.snapshot import Snapshot

TASKS = ("depth", "normals")
"""What the study is about: one value and three of every pixel, learned from the same rooms."""
TRANSFERS = 4
"""Each task from its own encoder and from the other's."""
GAINS = "SELECT gain FROM gain JOIN transfer USING (study, transfer_id) WHERE kind = 'transfer'"
PAUSE = 2.0
"""Seconds between two looks at the Study."""


class NotAsItShould(TaskonomyError):
    """The installation does not do what it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for."""

    namespace: str
    """Where the study is submitted."""
    name: str
    """What it is called."""
    folder: Path
    """Folder of the artifacts volume that is the test's own: it holds rooms, and is removed."""
    timeout: float = 1800.0
    """Seconds the study may take."""
    cpu: str = "500m"
    """CPUs of a training pod."""
    memory: str = "1Gi"
    """Memory of a training pod."""
    profile: str = ""
    """Profile of the installation that training pods have."""
    queue: str = ""
    """Queue of Kueue that the study waits in."""
    tracking: str = ""
    """URI of the tracking server that its runs go to; empty: none."""


def try_installation(
    namespace: Namespace, asked: Asked, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Submit, wait, load, query; remove all of it in the end.

    Raises:
        NotAsItShould: the study did not complete, or its results are not what they should be.
        TaskonomyError: the API server or the warehouse refused something.
    """
    results = asked.folder / "results"
    shutil.rmtree(results, ignore_errors=True)  # of a test that was killed: nothing is taken over
    try:
        _remove(namespace, asked, sleep)
        document = study_document(asked)
        namespace.create(document)
        _say(f"study {asked.name} is submitted")
        _wait(namespace, asked, sleep)
        check_results(document, results)
    finally:
        with suppress(ApiError):
            _remove(namespace, asked, sleep)
        _forget_runs(asked)
        shutil.rmtree(asked.folder, ignore_errors=True)
        _say("removed the study and its files")


def study_document(asked: Asked) -> dict[str, Any]:
    """Return the Study: two tasks, first order, networks of a laptop's size, a few steps each."""
    training = {"steps": 6, "batchSize": 4}
    pod: dict[str, Any] = {"gpus": 0, "cpu": asked.cpu, "memory": asked.memory, "shm": "128Mi"}
    if asked.profile:
        pod["profile"] = asked.profile
    stages = ("taskSpecific", "scratch", "firstOrder", "higherOrder")
    spec: dict[str, Any] = {
        "tasks": {"subset": list(TASKS)},
        "data": {
            "dataset": str(asked.folder / "rooms"),
            "splits": "rooms",
            "transferFraction": 0.5,
        },
        "model": {"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": 64},
        "training": {"taskSpecific": training, "scratch": training, "transfer": training},
        "transfers": {"orders": [1]},
        "taxonomy": {"budgets": [1.0, 2.0], "orders": [1]},
        "resources": dict.fromkeys(stages, pod),
        "artifacts": str(asked.folder / "results"),
    }
    if asked.queue:
        spec["queue"] = asked.queue
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": asked.name, "namespace": asked.namespace},
        "spec": spec,
    }


def check_results(document: dict[str, Any], results: Path) -> None:
    """Load the results into a warehouse, publish it, and ask the snapshot what it should know.

    Raises:
        NotAsItShould: a result is refused, or a view does not say what it should.
    """
    study = parse_study(document, origin="the test's study")
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Path(folder) / "snapshot"
        request = Request(
            warehouse=Path(folder) / "warehouse.duckdb",
            study=study,
            study_name=study.name,
            origin="the test's study",
            from_artifacts=str(results),
            from_tracking=None,
            rebuild=False,
            losses_stay=False,
            compute=True,
            win_rates=None,
            publish_to=str(snapshot),
            publish_losses=False,
            wait=60.0,
        )
        outcome = run_load(request, say=_say, progress=lambda _done, _total: None)
        _say(f"loaded {outcome.loaded.trials} trials ({outcome.loaded.rows} losses)")
        for refused in outcome.loaded.refusals:
            raise NotAsItShould(f"{refused.folder}: {refused.reason}: {refused.detail}")
        _check_snapshot(Snapshot(str(snapshot)))


def _check_snapshot(snapshot: Snapshot) -> None:
    rows = run_query(
        snapshot, "SELECT target, count(*), sum(affinity) FROM affinity GROUP BY target ORDER BY 1"
    ).rows
    for target, transfers, together in rows:
        _say(f"  {target}: {transfers} networks compared, affinities add up to {together:.6f}")
    if [row[0] for row in rows] != sorted(TASKS):
        raise NotAsItShould(f"affinities should be of {TASKS} and are of {rows}")
    if any(abs(float(str(row[2])) - 1) > 1e-6 for row in rows):
        raise NotAsItShould(f"affinities of a target should add up to 1: {rows}")
    gains = run_query(snapshot, GAINS).rows
    if len(gains) != TRANSFERS or not all(0 <= float(str(gain)) <= 1 for (gain,) in gains):
        raise NotAsItShould(f"there should be {TRANSFERS} gains from 0 to 1: {gains}")


# --- on the cluster ----------------------------------------------------------------------------


def _wait(namespace: Namespace, asked: Asked, sleep: Callable[[float], None]) -> None:
    deadline = time.monotonic() + asked.timeout
    told = ""
    while True:
        study = namespace.study(asked.name)
        counts = study.status.trials
        line = f"{study.phase}: {counts.done} of {counts.total} trials done, {counts.running} run"
        if line != told:
            _say(line)
            told = line
        if study.phase == "Completed":
            return
        if study.phase in ("Refused", "Degraded", "Stopped"):
            raise NotAsItShould(_seen(namespace, study))
        if time.monotonic() > deadline:
            raise NotAsItShould(f"not done in {asked.timeout:g} s; {_seen(namespace, study)}")
        sleep(PAUSE)


def _seen(namespace: Namespace, study: StudyObject) -> str:
    """Return what is known of a study that does not go on."""
    lines = [f"study {study.name} is {study.phase}: {study.note}"]
    lines += [
        f"  {failed.title}: {failed.reason}: {failed.message}" for failed in study.status.failures
    ]
    for event in namespace.events_of([study.raw]):
        lines.append(f"  event {event.get('reason')}: {event.get('message')}")
    return "\n".join(lines)


def _remove(namespace: Namespace, asked: Asked, sleep: Callable[[float], None]) -> None:
    """Delete the study and wait until it is gone."""
    for _ in range(60):
        found = namespace.study_if_any(asked.name)
        if found is None:
            return
        namespace.delete(found)
        sleep(PAUSE)


def _forget_runs(asked: Asked) -> None:
    """Delete the study's runs; a server that is away is no fault of what was tried out."""
    if not asked.tracking:
        return
    try:
        if forget_study(asked.tracking, asked.name):
            _say(f"removed its runs from {asked.tracking}")
    except TaskonomyError as error:
        _say(f"its runs stay in experiment {asked.name!r}: {error}")


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def _parse(words: Sequence[str] | None) -> Asked:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--timeout", type=float, default=1800.0)
    for name, default in (("cpu", "500m"), ("memory", "1Gi"), ("profile", ""), ("queue", "")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--tracking", default="")
    return Asked(**vars(parser.parse_args(words)))


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; what goes wrong is one message."""
    asked = _parse(words)
    try:
        try_installation(Namespace(connect(), asked.namespace), asked)
    except TaskonomyError as error:
        _say(f"FAILED: {error}")
        return 1
    _say("the installation works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
