"""A contact sheet of every label of one image, as the loader decodes them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError
from taskonomy_catalogue.tasks import Task, TaskDictionary
from taskonomy_catalogue.trials import TrialData, TrialTask
from taskonomy_jobs.data import files, geometry, inputs
from taskonomy_jobs.data.dataset import DataSet, open_dataset
from taskonomy_jobs.data.examples import Example
from taskonomy_jobs.data.layout import SEMANTIC_CLASSES, Layout, PointFields
from taskonomy_jobs.data.opening import PoseExamples, Request, TaskExamples, found
from taskonomy_jobs.data.pictures import distinct, eight_bits, picture
from taskonomy_jobs.data.scenes import SCENE_CLASS_NAMES
from taskonomy_jobs.data.sheet import Cell, Stroke, drawn
from taskonomy_jobs.data.skips import Unreadable
from taskonomy_jobs.data.splits import Split
from taskonomy_jobs.rooms.kinds import KINDS, ROOM_KINDS
from taskonomy_jobs.rooms.settings import RECORD

Array = np.ndarray[Any, Any]

AXIS_COLOURS = ((230, 60, 50), (60, 190, 70), (60, 110, 240))
"""Of the x, y and z axis."""
BOX_COLOUR = (255, 205, 0)
NEAR = 0.05
"""Lines are cut where they come nearer to the camera's plane than this, metres."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at."""

    data: DataSet
    row: int
    size: int


def contact_sheet(
    dataset: str,
    layout: Layout,
    dictionary: TaskDictionary,
    out: Path,
    *,
    building: str | None = None,
    point: int | None = None,
    view: int | None = None,
) -> str:
    """Write the sheet of one view as a PNG; return the view's name.

    Args:
        dataset: the data set's folder.
        layout: how its files are laid out.
        dictionary: the tasks shown.
        out: the file to write.
        building: of the view; the first one if it is not given.
        point: of the view; the first one.
        view: its number; the first one.

    Raises:
        NotFound: there is no such view, or the data set is not there.
        SettingRefused: the file is not to be a PNG.
    """
    if out.suffix.lower() != ".png":
        raise SettingRefused(f"--out {out}: the sheet is a PNG; name it {out.with_suffix('.png')}")
    data = open_dataset(dataset, layout)
    row = _row(data, building, point, view)
    look = Look(data, row, data.side)
    cells = [_cell(look, task) for task in dictionary]
    heading = f"{data.index.name(row)}   {data.side} x {data.side} pixels   {data.root}"
    sheet = drawn(cells, heading)
    try:
        sheet.save(out, "PNG")
    except OSError as error:
        raise NotFound(f"{out}: cannot be written: {error.strerror or error}") from error
    return data.index.name(row)


def _row(data: DataSet, building: str | None, point: int | None, view: int | None) -> int:
    index = data.index
    fits = np.ones(len(index), bool)
    if building is not None:
        fits &= np.isin(index.building, [b for b, n in enumerate(index.buildings) if n == building])
    if point is not None:
        fits &= index.point == point
    if view is not None:
        fits &= index.view == view
    if not fits.any():
        given = {"building": building, "point": point, "view": view}
        asked = ", ".join(f"{name} {one}" for name, one in given.items() if one is not None)
        raise NotFound(
            f"{data.root}: no RGB image of {asked}; there are {len(index)} views in "
            f"{len(index.buildings)} buildings, the first of them {index.name(0)}"
        )
    return int(np.argmax(fits))


def _cell(look: Look, task: Task) -> Cell:
    if not task.is_trained:
        return Cell(task.title, words=["has no label: weights are random"])
    trial_task = TrialTask.of(task)
    try:
        examples = _examples(look, trial_task)
        showing = _SHOWN.get(task.id) or _BY_KIND[task.output.kind]
        cell = showing(look, examples, _index(look, examples))
    except (TaskonomyError, Unreadable) as error:
        return Cell(task.title, words=_wrapped(str(error)))
    cell.title = task.title
    return cell


def _examples(look: Look, task: TrialTask) -> TaskExamples:
    """Return the task's examples in the view's building."""
    name = look.data.index.buildings[int(look.data.index.building[look.row])]
    split = Split(Path("the view's building"), (name,), (), ())
    trial_data = TrialData(
        identity=str(look.data.root), layout=look.data.layout, splits=name, fraction=1
    )
    return found(Request(look.data, trial_data, split, task, look.size, "train", 0))


