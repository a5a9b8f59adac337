"""Drawing: the pictures of one frame's predictions, each with its task's name, in one mosaic."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from taskonomy_jobs.infer.frames import Picture

SHORTEST_SIDE = 192
"""Pixels that a tile's side has at least: small networks' pictures are enlarged to whole pixels."""
CAPTION = 20
"""Height of a tile's name, in pixels."""
GAP = 4
"""Pixels between tiles."""
WIDE = 16 / 9
"""Shape that a mosaic comes near to."""
BACKGROUND, INK = (24, 24, 27), (235, 235, 235)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture with a name."""

    name: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A grid that tiles of one shape are laid out in.

    Args:
        count: tiles.
        side: side of a tile's picture, in pixels.
    """

    count: int
    side: int

    @classmethod
    def of(cls, count: int, image_size: int) -> "Mosaic":
        """Return the grid for pictures of networks for images of a size."""
        return cls(count, image_size * max(1, ceil(SHORTEST_SIDE / image_size)))

    @property
    def columns(self) -> int:
        """Tiles in a row."""
        return min(self.count, max(1, round(sqrt(self.count * WIDE))))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even, as video formats ask."""
        rows = ceil(self.count / self.columns)
        width = self.columns * (self.side + GAP) + GAP
        height = rows * (self.side + CAPTION + GAP) + GAP
        return width + width % 2, height + height % 2

    def draw(self, tiles: Sequence[Tile]) -> Picture:
        """Return all tiles in one picture, row by row."""
        mosaic = Image.new("RGB", self.size, BACKGROUND)
        pen = ImageDraw.Draw(mosaic)
        font = ImageFont.load_default(CAPTION - 7)
        for place, tile in enumerate(tiles):
            row, column = divmod(place, self.columns)
            left = GAP + column * (self.side + GAP)
            top = GAP + row * (self.side + CAPTION + GAP)
            pen.text((left + 2, top + 2), tile.name, INK, font)
            mosaic.paste(Image.fromarray(enlarged(tile.picture, self.side)), (left, top + CAPTION))
        return np.asarray(mosaic)


def enlarged(picture: Picture, side: int) -> Picture:
    """Return a square picture of another side: whole pixels where it is a multiple."""
    if picture.shape[0] == side == picture.shape[1]:
        return picture
    way = Image.Resampling.NEAREST if side % picture.shape[0] == 0 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((side, side), way))


def waiting(side: int) -> Picture:
    """Return the tile of a target that needs more frames than there were yet."""
    return np.broadcast_to(np.array(BACKGROUND, np.uint8), (side, side, 3)).copy()
