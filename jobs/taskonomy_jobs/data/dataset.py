"""A data set opened: its index, its decoded images kept in memory, its cameras.

One `DataSet` a process and folder, shared by all tasks, so that an image that several tasks read is
decoded once. Decoded images are kept first come, first kept, up to `MEMORY_MIB`: training visits
every image equally often, so throwing one out to keep another would gain nothing.
"""

import os
from collections import Counter, deque
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock, local
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_jobs.data import files
from taskonomy_jobs.data.cameras import Cameras
from taskonomy_jobs.data.index import Index
from taskonomy_jobs.data.layout import DEPTH_INVALID, DOMAINS, ZBUFFER_INVALID_FROM, Layout, Pixels
from taskonomy_jobs.data.resizing import area, nearest, valid_area
from taskonomy_jobs.data.skips import Unreadable

Array = np.ndarray[Any, Any]
_Key = tuple[str, Pixels, int, int]

MEMORY_VARIABLE = "TASKONOMY_MEMORY_MIB"
MEMORY_MIB = 512
"""Decoded images that a process keeps, MiB; `MEMORY_VARIABLE` says otherwise."""
MOST_DIGITS = 9
"""Of that number: a million times a machine's memory is a slip of the keyboard."""
RECENT = 4
"""Images that each thread keeps besides, for the example it is at: image, label and mask."""
LOOKED_AT = 15
"""Images, evenly spread, whose header is read to find the data set's image size."""

_LOG_DEPTH = (np.log1p(np.arange(65_536)) / np.log(2.0**16)).astype(np.float32)
"""By stored depth: log(1 + v) / log(2^16), in [0, 1]."""
_INVALID_FROM = {"depth_zbuffer": ZBUFFER_INVALID_FROM, "depth_euclidean": DEPTH_INVALID}
_VALID_LOG_DEPTH = {
    domain: np.where(np.arange(65_536) < invalid, _LOG_DEPTH, np.float32(0))
    for domain, invalid in _INVALID_FROM.items()
}
"""The same, and 0 where it is invalid."""


class _Last(local):
    """What each thread decoded last: one example reads an image twice, its mask and its label."""

    def __init__(self) -> None:
        self.few: deque[tuple[_Key, Array]] = deque(maxlen=RECENT)


