"""Small videos and images, made here: squares that move over a gradient."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def scene(number: int, width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """One frame: red grows to the right, green downwards, a blue square moves with the number."""
    down, right = np.mgrid[0:height, 0:width]
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = right * 255 // width
    picture[..., 1] = down * 255 // height
    left = 3 * number % (width - 8)
    picture[8:16, left : left + 8, 2] = 255
    return picture


def make_video(path: Path, frames: int, *, rate: int = 12, width: int = 48) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, 32, "yuv420p"
        stream.options = {"crf": "1"}
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(scene(number, width), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def make_images(folder: Path, frames: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        Image.fromarray(scene(number)).save(folder / f"view{number}.png")
    return folder
