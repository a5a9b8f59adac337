"""A trial's journal: what is logged and not yet at the server, as JSON lines in a file.

The file is a queue: `append` at its end, `read` from its front, `acknowledge` what was delivered.
An empty file is removed when the journal is closed, so what is left behind is what is owed. One
process at a time owns a journal, by a lock that ends with the process. Lines that a killed process
left are read before any that are added.

A line has a field ``event``: ``run`` (a `Description`: the lines that follow are of that run),
``metrics``, ``image``, ``finished`` or ``failed``. Pictures lie beside the file, in a folder of its
name, until they are sent.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from taskonomy_catalogue.launch import TRACKING_BUFFER

PICTURES = TRACKING_BUFFER.removesuffix(".jsonl")
"""Folder of the pictures that a journal names."""

Line = dict[str, Any]

_CHUNK = 4 << 20
"""Bytes read at once; no line is longer."""


class Busy(Exception):
    """Another process owns the journal."""


class Journal:
    """The journal in one trial's folder. Appending and reading may be two threads' work.

    Args:
        folder: the trial's folder; made if it is not there.
        header: the ``run`` line that has to precede what is appended; None for one that is only
            read.

    Raises:
        Busy: another process owns it.
        OSError: the folder or the file cannot be made.
    """

    def __init__(self, folder: Path, header: Line | None = None) -> None:
        self.folder = folder
        self._header = header
        self._is_headed = False
        self._lock = Lock()
        if header is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = _owned(folder / TRACKING_BUFFER)
        self._size = _whole_lines(self._file)
        self._delivered = 0
        self._ahead = 0

    @property
    def is_empty(self) -> bool:
        """Whether all of it is delivered."""
        with self._lock:
            return self._delivered == self._size

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines at the end, after the header where it is missing.

        Args:
            lines: what to write.

        Raises:
            OSError: nothing of it was written, as far as `read` is concerned.
        """
        with self._lock:
            heading = [] if self._is_headed or self._header is None else [self._header]
            text = b"".join(_encoded(line) for line in [*heading, *lines])
            written = 0
            while written < len(text):
                written += os.pwrite(self._file.fileno(), text[written:], self._size + written)
            self._is_headed = True
            self._size += len(text)

    def sync(self) -> None:
        """Wait until the disk has all of it."""
        os.fsync(self._file.fileno())

    def read(self, limit: int) -> list[Line]:
        """Return the lines at the front, at most `limit`; a damaged one is passed over."""
        with self._lock:
            there = min(self._size - self._delivered, _CHUNK)
            content = os.pread(self._file.fileno(), there, self._delivered)
            whole = content.splitlines(keepends=True)[:limit]
            if whole and not whole[-1].endswith(b"\n"):
                whole.pop()
            self._ahead = self._delivered + sum(map(len, whole))
            return [line for text in whole if (line := _decoded(text)) is not None]

    def acknowledge(self) -> None:
        """Let go of what `read` returned last."""
        with self._lock:
            self._delivered = self._ahead
            if self._delivered == self._size:
                self._file.truncate(0)
                self._delivered = self._ahead = self._size = 0
                self._is_headed = False

    def close(self) -> None:
        """Give the journal up, and remove it if all of it is delivered."""
        with self._lock:
            if self._delivered == self._size:
                with suppress(OSError):
                    (self.folder / TRACKING_BUFFER).unlink()
                with suppress(OSError):  # it holds pictures, or was never made
                    (self.folder / PICTURES).rmdir()
            self._file.close()


def _owned(path: Path) -> BinaryIO:
    """Open a file that no other process owns, and own it until it is closed."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise Busy(str(path)) from error
        except OSError:
            pass  # a file system without locks: trials are started once at a time anyway
        try:
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        except FileNotFoundError:
            pass
        file.close()  # its owner removed it while we opened it


def _whole_lines(file: BinaryIO) -> int:
    """Cut what a killed process wrote of its last line; return the size that is left."""
    content = file.read()
    size = content.rfind(b"\n") + 1
    if size < len(content):
        file.truncate(size)
    return size


def _encoded(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _decoded(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "event" in line else None