def _index(look: Look, examples: TaskExamples) -> int:
    """Return which example shows the view, its first image if it can."""
    shows = examples.views == look.row
    if not shows.any():
        raise Unreadable(look.data.index.name(look.row), "has no label of this task")
    return int(np.argmax(shows[:, 0] if shows[:, 0].any() else shows.any(1)))


# --- how each kind is shown --------------------------------------------------------------------


def _image(_: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    words = [] if example.mask is None else [f"valid {example.mask.mean():.1%}"]
    low, high = float(example.target.min()), float(example.target.max())
    words.append(f"{low:.2f} to {high:.2f}")
    return Cell("", [_picture(examples, example)], words)


def _input_and_target(_: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    return Cell("", [_seen(example, 0), _picture(examples, example)], ["seen, wanted"])


def _colorization(_: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    task = examples.request.task
    painted = picture(task, example.target, None, example.images[0, 0])
    return Cell("", [_seen(example, 0), painted], ["seen, wanted"])


def _jigsaw(_: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    number = int(example.target.argmax())
    order = " ".join(str(place) for place in inputs.jigsaw_permutations()[number])
    shown = [_seen(example, tile) for tile in range(len(example.images))]
    return Cell("", shown, [f"order {number}: {order}"])


def _segments(_: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    request, row = examples.request, int(examples.views[index, 0])
    segments = request.data.stored(request.task.folder or "", row, request.size, "ids")
    colours = distinct(segments)
    colours.reshape(-1, 3)[example.target[:, 0]] = 255
    return Cell("", [colours], [f"{len(np.unique(segments))} segments; drawn pixels white"])


def _classes_of_pixels(_: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    valid = example.target if example.mask is None else example.target[example.mask[0] > 0]
    numbers, counts = np.unique(valid, return_counts=True)
    words = [
        f"{_class_name(int(numbers[i]))} {counts[i] / example.target.size:.0%}"
        for i in np.argsort(-counts)[:4]
    ]
    shown = picture(examples.request.task, example.target, example.mask, None)
    return Cell("", [shown], [", ".join(words[:2]), ", ".join(words[2:])])


def _class_name(number: int) -> str:
    return SEMANTIC_CLASSES[number] if number < len(SEMANTIC_CLASSES) else f"class {number}"


def _classes(look: Look, examples: TaskExamples, index: int) -> Cell:
    example, names = examples.example(index, 0), _names_of(look, examples.request.task)
    best = np.argsort(-example.target, kind="stable")[:3].tolist()
    words = [f"{names.get(i, f'class {i}')}: {example.target[i]:.3f}" for i in best]
    return Cell("", [_seen(example, 0)], words)


def _names_of(look: Look, task: TrialTask) -> dict[int, str]:
    """Return what the classes of an image are called, as far as that is known here."""
    if look.data.root.joinpath(RECORD).exists():
        names = {"class_object": KINDS, "class_scene": ROOM_KINDS}.get(task.folder or "", ())
    else:
        published = (task.folder, task.output.channels) == ("class_scene", len(SCENE_CLASS_NAMES))
        names = SCENE_CLASS_NAMES if published else ()
    return dict(enumerate(names))


def _numbers(_: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    return Cell("", [_seen(example, 0)], _wrapped(" ".join(f"{v:.2f}" for v in example.target)))


def _matching(_: Look, examples: TaskExamples, index: int) -> Cell:
    pair = index - index % 2  # a matched pair and its opposite follow one another
    shown = [_seen(examples.example(i, 0), image) for i in (pair, pair + 1) for image in (0, 1)]
    return Cell("", shown, ["above one point, below different ones"])


def _poses(_: Look, examples: TaskExamples, index: int) -> Cell:
    assert isinstance(examples, PoseExamples)  # noqa: S101 - by its id it is
    example, raw = examples.example(index, 0), examples.raw[index].reshape(-1, 6)
    words = [
        "turn " + " ".join(f"{v:.0f}" for v in np.degrees(pose[:3])) + "°  move "
        + " ".join(f"{v:.2f}" for v in pose[3:]) + " m"
        for pose in raw
    ]  # fmt: skip
    return Cell("", [_seen(example, i) for i in range(len(example.images))], words)


def _vanishing(look: Look, examples: TaskExamples, index: int) -> Cell:
    example = examples.example(index, 0)
    axes = example.target.reshape(3, 3).astype(np.float64)
    start = np.array([0.0, -0.35, -2.0])
    strokes = [
        stroke
        for axis, colour in zip(axes, AXIS_COLOURS, strict=True)
        for stroke in _projected(look, [(start, start + 0.6 * axis)], colour, 4)
    ]
    words = [f"{n} " + " ".join(f"{v:.2f}" for v in a) for n, a in zip("xyz", axes, strict=True)]
    return Cell("", [_seen(example, 0)], words, strokes)


def _room(look: Look, examples: TaskExamples, index: int) -> Cell:
    assert isinstance(examples, PoseExamples)  # noqa: S101 - by its id it is
    raw = examples.raw[index]
    to_world = geometry.matrices(raw[None, 3:6])[0]
    signs = np.array([[(c >> b & 1) - 0.5 for b in range(3)] for c in range(8)])
    corners = raw[:3] + (signs * raw[6:]) @ to_world
    edges = [
        (corners[c], corners[c | 1 << b]) for c in range(8) for b in range(3) if not c >> b & 1
    ]
    words = ["size " + " x ".join(f"{v:.2f}" for v in raw[6:]) + " m"]
    shown = _seen(examples.example(index, 0), 0)
    return Cell("", [shown], words, _projected(look, edges, BOX_COLOUR, 2))


def _projected(
    look: Look, lines: list[tuple[Array, Array]], colour: tuple[int, int, int], width: int
) -> list[Stroke]:
    """Return lines in the camera's frame as strokes over the image, cut behind the camera."""
    content = files.json_object(look.data.index.path("points", look.row))
    half = np.tan(float(content[PointFields.field_of_view]) / 2)
    strokes = []
    for line in lines:
        cut = _in_front(*line)
        if cut is not None:
            ends = [(0.5 + p[0] / -p[2] / (2 * half), 0.5 - p[1] / -p[2] / (2 * half)) for p in cut]
            inside = _in_picture(*ends)
            if inside is not None:
                strokes.append(Stroke(inside[0], inside[1], colour, width))
    return strokes


def _in_front(start: Array, end: Array) -> tuple[Array, Array] | None:
    depths = -start[2] - NEAR, -end[2] - NEAR
    if max(depths) <= 0:
        return None
    if min(depths) < 0:
        cut = start + (end - start) * depths[0] / (depths[0] - depths[1])
        return (cut, end) if depths[0] < 0 else (start, cut)
    return start, end


def _in_picture(
    start: tuple[float, float], end: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return a line cut to the unit square (Liang and Barsky 1984); None if it misses it."""
    step = end[0] - start[0], end[1] - start[1]
    first, last = 0.0, 1.0
    for axis in (0, 1):
        for direction, room in ((-step[axis], start[axis]), (step[axis], 1 - start[axis])):
            if direction == 0:
                if room < 0:
                    return None
            elif direction < 0:
                first = max(first, room / direction)
            else:
                last = min(last, room / direction)
    if first > last:
        return None

    def at(share: float) -> tuple[float, float]:
        return start[0] + share * step[0], start[1] + share * step[1]

    return at(first), at(last)


def _seen(example: Example, image: int) -> Array:
    return eight_bits(example.images[image].transpose(1, 2, 0))


def _picture(examples: TaskExamples, example: Example) -> Array:
    return picture(examples.request.task, example.target, example.mask, None)


def _wrapped(text: str, width: int = 34) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:6]


Show = Callable[[Look, TaskExamples, int], Cell]
_SHOWN: dict[str, Show] = {
    "denoising": _input_and_target,
    "in-painting": _input_and_target,
    "colorization": _colorization,
    "jigsaw": _jigsaw,
    "pose-fixated": _poses,
    "pose-nonfixated": _poses,
    "egomotion": _poses,
    "point-matching": _matching,
    "room-layout": _room,
    "vanishing-points": _vanishing,
}
_BY_KIND: dict[str, Show] = {
    "image": _image,
    "class-map": _classes_of_pixels,
    "embedding": _segments,
    "classes": _classes,
    "vector": _numbers,
}
