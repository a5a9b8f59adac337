"""Ctrl-C and its like, counted instead of ending the process: what they mean is the caller's."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Stops:
    """How often this process was asked to stop."""

    asked: int = 0


@contextmanager
def counted_stops() -> Iterator[Stops]:
    """Count SIGINT, SIGTERM and SIGHUP while something runs; afterwards they are as before."""
    stops = Stops()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stops.asked += 1

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup means what it says
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
