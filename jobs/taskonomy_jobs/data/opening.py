"""Behind `examples.open_examples`: which views have a task's labels, and one example read."""

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.trials import TrialData, TrialTask
from taskonomy_jobs.data.dataset import DataSet, open_dataset
from taskonomy_jobs.data.encodings import MASKS, Encoding, Label, Source, encoding
from taskonomy_jobs.data.examples import Example, Part, Statistics
from taskonomy_jobs.data.poses import POSE_TASKS, PoseTask, labelled, raw_vectors
from taskonomy_jobs.data.skips import Skips, Unreadable, deep_check
from taskonomy_jobs.data.splits import Split, read_split
from taskonomy_jobs.data.statistics import kept_statistics
from taskonomy_jobs.data.tuples import Tuples, fraction, singles

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What `open_examples` was asked for."""

    data: DataSet
    trial_data: TrialData
    split: Split
    task: TrialTask
    size: int
    part: Part
    seed: int


class TaskExamples(ABC):
    """The examples of one task in one part of a split."""

    def __init__(self, request: Request, tuples: Tuples, mask_domain: str | None) -> None:
        self.request = request
        self.tuples = tuples
        self.ids, self.views = tuples.ids, tuples.views
        self.mask_domain = mask_domain
        """Domain that tells which pixels have geometry; None: the task needs none."""
        self.left_out = 0
        """Views of the part that lack a file or field the task needs."""

    def __len__(self) -> int:
        return len(self.ids)

    @abstractmethod
    def example(self, index: int, draw: int) -> Example:
        """Read one, as `examples.Examples.example` says."""

    def _images(self, index: int) -> list[Array]:
        request = self.request
        return [request.data.rgb(int(row), request.size) for row in self.views[index]]


class PoseExamples(TaskExamples):
    """Examples of a task of cameras: images as they are, labels computed beforehand."""

    def __init__(self, request: Request, tuples: Tuples, raw: Array) -> None:
        super().__init__(request, tuples, None)
        self.raw = raw
        """float64 (N, C): labels in metres and radians; NaN of damaged files."""
        self._targets: Array | None = None

    def example(self, index: int, draw: int) -> Example:  # noqa: ARG002 - nothing is drawn
        """Read one."""
        if self._targets is None:
            known = statistics_of(self)
            self._targets = ((self.raw - known.mean) / known.std).astype(np.float32)
        if np.isnan(self._targets[index]).any():
            raise self._damaged(index)
        images = np.stack(self._images(index))
        return Example(int(self.ids[index]), images, self._targets[index], None)

    def _damaged(self, index: int) -> Unreadable:
        data = self.request.data
        table = data.cameras.table(self.views[index])
        wrong = np.isnan(table.location).any(1) | np.isnan(table.rotation).any(1)
        return data.cameras.why(int(self.views[index][int(np.argmax(wrong))]))


class ImageExamples(TaskExamples):
    """Examples of a task of single images: the label decoded with the image."""

    def __init__(
        self, request: Request, tuples: Tuples, mask_domain: str | None, how: Encoding
    ) -> None:
        super().__init__(request, tuples, mask_domain)
        self._how = how
        self._known: Statistics | None = None

    def example(self, index: int, draw: int) -> Example:
        """Read one."""
        request = self.request
        image = request.data.rgb(int(self.views[index, 0]), request.size)
        source = self._source(index, draw, image)
        seen = self._how.see(image, source) if self._how.see else image
        target, mask = self._label(source)
        if self.request.task.output.kind == "vector":
            self._known = self._known or statistics_of(self)
            target = ((target - self._known.mean) / self._known.std).astype(np.float32)
        return Example(source.key, seen if seen.ndim == 4 else seen[None], target, mask)

    def label(self, index: int, draw: int) -> Label:
        """Return target and mask of one, a vector not yet standardised."""
        return self._label(self._source(index, draw))

    def _label(self, source: Source) -> Label:
        target, mask = self._how.label(source)
        self._check(target)
        if self._how.masked and mask is None and self.request.task.output.kind != "embedding":
            mask = self._geometry(source)
        return target, mask

    def _geometry(self, source: Source) -> Array | None:
        if self.mask_domain is None:
            return None
        valid = source.data.valid(self.mask_domain, source.row, source.size)
        return valid[None].astype(np.float32)

    def _source(self, index: int, draw: int, decoded: Array | None = None) -> Source:
        asked, row, key = self.request, int(self.views[index, 0]), int(self.ids[index])
        return Source(asked.data, asked.task, row, asked.size, draw, key, self.mask_domain, decoded)

    def _check(self, target: Array) -> None:
        task = self.request.task
        if task.output.kind == "image" and target.shape[0] != task.output.channels:
            raise SettingRefused(
                f"task {task.id!r}: output.channels is {task.output.channels}, but labels in "
                f"folder {task.folder!r} have {target.shape[0]}; write {target.shape[0]}"
            )


def opened(
    dataset: str, data: TrialData, task: TrialTask, size: int, part: Part, seed: int
) -> TaskExamples:
    """Return the examples, as `examples.open_examples` says."""
    content = open_dataset(dataset, data.layout)
    content.check_size(size)
    split = read_split(content.root, data.splits)
    return found(Request(content, data, split, task, size, part, seed))


def statistics_of(examples: object) -> Statistics:
    """Return the statistics of the task, as `examples.statistics` says."""
    if not isinstance(examples, TaskExamples):
        raise TypeError(f"{type(examples).__name__} did not come from open_examples")
    request = examples.request
    whole = request.trial_data.model_copy(update={"fraction": 1.0})
    training = replace(request, part="train", trial_data=whole, seed=0)
    return kept_statistics(training, lambda: found(training), lambda: _skips(training))


def _skips(request: Request) -> Skips:
    """Return a counter of damaged files for all examples, as where networks learn from them."""
    count = 0
    for part in get_args(Part):
        with suppress(NotFound):
            count += len(found(replace(request, part=part)))
    return Skips(count, deep_check(str(request.data.root), request.trial_data))


def found(request: Request) -> TaskExamples:
    """Return the examples that a request asks for."""
    pose = POSE_TASKS.get(request.task.id)
    rows = _rows(request)
    if pose is not None:
        return _pose_examples(request, pose, rows)
    if request.task.images != 1:
        raise SettingRefused(
            f"task {request.task.id!r}: images is {request.task.images}; only the paper's tasks of "
            "pairs and triplets can be formed, a task of one's own takes one image"
        )
    how = encoding(request.task)
    mask = mask_domain(request.data, how)
    needed = (*how.domains, *((mask,) if mask else ()))
    have = _with_files(request, rows, needed)
    examples = ImageExamples(request, singles(request.data.index, have), mask, how)
    examples.left_out = len(rows) - len(have)
    return examples


def _pose_examples(request: Request, pose: PoseTask, rows: Array) -> PoseExamples:
    data = request.data
    for domain in pose.point_domains:
        if not any(len(listing.keys) for listing in data.index.listings(domain)):
            raise NotFound(_nothing(request, domain))
    have = labelled(data, pose, _with_files(request, rows, pose.domains))
    tuples = pose.form(data, have)
    if not len(tuples.ids):
        raise NotFound(
            f"{data.root}: no example of task {request.task.id!r} in part {request.part!r} of "
            f"split {request.trial_data.splits!r}; its {len(have)} views with labels form none"
        )
    examples = PoseExamples(request, tuples, raw_vectors(data, pose, tuples))
    examples.left_out = len(rows) - len(have)
    return examples


def _rows(request: Request) -> Array:
    """Return the part's rows of the table of views: of train, the fraction learnt from."""
    index = request.data.index
    buildings = request.split.buildings(request.part)
    rows = index.rows_of(buildings)
    if not len(rows):
        raise NotFound(
            f"{request.data.root}: none of the {len(buildings)} buildings of part "
            f"{request.part!r} of {request.split.path} has an RGB image"
        )
    if request.part != "train":
        return rows
    return fraction(index, rows, request.trial_data.fraction, request.seed)


def mask_domain(data: DataSet, how: Encoding) -> str | None:
    """Return the domain that tells a task which pixels have geometry; None: it asks for none."""
    if not how.masked:
        return None
    return next((n for n in MASKS if any(len(i.keys) for i in data.index.listings(n))), None)


def _with_files(request: Request, rows: Array, domains: tuple[str, ...]) -> Array:
    """Return the rows that have a file of every domain."""
    have = rows
    for domain in domains:
        have = have[request.data.index.has(domain)[have]]
        if not len(have):
            raise NotFound(_nothing(request, domain))
    return have


def _nothing(request: Request, domain: str) -> str:
    return (
        f"{request.data.root}: task {request.task.id!r} needs {domain}, which no view of part "
        f"{request.part!r} of split {request.trial_data.splits!r} has; `taskonomyctl data check` "
        "shows what there is"
    )
