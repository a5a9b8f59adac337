"""`make-rooms`: every building of a data set, in parallel, and its split.

Compiles once, then forks: workers share nothing but the folder they write to. A building that is
there is complete, so a run that was cut off goes on where it stopped.
"""

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from taskonomy_jobs.data.layout import SPLIT_COLUMNS, SPLITS_FOLDER
from taskonomy_jobs.rooms.building import labelled, plan_building, write_building
from taskonomy_jobs.rooms.processes import in_processes
from taskonomy_jobs.rooms.settings import RoomsSettings, claim

SPLIT_NAME = "rooms"
VAL_SHARE, TEST_SHARE = 0.12, 0.18

Progress = Callable[[int, int], None]
"""Called with views finished and views wanted."""


def make(root: Path, settings: RoomsSettings, workers: int, progress: Progress) -> int:
    """Write a data set of rooms; return how many views were made now.

    Raises:
        InputRefused: the folder holds something else, or rooms of other settings.
    """
    claim(root, settings)
    _write_split(root, settings)
    todo = [i for i in range(settings.buildings) if not (root / settings.building(i)).is_dir()]
    total, made = settings.buildings * settings.views, 0
    progress(total - len(todo) * settings.views, total)
    for views in _written(root, settings, todo, min(workers, len(todo))):
        made += views
        progress(total - len(todo) * settings.views + made, total)
    return made


def split_of(settings: RoomsSettings) -> dict[str, str]:
    """Return the part of each building: about 70 % train, 12 % val and 18 % test, never none."""
    order = np.random.default_rng([settings.seed, 2**32]).permutation(settings.buildings)
    val = max(1, round(VAL_SHARE * settings.buildings))
    test = max(1, round(TEST_SHARE * settings.buildings))
    parts = ["val"] * val + ["test"] * test + ["train"] * (settings.buildings - val - test)
    return {
        settings.building(int(i)): part
        for i, part in sorted(zip(order, parts, strict=True), key=lambda pair: int(pair[0]))
    }


def _write_split(root: Path, settings: RoomsSettings) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(SPLIT_COLUMNS)
    for building, part in split_of(settings).items():
        table.writerow([building, *(int(part == column) for column in SPLIT_COLUMNS[1:])])
    folder = root / SPLITS_FOLDER
    folder.mkdir(exist_ok=True)
    draft = folder / f"{SPLIT_NAME}.csv.draft"
    draft.write_text(text.getvalue(), encoding="utf-8")
    draft.replace(folder / f"{SPLIT_NAME}.csv")


def _written(root: Path, settings: RoomsSettings, todo: list[int], workers: int) -> Iterator[int]:
    """Write the buildings, in one process or several; yield 1 for each view that is finished."""
    if workers > 1 and len(todo) > 1:
        warm_up(settings)
        yield from in_processes(
            [partial(_share, root, settings, todo[i::workers]) for i in range(workers)]
        )
    else:
        yield from _share(root, settings, todo)


def _share(root: Path, settings: RoomsSettings, indices: list[int]) -> Iterator[int]:
    for index in indices:
        for _ in write_building(root, index, settings):
            yield 1


def warm_up(settings: RoomsSettings) -> None:
    """Compile every kernel by making the labels of one view, and forget them."""
    small = RoomsSettings(buildings=settings.buildings, views=2, size=64, seed=settings.seed)
    rooms, views = plan_building(small, 0)
    labelled(rooms[0].scene, views[0], small.size)
