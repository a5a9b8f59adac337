"""What a network is asked to predict: each task's label files as a target and a mask.

One `Encoding` per task of a single image, by the task's id; tasks of cameras are in `poses`. A task
of a user's own is encoded like ours that reads the same folder, else by its output kind, else by
its plugin (`taskonomy_jobs.custom`).

| tasks | target |
|---|---|
| autoencoding, denoising, in-painting | the clean image, [-1, 1] |
| colorization | soft distribution over 313 colour bins, a quarter of the size |
| jigsaw | one of 100 tile orders, one-hot |
| edges-2d, keypoints-2d | stored share of [0, 0.08] and [0, 0.005], clipped, to [-1, 1] |
| keypoints-3d | stored share of [0, 1] to [-1, 1], masked |
| occlusion-edges | stored share of [0, 0.00625] to [-1, …), not clipped, blurred, masked |
| distance, depth | log(1 + v) / log(2^16) of the stored v, masked |
| normals, reshading | 8 bits to [-1, 1], masked |
| curvature | 8 bits less the published mean, by the published deviation, masked |
| segmentation-2d, -25d | 300 pixels drawn without repetition, and their segments |
| segmentation-semantic | stored value less 1; 0, uncertain, is masked |
| object-classes, scene-classes | probabilities, padded with zeros |

*Masked* means where the z-buffer depth is valid (the Euclidean, if a data set has no other; none,
if it has neither).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.trials import TrialTask
from taskonomy_jobs.custom import plugin
from taskonomy_jobs.data import files, inputs
from taskonomy_jobs.data.colour import lab, soft_bins
from taskonomy_jobs.data.dataset import DataSet, scaled_colour
from taskonomy_jobs.data.index import domain_named
from taskonomy_jobs.data.keys import generator
from taskonomy_jobs.data.layout import DOMAINS
from taskonomy_jobs.data.resizing import area
from taskonomy_jobs.data.scenes import SCENE_CLASSES_KEPT, SCENE_CLASSES_PUBLISHED
from taskonomy_jobs.data.skips import Unreadable

Array = np.ndarray[Any, Any]
Label = tuple[Array, Array | None]

FULL_SCALE = 65_535
CURVATURE_MEAN = np.array([123.572, 120.1], np.float32)
CURVATURE_STD = np.array([31.922, 21.658], np.float32)
"""Of stored values, as the published networks were trained with."""
BLUR = 4 / 256
"""Deviation of the blur of occlusion edges, as a share of the image's side."""
SAMPLED_PIXELS = 300
"""Of an embedding's target."""
MASKS = ("depth_zbuffer", "depth_euclidean")
"""Domains that tell which pixels have geometry, best first."""
PUBLISHED_SCENES = ("class_scene", SCENE_CLASSES_PUBLISHED, len(SCENE_CLASSES_KEPT))
"""Folder, stored classes and the task's classes: the published files under the published task."""
_LABEL_DRAW = 1 << 63
"""Told apart from the key of the input's choices: labels draw independently of noise."""


