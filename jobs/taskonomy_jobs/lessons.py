"""What a pack learns from: its target's examples, and what its networks see of them.

For a network of its own encoder, or from scratch, that is the images. For transfers it is the
representations of every source that any trial of the pack reads, looked up by view.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from taskonomy_catalogue.records import BestGuess
from taskonomy_catalogue.trials import SourceEncoder, Trial, TrialData, TrialTask
from taskonomy_jobs.batches import Batch, Feed, Shelf, is_fixed
from taskonomy_jobs.checkpoint import read_weights
from taskonomy_jobs.data.examples import Examples, Part, Statistics, open_examples, statistics
from taskonomy_jobs.data.mirroring import Mirror, mirror_of
from taskonomy_jobs.data.skips import Skips, deep_check
from taskonomy_jobs.evaluation import spread
from taskonomy_jobs.folders import WEIGHTS_FILE
from taskonomy_jobs.job import Job
from taskonomy_jobs.model.networks import create_source_encoder
from taskonomy_jobs.representations import (
    About,
    Frozen,
    Store,
    fill,
    image_task,
    normalise,
    stores,
    variant_of,
)
from taskonomy_jobs.students import IMAGES, Inputs

REPRESENTATIONS = "representations"
"""Folder of the artifact root that representations are kept in."""


PARTS: tuple[Part, Part, Part] = ("train", "val", "test")
Shelves = tuple[Shelf, Shelf, Shelf]
"""Of the train, validation and test part."""
Sight = Callable[[Batch], Inputs]
"""Returns what networks see of a batch, on the device."""
Normalisation = Callable[[Trial], tuple[Tensor, Tensor] | None]
"""Returns mean and standard deviation of a transfer's representations, float32 (8k,) each."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """The examples of one target, in the three parts of a split."""

    train: Feed
    """What is learnt from."""
    val: Feed
    """What early stopping looks at."""
    test: Feed
    """What networks are judged by."""
    statistics: Statistics
    """Of the training labels."""
    inputs: Sight
    """What networks see of a batch."""
    normalisation: Normalisation
    """What the representations they see are normalised with."""


def open_lesson(trials: Sequence[Trial], job: Job) -> Lesson:
    """Open what the trials of one pack learn from; computes representations that are missing.

    Raises:
        NotFound: the data set, its split or all files of the target are missing.
        NotYet: the weights of a source are.
        TooManyUnreadable: too much of the data set is damaged.
        SettingRefused: examples are to be mirrored whose labels cannot be.
        Stopped: the job was told to stop meanwhile.
    """
    first = trials[0]
    size = first.model.image_size
    known = statistics(_opened(job, first.data, first.target, size, "train"))
    mirror = mirror_of(first.target, known) if first.flip else None
    images = first.kind != "transfer"
    train, val, test = _shelves(job, first.data, first.target, size, images, mirror)
    sight: Sight = _images
    normalisation: Normalisation = _none
    if first.kind == "transfer":
        frozen = _encoders(trials, job)
        chosen = [(train, range(len(train))), (test, range(len(test))), (val, spread(len(val)))]
        fill(frozen, chosen, job.stop.obey)
        normalise(frozen, lambda: _clean_images(job, first.data, size))
        of_task = {each.source.task: each.seen for each in frozen}
        sight = partial(_looked_up, of_task, job.gang.device)
        normalisation = partial(_normalisation, {each.source.task: each.clean for each in frozen})
    return _lesson((train, val, test), job, known, sight, normalisation)


def open_labels(guess: BestGuess, job: Job) -> Lesson:
    """Open what a best guess is made from and judged by: labels, whatever the images."""
    known = statistics(_opened(job, guess.data, guess.target, guess.image_size, "train"))
    shelves = _shelves(job, guess.data, guess.target, guess.image_size, images=False)
    return _lesson(shelves, job, known, lambda _: {}, _none)


