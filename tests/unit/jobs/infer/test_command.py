"""The job from a taxonomy and a video, a folder or an image to what is written."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import make_images, make_video, scene
from PIL import Image
from trained_networks import leave_networks, study_of, the_trial

from taskonomy_catalogue.errors import InputRefused, SettingRefused, TaskonomyError
from taskonomy_catalogue.inference import ChosenNetwork, ChosenNetworks, InferLaunch
from taskonomy_catalogue.trials import digest
from taskonomy_jobs.infer.__main__ import infer, main
from taskonomy_jobs.infer.tiles import Mosaic

pytestmark = pytest.mark.slow

STUDY = study_of(
    *("normals", "curvature", "depth", "edges-2d", "segmentation-semantic", "colorization"),
    *("segmentation-2d", "pose-fixated", "object-classes", "vanishing-points"),
)
TASKS = (
    *("normals", "curvature", "depth", "segmentation-semantic", "segmentation-2d"),
    *("pose-fixated", "object-classes", "vanishing-points"),
)
SERVED = [
    the_trial(STUDY, "normals"),
    *(the_trial(STUDY, task, "normals") for task in TASKS[1:]),
    the_trial(STUDY, "colorization"),
]
TARGETS = [trial.target.id for trial in SERVED]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("artifacts")
    leave_networks(root, SERVED)
    networks = tuple(ChosenNetwork(target=t.target.id, digest=digest(t)) for t in SERVED)
    chosen = ChosenNetworks(study="rooms", budget=2, order="1", networks=networks)
    (root / "networks.json").write_text(chosen.model_dump_json())
    return root


def launch(artifacts: Path, given: Path, out: Path, **more: Any) -> InferLaunch:
    return InferLaunch(
        networks=str(artifacts / "networks.json"),
        artifacts=str(artifacts),
        input=str(given),
        out=str(out),
        **more,
    )


def summary(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


def frames_of(video: Path) -> list[np.ndarray[Any, Any]]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
def test_a_video_becomes_a_video_of_tiles(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    video = make_video(tmp_path / "walk.mp4", 5)
    infer(launch(artifacts, video, tmp_path / f"tiles{ending}", batch=2))
    said = summary(capsys)
    assert (said["frames"], said["targets"], said["encoders"]) == (5, TARGETS, 2)
    assert said["frames_per_second"]["ratio"] > 0
    mosaic = Mosaic.of(len(TARGETS) + 1, 32)
    made = frames_of(tmp_path / f"tiles{ending}")
    assert [frame.shape for frame in made] == [(*mosaic.size[::-1], 3)] * 5
    # The first tile is the input's central square: green grows downwards in it.
    tile = made[2][24:216, 4:196].astype(int)
    assert tile[150:].mean((0, 1))[1] > tile[:40].mean((0, 1))[1] + 100
    assert list(tmp_path.glob(".*")) == []


def test_a_folder_becomes_pictures_by_task_and_numbers(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "predictions"
    infer(launch(artifacts, make_images(tmp_path / "views", 3), out))
    assert summary(capsys)["left_out"] == {}
    assert sorted(p.name for p in out.iterdir()) == sorted([*TARGETS, "input", "predictions.jsonl"])
    for target in TARGETS:
        assert sorted(p.name for p in (out / target).iterdir()) == [
            f"view{n}.png" for n in range(3)
        ]
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    lengths = {(line["frame"], line["task"]): len(line["values"]) for line in lines}
    assert lengths["view0", "object-classes"] == 1000
    assert ("view0", "pose-fixated") not in lengths  # there was no view before
    assert lengths["view1", "pose-fixated"] == 6
    classes = next(line["values"] for line in lines if line["task"] == "object-classes")
    assert sum(classes) == pytest.approx(1)


def test_an_image_becomes_an_image_and_pairs_are_left_out(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(scene(0)).save(tmp_path / "view.jpg")
    infer(launch(artifacts, tmp_path / "view.jpg", tmp_path / "tiles.png"))
    said = summary(capsys)
    assert said["left_out"] == {
        "pose-fixated": "it compares 2 views; give a video or a folder of images"
    }
    with Image.open(tmp_path / "tiles.png") as made:
        assert made.size == Mosaic.of(len(TARGETS), 32).size


def test_the_same_frames_give_the_same_pictures_however_they_are_batched(
    artifacts: Path, tmp_path: Path
) -> None:
    views = make_images(tmp_path / "views", 4)
    for batch in (1, 3):
        infer(launch(artifacts, views, tmp_path / str(batch), batch=batch))
    for one in (tmp_path / "1").rglob("*.png"):
        other = tmp_path / "3" / one.relative_to(tmp_path / "1")
        pair = [np.asarray(Image.open(path)).astype(int) for path in (one, other)]
        assert np.abs(pair[0] - pair[1]).mean() < 1, one


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("tiles.png", "one image cannot hold the frames of a video"),
        ("tiles.avi", r"end it with .mp4, .mkv"),
        ("there.mp4", "is there already; name another, or give --replace"),
        ("full", "is there already"),
        ("nowhere/tiles.mp4", "is not there; make it first"),
    ],
)
def test_a_place_that_cannot_be_is_refused_first(
    artifacts: Path, tmp_path: Path, out: str, says: str
) -> None:
    video = make_video(tmp_path / "walk.mp4", 2)
    (tmp_path / "there.mp4").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(SettingRefused, match=says):
        infer(launch(artifacts, video, tmp_path / out))
    assert (tmp_path / "there.mp4").read_text() == "mine"


def test_what_is_there_is_replaced_when_told_so(artifacts: Path, tmp_path: Path) -> None:
    views = make_images(tmp_path / "views", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old")
    infer(launch(artifacts, views, tmp_path / "out", replace="yes"))
    assert not (tmp_path / "out" / "old.txt").exists()
    assert (tmp_path / "out" / "normals" / "view1.png").exists()


def test_a_damaged_image_leaves_nothing_half_written(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    views = make_images(tmp_path / "views", 20)
    (views / "view19.png").write_bytes(b"\x89PNG nothing")
    words = launch(artifacts, views, tmp_path / "tiles.mp4").arguments()
    assert main(words) == InputRefused.exit_code
    said = capsys.readouterr().err
    assert "view19.png: is no image that can be read" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["views"]


def test_a_taxonomy_of_pairs_alone_says_so_for_one_image(artifacts: Path, tmp_path: Path) -> None:
    chosen = ChosenNetworks.parse((artifacts / "networks.json").read_bytes(), "x")
    pairs = tuple(network for network in chosen.networks if network.target == "pose-fixated")
    (tmp_path / "pairs.json").write_text(
        chosen.model_copy(update={"networks": pairs}).model_dump_json()
    )
    Image.fromarray(scene(0)).save(tmp_path / "view.png")
    asked = launch(artifacts, tmp_path / "view.png", tmp_path / "out.png")
    with pytest.raises(InputRefused, match=r"can be shown\. pose-fixated: it compares"):
        infer(asked.model_copy(update={"networks": str(tmp_path / "pairs.json")}))


def test_networks_that_are_no_list_are_refused(artifacts: Path, tmp_path: Path) -> None:
    (tmp_path / "networks.json").write_text('{"study": "rooms"}')
    asked = launch(artifacts, make_images(tmp_path / "v", 1), tmp_path / "out")
    wrong = asked.model_copy(update={"networks": str(tmp_path / "networks.json")})
    with pytest.raises(TaskonomyError, match=r"networks.json: field budget: Field required"):
        infer(wrong)
