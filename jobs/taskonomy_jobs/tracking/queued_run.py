"""One trial's run on its way: what the trial hands over, its journal, and its delivery."""

import logging
import queue
import re
import time
from collections import deque
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from threading import Event, Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taskonomy_catalogue.records import Result
from taskonomy_jobs.tracking.delivery import Delivery
from taskonomy_jobs.tracking.description import Description, curve, ends
from taskonomy_jobs.tracking.journal import PICTURES, Busy, Journal, Line
from taskonomy_jobs.tracking.mlflow_runs import MlflowRuns

Panel = NDArray[np.uint8]
"""A picture, H×W×3."""

MOST_HELD = 100_000
"""Lines of a trial kept in memory while its folder cannot be written; the oldest go first."""

_log = logging.getLogger(__name__)


class Logged:
    """A line to be, or a picture to be encoded, of a run."""

    __slots__ = ("line", "panel", "run")

    def __init__(self, run: "QueuedRun", line: Line, panel: Panel | None = None) -> None:
        self.run, self.line, self.panel = run, line, panel


class QueuedRun:
    """The run of a trial: its trial's side, and what the two threads keep of it."""

    def __init__(
        self,
        folder: Path,
        description: Description,
        tracker: "queue.SimpleQueue[Logged | Event | None]",
    ) -> None:
        self.description = description
        self.held: deque[Logged] = deque(maxlen=MOST_HELD)
        self._folder = folder
        self._tracker = tracker
        self._journal: Journal | None = None
        self._delivery: Delivery | None = None
        self._last_panels: dict[str, Panel] = {}
        self._lock = Lock()
        self._is_ended = False
        self.is_sent = True
        """Whether the server has all that was logged, once the writer has ended."""

    # --- called by the trial ---------------------------------------------------------------------

    def metrics(self, step: int, **values: float) -> None:
        """Log points of curves (`TrialRun.metrics`)."""
        try:
            points = {curve(name): float(value) for name, value in values.items()}
        except (TypeError, ValueError) as error:
            _log.warning("a metric of step %s is no number and left out: %s", step, error)
            return
        self.put({"event": "metrics", "step": int(step), "values": points})

    def images(self, step: int, name: str, panel: Panel) -> None:
        """Log a picture (`TrialRun.images`)."""
        if panel.ndim != 3 or panel.shape[2] != 3 or panel.dtype != np.uint8:
            _log.warning("picture %s is not uint8 H×W×3 and left out: %s", name, panel.shape)
            return
        key = re.sub(r"[^a-zA-Z0-9_\-. /]", "_", name)
        self._last_panels[key] = np.array(panel)  # a copy: the trial may go on drawing in its own
        self._put_panel(int(step), key)

    def keep(self, patience: float = 2.0) -> bool:
        """Wait until what was logged would survive a kill (`TrialRun.keep`)."""
        done = Event()
        self._tracker.put(done)
        return done.wait(patience)

    def finish(self, result: Result) -> None:
        """Log final figures, the last picture of each name at step 0, and end the run.

        Step 0 is where MLflow's page opens a series of pictures, whatever steps it has.
        """
        for name in self._last_panels:
            self._put_panel(0, name)
        values, tags = ends(result)
        self.put({"event": "finished", "values": values, "tags": tags})

    def fail(self, reason: str) -> None:
        """End the run as failed."""
        self.put({"event": "failed", "tags": {"taskonomy.failure": reason[:5_000]}})

    def _put_panel(self, step: int, name: str) -> None:
        file = f"{PICTURES}/{name.replace('/', '~')}-{step}.png"
        line = {"event": "image", "step": step, "name": name, "file": file}
        self.put(line, self._last_panels[name])

    def put(self, line: Line, panel: Panel | None = None) -> None:
        """Hand a line to the writer; an empty one begins the run."""
        if line:
            line = {"time": milliseconds()} | line
        self._is_ended = line.get("event") in ("finished", "failed")
        self.is_sent = False
        self._tracker.put(Logged(self, line, panel))

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


def _lines(folder: Path, logged: Iterable[Logged]) -> list[Line]:
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


def milliseconds() -> int:
    """Return the time, in milliseconds since 1970."""
    return int(time.time() * 1000)
