"""`taskonomyctl infer` from a warehouse to a video: the taxonomy's networks, applied."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from films import make_images, make_video
from trained_networks import leave_networks
from trial_results import Artifacts, study_document, trials_of

from taskonomy_catalogue.study import parse_study
from taskonomy_catalogue.trials import Trial

pytestmark = pytest.mark.slow

Taskonomyctl = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, taskonomyctl: Taskonomyctl) -> Path:
    """A folder with a study that was trained, loaded and solved."""
    folder = tmp_path_factory.mktemp("trained")
    document = study_document(
        model={"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": 32},
        artifacts=str(folder / "artifacts"),
    )
    study = parse_study(document, origin="study.yaml")
    (folder / "study.yaml").write_text(yaml.safe_dump(document))
    (folder / "artifacts").mkdir()
    artifacts = Artifacts(folder / "artifacts")
    leave_networks(artifacts.root, (t for t in trials_of(study) if isinstance(t, Trial)))
    artifacts.leave_all(study)
    taskonomyctl("load", "-f", "study.yaml", cwd=folder)
    taskonomyctl("solve", "--budgets", "1-3", "--orders", "1,2", cwd=folder)
    return folder


def test_a_taxonomy_is_applied_to_a_video(
    trained: Path, taskonomyctl: Taskonomyctl, capfd: pytest.CaptureFixture[str]
) -> None:
    make_video(trained / "walk.mp4", 6)
    words = ["infer", "--budget", "2", "--order", "2", "--input", "walk.mp4", "--out", "tiles.mp4"]
    ran = taskonomyctl(*words, "-o", "json", cwd=trained)
    said = json.loads(ran.stdout)
    shown = json.loads(
        taskonomyctl(
            *("show", "taxonomy", "--budget", "2", "--order", "2", "-o", "json"), cwd=trained
        ).stdout
    )[0]
    assert said["targets"] == [edge["target"] for edge in shown["edges"]]
    assert said["frames"] == 6
    assert (trained / "tiles.mp4").stat().st_size > 1000
    taskonomyctl(*words, cwd=trained, code=2)
    assert capfd.readouterr().err == (
        "taskonomyctl: --out tiles.mp4 is there already; name another, or give --replace\n"
    )


def test_without_an_order_it_is_the_highest_solved_for_the_budget(
    trained: Path, taskonomyctl: Taskonomyctl
) -> None:
    # As the README writes it: `solve` took the study's orders, 1 and 2, and never `all`.
    make_video(trained / "video.mp4", 3)
    words = ("infer", "--study", "rooms", "--budget", "2", "--input", "video.mp4", "--out")
    ran = taskonomyctl(*words, "seen.mp4", cwd=trained)
    assert ran.stdout.startswith("taxonomy of budget 2, order 2\n3 frames, ")
    assert (trained / "seen.mp4").stat().st_size > 1000


def test_images_become_a_folder(trained: Path, taskonomyctl: Taskonomyctl) -> None:
    make_images(trained / "views", 2)
    told = taskonomyctl(
        *("infer", "--budget", "1", "--order", "1", "--input", "views", "--out", "pictures"),
        *("--artifacts", "artifacts"),
        cwd=trained,
    )
    assert "frames/s with shared encoders" in told.stdout
    assert (trained / "pictures" / "normals" / "view1.png").exists()


def test_what_was_not_solved_or_trained_is_said(
    trained: Path,
    taskonomyctl: Taskonomyctl,
    solved_paper: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    infer = ("infer", "--input", "views", "--out", "x.mp4")
    unsolved = taskonomyctl(*infer, "--budget", "9", cwd=trained, code=6)
    assert "has no taxonomy of budget 9 (`taskonomyctl solve" in unsolved.stderr
    assert "--budgets 9` makes it)" in unsolved.stderr
    published = taskonomyctl(
        *infer, "--budget", "8", "--order", "1", "--warehouse", str(solved_paper), code=6
    )
    assert "holds measurements and no trained networks" in published.stderr
    make_images(trained / "images", 1)
    words = ("--budget", "1", "--order", "1", "--artifacts", "elsewhere", "--input", "images")
    taskonomyctl(*infer, *words, cwd=trained, code=6)
    assert capfd.readouterr().err.startswith("taskonomyctl: elsewhere/")
