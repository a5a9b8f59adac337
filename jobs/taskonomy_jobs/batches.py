"""From examples to batches of tensors, decoded ahead of the step that wants them.

`Shelf` hands out single examples and keeps what need not be decoded twice; `Feed` puts a worker's
share of each batch together; `Feed.ahead` does so in threads while the network computes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskonomy_catalogue.launch import SkippedImages, emit
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.custom import plugin
from taskonomy_jobs.data.examples import Example, Examples
from taskonomy_jobs.data.mirroring import Mirror, is_mirrored
from taskonomy_jobs.data.skips import Skips, Unreadable
from taskonomy_jobs.sampling import Slots

AHEAD = 2
"""Batches that are decoded before they are wanted, besides one a thread."""
EVALUATION_DRAW = 0
"""Key of random choices outside training: the same noise for every network that is compared."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples side by side; B of them."""

    ids: NDArray[np.uint64]
    """(B,): ids of the examples."""
    views: NDArray[np.int64]
    """(B, n): rows of their views, to look representations up."""
    images: Tensor | None
    """float32 (B, n, 3, H, W), as the task's network sees them; None if nobody looks at them."""
    target: Tensor
    """(B, …), as `Example.target`."""
    mask: Tensor | None
    """float32 (B, 1, H, W), or None: all valid."""

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> "Batch":
        return Batch(
            self.ids[part],
            self.views[part],
            None if self.images is None else self.images[part],
            self.target[part],
            None if self.mask is None else self.mask[part],
        )

    def to(self, device: torch.device) -> "Batch":
        """Return it on a device."""
        if device.type == "cpu":
            return self
        return replace(
            self,
            images=None if self.images is None else _moved(self.images, device),
            target=_moved(self.target, device),
            mask=None if self.mask is None else _moved(self.mask, device),
        )


@dataclass(slots=True)
class Memory:
    """Bytes that all shelves of a process may keep together."""

    left: int
    """Bytes not taken yet."""

    def takes(self, example: Example) -> bool:
        """Return whether an example still fits, and count it."""
        mask = 0 if example.mask is None else example.mask.nbytes
        size = example.images.nbytes + example.target.nbytes + mask
        if size > self.left:
            return False
        self.left -= size
        return True


class Shelf:
    """Examples of one task and part; what need not be decoded twice is kept, up to a size."""

    def __init__(
        self,
        examples: Examples,
        skips: Skips,
        *,
        images: bool,
        fixed: bool,
        memory: Memory,
        mirror: Mirror | None = None,
    ) -> None:
        """Hand out examples.

        Args:
            examples: the examples.
            skips: told of those that cannot be read.
            images: whether anybody looks at the images; else only targets are kept.
            fixed: whether every draw of an example is the same (`is_fixed`).
            memory: what may be kept.
            mirror: mirrors an example, as half of the draws ask; None: none is mirrored.
        """
        self.examples, self.skips, self.images, self._fixed = examples, skips, images, fixed
        self._memory, self._mirror = memory, mirror
        self._kept: dict[int, Example] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def example(self, index: int, draw: int = EVALUATION_DRAW) -> Example:
        """Return an example; its images may be empty if nobody looks at them.

        Raises:
            Unreadable: a file of it is damaged.
        """
        example = self._unmirrored(index, EVALUATION_DRAW if self._fixed else draw)
        return self._mirror(example) if self._mirror and is_mirrored(draw) else example

    def _unmirrored(self, index: int, draw: int) -> Example:
        kept = self._kept.get(index) if draw == EVALUATION_DRAW else None
        return kept or self.whole(index, draw)

    def whole(self, index: int, draw: int = EVALUATION_DRAW) -> Example:
        """Return an example with its images, decoded now.

        Raises:
            Unreadable: a file of it is damaged.
        """
        example = self.examples.example(index, draw)
        if draw == EVALUATION_DRAW and index not in self._kept:
            slim = example if self.images else replace(example, images=_NO_IMAGES)
            if self._memory.takes(slim):
                self._kept[index] = slim
        return example

    def unreadable(self, error: Unreadable) -> None:
        """Count an example that cannot be read, and say so the first time.

        Raises:
            TooManyUnreadable: there are too many of them.
        """
        if self.skips.add(error):
            emit(SkippedImages(count=self.skips.count, first=self.skips.first or ""))


