import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tiny_data import SIDE, TinyData, task, trial_data

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_jobs.data.examples import Statistics, open_examples, statistics
from taskonomy_jobs.data.skips import Skips, TooManyUnreadable, Unreadable, deep_check

LAYOUTS = ["taskonomy", "omnidata"]


def made(root: Path, layout: str = "taskonomy") -> TinyData:
    """Three buildings to learn from, one to validate and one to test on."""
    tiny = TinyData(root, layout)
    for building in "abcde":
        tiny.views(building, {0: 3, 1: 2, 2: 1})
        tiny.matches(building, 0, [(1, 0), (2, 0)])
    tiny.split("s", {"train": ["a", "b", "c"], "val": ["d"], "test": ["e", "missing"]})
    return tiny


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("name", "train", "val"),
    [("depth", 18, 6), ("pose-fixated", 12, 4), ("egomotion", 3, 1), ("point-matching", 24, 8)],
)
def test_parts_hold_their_buildings_examples(
    tmp_path: Path, layout: str, name: str, train: int, val: int
) -> None:
    tiny = made(tmp_path, layout)
    parts = [
        open_examples(str(tiny.root), trial_data(layout), task(name), SIDE, part)
        for part in ("train", "val", "test")
    ]
    assert [len(one) for one in parts] == [train, val, val]
    ids = np.concatenate([one.ids for one in parts])
    assert ids.dtype == np.uint64
    assert len(set(ids.tolist())) == len(ids)
    assert parts[0].views.shape == (train, {"depth": 1, "egomotion": 3}.get(name, 2))


def test_both_arrangements_give_the_same_examples(tmp_path: Path) -> None:
    for name in ("depth", "pose-nonfixated", "room-layout"):
        found = [
            open_examples(
                str(made(tmp_path / name / layout, layout).root),
                trial_data(layout), task(name), SIDE, "train",
            )
            for layout in LAYOUTS
        ]  # fmt: skip
        assert found[0].ids.tolist() == found[1].ids.tolist()
        for index in range(len(found[0])):
            one, other = (examples.example(index, 5) for examples in found)
            assert np.array_equal(one.images, other.images)
            assert np.array_equal(one.target, other.target)


@pytest.mark.parametrize(
    "name", ["denoising", "jigsaw", "colorization", "depth", "pose-fixated", "point-matching"]
)
def test_the_same_draw_gives_the_same_example(tmp_path: Path, name: str) -> None:
    root = str(made(tmp_path).root)
    opened = [open_examples(root, trial_data(), task(name), 16, "train") for _ in range(2)]
    for draw in (0, 1, 2**64 - 1):
        one, other = (examples.example(2, draw) for examples in opened)
        assert one.example_id == other.example_id
        for field in ("images", "target", "mask"):
            assert np.array_equal(getattr(one, field), getattr(other, field))


def test_a_fraction_reduces_training_alone(tmp_path: Path) -> None:
    root = str(made(tmp_path).root)
    found = {
        (share, part): open_examples(root, trial_data(fraction=share), task("depth"), SIDE, part)
        for share in (0.2, 0.5, 1.0)
        for part in ("train", "val", "test")
    }
    train = [set(found[share, "train"].ids.tolist()) for share in (0.2, 0.5, 1.0)]
    assert train[0] < train[1] < train[2]
    for part in ("val", "test"):
        assert found[0.2, part].ids.tolist() == found[1.0, part].ids.tolist()