@dataclass(frozen=True, slots=True)
class Source:
    """One view, as an encoding reads it."""

    data: DataSet
    task: TrialTask
    row: int
    """Of the table of views."""
    size: int
    """Side of the network's input, pixels."""
    draw: int
    key: int
    """Of the example; with `draw` the key of its random choices."""
    mask_domain: str | None
    """Which of `MASKS` the data set has."""
    decoded: Array | None = None
    """The image, if it is at hand: float32 (3, size, size)."""

    @property
    def image(self) -> Array:
        """The view's image in [-1, 1], float32 (3, size, size)."""
        return self.data.rgb(self.row, self.size) if self.decoded is None else self.decoded

    @property
    def random(self) -> np.random.Generator:
        """Source of the label's random choices."""
        return generator(self.draw ^ _LABEL_DRAW, self.key)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a task of single images is read."""

    label: Callable[[Source], Label]
    """Return target and mask."""
    domains: tuple[str, ...] = ()
    """Files that a view must have, besides its image."""
    masked: bool = False
    """Whether only pixels with geometry count."""
    see: Callable[[Array, Source], Array] | None = None
    """From the image (3, H, W) to what the network sees, (3, H, W) or (9, 3, h, w); None: the
    image."""


def encoding(task: TrialTask) -> Encoding:
    """Return how a task of single images is read.

    Raises:
        SettingRefused: it is a user's own, of a format that no output kind implies.
        PluginRefused: its plugin cannot be used.
    """
    own = plugin(task.id)
    if own.decode is not None:
        domains = own.domains or ((task.folder,) if task.folder else ())
        return Encoding(partial(_plugged, decode=own.decode, domains=domains), domains)
    if task.id in ENCODINGS:
        return ENCODINGS[task.id]
    return _BY_FOLDER.get((task.folder, task.output.kind)) or _implied(task)


# --- labels of images --------------------------------------------------------------------------


def _image(source: Source) -> Label:
    return source.image, None


def _colours(source: Source) -> Label:
    return soft_bins(lab(area(source.image, source.size // source.task.output.stride))[1:]), None


def _tile_order(source: Source) -> Label:
    classes = np.zeros(source.task.output.channels, np.float32)
    classes[_order_number(source)] = 1
    return classes, None


def _order_number(source: Source) -> int:
    return int(source.random.integers(inputs.PERMUTATIONS))


def _response(source: Source, domain: str, largest: float) -> Label:
    """Return the share of full scale as [-1, 1] over [0, largest], clipped."""
    response = _signed(source, domain, largest)
    return np.minimum(response, 1, out=response)[None], None


def _blurred(source: Source, domain: str, largest: float) -> Label:
    across = _blur(source.size)
    return (across @ _signed(source, domain, largest) @ across.T)[None], None


@lru_cache(maxsize=4)
def _blur(size: int) -> Array:
    """Return the blur of one axis, float32 (size, size): as a product it is the faster way."""
    one_pixel_each = np.eye(size)
    from scipy.ndimage import gaussian_filter1d  # a quarter of a second, of which most need none

    return gaussian_filter1d(one_pixel_each, BLUR * size, axis=0).astype(np.float32)


def _signed(source: Source, domain: str, largest: float) -> Array:
    """Return the share of full scale as [-1, 1] over [0, largest], more where it is larger."""
    values = source.data.stored(domain, source.row, source.size, "response").astype(np.float32)
    values *= np.float32(2 / (FULL_SCALE * largest))
    values -= np.float32(1)
    return values


def _depth(source: Source, domain: str) -> Label:
    logarithm, valid = source.data.depth(domain, source.row, source.size)
    return logarithm[None], valid[None].astype(np.float32)


def _colour(source: Source, domain: str, channels: int) -> Label:
    stored = source.data.stored(domain, source.row, source.size, "colour")
    return scaled_colour(stored[:channels]), None


def _curvature(source: Source) -> Label:
    stored = source.data.stored("principal_curvature", source.row, source.size)[:2]
    values = stored.astype(np.float32)
    values -= CURVATURE_MEAN[:, None, None]
    values /= CURVATURE_STD[:, None, None]
    return values, None


def _segments(source: Source, domain: str) -> Label:
    """Return 300 drawn pixels and their segments; where a mask says so, of valid pixels alone."""
    segments = source.data.stored(domain, source.row, source.size, "ids").reshape(-1)
    pixels, count = None, len(segments)
    if ENCODINGS.get(source.task.id, _UNMASKED).masked and source.mask_domain:
        pixels = np.flatnonzero(source.data.valid(source.mask_domain, source.row, source.size))
        count = len(pixels)
    if not count:
        raise Unreadable(source.data.index.path(domain, source.row), "has no valid pixel")
    few = count < SAMPLED_PIXELS
    # Their order means nothing: the loss is of every pair.
    drawn = source.random.choice(count, SAMPLED_PIXELS, replace=few, shuffle=False)
    target = np.empty((SAMPLED_PIXELS, 2), np.int64)
    target[:, 0] = drawn if pixels is None else pixels[drawn]
    target[:, 1] = segments[target[:, 0]]
    return target, None


def _semantic(source: Source) -> Label:
    stored = source.data.stored("segment_semantic", source.row, source.size)
    classes = source.task.output.channels
    if stored.max() > classes:
        path = source.data.index.path("segment_semantic", source.row)
        raise Unreadable(path, f"holds class {stored.max()}; the task has {classes}")
    target = np.maximum(stored, 1).astype(np.int64) - 1
    return target, (stored > 0)[None].astype(np.float32)


def _probabilities(source: Source, domain: str) -> Label:
    path = source.data.index.path(domain, source.row)
    values, classes = files.vector(path), source.task.output.channels
    if (domain, len(values), classes) == PUBLISHED_SCENES:
        values = values[list(SCENE_CLASSES_KEPT)]
    if len(values) > classes:
        raise Unreadable(path, f"holds {len(values)} classes; the task has {classes}")
    padded = np.zeros(classes, np.float32)
    padded[: len(values)] = _normalised(values)
    return padded, None


def _normalised(values: Array) -> Array:
    """Return probabilities as they are but summing to 1; logits through a softmax."""
    if values.min() < 0 or values.sum() > 1.01 or values.sum() <= 0:
        values = np.exp(values - values.max())
    return np.asarray(values / values.sum(), np.float32)


# --- inputs ------------------------------------------------------------------------------------


def _noisy(image: Array, source: Source) -> Array:
    return inputs.noisy(image, source.draw, source.key)


def _blanked(image: Array, _: Source) -> Array:
    return inputs.blanked(image)


def _grey(image: Array, _: Source) -> Array:
    return inputs.grey(image)


def _tiles(image: Array, source: Source) -> Array:
    order = inputs.jigsaw_permutations()[_order_number(source)]
    return inputs.tiles(image, order, source.draw, source.key)


# --- which is which ----------------------------------------------------------------------------


def _read(label: Callable[..., Label], domain: str, *rest: Any, masked: bool = False) -> Encoding:
    return Encoding(lambda source: label(source, domain, *rest), domains=(domain,), masked=masked)


_UNMASKED = Encoding(_image)

ENCODINGS: dict[str, Encoding] = {
    "autoencoding": Encoding(_image),
    "denoising": Encoding(_image, see=_noisy),
    "in-painting": Encoding(_image, see=_blanked),
    "colorization": Encoding(_colours, see=_grey),
    "jigsaw": Encoding(_tile_order, see=_tiles),
    "edges-2d": _read(_response, "edge_texture", 0.08),
    "keypoints-2d": _read(_response, "keypoints2d", 0.005),
    "segmentation-2d": _read(_segments, "segment_unsup2d"),
    "curvature": Encoding(_curvature, ("principal_curvature",), masked=True),
    "distance": _read(_depth, "depth_euclidean"),
    "depth": _read(_depth, "depth_zbuffer"),
    "normals": _read(_colour, "normal", 3, masked=True),
    "occlusion-edges": _read(_blurred, "edge_occlusion", 0.00625, masked=True),
    "keypoints-3d": _read(_response, "keypoints3d", 1.0, masked=True),
    "reshading": _read(_colour, "reshading", 1, masked=True),
    "segmentation-25d": _read(_segments, "segment_unsup25d", masked=True),
    "object-classes": _read(_probabilities, "class_object"),
    "scene-classes": _read(_probabilities, "class_scene"),
    "segmentation-semantic": Encoding(_semantic, ("segment_semantic",)),
}
"""The paper's tasks of single images, by id. Room layout and vanishing points are in `poses`."""

