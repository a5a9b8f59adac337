"""One load at a time: who holds the warehouse says so in a file beside it, the others wait.

The lock is the operating system's on an open file, so that it goes with its holder however that
ends; the file's content only says whom the others wait for.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, TypeVar

import duckdb

from taskonomy_warehouse.warehouse import WarehouseBusy, WarehouseNotOpened, writing

Say = Callable[[str], None]
"""Tells the user something while a load goes on."""
_Got = TypeVar("_Got")
_PAUSE = 0.1
"""Seconds between looks at a lock that somebody holds."""


@contextmanager
def only_loader(path: Path, *, wait: float, say: Say) -> Iterator[None]:
    """Be the only load of a warehouse.

    Args:
        path: the warehouse file.
        wait: seconds to wait for another load, 0: not at all.
        say: is told once whom we wait for.

    Raises:
        WarehouseBusy: the other was not done in time; the message names its process.
        WarehouseNotOpened: no warehouse can be made there.
    """
    with _opened_lock(path) as lock:
        _patiently(lambda: _take(lock, path), wait, say)
        yield


@contextmanager
def opened(path: Path, *, wait: float, say: Say) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse to write once no reader, import or solve has it open; as `only_loader`."""
    with ExitStack() as stack:
        yield _patiently(lambda: stack.enter_context(writing(path)), wait, say)


def _opened_lock(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f"{path.name}.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise WarehouseNotOpened(
            f"{path} cannot be loaded into: {error.filename}: {error.strerror}; name another with "
            "--warehouse"
        ) from error


def _patiently(attempt: Callable[[], _Got], wait: float, say: Say) -> _Got:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            return attempt()
        except WarehouseBusy as busy:
            if time.monotonic() >= deadline:
                raise
            if not told:
                say(f"waiting: {busy}")
                told = True
            time.sleep(_PAUSE)


def _take(lock: TextIO, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WarehouseBusy(f"{path} is being loaded by {_holder(lock)}") from None
    lock.truncate(0)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, lock)
    lock.flush()


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    try:
        holder = json.loads(lock.read())
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError):  # it took the lock a moment ago and has not said its name yet
        return "another process"
