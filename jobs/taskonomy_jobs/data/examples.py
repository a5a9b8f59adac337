"""Examples: one task, one part of one split, ready for a network.

`open_examples` finds the views that have every file the task needs and forms its pairs and
triplets; `Examples.example` reads one. Same files, same arguments, same `draw`: the same arrays.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from taskonomy_catalogue.trials import TrialData, TrialTask

Part = Literal["train", "val", "test"]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One input and what is to be predicted from it."""

    example_id: int
    """uint64, a hash of the views' names: the same on every machine; image_id of losses.parquet."""
    images: Array
    """float32 (n, 3, H, W) in [-1, 1], as this task's network sees them: noisy, blanked, grey, a
    pair, a triplet. Jigsaw: the nine tiles (9, 3, `inputs.tile_size(H)`, …)."""
    target: Array
    """image: float32 (C, H, W) standardised. class-map: int64 (H, W), or float32 (C, H/4, W/4)
    probabilities (colorization). vector: float32 (C,) standardised. classes: float32 (C,)
    probabilities. embedding: int64 (300, 2), row-major pixel index and segment number."""
    mask: Array | None
    """float32 (1, H, W), 1 where the target is valid; None: everywhere."""


class Examples(Protocol):
    """The examples of one task in one part of a split, by number."""

    ids: Array
    """uint64 (N,): `Example.example_id` of each."""
    views: Array
    """int64 (N, n): the images of each as rows of the data set's table of views (jigsaw: n = 1)."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def example(self, index: int, draw: int) -> Example:
        """Read one.

        Args:
            index: which, from 0.
            draw: 64-bit key of every random choice (noise, tiles, sampled pixels): the same key
                gives the same example. Evaluation uses 0.

        Raises:
            Unreadable: a file is missing, damaged or of another size.
        """
        ...


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of a task's training labels, all of them whatever fraction is learnt from."""

    count: int
    """Examples that it was computed from."""
    mean: Array | None = None
    """float32 (C,): what was subtracted from a vector before it became a target."""
    std: Array | None = None
    """float32 (C,): what it was divided by."""
    weights: Array | None = None
    """float32 (C,): weight of each class, 1 on average over the training pixels: rare ones weigh
    more. Semantic segmentation's balance, colorization's rarity."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        arrays = {name: getattr(self, name) for name in ("mean", "std", "weights")}
        return {
            "count": self.count,
            **{name: None if a is None else a.tolist() for name, a in arrays.items()},
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Statistics":
        """Return what `to_dict` wrote."""
        arrays = {
            name: None if content[name] is None else np.asarray(content[name], np.float32)
            for name in ("mean", "std", "weights")
        }
        return cls(count=int(content["count"]), **arrays)


def open_examples(
    dataset: str,
    data: "TrialData",
    task: "TrialTask",
    image_size: int,
    part: Part,
    *,
    fraction_seed: int = 0,
) -> Examples:
    """Return the examples of a task in a part of the data's split.

    Args:
        dataset: the data set's folder, or its ``file://`` URI.
        data: layout, split, and the fraction of the train views that is learnt from; validation
            and test are never reduced.
        task: what is predicted.
        image_size: side of the network's square input, pixels; labels are scaled to it.
        part: train, val or test.
        fraction_seed: another fraction of the same size. Smaller fractions lie inside larger ones
            of the same seed, and hold whole points, so that pairs and triplets stay together.

    Raises:
        NotFound: the folder, the split, or every file the task needs is missing.
        InputRefused: the split file is wrong.
        SettingRefused: the images are smaller than `image_size`.
    """
    from taskonomy_jobs.data.opening import opened

    return opened(dataset, data, task, image_size, part, fraction_seed)


def statistics(examples: Examples) -> Statistics:
    """Return the statistics of the task's training labels.

    They are of the whole train part, whatever part or fraction `examples` is, so that all networks
    of a target share one loss. Computed once and kept in the data set's cache folder.
    """
    from taskonomy_jobs.data.opening import statistics_of

    return statistics_of(examples)
