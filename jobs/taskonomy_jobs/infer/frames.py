"""What is looked at: the frames of a video, the images of a folder, or one image."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from taskonomy_catalogue.errors import InputRefused, NotFound
from taskonomy_jobs.data.resizing import area

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Names that images end with."""

Picture = NDArray[np.uint8]
"""H×W×3."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of the input."""

    name: str
    """What files made of it are called: the image's name, or the frame's number."""
    picture: Picture
    """As it was given."""


@dataclass(frozen=True, slots=True)
class Footage:
    """An input that was found and looks like what it says."""

    path: Path
    kind: Literal["video", "folder", "image"]
    rate: Fraction | None
    """Frames a second of a video; None where it does not say, and for images."""
    images: tuple[Path, ...] = ()
    """Files of a folder, in order; the image itself."""

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            InputRefused: one of them is damaged; the message names it.
        """
        if self.kind == "video":
            yield from _decoded(self.path)
            return
        for path in self.images:
            yield Frame(path.stem, read_image(path))


def open_footage(path: Path) -> Footage:
    """Return what lies at a path.

    Raises:
        NotFound: nothing does.
        InputRefused: a folder without images, or a file that is neither image nor video.
    """
    if path.is_dir():
        images = tuple(sorted(filter(_is_image, path.iterdir()), key=_natural))
        if not images:
            endings = ", ".join(IMAGE_SUFFIXES)
            raise InputRefused(path, f"holds no images; their names end in {endings}")
        return Footage(path, "folder", None, images)
    if not path.is_file():
        raise NotFound(f"{path} is not there; give a video, an image or a folder of images")
    if _is_image(path):
        return Footage(path, "image", None, (path,))
    return Footage(path, "video", _rate(path))


def read_image(path: Path) -> Picture:
    """Return an image as uint8 H×W×3, turned as its camera says; 16-bit greys scaled to 8 bits.

    Raises:
        InputRefused: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith("I"):
                return np.repeat((np.asarray(turned) // 257).astype(np.uint8)[..., None], 3, axis=2)
            return np.asarray(turned.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputRefused(path, f"is no image that can be read: {error}") from error


def prepared(picture: Picture, size: int) -> NDArray[np.float32]:
    """Return a picture as networks see it: its central square, float32 (3, size, size) in [-1, 1].

    Larger ones are scaled by area, as training images are; smaller ones smoothly.
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    if side < size:
        enlarged = Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC)
        square = np.asarray(enlarged)
    planes = np.ascontiguousarray(square.transpose(2, 0, 1)).astype(np.float32)
    return np.asarray(area(planes, size) / np.float32(127.5) - 1, np.float32)


# --- files ------------------------------------------------------------------------------------


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Order frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    key = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part]
    return key, path.name


def _rate(path: Path) -> Fraction | None:
    """Return a video's frames a second, having seen that it has frames at all."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        return Fraction(rate) if rate else None


def _decoded(path: Path) -> Iterator[Frame]:
    number = 0
    with _opened(path) as container:
        try:
            for frame in container.decode(container.streams.video[0]):
                number += 1
                picture = frame.to_ndarray(format="rgb24")
                # What a phone held upright says of its frames, in degrees anticlockwise.
                yield Frame(f"{number:06}", np.rot90(picture, frame.rotation // 90 % 4))
        except av.FFmpegError as error:
            reason = f"is damaged after frame {number}: {error.strerror}"
            raise InputRefused(path, f"{reason}; cut it there, or make it again") from error
    if number == 0:
        raise InputRefused(path, "is a video without frames")


def _opened(path: Path) -> Any:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputRefused(path, f"is neither an image nor a video: {said}") from error
    if not container.streams.video:
        container.close()
        raise InputRefused(path, "has sound and no pictures; give a video with pictures")
    return container
