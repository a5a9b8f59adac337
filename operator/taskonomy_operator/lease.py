"""Which replica of the operator acts: the one that holds a Lease, renewed every few seconds.

The usual rules of leader election in Kubernetes: a holder renews; a holder that was not seen to
renew for the lease's duration, by the onlooker's own clock, is gone; whoever writes first takes
over, as the server refuses the second write. A holder that could not renew in time stops acting
before another may begin.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from taskonomy_operator.api_errors import ApiError, Conflict, Refused
from taskonomy_operator.cluster import Cluster, Object

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How patient an election is; each is well below the one before."""

    duration: float = 15.0
    """Seconds without renewal after which a holder is gone."""
    deadline: float = 10.0
    """Seconds without renewal after which a holder itself gives up."""
    retry: float = 2.0
    """Seconds between two tries to take or renew."""

    def __post_init__(self) -> None:
        if not self.duration > self.deadline > self.retry > 0:
            raise ValueError("a lease needs duration > deadline > retry > 0")


class Lease:
    """One replica's view of the lease, and its part in it."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._name, self._identity = cluster, name, identity
        self._list = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._timing, self._clock = timing or Timing(), clock
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self._renewed_at = float("-inf")
        self._holds = threading.Event()

    @property
    def is_held(self) -> bool:
        """Whether this replica may act now; false as soon as it failed to renew in time."""
        recent = self._clock() - self._renewed_at < self._timing.deadline
        return self._holds.is_set() and recent

    def run(self, stop: threading.Event) -> None:
        """Take part until told to stop, then hand the lease on."""
        while not stop.is_set():
            began = self._clock()
            try:
                self.try_once()
            except ApiError:
                pass  # away or refused for now: `is_held` turns false by itself
            except Exception:
                log.exception("the lease could not be asked for; it is tried again")
            stop.wait(max(0.0, self._timing.retry - (self._clock() - began)))
        self._release()

    def try_once(self) -> bool:
        """Renew the lease if it is ours, take it if nobody holds it; return whether it is ours.

        Raises:
            ApiError: the server did not answer, or does not let us.
        """
        sent_at = self._clock()
        try:
            won = self._claim()
        except Conflict:
            # Somebody was faster, or an answer was lost and it was sent twice: the next try tells.
            # Till our time is up nobody else can have taken what we hold.
            return self.is_held
        if won:
            # from when it was sent: it may have counted since then
            self._renewed_at = sent_at
            self._holds.set()
        else:
            self._holds.clear()
        return won

    def _claim(self) -> bool:
        lease = self._read()
        if lease is None:
            self._cluster.create(self._list, self._written({}, new_holder=True))
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._is_gone(holder, lease):
            return False
        lease["spec"] = self._written(spec, new_holder=holder != self._identity)["spec"]
        self._cluster.replace(f"{self._list}/{self._name}", lease)
        return True

    def _read(self) -> Object | None:
        try:
            return self._cluster.get(f"{self._list}/{self._name}")
        except Refused as error:
            if error.code == 404:
                return None
            raise

    def _is_gone(self, holder: str, lease: Object) -> bool:
        """Return whether the holder was not seen to renew for as long as the lease lasts.

        Clocks of two machines are never compared: what counts is when we saw it change.
        """
        seen = (holder, lease["metadata"]["resourceVersion"])
        now = self._clock()
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        lasts = float((lease.get("spec") or {}).get("leaseDurationSeconds", self._timing.duration))
        return now - self._seen_at > lasts

    def _written(self, spec: Object, *, new_holder: bool) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changed = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.duration)),
            "renewTime": now,
        }
        if new_holder:
            changed["acquireTime"] = now
            changed["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + bool(spec)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {**spec, **changed},
        }

    def _release(self) -> None:
        """Hand the lease on at once, so that a rollout need not wait for it to run out."""
        held, self._renewed_at = self.is_held, float("-inf")
        self._holds.clear()
        if not held:
            return
        with suppress(ApiError):  # then it runs out
            lease = self._read()
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                self._cluster.replace(f"{self._list}/{self._name}", lease)
