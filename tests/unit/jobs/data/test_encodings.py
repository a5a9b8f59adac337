"""Every task's target, from files whose numbers are chosen so that the answer can be worked out."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from tiny_data import SIDE, TinyData, task, trial_data

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_jobs.data import inputs
from taskonomy_jobs.data.colour import ab_bins
from taskonomy_jobs.data.examples import Example, open_examples
from taskonomy_jobs.data.skips import Unreadable

RAMP = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) * 64).astype(np.uint16)
"""0 to 65,472 in steps of 64."""
RGB = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> TinyData:
    """One view, with an image, and depth that is invalid in its first row."""
    tiny = TinyData(tmp_path)
    tiny.split("s", {"train": ["a"]})
    tiny.png("a", 0, 0, "rgb", RGB)
    depth = np.full((SIDE, SIDE), 1000, np.uint16)
    depth[0] = 65_535
    tiny.png("a", 0, 0, "depth_zbuffer", depth)
    return tiny


def example(data: TinyData, name: str, draw: int = 0, size: int = SIDE) -> Example:
    found = open_examples(str(data.root), trial_data(), task(name), size, "train")
    assert len(found) == 1
    one = found.example(0, draw)
    assert one.example_id == found.ids[0]
    assert one.images.dtype == np.float32
    return one


def mask_of(one: Example) -> np.ndarray:
    assert one.mask is not None
    return one.mask


MASK = np.ones((1, SIDE, SIDE), np.float32)
MASK[:, 0] = 0
"""Of tasks whose label comes from geometry."""


def test_images_are_scaled_to_plus_minus_one(data: TinyData) -> None:
    one = example(data, "autoencoding")
    expected = RGB.transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(one.images[0], expected, atol=1e-6)
    np.testing.assert_allclose(one.target, expected, atol=1e-6)
    assert one.mask is None


def test_denoising_sees_noise_and_wants_the_clean_image(data: TinyData) -> None:
    one, other = example(data, "denoising", 1), example(data, "denoising", 2)
    clean = RGB.transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(one.target, clean, atol=1e-6)
    assert 0.1 < np.abs(one.images[0] - clean).mean() < 0.2
    assert not np.array_equal(one.images, other.images)


def test_in_painting_sees_a_hole_and_wants_the_whole_image(data: TinyData) -> None:
    one = example(data, "in-painting")
    assert (one.images[0, :, 8:24, 8:24] == 0).all()
    np.testing.assert_allclose(one.target, RGB.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


def test_colorization_sees_lightness_and_wants_colours_at_a_quarter(data: TinyData) -> None:
    one = example(data, "colorization")
    assert one.target.shape == (313, SIDE // 4, SIDE // 4)
    np.testing.assert_allclose(one.target.sum(0), 1, atol=1e-5)
    lightness = rgb2lab(RGB)[..., 0] / 50 - 1
    np.testing.assert_allclose(one.images[0, 0], lightness, atol=1e-3)
    assert np.array_equal(one.images[0, 0], one.images[0, 2])
    corner = RGB[:4, :4].reshape(-1, 3).mean(0) / 255  # what the first target pixel covers
    ab = rgb2lab(corner[None, None])[0, 0, 1:]
    nearest = np.argmin(((ab_bins() - ab) ** 2).sum(1))
    assert one.target[:, 0, 0].argmax() == nearest


def test_jigsaw_wants_the_order_of_the_tiles_it_sees(data: TinyData) -> None:
    classes = set()
    for draw in range(12):
        one = example(data, "jigsaw", draw)
        assert one.images.shape == (9, 3, SIDE // 4, SIDE // 4)
        assert one.target.sum() == 1
        number = int(one.target.argmax())
        classes.add(number)
        order = inputs.jigsaw_permutations()[number]
        image = RGB.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
        np.testing.assert_allclose(
            one.images, inputs.tiles(image, order, draw, one.example_id), atol=1e-6
        )
    assert len(classes) > 6


@pytest.mark.parametrize(
    ("name", "folder", "largest", "masked"),
    [
        ("edges-2d", "edge_texture", 0.08, False),
        ("keypoints-2d", "keypoints2d", 0.005, False),
        ("keypoints-3d", "keypoints3d", 1.0, True),
    ],
)
def test_responses_map_their_stored_range_to_plus_minus_one(
    data: TinyData, name: str, folder: str, largest: float, masked: bool
) -> None:
    data.png("a", 0, 0, folder, RAMP)
    one = example(data, name)
    expected = np.clip(RAMP / (largest * 65_535), 0, 1) * 2 - 1
    np.testing.assert_allclose(one.target[0], expected, atol=1e-5)
    if not masked:
        assert one.mask is None
    else:
        assert np.array_equal(mask_of(one), MASK)


def test_occlusion_edges_are_blurred_and_not_clipped(data: TinyData) -> None:
    stored = np.zeros((SIDE, SIDE), np.uint16)
    stored[16] = 3000
    data.png("a", 0, 0, "edge_occlusion", stored)
    one = example(data, "occlusion-edges")
    sharp = stored / (0.00625 * 65_535) * 2 - 1
    np.testing.assert_allclose(one.target[0], gaussian_filter(sharp, 4 * SIDE / 256), atol=1e-4)
    assert one.target.max() > 1
    assert np.array_equal(mask_of(one), MASK)


def test_depth_is_logarithmic_and_masked_from_64500(data: TinyData) -> None:
    data.png("a", 0, 0, "depth_zbuffer", RAMP)
    one = example(data, "depth")
    valid = RAMP < 64_500
    expected = np.where(valid, np.log(1.0 + RAMP) / np.log(65_536), 0)
    np.testing.assert_allclose(one.target[0], expected, atol=1e-6)
    assert np.array_equal(mask_of(one)[0] > 0, valid)


def test_distance_is_masked_at_65535_alone(data: TinyData) -> None:
    stored = RAMP.copy()
    stored[3, 4] = 65_535
    data.png("a", 0, 0, "depth_euclidean", stored)
    one = example(data, "distance")
    assert mask_of(one).sum() == SIDE * SIDE - 1
    assert mask_of(one)[0, 3, 4] == 0
    np.testing.assert_allclose(one.target[0, -1, -1], np.log(1 + 65_472) / np.log(65_536))


def test_depth_scaled_down_is_the_mean_of_valid_logarithms(data: TinyData) -> None:
    stored = np.full((SIDE, SIDE), 99, np.uint16)
    stored[0, 1] = 9_999
    stored[0, 2:4] = 65_535
    stored[1, 2] = 65_535
    data.png("a", 0, 0, "depth_zbuffer", stored)
    one = example(data, "depth", size=SIDE // 2)
    logs = np.log([100.0, 10_000.0, 100.0, 100.0]) / np.log(65_536)
    np.testing.assert_allclose(one.target[0, 0, 0], logs.mean(), rtol=1e-5)
    assert mask_of(one)[0, 0, 1] == 0  # one of its four pixels is valid
    assert mask_of(one).sum() == 255


def test_normals_and_reshading_take_the_full_range(data: TinyData) -> None:
    data.png("a", 0, 0, "normal", RGB)
    data.png("a", 0, 0, "reshading", RGB)
    normals, shading = example(data, "normals"), example(data, "reshading")
    np.testing.assert_allclose(normals.target, RGB.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(shading.target, RGB[None, ..., 0] / 127.5 - 1, atol=1e-6)
    assert np.array_equal(mask_of(normals), MASK)
    assert np.array_equal(mask_of(shading), MASK)


def test_curvature_is_standardised_by_the_published_figures(data: TinyData) -> None:
    data.png("a", 0, 0, "principal_curvature", RGB)
    one = example(data, "curvature")
    np.testing.assert_allclose(one.target[0], (RGB[..., 0] - 123.572) / 31.922, atol=1e-5)
    np.testing.assert_allclose(one.target[1], (RGB[..., 1] - 120.1) / 21.658, atol=1e-5)
    assert np.array_equal(mask_of(one), MASK)


def test_embeddings_draw_300_pixels_once_each(data: TinyData) -> None:
    segments = (RAMP // 4096).astype(np.uint8)
    data.png("a", 0, 0, "segment_unsup2d", segments)
    one, same, other = (example(data, "segmentation-2d", draw) for draw in (3, 3, 4))
    assert one.target.shape == (300, 2)
    assert len(set(one.target[:, 0].tolist())) == 300
    assert np.array_equal(one.target[:, 1], segments.reshape(-1)[one.target[:, 0]])
    assert np.array_equal(one.target, same.target)
    assert not np.array_equal(one.target, other.target)


def test_25d_segments_are_drawn_where_there_is_geometry(data: TinyData) -> None:
    depth = np.full((SIDE, SIDE), 65_535, np.uint16)
    depth[5, :20] = 1000
    data.png("a", 0, 0, "depth_zbuffer", depth)
    data.png("a", 0, 0, "segment_unsup25d", (RAMP // 256).astype(np.uint8))
    one = example(data, "segmentation-25d")
    assert set(one.target[:, 0].tolist()) <= set(range(5 * SIDE, 5 * SIDE + 20))
    data.png("a", 0, 0, "depth_zbuffer", np.full((SIDE, SIDE), 65_535, np.uint16))
    fresh = TinyData(data.root.rename(data.root.with_name("moved")))
    with pytest.raises(Unreadable, match="no valid pixel"):
        example(fresh, "segmentation-25d")


def test_semantic_classes_start_at_the_background_and_mask_uncertainty(data: TinyData) -> None:
    stored = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 18).astype(np.uint8)
    data.png("a", 0, 0, "segment_semantic", stored)
    one = example(data, "segmentation-semantic")
    assert one.target.dtype == np.int64
    assert np.array_equal(one.target, np.where(stored == 0, 0, stored.astype(int) - 1))
    assert np.array_equal(mask_of(one)[0] > 0, stored > 0)


def test_semantic_classes_scaled_down_are_not_mixed(data: TinyData) -> None:
    stored = np.full((SIDE, SIDE), 3, np.uint8)
    stored[:, ::2] = 9
    data.png("a", 0, 0, "segment_semantic", stored)
    one = example(data, "segmentation-semantic", size=SIDE // 2)
    assert one.target.shape == (SIDE // 2, SIDE // 2)
    assert set(one.target.reshape(-1).tolist()) <= {2, 8}


def test_a_class_that_the_task_has_not_is_an_unreadable_file(data: TinyData) -> None:
    data.png("a", 0, 0, "segment_semantic", np.full((SIDE, SIDE), 18, np.uint8))
    with pytest.raises(Unreadable, match="holds class 18; the task has 17"):
        example(data, "segmentation-semantic")


def test_short_probabilities_are_padded_with_zeros(data: TinyData) -> None:
    data.npy("a", 0, 0, "class_scene", [0.1, 0.6, 0.3])
    one = example(data, "scene-classes")
    assert one.target.shape == (63,)
    np.testing.assert_allclose(one.target[:4], [0.1, 0.6, 0.3, 0], atol=1e-6)


def test_published_scenes_are_cut_to_the_kept_63(data: TinyData) -> None:
    values = np.full(365, 1.0)
    values[3], values[363] = 5.0, 9.0  # alcove, the first kept; youth hostel, the last
    data.npy("a", 0, 0, "class_scene", list(values / values.sum()))
    one = example(data, "scene-classes")
    np.testing.assert_allclose(one.target[[0, 1, 62]], np.array([5, 1, 9]) / 75, rtol=1e-5)


def test_logits_become_probabilities(data: TinyData) -> None:
    logits = np.random.default_rng(0).normal(0, 3, 1000)
    data.npy("a", 0, 0, "class_object", list(logits))
    one = example(data, "object-classes")
    np.testing.assert_allclose(one.target, np.exp(logits) / np.exp(logits).sum(), rtol=1e-4)


def test_a_data_set_without_depth_has_no_masks(tmp_path: Path) -> None:
    tiny = TinyData(tmp_path)
    tiny.split("s", {"train": ["a"]})
    for folder in ("rgb", "normal"):
        tiny.png("a", 0, 0, folder, RGB)
    assert example(tiny, "normals").mask is None


def test_images_are_not_enlarged(data: TinyData) -> None:
    with pytest.raises(SettingRefused, match=r"imageSize is 64, but the images of .* are 32"):
        example(data, "autoencoding", size=64)


def test_every_trained_task_is_encoded() -> None:
    from taskonomy_jobs.data.encodings import ENCODINGS
    from taskonomy_jobs.data.poses import POSE_TASKS

    trained = {one.id for one in paper_dictionary() if one.is_trained}
    assert trained == set(ENCODINGS) | set(POSE_TASKS)