def _lesson(
    shelves: Shelves, job: Job, known: Statistics, sight: Sight, normalisation: Normalisation
) -> Lesson:
    train, val, test = (Feed(shelf, job.decoders) for shelf in shelves)
    return Lesson(train, val, test, known, sight, normalisation)


# --- examples ----------------------------------------------------------------------------------


def _shelves(
    job: Job,
    data: TrialData,
    target: TrialTask,
    size: int,
    images: bool,
    mirror: Mirror | None = None,
) -> Shelves:
    """Open the three parts; the training examples may be mirrored, no other is."""
    opened = [_opened(job, data, target, size, part) for part in PARTS]
    skips = _skips(job, data, sum(map(len, opened)))
    fixed = is_fixed(target, images=images)
    train, val, test = (
        Shelf(examples, skips, images=images, fixed=fixed, memory=job.memory, mirror=of_part)
        for examples, of_part in zip(opened, (mirror, None, None), strict=True)
    )
    return train, val, test


def _opened(job: Job, data: TrialData, target: TrialTask, size: int, part: Part) -> Examples:
    return open_examples(job.launch.dataset, data, target, size, part)


def _clean_images(job: Job, data: TrialData, size: int) -> Shelf:
    """Open the images of the whole train part, whatever the fraction that is learnt from.

    How many may be damaged follows from all parts, as where a network of these images is trained.
    """
    whole = data.model_copy(update={"fraction": 1.0})
    train, val, test = (_opened(job, whole, image_task(), size, part) for part in PARTS)
    skips = _skips(job, data, len(train) + len(val) + len(test))
    return Shelf(train, skips, images=False, fixed=True, memory=job.memory)


def _skips(job: Job, data: TrialData, examples: int) -> Skips:
    return Skips(examples, deep_check(job.launch.dataset, data))


# --- what is seen of them ----------------------------------------------------------------------


def _images(batch: Batch) -> Inputs:
    if batch.images is None:
        raise ValueError("the images of this batch were left out")
    return {IMAGES: batch.images}


def _looked_up(stores_: dict[str, Store], device: torch.device, batch: Batch) -> Inputs:
    return {
        task: torch.from_numpy(store.gather(batch.views)).to(device).float()
        for task, store in stores_.items()
    }


def _none(trial: Trial) -> None:
    del trial


def _normalisation(clean: dict[str, Store], trial: Trial) -> tuple[Tensor, Tensor] | None:
    found = [clean[task].normalisation for task in trial.sources]
    there = [pair for pair in found if pair is not None]
    if len(there) < len(found):
        raise ValueError("a source has no normalisation yet")
    return torch.cat([mean for mean, _ in there]), torch.cat([std for _, std in there])


# --- frozen encoders ---------------------------------------------------------------------------


def _encoders(trials: Sequence[Trial], job: Job) -> list[Frozen]:
    first = trials[0]
    size = first.model.image_size
    about = About(first.data, size, _views_digest(job, first.data, size))
    sources = {source.task: source for trial in trials for source in trial.encoders}
    root = job.artifacts / REPRESENTATIONS
    frozen = []
    for source in sources.values():
        clean, seen = stores(root, source, about, variant_of(first.target))
        make = partial(_encoder, source, first, job)
        frozen.append(Frozen(source, clean, seen, make, job.gang.device))
    return frozen


def _encoder(source: SourceEncoder, trial: Trial, job: Job) -> nn.Module:
    network = create_source_encoder(source, trial.model)
    if source.is_trained:
        network.load_state_dict(read_weights(job.artifacts / source.digest / WEIGHTS_FILE).encoder)
    return network


def _views_digest(job: Job, data: TrialData, size: int) -> str:
    """Return a digest of which image each row of the data set's table of views stands for."""
    digest = hashlib.sha256()
    whole = data.model_copy(update={"fraction": 1.0})
    for part in PARTS:
        examples = _opened(job, whole, image_task(), size, part)
        digest.update(examples.ids.tobytes() + examples.views.tobytes())
    return digest.hexdigest()
