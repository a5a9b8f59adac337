"""What labels a data set has, and which of its files are damaged.

The shallow check lists folders and looks at sizes, headers and ends, of `MOST_FILES` files at most,
evenly spread: seconds, whatever the size. The deep one decodes every file. A view is counted for a
task where training would take it: masked tasks need the depth that masks them, the room's layout
and vanishing points a camera that has them.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.tasks import Task, TaskDictionary
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.data import files
from taskonomy_jobs.data.cameras import read_camera, read_matches
from taskonomy_jobs.data.dataset import DataSet, open_dataset
from taskonomy_jobs.data.encodings import encoding
from taskonomy_jobs.data.index import domain_named
from taskonomy_jobs.data.layout import Layout
from taskonomy_jobs.data.opening import mask_domain
from taskonomy_jobs.data.poses import POSE_TASKS, PoseTask, labelled
from taskonomy_jobs.data.skips import Unreadable
from taskonomy_jobs.data.splits import Split, read_split

Array = np.ndarray[Any, Any]

MOST_FILES = 50_000
"""Files whose size and ends a shallow check looks at, and the most cameras that it reads."""
READERS = 16
"""Files looked at together."""
UNSPLIT = "all"
"""What the only part is called where no split is given."""


@dataclass(slots=True)
class Building:
    """What one building has."""

    building: str
    part: str
    """train, val, test; `all` without a split."""
    views: int
    """Views with an RGB image; 0: the building is not there."""
    labels: dict[str, int]
    """By task, the views that are examples of it, or images of some."""


@dataclass(slots=True)
class Damaged:
    """One file that cannot be used."""

    path: str
    why: str


@dataclass(slots=True)
class Report:
    """What a check found."""

    root: str
    layout: str
    split: str | None
    """The split's file."""
    image_size: int
    """Side of the images, pixels."""
    deep: bool
    """Whether files were decoded."""
    files: int
    """Files of the tasks' domains in these buildings."""
    examined: int
    """Files that were looked at, or decoded."""
    strangers: int
    """Files in the domains' folders that are not theirs."""
    by_file_alone: list[str] = field(default_factory=list)
    """Tasks counted by their files, as there are too many cameras to read what each has."""
    buildings: list[Building] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _File:
    domain: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Need:
    """What a view must have to be an example of a task."""

    domains: tuple[str, ...]
    """Domains that have a file of it, or of its point, besides its image."""
    camera: PoseTask | None = None
    """The task whose label the view's camera may lack."""


def checked(
    dataset: str,
    layout: Layout,
    dictionary: TaskDictionary,
    *,
    splits: str | None = None,
    deep: bool = False,
) -> Report:
    """Return what a data set has of the tasks' labels.

    Args:
        dataset: its folder.
        layout: how its files are laid out.
        dictionary: the tasks asked for.
        splits: a split's name or file, whose buildings are looked at; None: all there are.
        deep: whether to decode every file.

    Raises:
        NotFound: the data set or the split is not there.
        InputRefused: the split file is wrong.
    """
    data = open_dataset(dataset, layout)
    split = read_split(data.root, splits) if splits else None
    needed = {task.id: _need(data, task) for task in dictionary if task.is_trained}
    domains = sorted({"rgb"}.union(*(need.domains for need in needed.values())))
    places = _places(data, split)
    present = [
        data.index.buildings.index(name) for name, _ in places if name in data.index.buildings
    ]
    cameras = sum(len(data.index.listings("points")[b].keys) for b in present)
    if not deep and cameras > MOST_FILES:
        by_file_alone = [task for task, need in needed.items() if need.camera]
        needed |= {task: _Need(needed[task].domains) for task in by_file_alone}
    else:
        by_file_alone = []
    report = Report(
        root=str(data.root),
        layout=layout,
        split=str(split.path) if split else None,
        image_size=data.side,
        deep=deep,
        files=0,
        examined=0,
        strangers=0,
        by_file_alone=by_file_alone,
        buildings=_coverage(data, places, needed),
    )
    _examine(data, report, domains, present)
    return report


def _need(data: DataSet, task: Task) -> _Need:
    pose = POSE_TASKS.get(task.id)
    if pose is not None:
        return _Need((*pose.domains, *pose.point_domains), pose if pose.field else None)
    try:
        how = encoding(TrialTask.of(task))
    except TaskonomyError:
        return _Need((task.folder,) if task.folder else ())
    mask = mask_domain(data, how)
    return _Need(tuple(dict.fromkeys((*how.domains, *((mask,) if mask else ())))))


