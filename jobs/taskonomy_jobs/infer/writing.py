"""What is made: a video or an image of tiles, or a folder with a picture per task and frame.

Everything is written under another name beside its place and renamed at the end: what is there is
whole.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
from PIL import Image

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_jobs.infer.tiles import Mosaic, Tile

VIDEO_CODECS = {".mp4": "libx264", ".mkv": "libx264", ".mov": "libx264", ".webm": "libvpx-vp9"}
"""Codec by a video's ending."""
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
PREDICTIONS = "predictions.jsonl"
"""File of a folder's predictions that are numbers: frame, task, values."""

Numbers = dict[str, list[float]]
"""Predictions that are no pictures, by target: components in their units, or probabilities."""


class Writer(Protocol):
    """Takes what was predicted, frame after frame."""

    def add(self, frame: str, tiles: Sequence[Tile], numbers: Numbers) -> None:
        """Take a frame: its name, the input and each target's picture, predicted numbers."""


def check_place(out: Path, frames: str, *, replace: bool) -> None:
    """See that something can be made at a place, before anything is computed.

    Args:
        out: the place.
        frames: kind of the input: video, folder or image.
        replace: whether what is there may go.

    Raises:
        SettingRefused: the ending is unknown, something is there, or one image cannot hold a film.
    """
    known = (*VIDEO_CODECS, *IMAGE_ENDINGS)
    ending = out.suffix.lower()
    if ending and ending not in known and not out.is_dir():
        raise SettingRefused(f"--out {out}: end it with {', '.join(known)}, or name a folder")
    if ending in IMAGE_ENDINGS and frames != "image":
        raise SettingRefused(
            f"--out {out}: one image cannot hold the frames of a {frames}; name a video (.mp4) or "
            "a folder"
        )
    is_there = any(out.iterdir()) if out.is_dir() else out.exists()
    if is_there and not replace:
        raise SettingRefused(f"--out {out} is there already; name another, or give --replace")
    if not out.absolute().parent.is_dir():
        raise SettingRefused(f"--out {out}: the folder {out.parent} is not there; make it first")


@contextmanager
def writer(out: Path, mosaic: Mosaic, rate: Fraction) -> Iterator[Writer]:
    """Give what makes the output; it is there, whole, when the block ends without an error.

    Args:
        out: what to make; its ending says what it is.
        mosaic: how tiles are laid out.
        rate: frames a second of a video.
    """
    ending = out.suffix.lower()
    made = out.with_name(f".{out.stem}.{os.getpid()}{ending}")
    try:
        if ending in VIDEO_CODECS:
            with av.open(str(made), "w") as container:
                video = _Video(container, VIDEO_CODECS[ending], mosaic, rate)
                yield video
                video.end()
        elif ending in IMAGE_ENDINGS:
            yield _Picture(made, mosaic)
        else:
            made.mkdir()
            with (made / PREDICTIONS).open("w", encoding="utf-8") as numbers:
                yield _Folder(made, numbers)
            if not (made / PREDICTIONS).stat().st_size:
                (made / PREDICTIONS).unlink()
        if out.is_dir():
            shutil.rmtree(out)
        made.replace(out)
    except av.FFmpegError as error:
        raise InputRefused(out, f"cannot be written: {error.strerror}") from error
    finally:
        if made.is_dir():
            shutil.rmtree(made)
        made.unlink(missing_ok=True)


class _Video:
    def __init__(self, container: Any, codec: str, mosaic: Mosaic, rate: Fraction) -> None:
        self._mosaic = mosaic
        self._container = container
        self._stream = container.add_stream(codec, rate=rate)
        self._stream.width, self._stream.height = mosaic.size
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "18"}

    def add(self, frame: str, tiles: Sequence[Tile], numbers: Numbers) -> None:
        del frame, numbers
        picture = av.VideoFrame.from_ndarray(self._mosaic.draw(tiles), format="rgb24")
        self._container.mux(self._stream.encode(picture))

    def end(self) -> None:
        self._container.mux(self._stream.encode())


class _Picture:
    def __init__(self, path: Path, mosaic: Mosaic) -> None:
        self._path, self._mosaic = path, mosaic

    def add(self, frame: str, tiles: Sequence[Tile], numbers: Numbers) -> None:
        del frame, numbers
        Image.fromarray(self._mosaic.draw(tiles)).save(self._path)


class _Folder:
    def __init__(self, folder: Path, numbers: Any) -> None:
        self._folder, self._numbers = folder, numbers

    def add(self, frame: str, tiles: Sequence[Tile], numbers: Numbers) -> None:
        for tile in tiles:
            place = self._folder / tile.name
            place.mkdir(exist_ok=True)
            Image.fromarray(tile.picture).save(place / f"{frame}.png")
        for target, values in numbers.items():
            line = {"frame": frame, "task": target, "values": values}
            self._numbers.write(json.dumps(line, ensure_ascii=False) + "\n")
