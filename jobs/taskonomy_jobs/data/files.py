"""One file read: an image, a vector or a JSON object, or `Unreadable` with the reason."""

import json
import struct
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from taskonomy_jobs.data.layout import Pixels
from taskonomy_jobs.data.skips import Unreadable

Array = np.ndarray[Any, Any]

_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
"""What Pillow raises for a file that is cut short, corrupt, or no image at all."""

_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = _PNG + b"\0\0\0\rIHDR"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_PIXELS_START = 41
"""Where the first chunk's content begins, if it is the one after the header."""
_FORMS = {
    bytes([8, 0, 0, 0, 0]): ("L", "L"),
    bytes([8, 2, 0, 0, 0]): ("RGB", "RGB"),
    bytes([16, 0, 0, 0, 0]): ("I;16", "I;16B"),
}
"""By bit depth, colours, compression, filter and interlacing: Pillow's mode, and as stored."""


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height from a PNG's header, without decoding it.

    Raises:
        Unreadable: it is missing, empty or no PNG.
    """
    try:
        with path.open("rb") as file:
            head = file.read(33)
    except OSError as error:
        raise Unreadable(path, _reason(error)) from error
    if not head:
        raise Unreadable(path, "is empty")
    if len(head) < 33 or not head.startswith(_PNG) or head[12:16] != b"IHDR":
        raise Unreadable(path, "is no PNG file")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


_LAST_BYTES = 64
"""How far from a file's end its closing mark is looked for: line feeds may follow it."""
_ENDS = {".png": _END, ".json": b"}"}
_STARTS = {".png": _PNG, ".json": b"{"}


def is_whole(path: Path) -> bool:
    """Return whether a file opens and closes as its kind does; if not, decoding it tells.

    Raises:
        OSError: it cannot be read.
    """
    if path.suffix not in _ENDS:
        return False
    with path.open("rb") as file:
        head = file.read(_LAST_BYTES)
        file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
        tail = file.read()
    return head.lstrip().startswith(_STARTS[path.suffix]) and tail.rstrip().endswith(
        _ENDS[path.suffix]
    )


def image(path: Path | str, pixels: Pixels, side: int, size: int) -> Array:
    """Return an image's stored values.

    Args:
        path: a PNG.
        pixels: what kind of values; "colour" is scaled by area here, in 8 bits, all others come
            as they are stored.
        side: height and width that it must have.
        size: side that colours are scaled to.

    Returns:
        colour: uint8 (3, size, size). Others: (side, side), uint16 for "response" and "depth", and
        for "ids" unsigned whole numbers.

    Raises:
        Unreadable: it is missing, damaged or of another size.
    """
    try:
        # Read at once: Pillow asks a file for dozens of small pieces.
        with FileIO(path) as file:
            content = file.readall()
        opened = _plain(content, side) or PngImageFile(BytesIO(content))
        if opened.size != (side, side):
            raise wrong_size(path, opened.size, side)
        if pixels == "colour":
            return _colour(opened, size)
        values = np.asarray(opened)
    except _DAMAGED as error:
        raise Unreadable(path, _reason(error)) from error
    return _ids(values) if pixels == "ids" else _sixteen_bits(values, path)


def _plain(content: bytes, side: int) -> Image.Image | None:
    """Return a small image of the usual form: a header, one chunk of pixels, the end.

    Pillow's own way to find that out takes a sixth of what 64 pixels take to decode. None: the file
    is otherwise, or something is amiss; Pillow then looks and says what.
    """
    length, kind = content[33:37], content[37:_PIXELS_START]
    stop = _PIXELS_START + int.from_bytes(length, "big")
    if kind != b"IDAT" or content[stop + 4 :] != _END:
        return None
    form = _FORMS.get(content[24:29])
    if form is None or content[:24] != _HEADER + struct.pack(">II", side, side):
        return None
    if content[29:33] != struct.pack(">I", crc32(content[12:29])):
        return None
    try:
        return Image.frombytes(form[0], (side, side), content[_PIXELS_START:stop], "zip", form[1])
    except (OSError, ValueError):
        return None


def wrong_size(path: Path | str, size: tuple[int, int], side: int) -> Unreadable:
    """Return the complaint that an image of this width and height is not the data set's."""
    return Unreadable(path, f"is {size[0]}×{size[1]}, the data set's images are {side}×{side}")


def _colour(opened: Image.Image, size: int) -> Array:
    picture = opened if opened.mode == "RGB" else opened.convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def _sixteen_bits(values: Array, path: Path | str) -> Array:
    if values.ndim != 2:
        raise Unreadable(path, f"has {values.shape[2]} channels instead of one")
    if values.dtype == np.uint8:
        return values.astype(np.uint16) * np.uint16(257)  # the same share of full scale
    return values.astype(np.uint16, copy=False)


def _ids(values: Array) -> Array:
    if values.ndim == 2:
        return values
    weights = np.array([1, 256, 65536], np.int32)[: values.shape[2]]
    return np.asarray((values[..., :3].astype(np.int32) * weights).sum(-1), np.int32)


def vector(path: Path) -> Array:
    """Return a `.npy` vector as float32 (C,); pickled objects are refused.

    Raises:
        Unreadable: it is missing, damaged, not finite or holds no numbers.
    """
    try:
        values = np.load(path, allow_pickle=False)
        numbers = np.asarray(values, np.float32).reshape(-1)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise Unreadable(path, _reason(error)) from error
    if not numbers.size or not np.isfinite(numbers).all():
        raise Unreadable(path, "holds no finite numbers")
    return numbers


def json_object(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        Unreadable: it is missing, damaged or no object.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(path, _reason(error)) from error
    if not isinstance(content, dict):
        raise Unreadable(path, "is no JSON object")
    return content


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"is damaged: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