def _places(data: DataSet, split: Split | None) -> list[tuple[str, str]]:
    """Return the buildings looked at with their part, by part, then by name."""
    if split is None:
        return [(name, UNSPLIT) for name in data.index.buildings]
    return [(name, part) for part in ("train", "val", "test") for name in split.buildings(part)]


def _coverage(
    data: DataSet, places: Sequence[tuple[str, str]], needed: dict[str, _Need]
) -> list[Building]:
    domains = sorted({"rgb"}.union(*(need.domains for need in needed.values())))
    has = {domain: _has(data, domain) for domain in domains}
    found = []
    for name, part in places:
        rows = data.index.rows_of([name])
        labels = {task: _count(data, need, has, rows) for task, need in needed.items()}
        found.append(Building(name, part, len(rows), labels))
    return found


def _count(data: DataSet, need: _Need, has: dict[str, Array], rows: Array) -> int:
    """Return how many of some rows have what a task needs."""
    having = rows[np.logical_and.reduce([has[d][rows] for d in ("rgb", *need.domains)])]
    return len(labelled(data, need.camera, having) if need.camera else having)


def _has(data: DataSet, domain: str) -> Array:
    """Return bool (V,): whether each view, or its point, has a file of a domain."""
    own = data.index.has(domain).copy()
    if domain != "nonfixated_matches":
        return own
    for b in range(len(data.index.buildings)):
        rows = slice(data.index.starts[b], data.index.starts[b + 1])
        own[rows] |= np.isin(data.index.point[rows], data.index.points_with(domain, b))
    return own


# --- damage ------------------------------------------------------------------------------------


def _examine(data: DataSet, report: Report, domains: list[str], buildings: list[int]) -> None:
    """Look at files, and write what is found into the report."""
    sizes = {
        (domain, b): len(data.index.listings(domain)[b].keys)
        for domain in domains
        for b in buildings
    }
    report.files = sum(sizes.values())
    report.strangers = sum(
        data.index.listings(domain)[b].others for domain in domains for b in buildings
    )
    step = 1 if report.deep else max(1, -(-report.files // MOST_FILES))
    chosen = _files(data, sizes, step)
    look = _decode if report.deep else _glance
    with ThreadPoolExecutor(READERS) as pool:
        for trouble in _shown(
            pool.map(lambda file: look(data, file), chosen), report.files // step
        ):
            report.examined += 1
            if trouble is not None:
                report.damaged.append(Damaged(trouble.path, trouble.why))
    report.damaged.sort(key=lambda one: one.path)


def _files(data: DataSet, sizes: dict[tuple[str, int], int], step: int) -> Iterator[_File]:
    """Yield every step-th file of the listings, one after another."""
    before = 0
    for (domain, b), size in sizes.items():
        keys = data.index.listings(domain)[b].keys
        for place in range(-before % step, size, step):
            yield _File(domain, data.index.path_of_key(domain, b, int(keys[place])))
        before += size


def _glance(data: DataSet, file: _File) -> Unreadable | None:
    """Return what is wrong with a file, from its size, its first and its last bytes.

    A vector is as quickly read as looked at; what ends oddly is decoded, and may be sound.
    """
    try:
        if file.path.suffix == ".png":
            size = files.image_size(file.path)
            if size != (data.side, data.side):
                raise files.wrong_size(file.path, size, data.side)
        elif not file.path.stat().st_size:
            raise Unreadable(file.path, "is empty")
        return None if files.is_whole(file.path) else _decode(data, file)
    except Unreadable as error:
        return error
    except OSError as error:
        return Unreadable(file.path, f"cannot be read: {error.strerror or error}")


def _decode(data: DataSet, file: _File) -> Unreadable | None:
    """Return what is wrong with a file, decoding it."""
    try:
        if file.path.suffix == ".png":
            pixels = domain_named(file.domain).pixels or "ids"
            files.image(file.path, pixels, data.side, data.side)
        elif file.path.suffix == ".npy":
            files.vector(file.path)
        elif file.domain == "points":
            read_camera(file.path)
        elif file.domain == "nonfixated_matches":
            read_matches(file.path, 0)
        else:
            files.json_object(file.path)
    except Unreadable as error:
        return error
    return None


def _shown(found: Iterable[Unreadable | None], total: int) -> Iterator[Unreadable | None]:
    """Pass results on, saying on a terminal how far they are."""
    last = time.monotonic()
    for number, one in enumerate(found):
        if sys.stderr.isatty() and time.monotonic() - last > 0.5:
            last = time.monotonic()
            sys.stderr.write(f"\r{number:,} of {total:,} files")
        yield one
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