def test_views_without_a_label_are_no_examples(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    for building in "abcde":
        for point, count in {0: 3, 1: 2, 2: 1}.items():
            for view in range(count):
                tiny.png(building, point, view, "normal", np.zeros((SIDE, SIDE, 3), np.uint8))
    tiny.path("a", 0, 1, "normal", "png").unlink()
    tiny.path("b", 1, 0, "depth_zbuffer", "png").unlink()  # its mask
    whole = open_examples(str(tiny.root), trial_data(), task("autoencoding"), SIDE, "train")
    found = open_examples(str(tiny.root), trial_data(), task("normals"), SIDE, "train")
    assert (len(whole), len(found)) == (18, 16)


def test_a_view_without_a_room_or_vanishing_points_is_no_example(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    bare = {"camera_location": [0, 0, 0], "camera_rotation_final": [1, 0, 0]}
    tiny.json("a", 0, 0, "points", bare)
    for name in ("room-layout", "vanishing-points"):
        assert len(open_examples(str(tiny.root), trial_data(), task(name), SIDE, "train")) == 17
    poses = open_examples(str(tiny.root), trial_data(), task("pose-fixated"), SIDE, "train")
    assert len(poses) == 12


def test_poses_are_standardised_by_the_whole_train_part(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    tiny.json(
        "a", 0, 0, "points",
        {"camera_location": [1, 2, 3], "camera_rotation_final": [0.1, 0.2, 0.3]},
    )  # fmt: skip
    tiny.json(
        "a", 0, 1, "points",
        {"camera_location": [0, 0, 1], "camera_rotation_final": [1.0, -0.4, 2.0]},
    )  # fmt: skip
    part = trial_data(fraction=0.4)
    found = open_examples(str(tiny.root), trial_data(), task("pose-fixated"), SIDE, "train")
    known = statistics(open_examples(str(tiny.root), part, task("pose-fixated"), SIDE, "train"))

    targets = np.stack([found.example(i, 0).target for i in range(len(found))])
    np.testing.assert_allclose(targets.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(targets.std(0), 1, atol=1e-4)
    first, second = (
        Rotation.from_euler("xyz", angles).as_matrix() for angles in ([0.1, 0.2, 0.3], [1, -0.4, 2])
    )
    turned = Rotation.from_matrix(second.T @ first).as_euler("xyz")
    raw = np.concatenate([turned, second.T @ [1, 2, 2]])
    assert known.mean is not None
    assert known.std is not None
    np.testing.assert_allclose(targets[0] * known.std + known.mean, raw, atol=1e-5)
    assert known.count == 12


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged"),
        (b"\x89PNG\r\n\x1a\nnonsense", "is damaged"),
        (None, "is missing"),
    ],
)
def test_a_file_that_goes_bad_is_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    tiny = made(tmp_path)
    found = open_examples(str(tiny.root), trial_data(), task("depth"), SIDE, "train")
    path = tiny.path("a", 0, 0, "depth_zbuffer", "png")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreadable, match=why) as refused:
        found.example(0, 0)
    assert refused.value.path == str(path)
    assert found.example(1, 0).target.shape == (1, SIDE, SIDE)


def test_a_truncated_image_and_one_of_another_size_are_named(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    cut = tiny.path("a", 0, 0, "rgb", "png")
    cut.write_bytes(cut.read_bytes()[:-200])
    tiny.png("a", 0, 1, "depth_zbuffer", np.zeros((SIDE, 2 * SIDE), np.uint16))
    found = open_examples(str(tiny.root), trial_data(), task("depth"), SIDE, "train")
    with pytest.raises(Unreadable, match="truncated") as refused:
        found.example(0, 0)
    assert refused.value.path == str(cut)
    with pytest.raises(Unreadable, match="is 64×32, the data set's images are 32×32"):
        found.example(1, 0)


def test_the_images_size_is_what_most_have(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    tiny.png("a", 0, 0, "rgb", np.zeros((48, 48, 3), np.uint8))
    tiny.path("a", 0, 1, "rgb", "png").write_bytes(b"")
    found = open_examples(str(tiny.root), trial_data(), task("autoencoding"), SIDE, "train")
    with pytest.raises(Unreadable, match="is 48×48, the data set's images are 32×32"):
        found.example(0, 0)
    assert found.example(2, 0).images.shape == (1, 3, SIDE, SIDE)


def test_a_damaged_camera_is_named_and_left_out_of_statistics(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    path = tiny.json("a", 0, 1, "points", {"camera_location": [0, 0], "camera_rotation_final": 1})
    found = open_examples(str(tiny.root), trial_data(), task("pose-fixated"), SIDE, "train")
    assert len(found) == 12
    with pytest.raises(Unreadable, match="camera_location is not 3 finite numbers") as refused:
        found.example(0, 0)  # views 0 and 1
    assert refused.value.path == str(path)
    assert statistics(found).count == 10


def test_skips_stop_past_the_share_and_count_each_file_once() -> None:
    data = trial_data("omnidata", "my split")
    skips = Skips(200, deep_check("/data/rooms", data))
    assert skips.add(Unreadable("one.png", "is empty"))
    assert not skips.add(Unreadable("one.png", "is empty"))
    skips.add(Unreadable("two.png", "is damaged"))
    assert (skips.count, skips.first) == (2, "one.png: is empty")
    with pytest.raises(TooManyUnreadable, match=r"3 files of 200 examples .* 1\.00%") as stopped:
        skips.add(Unreadable("three.png", "is missing"))
    assert "(one.png: is empty; two.png: is damaged; three.png: is missing)" in str(stopped.value)
    command = "taskonomyctl data check /data/rooms --deep --splits 'my split' --layout omnidata"
    assert f"`{command}` lists every damaged file" in str(stopped.value)


@pytest.mark.parametrize("damaged", [1, 2])
def test_one_damaged_label_is_one_of_all_parts_examples(tmp_path: Path, damaged: int) -> None:
    """Of 40 training images one is 2.5 %, and of the 100 that there are 1 %: passed over."""
    tiny = TinyData(tmp_path)
    tiny.split("s", {"train": ["a"], "val": ["b"], "test": ["c"]})
    for building, views in {"a": 40, "b": 30, "c": 30}.items():
        for view in range(views):
            tiny.png(building, 0, view, "rgb", np.zeros((4, 4, 3), np.uint8))
            tiny.png(building, 0, view, "segment_semantic", np.ones((4, 4), np.uint8))
    for view in range(damaged):
        tiny.path("a", 0, view, "segment_semantic", "png").write_bytes(b"")
    learnt = task("segmentation-semantic")
    found = open_examples(str(tiny.root), trial_data(), learnt, 4, "train")
    if damaged == 1:
        assert statistics(found).count == 39
        return
    with pytest.raises(TooManyUnreadable, match=r"2 files of 100 examples .* --deep --splits s`"):
        statistics(found)


def test_semantic_weights_are_one_on_average_and_larger_for_rare_classes(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    stored = np.ones((SIDE, SIDE), np.uint8)  # background
    stored[:8] = 3  # a quarter is class 2, a chair
    stored[-8:] = 0  # a quarter is uncertain and counts for nothing
    for building in "abc":
        tiny.png(building, 0, 0, "segment_semantic", stored)
    found = open_examples(
        str(tiny.root), trial_data(), task("segmentation-semantic"), SIDE, "train"
    )
    known = statistics(found)
    share = np.zeros(17)
    share[[0, 2]] = [2 / 3, 1 / 3]
    weights = 1 / (share / 2 + 1 / 34)
    expected = weights / (share @ weights)
    assert known.weights is not None
    np.testing.assert_allclose(known.weights, expected, rtol=1e-5)
    assert known.count == 3


def test_colours_that_are_rare_weigh_more(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    grey = np.full((SIDE, SIDE, 3), 120, np.uint8)
    red = grey.copy()
    red[: SIDE // 4] = [200, 30, 30]
    for building in "abc":
        for view in range(3):
            tiny.png(building, 0, view, "rgb", red)
    found = open_examples(str(tiny.root), trial_data(), task("colorization"), SIDE, "train")
    known = statistics(found)
    assert known.weights is not None
    one = found.example(0, 0).target
    assert known.weights[one[:, 0, 0].argmax()] > 5 * known.weights[one[:, -1, -1].argmax()]


def test_statistics_are_kept_and_follow_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from taskonomy_jobs.data import statistics as module

    tiny = made(tmp_path / "one")
    known = statistics(
        open_examples(str(tiny.root), trial_data(), task("pose-fixated"), SIDE, "train")
    )
    shutil.copytree(tiny.root, tmp_path / "two")
    again = statistics(
        open_examples(str(tmp_path / "two"), trial_data(), task("pose-fixated"), SIDE, "train")
    )
    assert again.to_dict() == known.to_dict()
    assert Statistics.from_dict(known.to_dict()).to_dict() == known.to_dict()

    def computed(_: object) -> Statistics:
        raise AssertionError("it is kept")

    monkeypatch.setattr(module, "computed_statistics", computed)
    found = open_examples(str(tiny.root), trial_data(), task("pose-fixated"), SIDE, "val")
    assert statistics(found).to_dict() == known.to_dict()


@pytest.mark.parametrize(
    ("dataset", "name", "split", "said"),
    [
        ("nowhere", "depth", "s", "there is no such folder"),
        ("s3://bucket/data", "depth", "s", "only local folders"),
        (".", "depth", "t", "split 't' is not there"),
        (".", "edges-2d", "s", "needs edge_texture, which no view of part 'train'"),
        (".", "egomotion", "few", "no example of task 'egomotion' in part 'train'"),
        (".", "depth", "elsewhere", "none of the 1 buildings of part 'train'"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, dataset: str, name: str, split: str, said: str
) -> None:
    tiny = made(tmp_path)
    tiny.views("f", {0: 2})
    tiny.split("few", {"train": ["f"]})
    tiny.split("elsewhere", {"train": ["nobody"]})
    place = dataset if ":" in dataset else str(tmp_path / dataset)
    with pytest.raises(NotFound, match=said):
        open_examples(place, trial_data(splits=split), task(name), SIDE, "train")


def test_a_file_uri_is_a_folder(tmp_path: Path) -> None:
    tiny = made(tmp_path / "with blank")
    uri = tiny.root.as_uri()
    assert "%20" in uri
    assert len(open_examples(uri, trial_data(), task("depth"), SIDE, "val")) == 6


def test_a_custom_task_of_pairs_is_refused(tmp_path: Path) -> None:
    tiny = made(tmp_path)
    own = task("depth").model_copy(update={"id": "mine", "images": 2})
    with pytest.raises(SettingRefused, match="a task of one's own takes one image"):
        open_examples(str(tiny.root), trial_data(), own, SIDE, "train")