_KINDS = {
    "class_object": "classes",
    "class_scene": "classes",
    "segment_semantic": "class-map",
    "segment_unsup2d": "embedding",
    "segment_unsup25d": "embedding",
}
_BY_FOLDER: dict[tuple[str | None, str], Encoding] = {
    (e.domains[0], _KINDS.get(e.domains[0], "image")): e for e in ENCODINGS.values() if e.domains
}


def _implied(task: TrialTask) -> Encoding:
    """Return how a user's task is read whose output kind says enough."""
    kind, channels = task.output.kind, task.output.channels
    if not task.folder or (task.folder in DOMAINS and kind != "image"):
        raise _no_format(task)
    if kind == "image" and channels == 1:
        return _read(_response, task.folder, 1.0)
    if kind == "image" and channels <= 3:
        return _read(_colour, task.folder, channels)
    if kind == "class-map":
        return _read(_any_classes, task.folder)
    if kind == "embedding":
        return _read(_segments, task.folder)
    if kind == "classes":
        return _read(_probabilities, task.folder)
    if kind == "vector":
        return _read(_vector, task.folder)
    raise _no_format(task)


def _no_format(task: TrialTask) -> SettingRefused:
    return SettingRefused(
        f"task {task.id!r}: nothing says how labels of {task.output.kind} × {task.output.channels} "
        f"are read from folder {task.folder!r}; offer a TaskPlugin with a `decode` under the entry "
        "point group taskonomy.tasks"
    )


def _any_classes(source: Source, domain: str) -> Label:
    """Return a user's class map: stored values are classes, those the task has not are masked."""
    stored = source.data.stored(domain, source.row, source.size, "ids")
    known = stored < source.task.output.channels
    return np.where(known, stored, 0).astype(np.int64), known[None].astype(np.float32)


def _vector(source: Source, domain: str) -> Label:
    path = source.data.index.path(domain, source.row)
    values, length = files.vector(path), source.task.output.channels
    if len(values) != length:
        raise Unreadable(path, f"holds {len(values)} numbers; the task has {length}")
    return values, None


def _plugged(source: Source, decode: Any, domains: tuple[str, ...]) -> Label:
    paths = [source.data.index.path(domain_named(name).name, source.row) for name in domains]
    try:
        target, mask = decode(paths, source.size, source.random)
    except (OSError, ValueError) as error:
        raise Unreadable(paths[0] if paths else source.task.id, str(error)) from error
    return target, mask
