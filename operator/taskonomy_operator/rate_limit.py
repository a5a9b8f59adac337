"""How fast requests may follow each other: so many a second, and a burst after a rest.

An operator that creates thousands of Jobs must not be what an API server falls over. Waiting here
is cheaper for both than being told to wait there.
"""

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Lets `qps` requests a second through, and up to `burst` at once after a rest.

    Threads share one. Each is told how long to wait and waits outside the lock, in the order in
    which they came.
    """

    def __init__(
        self,
        qps: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if qps <= 0 or burst < 1:
            raise ValueError(f"{qps} requests a second in bursts of {burst} let none through")
        self._qps, self._burst = qps, burst
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._tokens, self._at = float(burst), clock()

    def take(self) -> float:
        """Wait until one request may be sent; return the seconds that took."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._qps)
            self._at = now
            self._tokens -= 1  # below 0: those before this one have yet to be earned too
            wait = max(0.0, -self._tokens / self._qps)
        if wait:
            self._sleep(wait)
        return wait
