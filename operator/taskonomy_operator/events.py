"""What happened to a Study, told where people look: `kubectl describe study`.

Events are a courtesy. They are sent behind the operator's back, one after another, so that a
server that is slow or away holds nothing up; what cannot be said in time is dropped. The same news
again makes the one event count up, and a Study that has very much to say is cut short.
"""

import logging
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from taskonomy_operator.api_errors import ApiError, Conflict, Refused
from taskonomy_operator.cluster import Cluster, Object
from taskonomy_operator.constants import API_VERSION, KIND, MANAGER

logger = logging.getLogger(__name__)

Kind = Literal["Normal", "Warning"]

SAME = 600.0
"""Seconds within which the same news again is counted, not told anew."""
MOST, WINDOW = 25, 300.0
"""Most events that are written of one Study in so many seconds, counted up or new."""
WAITING = 200
"""Events that wait to be sent before further ones are dropped."""
LONGEST = 1_000
"""Most characters of a message; the server takes 1,024 bytes of newer kinds of events."""


@dataclass(slots=True)
class _Told:
    """An event that was written, or is about to be."""

    name: str
    first: float
    last: float
    count: int = 1
    is_made: bool = False


@dataclass(slots=True)
class _News:
    """Something to be said."""

    study: Object
    kind: Kind
    reason: str
    message: str
    at: float


@dataclass(slots=True)
class _Memory:
    """What was written of one Study lately."""

    told: dict[tuple[str, str], _Told] = field(default_factory=dict)
    written: deque[float] = field(default_factory=deque)


class EventRecorder:
    """Writes core/v1 Events about Studies."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.time) -> None:
        """Say nothing yet.

        Args:
            cluster: the API server.
            clock: seconds since 1970.
        """
        self._cluster, self._clock = cluster, clock
        self._news: queue.Queue[_News] = queue.Queue(WAITING)
        self._studies: dict[str, _Memory] = {}
        self._starting = threading.Lock()
        self._sender: threading.Thread | None = None

    def record(self, study: Object, kind: Kind, reason: str, message: str) -> None:
        """Have an event about a Study written soon; never raises and never waits.

        Args:
            study: the Study as the server gave it; its metadata is enough.
            kind: whether somebody should look.
            reason: one word in UpperCamelCase, for programs.
            message: a sentence, for people.
        """
        self._start()
        try:
            said = _one_line(message)
            self._news.put_nowait(_News(study, kind, reason, said, self._clock()))
        except queue.Full:
            logger.debug("dropped an event: %s", message)

    def flush(self, patience: float = 5.0) -> bool:
        """Wait until what was recorded is written; return whether it was, in so many seconds."""
        written = self._news.all_tasks_done
        with written:
            return written.wait_for(lambda: not self._news.unfinished_tasks, patience)

    def _start(self) -> None:
        with self._starting:
            if self._sender is None:
                self._sender = threading.Thread(target=self._send, name="events", daemon=True)
                self._sender.start()

    def _send(self) -> None:
        while True:
            news = self._news.get()
            try:
                self._tell(news)
            except ApiError as error:
                logger.debug("dropped an event: %s", error)
            except Exception:
                logger.exception("an event could not be written")
            finally:
                self._news.task_done()

    def _tell(self, news: _News) -> None:
        """Write what is new, count what is not, unless the Study has said enough for now."""
        memory = self._remembered(news)
        key = (news.reason, news.message)
        told = memory.told.get(key)
        if told is not None:
            told.count, told.last = told.count + 1, news.at
        if len(memory.written) >= MOST:
            return  # what is counted is told with the next that may be
        memory.written.append(news.at)
        if told is None:
            name = f"{news.study['metadata']['name']}.{secrets.token_hex(8)}"
            told = memory.told[key] = _Told(name, news.at, news.at)
        self._write(news, told)

    def _write(self, news: _News, told: _Told) -> None:
        path = f"/api/v1/namespaces/{news.study['metadata']['namespace']}/events"
        if told.is_made:
            change: Object = {"count": told.count, "lastTimestamp": _time(told.last)}
            try:
                self._cluster.patch(f"{path}/{told.name}", change)
                return
            except Refused as error:
                if error.code != 404:  # the server forgets events after an hour
                    raise
        with suppress(Conflict):  # an answer was lost, and it was sent twice
            self._cluster.create(path, _event(news, told))
        told.is_made = True

    def _remembered(self, news: _News) -> _Memory:
        """Return what was said of a Study lately; what is older is forgotten, of any Study."""
        for uid, memory in list(self._studies.items()):
            while memory.written and news.at - memory.written[0] > WINDOW:
                memory.written.popleft()
            for key, told in list(memory.told.items()):
                if news.at - told.last > SAME:
                    del memory.told[key]
            if not memory.told:
                del self._studies[uid]
        return self._studies.setdefault(news.study["metadata"]["uid"], _Memory())


def _event(news: _News, told: _Told) -> Object:
    meta = news.study["metadata"]
    about = {"apiVersion": API_VERSION, "kind": KIND}
    about |= {
        key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in meta
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": told.name, "namespace": meta["namespace"]},
        "involvedObject": about,
        "type": news.kind,
        "reason": news.reason,
        "message": news.message,
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "firstTimestamp": _time(told.first),
        "lastTimestamp": _time(told.last),
        "count": told.count,
    }


def _one_line(message: str) -> str:
    said = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
