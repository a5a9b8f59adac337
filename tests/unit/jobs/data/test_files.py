"""Images read from files: the same values as Pillow's own, whatever form the file has."""

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image

from taskonomy_jobs.data import files
from taskonomy_jobs.data.skips import Unreadable

SIDE = 16
RANDOM = np.random.default_rng(3)
GREY = RANDOM.integers(0, 256, (SIDE, SIDE), np.uint8)
DEEP = RANDOM.integers(0, 65_536, (SIDE, SIDE), np.uint16)
COLOURS = RANDOM.integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def _png(values: Any) -> bytes:
    picture = values if isinstance(values, Image.Image) else Image.fromarray(values)
    content = BytesIO()
    picture.save(content, "png")
    return content.getvalue()


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and data of each chunk of a PNG."""
    found, place = [], 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def _written(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG of these chunks, each with its checksum."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))
        for kind, data in chunks
    )


def _pixels_in_two_chunks(content: bytes) -> bytes:
    header, (kind, data), end = _chunks(content)
    return _written([header, (kind, data[:9]), (kind, data[9:]), end])


def _with_a_comment(content: bytes) -> bytes:
    header, *rest = _chunks(content)
    return _written([header, (b"tEXt", b"Comment\0none"), *rest])


def _interlaced(content: bytes) -> bytes:
    """Return a grey PNG's pixels in the seven passes of Adam7, unfiltered."""
    (kind, header), _, end = _chunks(content)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)]
    passes += [(2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, across in passes
        for row in GREY[top::down, left::across]
    )
    return _written([(kind, header[:12] + b"\1"), (b"IDAT", compress(rows)), end])


def _read(tmp_path: Path, content: bytes, pixels: Any) -> Any:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    return files.image(path, pixels, SIDE, SIDE)


@pytest.mark.parametrize(
    "form",
    [lambda content: content, _pixels_in_two_chunks, _with_a_comment],
    ids=["plain", "two chunks", "a comment"],
)
@pytest.mark.parametrize(
    ("values", "pixels", "expected"),
    [
        (COLOURS, "colour", COLOURS.transpose(2, 0, 1)),
        (GREY, "colour", np.stack([GREY] * 3)),
        (GREY, "ids", GREY),
        (DEEP, "depth", DEEP),
        (GREY, "response", GREY.astype(np.uint16) * 257),
        (COLOURS, "ids", COLOURS @ np.array([1, 256, 65_536])),
        (Image.fromarray(COLOURS).convert("RGBA"), "colour", COLOURS.transpose(2, 0, 1)),
    ],
    ids=["rgb", "grey as rgb", "grey ids", "16 bits", "8 of 16 bits", "rgb ids", "rgba"],
)
def test_values_are_those_that_were_written(
    values: Any, pixels: Any, expected: Any, form: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    found = _read(tmp_path, form(_png(values)), pixels)
    assert np.array_equal(found, expected)


def test_a_palette_is_looked_up_for_colours_and_is_ids_otherwise(tmp_path: Path) -> None:
    picture = Image.fromarray(GREY % 4).convert("P")
    picture.putpalette([9, 8, 7, 30, 20, 10, 1, 2, 3, 250, 251, 252])
    content = _png(picture)
    palette = np.array([[9, 8, 7], [30, 20, 10], [1, 2, 3], [250, 251, 252]], np.uint8)
    assert np.array_equal(_read(tmp_path, content, "ids"), GREY % 4)
    expected = palette[GREY % 4].transpose(2, 0, 1)
    assert np.array_equal(_read(tmp_path, content, "colour"), expected)


def test_an_interlaced_image_is_read(tmp_path: Path) -> None:
    assert np.array_equal(_read(tmp_path, _interlaced(_png(GREY)), "ids"), GREY)


def _changed(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def _cut_short(content: bytes) -> bytes:
    """Return the PNG with its pixels ending early, whole as a file."""
    header, (kind, data), end = _chunks(content)
    return _written([header, (kind, data[:-40]), end])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _: b"", "damaged"),
        (lambda content: content[:20], "damaged"),
        (lambda content: content[:60], "damaged"),
        (lambda content: content[: len(content) // 2], "damaged"),
        (lambda content: _changed(content, 3), "damaged"),
        (lambda content: _changed(content, 24), "damaged"),
        (lambda content: _changed(content, 30), "damaged"),
        (lambda content: _changed(content, 42), "damaged"),
        (_cut_short, "damaged"),
        (lambda _: _png(GREY[:8]), "is 16×8, the data set's images are 16×16"),
        (lambda _: _png(GREY[:8, :8]), "is 8×8, the data set's images are 16×16"),
    ],
    ids=[
        "empty",
        "no header",
        "no pixels",
        "half",
        "no PNG",
        "another depth",
        "header's checksum",
        "pixels",
        "pixels cut short",
        "flat",
        "small",
    ],
)
def test_what_is_damaged_is_named(
    damage: Callable[[bytes], bytes], why: str, tmp_path: Path
) -> None:
    with pytest.raises(Unreadable, match=why) as refused:
        _read(tmp_path, damage(_png(GREY)), "ids")
    assert refused.value.path == str(tmp_path / "image.png")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="is missing"):
        files.image(tmp_path / "none.png", "ids", SIDE, SIDE)