class DataSet:
    """The files of a data set as arrays."""

    def __init__(self, root: Path, layout: Layout) -> None:
        self.root, self.layout = root, layout
        self.index = Index(root, layout)
        self.cameras = Cameras(self.index)
        self._kept: dict[_Key, Array] = {}
        self._left = memory_mib() << 20
        self._lock = Lock()
        self._last = _Last()

    @cached_property
    def side(self) -> int:
        """Height and width of the data set's images: what most of a few RGB images have.

        Raises:
            NotFound: none of them can be read, or none is square.
        """
        sides: Counter[int] = Counter()
        last: Unreadable | None = None
        few = np.linspace(0, len(self.index) - 1, min(len(self.index), LOOKED_AT)).astype(int)
        for path in (self.index.path("rgb", int(row)) for row in few):
            try:
                width, height = files.image_size(path)
            except Unreadable as error:
                last = error
                continue
            if width == height:
                sides[width] += 1
            else:
                last = Unreadable(path, f"is {width}×{height}, not square")
        if not sides:
            raise NotFound(f"{self.root}: no RGB image can be read; {last or 'there is none'}")
        return sides.most_common(1)[0][0]

    def check_size(self, size: int) -> None:
        """Make sure that images need not be enlarged.

        Raises:
            SettingRefused: they are smaller than `size`.
        """
        if size > self.side:
            raise SettingRefused(
                f"model.imageSize is {size}, but the images of {self.root} are {self.side} pixels "
                f"wide; set it to {self.side} or less"
            )

    def rgb(self, row: int, size: int) -> Array:
        """Return float32 (3, size, size) in [-1, 1]."""
        return scaled_colour(self.stored("rgb", row, size))

    def stored(self, domain: str, row: int, size: int, pixels: Pixels | None = None) -> Array:
        """Return a view's image in stored units, scaled to `size`; kept in memory if it fits.

        Args:
            domain: which.
            row: of the view.
            size: side of the result in pixels.
            pixels: what a domain of a user's own holds; the data set's are known.

        Returns:
            colour: uint8 (3, size, size). response: (size, size), uint16, or float32 where it was
            scaled. ids: unsigned whole numbers (size, size). depth: uint16 (size, size), or
            where it was scaled float32, the logarithm of `depth`, NaN where it is invalid.

        Raises:
            Unreadable: the file is missing, damaged or of another size than the data set's images.
        """
        kind = (DOMAINS[domain].pixels if domain in DOMAINS else pixels) or "ids"
        key = (domain, kind, row, size)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._recent(key)
        if kept is None:
            kept = self._decoded(domain, row, size, kind)
            kept.flags.writeable = False
            self._keep(key, kept)
        return kept

    def _recent(self, key: _Key) -> Array | None:
        for known, values in self._last.few:
            if known == key:
                return values
        return None

    def depth(self, domain: str, row: int, size: int) -> tuple[Array, Array]:
        """Return a view's depth as the networks learn it.

        Returns:
            float32 (size, size): log(1 + v) / log(2^16) of the stored v, 0 where invalid; and
            bool (size, size), where it is valid. Scaled down, it is the mean of the logarithms.
        """
        stored, valid = self.stored(domain, row, size), self.valid(domain, row, size)
        if stored.dtype == np.uint16:
            return _VALID_LOG_DEPTH[domain].take(stored), valid
        return np.where(valid, stored, np.float32(0)), valid

    def valid(self, domain: str, row: int, size: int) -> Array:
        """Return where a view's depth is valid, bool (size, size)."""
        stored = self.stored(domain, row, size)
        if stored.dtype == np.uint16:
            return np.asarray(stored < _INVALID_FROM[domain])
        return ~np.isnan(stored)

    def _decoded(self, domain: str, row: int, size: int, pixels: Pixels) -> Array:
        values = files.image(self.index.place(domain, row), pixels, self.side, size)
        if values.shape[-1] == size:
            return values
        if pixels == "ids":
            return np.ascontiguousarray(nearest(values, size))
        if pixels == "response":
            return area(values, size)
        logs, valid = valid_area(_LOG_DEPTH.take(values), values < _INVALID_FROM[domain], size)
        return np.where(valid, logs, np.float32(np.nan))

    def _keep(self, key: _Key, values: Array) -> None:
        self._last.few.append((key, values))
        if values.nbytes > self._left:
            return
        with self._lock:
            if key not in self._kept and values.nbytes <= self._left:
                self._kept[key] = values
                self._left -= values.nbytes


def scaled_colour(stored: Array) -> Array:
    """Return 8-bit values as float32 in [-1, 1], full range."""
    scaled = stored.astype(np.float32)
    scaled /= np.float32(127.5)
    scaled -= np.float32(1)
    return scaled


def memory_mib(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many MiB of decoded images a process keeps.

    Raises:
        SettingRefused: the variable is no whole number from 0.
    """
    text = environment.get(MEMORY_VARIABLE, "").strip() or str(MEMORY_MIB)
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise SettingRefused(f"{MEMORY_VARIABLE} is {text!r}; write a whole number of MiB from 0")
    return int(text)


@lru_cache(maxsize=4)
def open_dataset(dataset: str, layout: Layout) -> DataSet:
    """Return the data set at a place: a folder or its ``file://`` URI.

    Raises:
        NotFound: it is not there, or holds nothing in this layout.
    """
    return DataSet(local_folder(dataset), layout)


def local_folder(dataset: str) -> Path:
    """Return the local folder that a place means.

    Raises:
        NotFound: it is elsewhere, or not there.
    """
    parts = urlsplit(dataset)
    if parts.scheme not in ("", "file"):
        raise NotFound(f"{dataset}: only local folders can be read; mount it and name the folder")
    root = Path(unquote(parts.path)) if parts.scheme else Path(dataset)
    if not root.is_dir():
        raise NotFound(f"{root}: there is no such folder; data.dataset names the data set's folder")
    return root
