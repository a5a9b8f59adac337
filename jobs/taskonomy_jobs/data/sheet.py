"""A sheet of labelled pictures, drawn with Pillow: titles, pictures, words and lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray[Any, Any]
Point = tuple[float, float]

CELL = 224
"""Side of a picture on the sheet, pixels."""
TITLE = 24
MARGIN = 10
TEXT_LINE = 15
COLUMNS = 6
PAPER, INK, FAINT = (250, 250, 248), (20, 20, 20), (110, 110, 110)


@dataclass(slots=True)
class Stroke:
    """A line over a picture: ends as shares of its width and height, from the top left."""

    start: Point
    end: Point
    colour: tuple[int, int, int]
    width: int = 2


@dataclass(slots=True)
class Cell:
    """One picture with its title and words."""

    title: str
    pictures: Sequence[Array] = ()
    """uint8 (h, w, 3) each; several share the cell side by side."""
    words: Sequence[str] = ()
    """Lines under the pictures."""
    strokes: Sequence[Stroke] = field(default_factory=list)
    """Drawn over the first picture."""


def drawn(cells: Sequence[Cell], heading: str) -> Image.Image:
    """Return the sheet: cells in rows of `COLUMNS`, under a heading."""
    lines = max((len(cell.words) for cell in cells), default=0)
    width, height = CELL + MARGIN, TITLE + CELL + lines * TEXT_LINE + MARGIN
    rows = -(-len(cells) // COLUMNS)
    size = (COLUMNS * width + MARGIN, rows * height + MARGIN + TITLE + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN), heading, INK, _font(17))
    for number, cell in enumerate(cells):
        row, column = divmod(number, COLUMNS)
        _draw(sheet, cell, MARGIN + column * width, 2 * MARGIN + TITLE + row * height)
    return sheet


def _draw(sheet: Image.Image, cell: Cell, left: int, top: int) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.text((left, top + 3), cell.title, INK, _font(14))
    top += TITLE
    side = CELL if len(cell.pictures) <= 1 else CELL // _across(len(cell.pictures))
    for number, colours in enumerate(cell.pictures):
        row, column = divmod(number, max(CELL // side, 1))
        picture = Image.fromarray(np.ascontiguousarray(colours)).resize(
            (side - 2, side - 2), Image.Resampling.NEAREST
        )
        sheet.paste(picture, (left + column * side, top + row * side))
    for stroke in cell.strokes:
        ends = [(left + x * side, top + y * side) for x, y in (stroke.start, stroke.end)]
        pen.line(ends, fill=stroke.colour, width=stroke.width)
    used = -(-len(cell.pictures) // max(CELL // side, 1)) * side if cell.pictures else 0
    for number, line in enumerate(cell.words):
        pen.text((left, top + used + 2 + number * TEXT_LINE), line, FAINT, _font(12))


def _across(pictures: int) -> int:
    return 2 if pictures <= 4 else 3


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
