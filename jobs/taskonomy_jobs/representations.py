"""Representations of frozen encoders: computed once per image, kept on disk, shared by transfers.

Under ``<artifacts>/representations/<key>/``, the key naming encoder, data set, image size and
*variant* (whether the encoder sees clean, noisy or blanked images; section 3.2 of the paper: the
input is the target's):

- ``segment-*/``, each a set of images: ``rows.npy`` int64 (N,), ascending rows of the data set's
  table of views, and ``values.npy`` float16 (N, 8, 16, 16);
- ``normalisation.json``: mean and standard deviation of each of the 8 channels, over at most
  `NORMALISED_BY` training images spread over the whole train part, clean whatever the variant.

A segment or file is written elsewhere and renamed, so it is whole or not there. Who finds rows
missing computes them and adds a segment; a lock keeps two processes from doing the same work.
"""

import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import SourceEncoder, TrialData, TrialTask
from taskonomy_jobs.batches import Shelf
from taskonomy_jobs.data.inputs import grey
from taskonomy_jobs.data.skips import Unreadable
from taskonomy_jobs.folders import write_whole

NORMALISED_BY = 256
"""Training images that mean and standard deviation are taken of."""
CHUNK = 32
"""Images that go through an encoder together."""
SEGMENT = 8192
"""Images after which an encoder's work is stored, so that an end does not lose all of it."""
CLEAN = "clean"
SEEN_OTHERWISE = ("denoising", "in-painting", "colorization")
"""Targets whose network does not see the image as it is; their name is the variant's."""

Rows = NDArray[np.int64]
Images = NDArray[np.float32]


def variant_of(target: TrialTask) -> str:
    """Return what encoders see in a transfer to a target."""
    return target.id if target.id in SEEN_OTHERWISE else CLEAN


