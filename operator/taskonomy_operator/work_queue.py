"""Keys that want work, each at most once, and a failing one not too often.

A key that is added while it waits stays one; one that is added while it is worked on is handed out
again afterwards, and never to two workers at a time. Every hand-out is at least `pause` after the
one before, so that a burst of news is one pass.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds until a key is worked on again after its first failure in a row, and after many."""


@dataclass(slots=True)
class _Key:
    due: float | None = None
    """When it is wanted; None: it is not."""
    is_out: bool = False
    """Whether a worker has it."""
    not_before: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class WorkQueue:
    """A queue of keys, shared by those who add and those who work."""

    pause: float = 0.1
    """Seconds between two hand-outs of a key."""
    clock: Callable[[], float] = time.monotonic
    _keys: dict[str, _Key] = field(default_factory=dict)
    _heap: list[tuple[float, str]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _is_closed: bool = False

    def add(self, key: str, after: float = 0.0) -> None:
        """Want a key to be worked on, after some seconds at the latest."""
        with self._changed:
            entry = self._keys.setdefault(key, _Key())
            self._want(key, entry, max(self.clock() + after, entry.not_before))

    def take(self) -> str | None:
        """Wait for a key that is due and return it; None: the queue is closed."""
        with self._changed:
            while not self._is_closed:
                key, wait = self._next()
                if key is not None:
                    return key
                self._changed.wait(wait)
            return None

    def done(self, key: str, again_after: float | None = None, *, failed: bool = False) -> None:
        """Give a key back.

        Args:
            key: what `take` returned.
            again_after: seconds after which it is wanted again, whatever happens; None: once
                somebody adds it.
            failed: whether the work failed: it is wanted again, later the more often it failed.
        """
        with self._changed:
            entry = self._keys[key]
            entry.is_out = False
            entry.failures = entry.failures + 1 if failed else 0
            wait = self.pause
            if failed:
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(entry.failures - 1, 10))
                again_after = wait
            entry.not_before = self.clock() + wait
            due, entry.due = entry.due, None
            if due is not None:  # added meanwhile
                self._want(key, entry, max(due, entry.not_before))
            if again_after is not None:
                self._want(key, entry, max(self.clock() + again_after, entry.not_before))
            self._changed.notify_all()

    def forget(self, key: str) -> None:
        """Drop a key: nobody asks for it any more."""
        with self._changed:
            entry = self._keys.get(key)
            if entry is not None and not entry.is_out:
                del self._keys[key]

    def close(self) -> None:
        """Hand out nothing more; who waits is told."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def depth(self) -> int:
        """Return how many keys are due or being worked on."""
        with self._changed:
            now = self.clock()
            return sum(
                entry.is_out or (entry.due is not None and entry.due <= now)
                for entry in self._keys.values()
            )

    def _want(self, key: str, entry: _Key, due: float) -> None:
        if entry.due is None or due < entry.due:
            entry.due = due
            heappush(self._heap, (due, key))
            self._changed.notify_all()

    def _next(self) -> tuple[str | None, float | None]:
        """Return a key that is due, or how long to wait for one."""
        now = self.clock()
        while self._heap:
            due, key = self._heap[0]
            entry = self._keys.get(key)
            if entry is None or entry.due != due or entry.is_out:
                heappop(self._heap)  # wanted earlier since, or its worker gives it back
                continue
            if due > now:
                return None, due - now
            heappop(self._heap)
            entry.due, entry.is_out = None, True
            return key, None
        return None, None
