"""Delivery: one journal's lines made into requests, batch after batch."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from taskonomy_jobs.tracking.description import Description
from taskonomy_jobs.tracking.journal import Journal, Line
from taskonomy_jobs.tracking.mlflow_runs import Away, MlflowRuns, Refused, RunRecord

BATCH = 500
"""Lines delivered between two acknowledgements."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Current:
    """The run that the lines are of."""

    run: Description
    record: RunRecord | None = None


class Delivery:
    """What takes a journal to the server."""

    def __init__(self, journal: Journal, runs: MlflowRuns) -> None:
        self.journal = journal
        self._runs = runs
        self._current: _Current | None = None

    def deliver(self, batches: int = 1) -> bool:
        """Send what is at the front of the journal.

        Args:
            batches: most batches to send.

        Returns:
            Whether all of it is delivered.

        Raises:
            Away: some of it is not; the next call tries it again.
        """
        for _ in range(batches):
            if self.journal.is_empty:
                break
            lines = self.journal.read(BATCH)
            try:
                self._send(lines)
            except Away:
                # What was sent may have arrived or not: ask what the run has before going on.
                if self._current:
                    self._current.record = None
                raise
            self.journal.acknowledge()
            self._remove_pictures(lines)
        return self.journal.is_empty

    def _send(self, lines: list[Line]) -> None:
        points: list[tuple[str, float, int, int]] = []
        for line in lines:
            if line["event"] == "metrics":
                points.extend((k, v, line["step"], line["time"]) for k, v in line["values"].items())
                continue
            self._points(points)
            points = []
            if line["event"] == "run":
                self._begin(Description.model_validate(line))
            elif line["event"] == "image":
                self._picture(line)
            elif line["event"] in ("finished", "failed"):
                self._end(line)
        self._points(points)

    def _begin(self, run: Description) -> None:
        known = self._current
        if (
            known
            and known.record
            and (known.run.study, known.run.digest) == (run.study, run.digest)
        ):
            return  # the header of a journal that was empty in between
        self._current = _Current(run)
        self._tried(lambda _record: None)

    def _points(self, points: list[tuple[str, float, int, int]]) -> None:
        if points:
            self._tried(lambda record: self._runs.write(record, points))

    def _picture(self, line: Line) -> None:
        with suppress(FileNotFoundError):  # sent before the process was killed
            png = (self.journal.folder / line["file"]).read_bytes()
            self._tried(
                lambda record: self._runs.picture(
                    record, line["name"], line["step"], line["time"], png
                )
            )

    def _end(self, line: Line) -> None:
        if self._current is None:
            return
        run = self._current.run
        status = "FINISHED" if line["event"] == "finished" else "FAILED"
        self._tried(
            lambda record: self._runs.end(
                record,
                run,
                status,
                line["time"],
                line.get("values", {}),
                line.get("tags", {}),
            )
        )

    def _tried(self, request: Callable[[RunRecord], None]) -> None:
        """Make a request of the current run; one that is refused twice is given up, aloud."""
        current = self._current
        if current is None:
            return
        for attempt in (1, 2):
            try:
                current.record = current.record or self._runs.attach(current.run)
                request(current.record)
                return
            except Refused as refused:
                current.record = None  # the run may have been deleted: the next attempt makes one
                if attempt == 2:
                    _log.warning("tracking of %s left something out: %s", current.run.name, refused)

    def _remove_pictures(self, lines: list[Line]) -> None:
        for line in lines:
            if line["event"] == "image":
                (self.journal.folder / line["file"]).unlink(missing_ok=True)
