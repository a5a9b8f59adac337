"""The task dictionary: the paper's 26 as they ship, names, and users' own files."""

from pathlib import Path

import pytest

from taskonomy_catalogue.errors import InputRefused, UnknownTask, did_you_mean
from taskonomy_catalogue.tasks import (
    GROUP_TITLES,
    MAX_TASKS,
    RESERVED_NAMES,
    Task,
    TaskDictionary,
    load_dictionary,
    paper_dictionary,
    published_dictionary,
)

# id: (published name, images in an example, output channels), from the paper and its data set
PAPER: dict[str, tuple[str, int, int]] = {
    "autoencoding": ("autoencoder", 1, 3),
    "denoising": ("denoise", 1, 3),
    "in-painting": ("impainting_whole", 1, 3),
    "colorization": ("colorization", 1, 313),
    "jigsaw": ("jigsaw", 1, 100),
    "random": ("random", 1, 8),
    "edges-2d": ("edge2d", 1, 1),
    "keypoints-2d": ("keypoint2d", 1, 1),
    "segmentation-2d": ("segment2d", 1, 64),
    "curvature": ("curvature", 1, 2),
    "distance": ("rgb2mist", 1, 1),
    "depth": ("rgb2depth", 1, 1),
    "normals": ("rgb2sfnorm", 1, 3),
    "occlusion-edges": ("edge3d", 1, 1),
    "keypoints-3d": ("keypoint3d", 1, 1),
    "reshading": ("reshade", 1, 1),
    "segmentation-25d": ("segment25d", 1, 64),
    "pose-fixated": ("fix_pose", 2, 6),
    "pose-nonfixated": ("non_fixated_pose", 2, 6),
    "egomotion": ("ego_motion", 3, 18),
    "point-matching": ("point_match", 2, 2),
    "room-layout": ("room_layout", 1, 9),
    "vanishing-points": ("vanishing_point_well_defined", 1, 9),
    "object-classes": ("class_1000", 1, 1000),
    "scene-classes": ("class_places", 1, 63),
    "segmentation-semantic": ("segmentsemantic_rb", 1, 17),
}


def test_the_dictionary_holds_the_papers_26_tasks() -> None:
    found = {t.id: (t.published, t.images, t.output.channels) for t in paper_dictionary()}
    assert found == PAPER
    assert len(paper_dictionary()) == 26


def test_four_tasks_are_sources_alone() -> None:
    alone = {task.id for task in paper_dictionary() if not task.may_be_target}
    assert alone == {"colorization", "in-painting", "jigsaw", "random"}
    assert all(task.may_be_source for task in paper_dictionary())


def test_only_random_projections_are_never_trained() -> None:
    assert [task.id for task in paper_dictionary() if not task.is_trained] == ["random"]


def test_every_group_has_a_title() -> None:
    assert {task.group for task in paper_dictionary()} == set(GROUP_TITLES)


def test_the_published_dictionary_adds_one_task_that_nobody_uses() -> None:
    extra = published_dictionary().task[26:]
    assert published_dictionary().task[:26] == paper_dictionary().task
    assert [(t.published, t.role) for t in extra] == [("class_selected", "unused")]
    assert not extra[0].may_be_source
    assert not extra[0].may_be_target


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "task_id"),
    [
        ("normals", "normals"),
        ("rgb2sfnorm", "normals"),
        ("Surface normals", "normals"),
        ("normal", "normals"),  # its data folder
        ("  NORMALS ", "normals"),
        ("Edges_2D", "edges-2d"),
        ("edge_texture", "edges-2d"),
        ("segmentation 2d", "segmentation-2d"),
        ("class_object", "object-classes"),
        ("colorization", "colorization"),
    ],
)
def test_a_task_answers_to_all_its_names(word: str, task_id: str) -> None:
    assert paper_dictionary().resolve(word).id == task_id


@pytest.mark.parametrize("task_id", PAPER)
def test_every_task_answers_to_id_published_name_and_title(task_id: str) -> None:
    task = paper_dictionary()[task_id]
    for style in ("ours", "published", "title"):
        assert paper_dictionary().resolve(task.name(style)) is task


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("normls", "did you mean 'normals'"),
        ("zzz", "taskonomyctl tasks"),
        ("rgb", "autoencoding, colorization, denoising, in-painting, jigsaw"),
        ("points", "folder of several tasks"),
        ("", "unknown task ''"),
    ],
)
def test_a_word_that_is_nobodys_name_is_refused(word: str, message: str) -> None:
    with pytest.raises(UnknownTask, match=message):
        paper_dictionary().resolve(word)


