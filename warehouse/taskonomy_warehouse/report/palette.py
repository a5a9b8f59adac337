"""Colours and marks of the report, the same on the page and in the pictures.

Groups take the blue, vermillion, green and purple of Okabe and Ito's colour-blind-safe set, and a
mark each, so that nothing hangs on colour alone. Ramps change in lightness throughout; win rates
diverge, orange to blue, from one half: that is where a transfer is as good as what it is held
against. Ramps hurry past the middle greys, on which neither black nor white figures read well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from taskonomy_catalogue.tasks import Group

Mark = Literal["circle", "square", "triangle", "diamond", "cross"]

MARKS: dict[Group, Mark] = {
    "2d": "circle",
    "3d": "square",
    "low-dimensional": "triangle",
    "semantic": "diamond",
    "other": "cross",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of one theme, as #rrggbb."""

    groups: dict[Group, str]
    strength: tuple[str, ...]
    """For exp(-20 P1), from 0 (best, stands out most) to 1."""
    win_rate: tuple[str, ...]
    """From 0 through one half to 1."""
    orders: tuple[str, ...]
    """From the lowest order limit to the highest."""


LIGHT = Palette(
    groups={
        "2d": "#0072b2",
        "3d": "#c65102",
        "low-dimensional": "#00805c",
        "semantic": "#a8478f",
        "other": "#3f4752",
    },
    strength=("#0a2a52", "#17508c", "#74abd6", "#a3c9e5", "#d3e4f1", "#f4f7fa"),
    win_rate=("#8a4005", "#e0953f", "#f6c98f", "#f5f3ef", "#a9cbe6", "#68a6d8", "#0b4a8a"),
    orders=("#d59a1c", "#cc6a33", "#b03a62", "#6b3f9c", "#1f3c88"),
)
DARK = Palette(
    groups={
        "2d": "#5ab4ee",
        "3d": "#ff9c5b",
        "low-dimensional": "#3fcfa4",
        "semantic": "#e694d2",
        "other": "#a4adba",
    },
    strength=("#e9f5ff", "#aed9f9", "#7cbbe9", "#285f92", "#1d3f61", "#19232f"),
    win_rate=("#ffb566", "#e2964a", "#66442a", "#262b33", "#284a6d", "#69ade6", "#a9d8ff"),
    orders=("#f4cf6d", "#f29a66", "#e6739c", "#b08cf0", "#7fb4ff"),
)


def along(ramp: Sequence[str], place: float) -> str:
    """Return the colour at a place in [0, 1] of a ramp of evenly spaced colours."""
    at = min(max(place, 0.0), 1.0) * (len(ramp) - 1)
    low = min(int(at), len(ramp) - 2)
    mixed = (
        round(a + (b - a) * (at - low))
        for a, b in zip(_channels(ramp[low]), _channels(ramp[low + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def ink_on(colour: str) -> str:
    """Return black or white, whichever reads better: a contrast of 4.5 or more (WCAG)."""
    red, green, blue = (_linear(c / 255) for c in _channels(colour))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if luminance > 0.179 else "#ffffff"


def order_colours(palette: Palette, count: int) -> list[str]:
    """Return one colour per order limit, spread over the palette's."""
    return [along(palette.orders, i / max(count - 1, 1)) for i in range(count)]


def shades(members: Sequence[str], colour: str) -> dict[str, str]:
    """Return a shade of one colour per member, dark to light, to tell a family's sources apart."""
    shade = {}
    for i, member in enumerate(members):
        place = 2 * i / (len(members) - 1) - 1 if len(members) > 1 else 0.0
        pole, reach = ("#000000", 0.5) if place < 0 else ("#ffffff", 0.3)
        shade[member] = along((colour, pole), abs(place) * reach)
    return shade


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
