"""The controller: one replica acts, sees what changes, and works through studies that it concerns.

    lease -> copies of Studies and Jobs -> queue of studies -> `Reconciler.reconcile`

Only the replica that holds the lease lists and watches. One that takes it over begins with fresh
lists, so nothing it acts on is older than its turn; one that loses it ends, and is started again.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from taskonomy_operator.actions import Actions
from taskonomy_operator.api_errors import ApiError, Conflict
from taskonomy_operator.cluster import Cluster
from taskonomy_operator.copies import EVERYWHERE, Copies
from taskonomy_operator.events import EventRecorder
from taskonomy_operator.health import HealthServer
from taskonomy_operator.installation import Installation
from taskonomy_operator.lease import Lease
from taskonomy_operator.metrics import Metrics
from taskonomy_operator.reconcile import Reconciler
from taskonomy_operator.rights import missing
from taskonomy_operator.settings import Settings
from taskonomy_operator.structured_logs import about
from taskonomy_operator.surroundings import Surroundings
from taskonomy_operator.work_queue import WorkQueue

log = logging.getLogger(__name__)

CREATORS = 16
"""Threads that make Jobs side by side."""
PATIENCE = 30.0
"""Seconds that a pass under way has to end once the controller is told to stop."""


class Controller:
    """The operator's parts, put together."""

    def __init__(self, cluster: Cluster, settings: Settings, installation: Installation) -> None:
        self._cluster, self._settings = cluster, settings
        self._lease = Lease(
            cluster,
            namespace=settings.lease_namespace,
            name=settings.lease_name,
            identity=settings.identity,
            timing=settings.timing,
        )
        self._queue = WorkQueue()
        self._metrics = Metrics()
        self._copies = Copies(cluster, settings.namespaces, self._queue.add, settings.watch_silence)
        self._creators = ThreadPoolExecutor(CREATORS, thread_name_prefix="make")
        self._events = EventRecorder(cluster)
        self._reconciler = Reconciler(
            Surroundings(
                seen=self._copies,
                actions=Actions(cluster.only_while(lambda: self._lease.is_held), self._creators),
                installation=installation,
                events=self._events,
                metrics=self._metrics,
                rhythm=settings.rhythm,
            )
        )
        self._leads = threading.Event()
        self._elector: threading.Thread | None = None
        self._health = HealthServer(
            settings.port, self._metrics, is_alive=self.is_alive, is_ready=self.is_ready
        )
        self._publish_numbers()

    def run(self, stop: threading.Event) -> int:
        """Work until told to stop; return the exit code: 1 if the lease was lost."""
        self._health.start()
        self._elector = _thread("elect", lambda: self._lease.run(stop))
        _thread("ask for rights", self._say_missing_rights)
        try:
            if not self._wait_for_turn(stop):
                return 0
            log.info("this replica acts", extra={"identity": self._settings.identity})
            self._leads.set()
            lost = self._act(stop)
            return 1 if lost else 0
        finally:
            stop.set()
            self._elector.join(PATIENCE)
            self._creators.shutdown(wait=False, cancel_futures=True)
            self._health.stop()

    # --- the story's parts ---------------------------------------------------------------------

    def _wait_for_turn(self, stop: threading.Event) -> bool:
        while not stop.is_set():
            if self._lease.is_held:
                return True
            stop.wait(0.1)
        return False

    def _act(self, stop: threading.Event) -> bool:
        """Work through studies while the lease is held; return whether it was lost."""
        over = threading.Event()
        self._copies.start(over)
        _thread("say trouble", lambda: self._say_trouble(over))
        workers = []
        if self._copies.wait(_either(stop, lambda: not self._lease.is_held)):
            log.info("everything is listed", extra={"studies": self._queue.depth()})
            workers = [_thread(f"work {n}", self._work) for n in range(self._settings.workers)]
        while not stop.is_set() and self._lease.is_held:
            stop.wait(0.2)
        lost = not stop.is_set()
        if lost:
            log.error("the lease was lost: another replica acts; this one ends")
        self._queue.close()
        for worker in workers:
            worker.join(PATIENCE)
        over.set()
        self._events.flush()
        return lost

    def _work(self) -> None:
        """Make passes over studies that want one, until the queue is closed."""
        while (uid := self._queue.take()) is not None:
            began = time.monotonic()
            again_after: float | None = 1.0  # should the lease be renewed late
            outcome = "ok"
            try:
                if self._lease.is_held:
                    again_after = self._reconciler.reconcile(uid)
            except Conflict as error:
                outcome = "conflict"
                self._about(uid).info("the pass is made again: %s", error)
            except ApiError as error:
                outcome = "error"
                self._about(uid).warning("the API server did not do it: %s", error)
            except Exception:  # noqa: BLE001 - one study's trouble must not stop the others'
                outcome = "error"
                self._about(uid).exception("a pass failed; it is made again")
            self._metrics.reconciled(time.monotonic() - began, outcome)
            self._queue.done(uid, again_after, failed=outcome != "ok")
            if self._copies.study(uid) is None:
                self._queue.forget(uid)

    # --- what others see -----------------------------------------------------------------------

    def is_alive(self) -> str:
        """Return why this replica should be started again; empty: it is well.

        The age of the copies counts and never how much there is to do.
        """
        if self._elector is not None and not self._elector.is_alive():
            return "nobody takes part in the election"
        limit = 3 * self._settings.watch_silence
        if self._leads.is_set() and self._copies.are_synced():
            age = self._copies.oldest_word()
            if age > limit:
                return f"nothing was heard of the API server for {age:.0f} s"
        return ""

    def is_ready(self) -> str:
        """Return why this replica is not ready; empty: it acts, or stands by."""
        if not self._leads.is_set():
            return ""
        if not self._copies.are_synced():
            return self._copies.trouble() or "Studies and Jobs are being listed"
        return ""

    def _publish_numbers(self) -> None:
        self._metrics.requests_of(self._cluster)
        self._metrics.queue_of(self._queue.depth)
        self._metrics.leads(self._leads.is_set)
        for name, reflector in self._copies.reflectors.items():
            self._metrics.watch_source(name, reflector.age)

    def _say_missing_rights(self) -> None:
        for namespace in self._settings.namespaces:
            asked = "" if namespace == EVERYWHERE else namespace
            try:
                for sentence in missing(self._cluster, asked, self._settings.lease_namespace):
                    log.error(sentence)
            except ApiError as error:
                log.warning("rights could not be checked: %s", error)

    def _say_trouble(self, over: threading.Event) -> None:
        """Say once what keeps copies from being up to date, whenever that changes."""
        said = ""
        while not over.wait(1.0):
            trouble = self._copies.trouble()
            if trouble and trouble != said:
                log.error(trouble)
            elif said and not trouble:
                log.info("Studies and Jobs are seen again")
            said = trouble

    def _about(self, uid: str) -> "logging.LoggerAdapter[logging.Logger]":
        study = self._copies.study(uid)
        meta = study["metadata"] if study else {"name": "", "namespace": ""}
        return about(log, study=meta["name"], namespace=meta["namespace"])


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


class _either(threading.Event):  # noqa: N801 - reads as a verb
    """An event that is also set while something holds."""

    def __init__(self, event: threading.Event, holds: Callable[[], bool]) -> None:
        super().__init__()
        self._event, self._holds = event, holds

    def is_set(self) -> bool:
        return self._event.is_set() or self._holds()

    def wait(self, timeout: float | None = None) -> bool:
        return self._event.wait(timeout)