def test_a_proper_name_beats_another_tasks_folder() -> None:
    task = {"title": "t", "output": {"kind": "image", "channels": 1}, "loss": "l1"}
    both = TaskDictionary.model_validate(
        {"task": [{"id": "depth", **task}, {"id": "far", "folder": "depth", **task}]}
    )
    assert both.resolve("depth").id == "depth"


def test_a_task_without_published_name_keeps_its_id() -> None:
    task = Task.model_validate(
        {"id": "heat", "title": "Heat", "output": {"kind": "image", "channels": 1}, "loss": "l1"}
    )
    assert [task.name("ours"), task.name("published"), task.name("title")] == [
        "heat",
        "heat",
        "Heat",
    ]


def test_membership_and_lookup_are_by_id_alone() -> None:
    assert "normals" in paper_dictionary()
    assert "rgb2sfnorm" not in paper_dictionary()
    with pytest.raises(KeyError):
        paper_dictionary()["rgb2sfnorm"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Dept", "; did you mean 'depth'?"),
        ("deph", "; did you mean 'depth'?"),
        ("wholly other", ""),
    ],
)
def test_did_you_mean(name: str, hint: str) -> None:
    assert did_you_mean(name, ["depth", "normals"]) == hint


# --- files -------------------------------------------------------------------------------------

GOOD = """
[[task]]
id = "{id}"
title = "Heat"
output = {{ kind = "image", channels = 1 }}
loss = "l1"
"""


def file_of(folder: Path, text: str) -> Path:
    path = folder / "tasks.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_file_is_read_with_defaults(tmp_path: Path) -> None:
    (task,) = load_dictionary(file_of(tmp_path, GOOD.format(id="heat")))
    assert task.model_dump() == {
        "id": "heat",
        "title": "Heat",
        "published": None,
        "folder": None,
        "group": "other",
        "images": 1,
        "output": {"kind": "image", "channels": 1, "stride": 1},
        "loss": "l1",
        "role": "both",
    }


def test_a_hundred_tasks_are_read_and_one_more_is_refused(tmp_path: Path) -> None:
    tasks = [GOOD.format(id=f"t{n}") for n in range(MAX_TASKS + 1)]
    assert len(load_dictionary(file_of(tmp_path, "".join(tasks[:-1])))) == MAX_TASKS
    with pytest.raises(InputRefused, match="101 tasks"):
        load_dictionary(file_of(tmp_path, "".join(tasks)))


BAD_FILES = {
    "not TOML": ("[[task", "not valid TOML"),
    "no task": ("task = []", "task: "),
    "empty": ("", "task: Field required"),
    "capitals in an id": (GOOD.format(id="Heat"), "task 'Heat', field id: "),
    "an id of 41": (GOOD.format(id="a" * 41), "field id: "),
    "missing title": (GOOD.format(id="heat").replace("title", "titel"), "field title: "),
    "unknown field": (GOOD.format(id="heat").replace("title", "titel"), "field titel: "),
    "unknown loss": (GOOD.format(id="heat").replace('"l1"', '"l3"'), "field loss: "),
    "no channels": (GOOD.format(id="heat").replace("= 1", "= 0"), "field output.channels: "),
    "four images": (GOOD.format(id="heat") + "images = 4", "field images: "),
    "line break in a title": (
        GOOD.format(id="heat").replace("Heat", r"Heat\nmap"),
        "field title: holds the control character '\\n'",
    ),
    "escape in a published name": (
        GOOD.format(id="heat") + r'published = "he\u001bat"',
        "field published: holds the control character",
    ),
    "noncharacter in a folder": (
        GOOD.format(id="heat") + r'folder = "he\uFFFEat"',
        "field folder: holds the control character",
    ),
    "a number without end": ("a = " + "1" * 5000, "not valid TOML"),
    "nested without end": ("a = " + "[" * 5000, "not valid TOML"),
    "twice": (GOOD.format(id="heat") * 2, "'heat' is given to two tasks"),
    "twice but for a hyphen": (GOOD.format(id="he-at") + GOOD.format(id="heat"), "two tasks"),
    "published name taken": (
        GOOD.format(id="heat") + GOOD.format(id="cold") + 'published = "heat"',
        "two tasks",
    ),
    **{f"reserved: {name}": (GOOD.format(id=name), "reserved") for name in sorted(RESERVED_NAMES)},
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = file_of(tmp_path, text)
    with pytest.raises(InputRefused) as refused:
        load_dictionary(path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="No such file"):
        load_dictionary(tmp_path / "absent.toml")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"title = '\xe9'")
    with pytest.raises(InputRefused, match="UTF-8"):
        load_dictionary(latin)


def test_dictionaries_are_joined_and_checked_as_one() -> None:
    with pytest.raises(ValueError, match="two tasks"):
        paper_dictionary().with_tasks(paper_dictionary())
