"""A prediction as a picture and, where it is no picture, as numbers in its units.

Pixels get the colours that labels have on contact sheets (`data.pictures`). An embedding is seen
through three directions of its space, the same for all frames. Vectors and classes become bars.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from taskonomy_jobs.data.colour import ab_bins
from taskonomy_jobs.data.inputs import grey
from taskonomy_jobs.data.pictures import eight_bits, picture
from taskonomy_jobs.infer.frames import Picture
from taskonomy_jobs.infer.networks import Served
from taskonomy_jobs.infer.tiles import BACKGROUND, INK

Array = NDArray[Any]

MOST_LIKELY = 5
"""Classes that are shown."""
WIDEST = 3.0
"""Standard deviations, or units of what is not standardised, at the end of a bar."""
BAR, NEGATIVE = (80, 160, 220), (220, 130, 80)

_POSE = ("turn x", "turn y", "turn z", "move x", "move y", "move z")
_COMPONENTS: dict[str, Sequence[str]] = {
    "pose-fixated": _POSE,
    "pose-nonfixated": _POSE,
    "point-matching": ("other point", "same point"),
    "room-layout": (*(f"centre {a}" for a in "xyz"), *_POSE[:3], *(f"size {a}" for a in "xyz")),
    "vanishing-points": tuple(f"{axis} · {along}" for axis in "xyz" for along in "xyz"),
}
"""What the components of known tasks are; radians and metres."""


class Drawer:
    """Draws the predictions of one target.

    Args:
        served: the target and its network.
        side: side of a drawn tile in pixels.
    """

    def __init__(self, served: Served, side: int) -> None:
        self._task = served.trial.target
        self._statistics = served.statistics
        self._side = side
        self._directions: Array | None = None

    def draw(self, prediction: Array, image: Array) -> tuple[Picture, list[float] | None]:
        """Return a prediction as a picture, and as numbers if it has no pixels.

        Args:
            prediction: what the network returned for a frame, float32 (C, h, w) or (C,).
            image: the frame as networks see it, float32 (3, S, S).
        """
        kind = self._task.output.kind
        if kind == "vector":
            return self._vector(prediction)
        if kind == "classes":
            return self._classes(prediction)
        if kind == "embedding":
            return self._embedding(prediction), None
        if kind == "class-map":
            return self._class_map(prediction, image), None
        return picture(self._task, prediction, None, None), None

    def _class_map(self, logits: Array, image: Array) -> Picture:
        if len(logits) == len(ab_bins()):  # colours, painted onto the frame's own lightness
            return picture(self._task, _softmax(logits), None, grey(image)[0])
        return picture(self._task, logits, None, None)

    def _embedding(self, values: Array) -> Picture:
        flat = values.reshape(len(values), -1)
        if self._directions is None:
            mean = flat.mean(1, keepdims=True)
            _, _, axes = np.linalg.svd((flat - mean).T, full_matrices=False)
            spread = ((axes[:3] @ (flat - mean)).std(1) * 2 + 1e-6)[:, None]
            self._directions = np.concatenate([axes[:3] / spread, -axes[:3] @ mean / spread], 1)
        shown = self._directions[:, :-1] @ flat + self._directions[:, -1:]
        return eight_bits(shown.T.reshape(*values.shape[1:], -1))

    def _vector(self, standardised: Array) -> tuple[Picture, list[float]]:
        values = standardised
        if self._statistics.mean is not None and self._statistics.std is not None:
            values = standardised * self._statistics.std + self._statistics.mean
        names = _COMPONENTS.get(self._task.id, ())
        names = names if len(names) == len(values) else [str(i + 1) for i in range(len(values))]
        texts = [f"{name}  {value:+.2f}" for name, value in zip(names, values, strict=True)]
        return self._bars(texts, standardised / WIDEST), values.astype(float).tolist()

    def _classes(self, logits: Array) -> tuple[Picture, list[float]]:
        shares = _softmax(logits)
        names = _COMPONENTS.get(self._task.id, ())
        shown = range(len(names)) if names else np.argsort(-shares)[:MOST_LIKELY].tolist()
        texts = [f"{names[i] if names else f'class {i}'}  {shares[i]:.0%}" for i in shown]
        return self._bars(texts, shares[list(shown)]), shares.astype(float).tolist()

    def _bars(self, texts: Sequence[str], lengths: Array) -> Picture:
        """Draw a row for each text, and a bar from 0 to its length in [-1, 1] beneath it."""
        side = self._side
        image = Image.new("RGB", (side, side), BACKGROUND)
        pen = ImageDraw.Draw(image)
        row = side / max(len(texts), 6)
        font = ImageFont.load_default(min(14.0, max(7.0, row * 0.6)))
        start = 0.0 if (lengths >= 0).all() else side / 2
        for place, (text, length) in enumerate(zip(texts, lengths.tolist(), strict=True)):
            top = place * row
            end = start + max(-1.0, min(1.0, length)) * (side - 1 - start)
            box = (min(start, end), top + row * 0.72, max(start, end), top + row * 0.92)
            pen.text((3, top), text, INK, font)
            pen.rectangle(box, BAR if length >= 0 else NEGATIVE)
        return np.asarray(image)


def _softmax(logits: Array) -> Array:
    weights = np.exp(logits - logits.max(0))
    return np.asarray(weights / weights.sum(0))
