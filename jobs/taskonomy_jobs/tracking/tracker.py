"""The tracker of a process: what trials log goes to journals, and from there to the server.

Two threads, both daemons: the writer takes what trials log from a queue to their journals, the
sender takes journals to MLflow. Neither can fail or delay training, and leaving takes seconds.
"""

import logging
import queue
import re
import time
from collections import deque
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taskonomy_catalogue.records import BestGuess, Result
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.tracking.delivery import Delivery
from taskonomy_jobs.tracking.description import Description, curve, describe, ends
from taskonomy_jobs.tracking.journal import PICTURES, Busy, Journal, Line
from taskonomy_jobs.tracking.mlflow_runs import Away, MlflowRuns

Panel = NDArray[np.uint8]
"""A picture, H×W×3."""

INTERVAL = 2.0
"""Seconds between two batches of a trial: what a curve lags behind."""
LONGEST_PAUSE = 30.0
"""Most seconds between two tries while the server is away."""
MOST_HELD = 100_000
"""Lines of a trial kept in memory while its folder cannot be written; the oldest go first."""

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
        self._runs: dict[str, _MlflowRun] = {}
        self._server = MlflowRuns(uri)
        self._queue: queue.SimpleQueue[_Logged | Event | None] = queue.SimpleQueue()
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
            run = describe(trial, self._study, str(folder), self._job, _milliseconds())
            self._runs[name] = _MlflowRun(folder, run, self._queue)
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


class _Logged:
    """A line to be, or a picture to be encoded, of a run."""

    __slots__ = ("line", "panel", "run")

    def __init__(self, run: "_MlflowRun", line: Line, panel: Panel | None = None) -> None:
        self.run, self.line, self.panel = run, line, panel


class _MlflowRun:
    """The run of a trial: its trial's side, and what the two threads keep of it."""

    def __init__(
        self,
        folder: Path,
        description: Description,
        tracker: "queue.SimpleQueue[_Logged | Event | None]",
    ) -> None:
        self.description = description
        self.held: deque[_Logged] = deque(maxlen=MOST_HELD)
        self._folder = folder
        self._tracker = tracker
        self._journal: Journal | None = None
        self._delivery: Delivery | None = None
        self._lock = Lock()
        self._is_ended = False
        self.is_sent = True
        """Whether the server has all that was logged, once the writer has ended."""

    # --- called by the trial ---------------------------------------------------------------------

    def metrics(self, step: int, **values: float) -> None:
        try:
            points = {curve(name): float(value) for name, value in values.items()}
        except (TypeError, ValueError) as error:
            _log.warning("a metric of step %s is no number and left out: %s", step, error)
            return
        self.put({"event": "metrics", "step": int(step), "values": points})

    def images(self, step: int, name: str, panel: Panel) -> None:
        if panel.ndim != 3 or panel.shape[2] != 3 or panel.dtype != np.uint8:
            _log.warning("picture %s is not uint8 H×W×3 and left out: %s", name, panel.shape)
            return
        key = re.sub(r"[^a-zA-Z0-9_\-. /]", "_", name)
        file = f"{PICTURES}/{key.replace('/', '~')}-{int(step)}.png"
        line = {"event": "image", "step": int(step), "name": key, "file": file}
        self.put(line, np.array(panel))  # a copy: the trial may go on drawing in its own

    def keep(self, patience: float = 2.0) -> bool:
        done = Event()
        self._tracker.put(done)
        return done.wait(patience)

    def finish(self, result: Result) -> None:
        values, tags = ends(result)
        self.put({"event": "finished", "values": values, "tags": tags})

    def fail(self, reason: str) -> None:
        self.put({"event": "failed", "tags": {"taskonomy.failure": reason[:5_000]}})

    def put(self, line: Line, panel: Panel | None = None) -> None:
        """Hand a line to the writer; an empty one begins the run."""
        if line:
            line = {"time": _milliseconds()} | line
        self._is_ended = line.get("event") in ("finished", "failed")
        self.is_sent = False
        self._tracker.put(_Logged(self, line, panel))

    # --- called by the threads -------------------------------------------------------------------

    def write(self, *, sync: bool) -> bool:
        """Write what is held to the journal; return whether nothing is held any more."""
        ready = list(self.held)
        try:
            with self._lock:
                if self._journal is None and ready:
                    header = {"event": "run"} | self.description.model_dump()
                    self._journal = Journal(self._folder, header)
                if self._journal is not None and ready:
                    self._journal.append(_lines(self._folder, ready))
                if self._journal is not None and sync:
                    self._journal.sync()
        except (OSError, Busy) as error:
            _log.debug("the journal in %s cannot be written: %s", self._folder, error)
            return False
        for _ in ready:
            self.held.popleft()
        return True

    def deliver(self, server: MlflowRuns) -> bool:
        """Send a batch; return whether all of the journal is sent.

        Raises:
            Away: the server is.
        """
        if self._journal is None:
            return True
        self._delivery = self._delivery or Delivery(self._journal, server)
        done = self._delivery.deliver()
        self.is_sent = done and not self.held
        if done and self._is_ended:
            self.close(only_if_sent=True)
        return done

    def close(self, *, only_if_sent: bool = False) -> None:
        """Give the journal up; it is removed if it is empty."""
        with self._lock:
            if self._journal and (not only_if_sent or (self._journal.is_empty and not self.held)):
                self._journal.close()
                self._journal = self._delivery = None


def _lines(folder: Path, logged: Iterable[_Logged]) -> list[Line]:
    """Return the lines, their pictures written beside the journal."""
    lines = []
    for each in logged:
        if each.panel is not None:
            path = folder / each.line["file"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(_png(each.panel))
        if each.line:
            lines.append(each.line)
    return lines


def _png(panel: Panel) -> bytes:
    content = BytesIO()
    Image.fromarray(panel).save(content, "PNG")
    return content.getvalue()


def _drained(source: "queue.SimpleQueue[Any]", patience: float) -> Iterable[Any]:
    """Yield what is in a queue, having waited for the first."""
    try:
        yield source.get(timeout=patience)
        while True:
            yield source.get_nowait()
    except queue.Empty:
        return


def _milliseconds() -> int:
    return int(time.time() * 1000)
