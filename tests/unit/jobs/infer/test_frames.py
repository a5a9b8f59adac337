"""What is read of videos, folders and images; and what a user is told of those that cannot be."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import make_images, make_video, scene
from PIL import Image

from taskonomy_catalogue.errors import InputRefused, NotFound, TaskonomyError
from taskonomy_jobs.infer.frames import open_footage, prepared, read_image


def test_a_video_gives_its_frames_in_order(tmp_path: Path) -> None:
    footage = open_footage(make_video(tmp_path / "walk.mp4", 14))
    assert (footage.kind, footage.rate) == ("video", Fraction(12))
    frames = list(footage.frames())
    assert [frame.name for frame in frames] == [f"{n:06}" for n in range(1, 15)]
    for number, frame in enumerate(frames):
        off = np.abs(frame.picture.astype(int) - scene(number).astype(int)).mean()
        assert off < 6  # lossy, and half the colour resolution


def test_a_folder_gives_its_images_as_people_count(tmp_path: Path) -> None:
    folder = make_images(tmp_path / "views", 12)
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    footage = open_footage(folder)
    assert footage.kind == "folder"
    frames = list(footage.frames())
    assert [frame.name for frame in frames] == [f"view{n}" for n in range(12)]
    assert all(np.array_equal(f.picture, scene(n)) for n, f in enumerate(frames))


def test_images_of_every_mode_become_eight_bit_colours(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    deep = grey.astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(np.dstack([grey, grey, grey, grey])).save(tmp_path / "alpha.png")
    for name in ("grey", "deep", "alpha"):
        assert np.array_equal(read_image(tmp_path / f"{name}.png"), np.dstack([grey] * 3)), name


def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    image = Image.fromarray(scene(0))
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: to be turned a quarter clockwise
    image.save(tmp_path / "upright.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "upright.png"), np.rot90(scene(0), -1))


def test_networks_see_the_central_square() -> None:
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, 2:6] = 255
    assert prepared(picture, 4).tolist() == np.ones((3, 4, 4)).tolist()
    halves = np.zeros((4, 4, 3), np.uint8)
    halves[:, 1::2] = 255
    assert prepared(halves, 2).tolist() == np.zeros((3, 2, 2)).tolist()  # means of two and two
    assert prepared(picture, 16).shape == (3, 16, 16)


def _nothing(path: Path) -> Path:
    return path / "nothing.mp4"


def _empty_folder(path: Path) -> Path:
    return path


def _text(path: Path) -> Path:
    (path / "x.mp4").write_text("I am no video")
    return path / "x.mp4"


def _sound(path: Path) -> Path:
    with av.open(str(path / "x.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    return path / "x.wav"


def _torn_image(path: Path) -> Path:
    Image.fromarray(scene(0)).save(path / "x.png")
    (path / "x.png").write_bytes((path / "x.png").read_bytes()[:100])
    return path / "x.png"


def _cut_mp4(path: Path) -> Path:
    make_video(path / "x.mp4", 60)
    (path / "x.mp4").write_bytes((path / "x.mp4").read_bytes()[:900])
    return path / "x.mp4"


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (_nothing, NotFound, "is not there; give a video, an image or a folder"),
        (_empty_folder, InputRefused, "holds no images; their names end in .png"),
        (_text, InputRefused, "is neither an image nor a video"),
        (_sound, InputRefused, "has sound and no pictures"),
        (_torn_image, InputRefused, "is no image that can be read"),
        (_cut_mp4, InputRefused, "is neither an image nor a video"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, make: object, error: type[TaskonomyError], says: str
) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(error, match=says) as caught:
        list(open_footage(path).frames())
    assert str(path) in str(caught.value)
