from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_data import TinyData, task

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_jobs.data import pictures
from taskonomy_jobs.data.browse import contact_sheet
from taskonomy_jobs.data.colour import lab, soft_bins
from taskonomy_jobs.data.inputs import grey
from taskonomy_jobs.data.sheet import CELL, MARGIN, TITLE, Cell, Stroke, drawn

IMAGE = np.random.default_rng(0).uniform(-0.6, 0.6, (3, 16, 16)).astype(np.float32)


def test_an_image_is_shown_as_it_is() -> None:
    shown = pictures.picture(task("autoencoding"), IMAGE, None, None)
    np.testing.assert_allclose(shown.transpose(2, 0, 1) / 127.5 - 1, IMAGE, atol=0.005)


def test_masked_pixels_are_grey() -> None:
    mask = np.ones((1, 16, 16), np.float32)
    mask[0, 3, 4] = 0
    shown = pictures.picture(task("normals"), IMAGE, mask, None)
    assert shown[3, 4].tolist() == [118, 118, 118]
    assert shown[3, 5].tolist() != [118, 118, 118]


def test_nearer_is_darker() -> None:
    depth = np.linspace(0.4, 0.7, 256, dtype=np.float32).reshape(1, 16, 16)
    shown = pictures.picture(task("depth"), depth, None, None)
    brightness = shown.reshape(-1, 3) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) >= -1).all()
    assert brightness[-1] - brightness[0] > 150


def test_numbers_have_colours_of_their_own() -> None:
    colours = pictures.distinct(np.arange(24))
    assert len({tuple(c) for c in colours.tolist()}) == 24
    assert colours[0].tolist() == [0, 0, 0]
    gaps = np.abs(colours[1:, None].astype(int) - colours[None, 1:]).sum(-1)
    assert gaps[~np.eye(23, dtype=bool)].min() > 20


def test_srgb_is_the_inverse_of_lab() -> None:
    shown = pictures.srgb(lab(IMAGE))
    np.testing.assert_allclose(shown.transpose(2, 0, 1) / 127.5 - 1, IMAGE, atol=0.01)


def test_colour_bins_paint_the_image_back() -> None:
    flat = np.repeat(np.repeat(IMAGE[:, ::4, ::4], 4, 1), 4, 2)
    bins = soft_bins(lab(flat[:, ::4, ::4])[1:])
    shown = pictures.picture(task("colorization"), bins, None, grey(flat)[0])
    assert np.abs(shown.transpose(2, 0, 1) / 127.5 - 1 - flat).mean() < 0.04  # of bins 10 wide


def test_flat_surfaces_have_one_colour_and_bent_ones_others() -> None:
    flat = (np.full((2, 4, 4), 127.0) - np.array([123.572, 120.1])[:, None, None]) / np.array(
        [31.922, 21.658]
    )[:, None, None]
    bent = flat.copy()
    bent[0, 0, 0] += 2
    shown = pictures.curvature(bent)
    assert shown[1, 1].tolist() == [127, 127, 255]
    assert shown[0, 0].tolist() != [127, 127, 255]


def test_cells_are_placed_in_rows_and_strokes_drawn() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    line = Stroke((0.0, 0.5), (1.0, 0.5), (0, 255, 0))
    sheet = np.asarray(drawn([Cell("one", [red], strokes=[line])] * 7, "heading"))
    x, y = MARGIN + 5, 2 * MARGIN + 2 * TITLE + 5
    assert sheet[y, x].tolist() == [255, 0, 0]
    assert sheet[y + CELL // 2 - 5, x].tolist() == [0, 255, 0]
    assert sheet[y + CELL + TITLE + MARGIN, x].tolist() == [255, 0, 0]  # the seventh: a new row


def test_the_room_is_drawn_where_it_is(tmp_path: Path) -> None:
    """From the middle of a cube, its far wall is a square with edges running to the corners."""
    tiny = TinyData(tmp_path)
    tiny.png("a", 0, 0, "rgb", np.zeros((32, 32, 3), np.uint8))
    camera = {
        "camera_location": [0.0, 0.0, 0.0],
        "camera_rotation_final": [np.pi / 2, 0.0, 0.0],
        "field_of_view_rads": np.pi / 2 + 0.4,
        "bounding_box_ranges": {key: [-1.0, 1.0] for key in "xyz"},
    }
    tiny.json("a", 0, 0, "points", camera)
    out = tmp_path / "sheet.png"
    contact_sheet(str(tmp_path), "taskonomy", paper_dictionary(), out)
    with Image.open(out) as opened:
        sheet = np.asarray(opened)
    yellow = np.argwhere((sheet == [255, 205, 0]).all(-1))
    ids = [one.id for one in paper_dictionary()]
    row, column = divmod(ids.index("room-layout"), 6)
    # A wall 1 m away and 1 m to each side, in a picture that shows tan(fov / 2) to each side.
    half = 0.5 / np.tan(np.pi / 4 + 0.2)
    left = MARGIN + column * (CELL + MARGIN) + (0.5 - half) * CELL
    assert (np.abs(yellow[:, 1] - left) <= 2).sum() > CELL * half
    assert row == 3
    assert pytest.approx(2 * half * CELL, abs=6) == np.ptp(
        yellow[np.abs(yellow[:, 1] - left) <= 2][:, 0]
    )