class Store:
    """The representations of one encoder's view of a data set, on disk."""

    def __init__(self, root: Path, about: Mapping[str, object]) -> None:
        text = json.dumps(about, sort_keys=True)
        self.folder = root / hashlib.sha256(text.encode()).hexdigest()
        self._about = text

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store, so that nobody else computes what we are about to; waits for them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "about.json").exists():
            write_whole(self.folder / "about.json", lambda path: path.write_text(self._about))
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refresh()
            yield

    def refresh(self) -> None:
        """See what others have added."""
        self.__dict__.pop("_segments", None)

    def missing(self, rows: Rows) -> Rows:
        """Return which of some rows are not there, ascending."""
        wanted = np.unique(rows)
        for segment in self._segments:
            wanted = np.setdiff1d(wanted, segment.rows, assume_unique=True)
        return wanted

    def add(self, rows: Rows, values: NDArray[np.float16]) -> None:
        """Add a segment; rows ascending, values (N, 8, 16, 16)."""
        name = f"segment-{rows[0]}-{rows[-1]}-{socket.gethostname()}-{os.getpid()}-{len(rows)}"
        temporary = self.folder / f".{name}"
        temporary.mkdir(exist_ok=True)
        try:
            np.save(temporary / "rows.npy", rows)
            np.save(temporary / "values.npy", values)
            temporary.replace(self.folder / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self.refresh()

    def gather(self, rows: Rows) -> NDArray[np.float16]:
        """Return the representations of some rows, (…rows' shape, 8, 16, 16).

        Raises:
            KeyError: a row is missing.
        """
        flat = rows.reshape(-1)
        first = next(iter(self._segments), None)
        if first is None:
            raise KeyError("nothing is stored")
        values = np.empty((len(flat), *first.values.shape[1:]), np.float16)
        unknown = np.ones(len(flat), bool)
        for segment in self._segments:
            places = np.searchsorted(segment.rows, flat).clip(max=len(segment.rows) - 1)
            here = unknown & (segment.rows[places] == flat)
            values[here] = segment.values[places[here]]
            unknown &= ~here
        if unknown.any():
            raise KeyError(f"view {flat[unknown][0]} has no representation")
        return values.reshape(*rows.shape, *values.shape[1:])

    @property
    def normalisation(self) -> tuple[Tensor, Tensor] | None:
        """Mean and standard deviation, float32 (8,) each; None if not there yet."""
        path = self.folder / "normalisation.json"
        if not path.exists():
            return None
        content = json.loads(path.read_text())
        return torch.tensor(content["mean"]), torch.tensor(content["std"])

    def set_normalisation(self, values: NDArray[np.float16]) -> None:
        """Take mean and standard deviation of representations (N, 8, 16, 16)."""
        wide = values.astype(np.float64)
        content = {"mean": wide.mean((0, 2, 3)).tolist(), "std": wide.std((0, 2, 3)).tolist()}
        write_whole(
            self.folder / "normalisation.json", lambda path: path.write_text(json.dumps(content))
        )

    @cached_property
    def _segments(self) -> list["_Segment"]:
        return [_Segment.opened(path) for path in sorted(self.folder.glob("segment-*"))]


@dataclass(frozen=True, slots=True)
class _Segment:
    rows: Rows
    values: NDArray[np.float16]

    @classmethod
    def opened(cls, folder: Path) -> "_Segment":
        return cls(np.load(folder / "rows.npy"), np.load(folder / "values.npy", mmap_mode="r"))


# --- computing them ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Frozen:
    """A source's encoder, where its representations are kept."""

    source: SourceEncoder
    """Which it is."""
    clean: Store
    """Representations of clean images, with the normalisation."""
    seen: Store
    """Representations of what the target lets it see; `clean` itself for most targets."""
    make: Callable[[], nn.Module]
    """Makes the network, trained weights and all; called only if something is missing."""
    device: torch.device
    """Where it computes."""

    @cached_property
    def network(self) -> nn.Module:
        """The encoder."""
        return self.make().to(self.device).to(memory_format=torch.channels_last)

    def represent(self, images: Images) -> NDArray[np.float16]:
        """Return the representations, (N, 8, 16, 16), of images (N, 3, S, S) in [-1, 1]."""
        if self.source.task == "colorization":
            images = np.stack([grey(image) for image in images])
        batch = torch.from_numpy(images).to(self.device)
        with torch.inference_mode():
            values = self.network(batch.contiguous(memory_format=torch.channels_last))
        # Beyond float16's range a representation is no better than at its edge.
        largest = float(np.finfo(np.float16).max)
        half: NDArray[np.float16] = values.float().clamp(-largest, largest).cpu().numpy()
        return half.astype(np.float16)


Chosen = tuple[Shelf, Sequence[int]]
"""Some of the examples on a shelf."""


def fill(
    encoders: Sequence[Frozen],
    chosen: Iterable[Chosen],
    interrupt: Callable[[], None] = lambda: None,
) -> None:
    """Compute the representations that are missing for some examples, and store them.

    An image is decoded once for all encoders; its label, decoded with it, stays on the shelf.

    Args:
        encoders: whose representations.
        chosen: the examples.
        interrupt: called now and then; may raise to end it. What is stored by then stays.
    """
    for shelf, indices in chosen:
        views = shelf.examples.views[np.asarray(indices, np.int64)]
        lacking = [frozen for frozen in encoders if len(frozen.seen.missing(views))]
        if lacking:
            with _all_locked(lacking):
                _fill(lacking, shelf, indices, interrupt)


def normalise(encoders: Sequence[Frozen], open_images: Callable[[], Shelf]) -> None:
    """Take the normalisation of every encoder that has none yet.

    Args:
        encoders: the encoders.
        open_images: opens the clean images of the whole train part.
    """
    lacking = [frozen for frozen in encoders if frozen.clean.normalisation is None]
    if not lacking:
        return
    images = open_images()
    chosen = np.unique(np.linspace(0, len(images) - 1, NORMALISED_BY).round().astype(int))
    found = [_seen(images, index) for index in chosen.tolist()]
    read = np.concatenate([each for each in found if len(each)])
    for frozen in lacking:
        with frozen.clean.locked():
            if frozen.clean.normalisation is None:
                values = [frozen.represent(part) for part in _chunks(read)]
                frozen.clean.set_normalisation(np.concatenate(values))


def image_task() -> TrialTask:
    """Return the task whose input is the image and nothing else is read for it."""
    return TrialTask.of(paper_dictionary()["autoencoding"])


def stores(root: Path, source: SourceEncoder, about: "About", variant: str) -> tuple[Store, Store]:
    """Return where an encoder's representations of clean images, and of a variant, are kept."""
    clean = Store(root, about.key(source, CLEAN))
    return clean, clean if variant == CLEAN else Store(root, about.key(source, variant))


@dataclass(frozen=True, slots=True)
class About:
    """What representations depend on beside encoder and variant."""

    data: TrialData
    """The data set; neither split nor fraction matter."""
    image_size: int
    """Side of the images."""
    views: str
    """Digest of the data set's table of views, whose rows are stored."""

    def key(self, source: SourceEncoder, variant: str) -> dict[str, Any]:
        """Return what names a store."""
        return {
            "encoder": source.digest,
            # A trained encoder's digest says that it sees grey images; one from elsewhere may not.
            "task": source.task,
            "identity": self.data.identity,
            "layout": self.data.layout,
            "image_size": self.image_size,
            "views": self.views,
            "variant": variant,
        }


@contextmanager
def _all_locked(encoders: Sequence[Frozen]) -> Iterator[None]:
    """Hold all stores, always in the same order, so that nobody waits in a circle."""
    with ExitStack() as held:
        for frozen in sorted(encoders, key=lambda frozen: frozen.seen.folder):
            held.enter_context(frozen.seen.locked())
        yield


def _fill(
    encoders: Sequence[Frozen],
    shelf: Shelf,
    indices: Sequence[int],
    interrupt: Callable[[], None],
) -> None:
    views = shelf.examples.views[np.asarray(indices, np.int64)]
    desks = [_Desk(frozen, set(frozen.seen.missing(views).tolist())) for frozen in encoders]
    wanted = set().union(*(desk.missing for desk in desks))
    try:
        for rows, images in _images_of(shelf, indices, wanted):
            interrupt()
            for desk in desks:
                desk.represent(rows, images)
    finally:
        for desk in desks:
            desk.store()


class _Desk:
    """One encoder at work on what its store is missing."""

    def __init__(self, frozen: Frozen, missing: set[int]) -> None:
        self.missing = missing
        self._frozen = frozen
        self._computed: dict[int, NDArray[np.float16]] = {}

    def represent(self, rows: Sequence[int], images: Images) -> None:
        mine = [place for place, row in enumerate(rows) if row in self.missing]
        if mine:
            found = self._frozen.represent(images[mine])
            self._computed.update(zip([rows[place] for place in mine], found, strict=True))
        if len(self._computed) >= SEGMENT:
            self.store()

    def store(self) -> None:
        if self._computed:
            rows = np.array(sorted(self._computed), np.int64)
            self._frozen.seen.add(rows, np.stack([self._computed[int(row)] for row in rows]))
            self._computed.clear()


def _images_of(
    shelf: Shelf, indices: Sequence[int], wanted: set[int]
) -> Iterator[tuple[list[int], Images]]:
    """Yield rows and images, each wanted row once, in chunks; unreadable ones are left out."""
    left = set(wanted)
    rows: list[int] = []
    images: list[Images] = []
    for index in indices:
        of_example = shelf.examples.views[index].tolist()
        if not left.intersection(of_example):
            continue
        for row, image in zip(of_example, _seen(shelf, index), strict=False):
            if row in left:
                left.discard(row)
                rows.append(row)
                images.append(image)
        if len(rows) >= CHUNK:
            yield rows, np.stack(images)
            rows, images = [], []
    if rows:
        yield rows, np.stack(images)


def _seen(shelf: Shelf, index: int) -> Images:
    """Return the images of an example (n, 3, S, S), none if it cannot be read."""
    try:
        images: Images = shelf.whole(index).images
    except Unreadable as error:
        shelf.unreadable(error)
        return np.empty((0, 3, 1, 1), np.float32)
    return images


def _chunks(images: Images) -> Iterator[Images]:
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK]
