"""A copy of what a list holds, kept up to date: listed once, then watched.

Of each object only a small record is kept, so that 3,000 Jobs are a few megabytes. Whoever wants
to know is told which object changed and looks its record up: what was missed while a connection
was down is found by listing again, and told as changes like any other.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from taskonomy_operator.api_errors import Expired, error_of
from taskonomy_operator.cluster import Object

Record = TypeVar("Record")

PAGE = 500
"""Objects in one page of a list: about 3 MB of Jobs."""
SILENCE = 90.0
"""Seconds without a word after which a watch is dead; bookmarks come about once a minute."""


class Lists(Protocol):
    """What a reflector asks of a cluster."""

    def get(self, path: str, **query: str | int) -> Object:
        """Return a page of a list."""

    def watch(self, path: str, *, query: dict[str, str | int], silence: float) -> Iterator[Object]:
        """Yield what happens to a list."""


class Reflector(Generic[Record]):
    """The records of every object a selector finds, by uid."""

    def __init__(
        self,
        cluster: Lists,
        path: str,
        *,
        selector: str,
        trim: Callable[[Object], Record],
        changed: Callable[[Record], None],
        silence: float = SILENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reflect nothing yet; `run` does.

        Args:
            cluster: the API server.
            path: of the list.
            selector: label selector, applied by the server.
            trim: what is kept of an object.
            changed: told the record of each object that appears, changes or goes.
            silence: seconds without a word after which a watch is dead.
            clock: seconds that only grow.
        """
        self._cluster, self._path, self._selector = cluster, path, selector
        self._trim, self._changed = trim, changed
        self._silence, self._clock = silence, clock
        self._lock = threading.Lock()
        self._records: dict[str, Record] = {}
        self._version = ""
        self._heard_at: float | None = None
        self.synced = threading.Event()
        """Set once everything was listed: before, what is missing may merely not be known."""
        self.trouble = ""
        """Why the copy is not up to date; empty: nothing is known to be wrong."""

    def records(self) -> list[Record]:
        """Return every record there is."""
        with self._lock:
            return list(self._records.values())

    def get(self, uid: str) -> Record | None:
        """Return the record of an object; None: it is not there."""
        with self._lock:
            return self._records.get(uid)

    def age(self) -> float:
        """Return the seconds since the server last said anything; infinite before it did."""
        return float("inf") if self._heard_at is None else self._clock() - self._heard_at

    def run(self, stop: threading.Event) -> None:
        """Keep the copy up to date until told to stop; whatever breaks is begun again."""
        failures = 0
        while not stop.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch(stop)
                self.trouble, failures = "", 0
            except Expired:
                self._version = ""  # our place in history is forgotten there
            except Exception as error:  # noqa: BLE001 - without this thread nothing is seen
                # Refused too: rights may be granted while we run, and who looks sees why not.
                self.trouble = f"{self._path}: {error}"
                failures += 1
                wait = getattr(error, "retry_after", 0.0) or min(30.0, 0.5 * 2**failures)
                stop.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret

    def _list(self) -> None:
        """Take everything there is, and tell what is new, different or gone."""
        found: dict[str, Record] = {}
        query: dict[str, str | int] = {"labelSelector": self._selector, "limit": PAGE}
        while True:
            page = self._cluster.get(self._path, **query)
            self._heard()
            for thing in page.get("items") or []:
                found[thing["metadata"]["uid"]] = self._trim(thing)
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                break
        with self._lock:
            before, self._records = self._records, found
        self._version = page["metadata"]["resourceVersion"]
        self.synced.set()
        for uid in before.keys() | found.keys():
            if before.get(uid) != found.get(uid):
                self._changed(found.get(uid, before.get(uid)))  # type: ignore[arg-type]

    def _watch(self, stop: threading.Event) -> None:
        query: dict[str, str | int] = {
            "labelSelector": self._selector,
            "resourceVersion": self._version,
            # not all replicas' watches at one moment
            "timeoutSeconds": random.randint(240, 360),  # noqa: S311 - not a secret
        }
        for event in self._cluster.watch(self._path, query=query, silence=self._silence):
            self._heard()
            self._take(event["type"], event["object"])
            if stop.is_set():
                return

    def _take(self, kind: str, thing: Object) -> None:
        if kind == "ERROR":
            raise error_of(
                thing.get("code", 500), thing.get("reason", ""), thing.get("message", "")
            )
        self._version = thing["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        uid, record = thing["metadata"]["uid"], self._trim(thing)
        with self._lock:
            if kind == "DELETED":
                self._records.pop(uid, None)
            else:
                self._records[uid] = record
        self._changed(record)

    def _heard(self) -> None:
        self._heard_at = self._clock()
        self.trouble = ""
