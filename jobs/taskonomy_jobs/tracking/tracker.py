"""The tracker of a process: what trials log goes to journals, and from there to the server.

Two threads, both daemons: the writer takes what trials log from a queue to their journals, the
sender takes journals to MLflow. Neither can fail or delay training, and leaving takes seconds.
"""

import logging
import queue
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

from taskonomy_catalogue.records import BestGuess, Result
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.tracking.description import describe
from taskonomy_jobs.tracking.mlflow_runs import Away, MlflowRuns
from taskonomy_jobs.tracking.queued_run import Logged, Panel, QueuedRun, milliseconds

INTERVAL = 2.0
"""Seconds between two batches of a trial: what a curve lags behind."""
LONGEST_PAUSE = 30.0
"""Most seconds between two tries while the server is away."""
_log = logging.getLogger(__name__)


class TrialRun(Protocol):
    """The run of one trial. Nothing here raises, and nothing waits but `keep`."""

    def metrics(self, step: int, **values: float) -> None:
        """Log points of curves, such as ``train_loss=…, validation_loss=…, learning_rate=…``.

        Steps of one name rise; a point at or before the last step that the run has (of an attempt
        before this one) is the same point again and left out.
        """

    def images(self, step: int, name: str, panel: Panel) -> None:
        """Log a picture: uint8 H×W×3, input | prediction | truth side by side.

        Pictures of one name form a series by step; the page compares runs by name and step.
        """

    def keep(self, patience: float = 2.0) -> bool:
        """Wait until everything logged so far would survive a kill; called before a checkpoint.

        Returns:
            Whether it does; false if that took longer than `patience` seconds.
        """

    def finish(self, result: Result) -> None:
        """Log final `loss` and `gpu_seconds` and end the run."""

    def fail(self, reason: str) -> None:
        """End the run as failed."""


class Tracker(Protocol):
    """What a process tracks its trials with."""

    def start(self, trial: Trial | BestGuess) -> TrialRun:
        """Begin the run of a trial, or go on in the one it has in this study."""

    def close(self, patience: float = 10.0) -> bool:
        """Send what there is, and stop; what the server did not take stays in the journals.

        Args:
            patience: most seconds this takes.

        Returns:
            Whether all of it was sent.
        """


def open_tracker(uri: str, study: str, artifacts: Path, job: str = "") -> Tracker:
    """Return the tracker of this process; one that does nothing if `uri` is empty.

    Args:
        uri: MLflow tracking URI: ``http://…``, or ``sqlite:///…/mlflow.db``.
        study: name of the study; its experiment.
        artifacts: the artifact root; journals lie in the trials' folders.
        job: what this process is called, for the run's tag.
    """
    return MlflowTracker(uri, study, artifacts, job) if uri else NoTracker()


class NoTracker:
    """A tracker that tracks nothing, and its own run too."""

    def start(self, trial: Trial | BestGuess) -> TrialRun:  # noqa: ARG002
        """Return a run that ignores what it is told."""
        return _NoRun()

    def close(self, patience: float = 10.0) -> bool:  # noqa: ARG002
        """Do nothing."""
        return True


class _NoRun:
    def metrics(self, step: int, **values: float) -> None:
        pass

    def images(self, step: int, name: str, panel: Panel) -> None:
        pass

    def keep(self, patience: float = 2.0) -> bool:  # noqa: ARG002
        return True

    def finish(self, result: Result) -> None:
        pass

    def fail(self, reason: str) -> None:
        pass


class MlflowTracker:
    """The tracker that sends to MLflow; arguments as `open_tracker`."""

    def __init__(
        self, uri: str, study: str, artifacts: Path, job: str = "", *, interval: float = INTERVAL
    ) -> None:
        self._study, self._artifacts, self._job = study, artifacts.absolute(), job
        self._interval = interval
        self._runs: dict[str, QueuedRun] = {}
        self._server = MlflowRuns(uri)
        self._queue: queue.SimpleQueue[Logged | Event | None] = queue.SimpleQueue()
        self._closing = Event()
        self._last_try = 0.0
        """When a tracker that is closed tries for the last time, by the monotonic clock."""
        self._tries = 0
        """Rounds in a row that met no server."""
        self._threads = [
            Thread(target=self._write_journals, name="tracking-writer", daemon=True),
            Thread(target=self._send_journals, name="tracking-sender", daemon=True),
        ]

    def start(self, trial: Trial | BestGuess) -> TrialRun:
        """Begin the run of a trial, or go on in the one it has in this study."""
        name = digest(trial)
        if name not in self._runs:
            folder = self._artifacts / name
            run = describe(trial, self._study, str(folder), self._job, milliseconds())
            self._runs[name] = QueuedRun(folder, run, self._queue)
            self._runs[name].put({})
        for thread in self._threads:
            if thread.ident is None:
                thread.start()
        return self._runs[name]

    def close(self, patience: float = 10.0) -> bool:
        """Send what there is, and stop; what the server did not take stays in the journals."""
        now = time.monotonic()
        self._last_try = now + 0.8 * patience
        self._queue.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.1, now + patience - time.monotonic()))
            self._closing.set()  # once the writer is through, the sender's last round is complete
        return all(run.is_sent for run in self._runs.values())

    # --- the writer: from the queue to the journals ---------------------------------------------

    def _write_journals(self) -> None:
        is_last = False
        while not is_last:
            waiting: list[Event] = []
            for item in _drained(self._queue, self._interval):
                if isinstance(item, Event):
                    waiting.append(item)
                elif item is None:
                    is_last = True
                else:
                    item.run.held.append(item)
            written = [run.write(sync=bool(waiting)) for run in list(self._runs.values())]
            for event in waiting if all(written) else ():
                event.set()

    # --- the sender: from the journals to the server --------------------------------------------

    def _send_journals(self) -> None:
        pause = self._interval
        while not self._closing.wait(pause):
            pause = self._interval if self._send_round() else min(2 * pause, LONGEST_PAUSE)
        while not self._send_round() and time.monotonic() < self._last_try:
            time.sleep(min(1.0, self._interval))
        for run in list(self._runs.values()):
            run.close()

    def _send_round(self) -> bool:
        """Send something of every journal; return whether nothing stood in the way."""
        is_well = True
        for run in list(self._runs.values()):
            try:
                while not run.deliver(self._server) and self._closing.is_set():
                    pass
            except Away as away:
                self._tell(str(away))
                return False
            except Exception:  # noqa: BLE001
                # Whatever a client library raises: training goes on, and the journal stays.
                _log.debug("tracking of %s", run.description.name, exc_info=True)
                is_well = False
        if is_well:
            self._tell("")
        return is_well

    def _tell(self, trouble: str) -> None:
        """Say once that the server is away, at the second try, and once that it is back."""
        if trouble:
            self._tries += 1
            if self._tries == 2:
                _log.warning("tracking waits in the trials' folders: %s", trouble)
            return
        if self._tries >= 2:
            _log.warning("the tracking server is back")
        self._tries = 0


def _drained(source: "queue.SimpleQueue[Any]", patience: float) -> Iterable[Any]:
    """Yield what is in a queue, having waited for the first."""
    try:
        yield source.get(timeout=patience)
        while True:
            yield source.get_nowait()
    except queue.Empty:
        return