def is_fixed(task: TrialTask, *, images: bool) -> bool:
    """Return whether an example is decoded to the same at every draw, so that once is enough.

    Args:
        task: what is learnt.
        images: whether the network looks at the images themselves, whose noise and tiles are drawn
            anew; representations are of the images of draw 0.
    """
    drawn = images and task.id in ("denoising", "jigsaw")
    return not drawn and task.output.kind != "embedding" and plugin(task.id).decode is None


class Feed:
    """A task's examples of one part, as batches."""

    def __init__(self, shelf: Shelf, decoders: int = 1) -> None:
        self.shelf, self._decoders = shelf, decoders

    def __len__(self) -> int:
        return len(self.shelf)

    def batch(self, slots: Slots) -> Batch | None:
        """Return a batch for training; None for no slots.

        The next readable example stands in for an unreadable one, so that batches stay whole.

        Raises:
            TooManyUnreadable: there are too many of them.
        """
        pairs = zip(slots.indices.tolist(), slots.draws.tolist(), strict=True)
        return self._collated([self._nearest(index, draw) for index, draw in pairs])

    def readable(self, indices: Sequence[int]) -> tuple[list[int], Batch | None]:
        """Return the indices of those examples that can be read, and them; for evaluation."""
        found: list[tuple[int, Example]] = []
        for index in indices:
            try:
                found.append((index, self.shelf.example(index)))
            except Unreadable as error:
                self.shelf.unreadable(error)
        return [index for index, _ in found], self._collated(found) if found else None

    def ahead(self, plan: Iterable[Slots]) -> Iterator[Batch | None]:
        """Yield the batch of each of the slots, the next ones being decoded meanwhile."""
        yield from _ahead(plan, self.batch, self._decoders)

    def readable_ahead(
        self, indices: Sequence[int], size: int
    ) -> Iterator[tuple[list[int], Batch | None]]:
        """Yield `readable` of consecutive parts of the indices, decoded ahead."""
        parts = (indices[start : start + size] for start in range(0, len(indices), size))
        yield from _ahead(parts, self.readable, self._decoders)

    def _nearest(self, index: int, draw: int) -> tuple[int, Example]:
        for step in range(len(self.shelf)):
            place = (index + step) % len(self.shelf)
            try:
                return place, self.shelf.example(place, draw)
            except Unreadable as error:
                self.shelf.unreadable(error)
        raise AssertionError("the share of unreadable examples is bounded")

    def _collated(self, found: Sequence[tuple[int, Example]]) -> Batch | None:
        if not found:
            return None
        examples = [example for _, example in found]
        images = self.shelf.images
        return Batch(
            ids=np.array([example.example_id for example in examples], np.uint64),
            views=self.shelf.examples.views[[index for index, _ in found]],
            images=_stacked([e.images for e in examples]) if images else None,
            target=_stacked([e.target for e in examples]),
            mask=_masks(examples),
        )


Wanted = TypeVar("Wanted")
Decoded = TypeVar("Decoded")


def _ahead(
    plan: Iterable[Wanted], decode: Callable[[Wanted], Decoded], decoders: int
) -> Iterator[Decoded]:
    """Yield what is decoded of each entry of a plan, in order, some entries ahead in threads."""
    with ThreadPoolExecutor(decoders, "decoder") as threads:
        waiting: deque[Future[Decoded]] = deque()
        try:
            for wanted in plan:
                waiting.append(threads.submit(decode, wanted))
                if len(waiting) > AHEAD + decoders:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


_NO_IMAGES: NDArray[Any] = np.empty(0, np.float32)


def _masks(examples: Sequence[Example]) -> Tensor | None:
    shape = next((e.mask.shape for e in examples if e.mask is not None), None)
    if shape is None:
        return None
    whole = np.ones(shape, np.float32)
    return _stacked([whole if e.mask is None else e.mask for e in examples])


def _stacked(arrays: Sequence[NDArray[Any]]) -> Tensor:
    stacked = torch.from_numpy(np.stack(arrays))
    return stacked.pin_memory() if torch.cuda.is_available() else stacked


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, non_blocking=True)
