"""`plan`, `submit`, `status`, `watch`, `list`, `logs`, `cancel`, and what comes after them.

Training is left to a process that trains nothing; everything else is what it is.
"""

import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.shell_completion import ShellComplete
from fake_run import HERE, FakeRun, environment
from tiny_data import SIDE, TinyData
from trial_results import study_document

from taskonomy_catalogue.study import parse_study
from taskonomy_operator.local_commands import Settings
from taskonomyctl.main import cli

SPEC: dict[str, Any] = {
    "data": {"dataset": "rooms"},
    "model": {"imageSize": SIDE},
    "tasks": {"subset": ["normals", "reshading", "curvature", "random"]},
    "transfers": {"orders": [1, 2]},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder with a study, a data set, and a trainer that trains nothing."""
    for name, value in {**environment(tmp_path), "FAKE_LOSSES": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trainer = (sys.executable, str(HERE / "fake_trainer.py"))
    monkeypatch.setattr(
        "taskonomyctl.commands.submit.Settings", partial(Settings, trainer=trainer, tick=0.02)
    )
    FakeRun(tmp_path)
    data = TinyData(tmp_path / "rooms")
    data.split("medium", {"train": ["a"], "val": ["b"], "test": ["c"]})
    data.views("a", {0: 1})
    data.views("b", {0: 1})
    data.views("c", {0: 1})
    for folder in ("normal", "reshading", "principal_curvature"):
        for building in "abc":
            data.png(building, 0, 0, folder, np.full((SIDE, SIDE, 3), 127, np.uint8))
    write_study(tmp_path / "study.yaml")
    return tmp_path


def write_study(path: Path, **spec: Any) -> None:
    path.write_text(yaml.safe_dump(study_document("rooms", **(SPEC | spec))))


def completed(*words: Any, incomplete: Any = "") -> Any:
    complete = ShellComplete(cli, {}, "taskonomyctl", "_TASKONOMYCTL_COMPLETE")
    return [item.value for item in complete.get_completions(list(words), incomplete)]


# --- plan --------------------------------------------------------------------------------------


def test_the_papers_study_is_planned_without_a_file(
    taskonomyctl: Callable[..., Any], tmp_path: Path
) -> None:
    ran = taskonomyctl("plan", "--output", "json", cwd=tmp_path)
    stages = {each["stage"]: each for each in json.loads(ran.stdout)["stages"]}
    counts = {stage: each["trials"] for stage, each in stages.items()}
    assert counts == {
        "task-specific": 25,
        "scratch": 22,
        "first-order": 572,
        "higher-order": 770,
    }
    assert {each["gpu_hours"] for each in stages.values()} == {None}
    assert "built-in study of the paper's 26 tasks" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_priced_by_estimates_until_trials_are_measured(
    taskonomyctl: Callable[..., Any], here: Path
) -> None:
    hours = ("task-specific=10", "scratch=1", "first-order=0.5", "higher-order=0.25")
    words = [word for each in hours for word in ("--estimate", each)]
    ran = taskonomyctl("plan", *words, "--price", "2", "-o", "json", cwd=here)
    document = json.loads(ran.stdout)
    assert [(s["trials"], s["gpu_hours"]) for s in document["stages"]] == [
        (3, 30.0),
        (3, 3.0),
        (12, 6.0),
        (9, 2.25),
    ]
    assert document["cost"] == 82.5


def test_a_bad_study_is_refused_with_the_catalogues_words(
    taskonomyctl: Callable[..., Any], tmp_path: Path
) -> None:
    document = study_document("rooms", transfers={"orders": [2, 1]}, parallelism="many")
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(Exception, match="2 problems") as refused:
        parse_study(document, origin=str(path))
    for command in (("plan",), ("submit", "--local")):
        ran = taskonomyctl(*command, "-f", str(path), code=5, cwd=tmp_path)
        assert ran.stderr == f"taskonomyctl: {refused.value}\n"
    assert [each.name for each in tmp_path.iterdir()] == ["bad.yaml"]


def test_the_objects_of_a_study_are_written_as_the_controller_makes_them(
    taskonomyctl: Callable[..., Any], here: Path
) -> None:
    write_study(here / "study.yaml", parallelism=2)
    assert "--installation" in taskonomyctl("plan", "--manifests", "out", code=2, cwd=here).stderr
    installation = {"image": "i:1", "artifacts": "/a", "operatorImage": "o", "warehouseImage": "w"}
    (here / "installation.yaml").write_text(yaml.safe_dump(installation))
    words = ("plan", "--manifests", "out", "--installation", "installation.yaml", "-n", "vision")
    said = taskonomyctl(*words, cwd=here).stderr
    assert "9 transfers of higher orders follow once targets are ranked" in said
    study, *files = sorted((here / "out").iterdir())
    assert parse_study(yaml.safe_load(study.read_text()), origin="x").metadata.namespace == "vision"
    jobs = [thing for file in files for thing in yaml.safe_load_all(file.read_text())]
    kinds = {thing["kind"] for thing in jobs}
    assert kinds == {"Job"}
    trained = [
        digest
        for job in jobs
        if "ranking" not in job["metadata"]["name"]
        for digest in job["metadata"]["annotations"]["taskonomy.dev/digests"].split(",")
    ]
    assert len(trained) == len(set(trained)) == 3 + 3 + 3 + 12
    assert "not empty" in taskonomyctl(*words, code=2, cwd=here).stderr


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["submit", "-f", "gone.yaml"], 5, "gone.yaml: cannot be read"),
        (["submit", "--artifacts", "s3://b/a"], 5, "mount it"),
        (["submit", "--stage", "affinity"], 2, "'affinity' is not one of"),
        (["submit", "--processes", "0"], 2, "--processes"),
        (["status"], 6, "no study was run in"),
        (["status", "rooms"], 6, "no study 'rooms' was run in"),
        (["logs", "curvature/normals"], 6, "no study was run in"),
        (["cancel"], 6, "no study was run in"),
        (["plan", "--estimate", "x"], 2, "STAGE=HOURS"),
    ],
)
def test_a_mistake_is_one_message(
    taskonomyctl: Callable[..., Any], here: Path, words: Any, code: Any, said: str
) -> None:
    ran = taskonomyctl(*words, code=code, cwd=here)
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (here / "artifacts" / "studies").exists()


def test_a_data_set_that_is_not_there_is_named(
    taskonomyctl: Callable[..., Any], here: Path
) -> None:
    (here / "rooms").rename(here / "flats")
    ran = taskonomyctl("submit", code=6, cwd=here)
    assert "study.yaml: spec.data.dataset 'rooms' is no folder" in ran.stderr


NOT_READY: dict[str, tuple[dict[str, Any], int, str]] = {
    "no such split": (
        {"data": {"dataset": "rooms", "splits": "mediun"}},
        6,
        "study.yaml: split 'mediun' is not there: no .*; did you mean 'medium'\\?",
    ),
    "images too small": (
        {"model": {"imageSize": 256}},
        2,
        "study.yaml: model.imageSize is 256, but the images of .* are 32 pixels wide; .* or less",
    ),
    "labels of two tasks": (
        {"tasks": {"subset": ["normals", "edges-2d", "scene-classes", "random"]}},
        6,
        "study.yaml: .* task 'edges-2d' needs edge_texture, .*; "
        ".* task 'scene-classes' needs class_scene, .*",
    ),
}


@pytest.mark.parametrize("mistake", NOT_READY)
def test_a_mistake_about_the_data_is_said_once_and_starts_nothing(
    taskonomyctl: Callable[..., Any], here: Path, mistake: str
) -> None:
    spec, code, said = NOT_READY[mistake]
    write_study(here / "study.yaml", **spec)
    for words in (("--dry-run",), ("--detach",), ()):
        ran = taskonomyctl("submit", "--local", *words, "--tracking", "none", code=code, cwd=here)
        (line,) = ran.stderr.splitlines()[-1:]
        assert re.fullmatch(f"taskonomyctl: {said}; nothing was started", line)
        assert ran.stderr.count("is not there") + ran.stderr.count("pixels wide") <= 1
        assert ran.stdout == ""
    assert not (here / "artifacts" / "studies").exists()


def test_a_dry_run_says_what_would_start_and_starts_nothing(
    taskonomyctl: Callable[..., Any], here: Path
) -> None:
    ran = taskonomyctl("submit", "--dry-run", "--processes", "2", "--tracking", "none", cwd=here)
    commands = ran.stdout.splitlines()
    assert len(commands) == 2
    assert all(f"--dataset={here / 'rooms'}" in command for command in commands)
    assert "--tracking" not in ran.stdout
    assert "first-order: 9 waiting, 3 ready" in ran.stderr
    assert not (here / "artifacts" / "studies").exists()


# --- from submit to report ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_study_is_run_shown_loaded_solved_and_reported(
    taskonomyctl: Callable[..., Any], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeRun(here).trains(
        **{"scratch normals": {"ends": [75, 64], "reason": "no [such] label", "seconds": 0.01}}
    )
    submit = ("submit", "--tracking", "none", "--processes", "3")
    first = taskonomyctl(*submit, "--stage", "first-order", cwd=here)
    assert "rooms: 15 of 15 trials done" in first.stderr
    listed = json.loads(taskonomyctl("list", "-o", "json", cwd=here).stdout)
    assert [(each["study"], each["phase"], each["done"]) for each in listed] == [
        ("rooms", "Completed", 15)
    ]

    rest = taskonomyctl(*submit, code=7, cwd=here)
    assert "rooms: 29 of 30 trials done, 1 failed" in rest.stderr
    assert "no [such] label" in rest.stdout
    assert "next: taskonomyctl load --study rooms --from-artifacts" in rest.stderr

    shown = json.loads(taskonomyctl("status", "-o", "json", cwd=here).stdout)
    assert (shown["phase"], shown["done"], shown["trials"]) == ("Degraded", 29, 30)
    assert [m["title"] for m in shown["missing"]] == ["scratch normals"]
    assert "higher-order" in taskonomyctl("status", "rooms", cwd=here).stdout
    assert "29 of 30" in taskonomyctl("watch", code=7, cwd=here).stderr

    logged = taskonomyctl("logs", "scratch/normals", cwd=here).stdout
    assert logged.count("started, 10 steps") == 2
    assert "failed (64): no [such] label" in logged
    packed = taskonomyctl("logs", "normals->curvature", cwd=here).stdout
    assert packed.count("finished") == 1
    assert "no trial" in taskonomyctl("logs", "scratch/random", code=6, cwd=here).stderr

    FakeRun(here).trains()
    assert "30 of 30" in taskonomyctl(*submit, "--retry-failed", cwd=here).stderr
    assert "does not run" in taskonomyctl("cancel", cwd=here).stderr

    loaded = taskonomyctl("load", "--study", "rooms", "--from-artifacts", "./artifacts", cwd=here)
    assert "loaded 30 trials" in loaded.stderr
    assert "30 were in already" in taskonomyctl("load", cwd=here).stderr
    taskonomyctl("solve", "--budgets", "1-3", "--orders", "1,2", cwd=here)
    taskonomyctl("report", "--out", "report", cwd=here)
    assert list((here / "report").glob("*.html"))

    measured = json.loads(taskonomyctl("plan", "-o", "json", cwd=here).stdout)["stages"]
    assert [(s["done"], s["gpu_hours_left"]) for s in measured] == [(3, 0), (3, 0), (12, 0), (9, 0)]
    assert measured[0]["gpu_hours"] == round(3 * 12.5 / 3600, 4)

    monkeypatch.chdir(here)
    assert set(completed("logs", incomplete="curvature/no")) == {
        "curvature/normals",
        "curvature/normals+random",
        "curvature/normals+reshading",
    }
    assert completed("status", incomplete="ro") == ["rooms"]


# --- why and gc --------------------------------------------------------------------------------


@pytest.mark.slow  # a whole study of processes
def test_why_and_gc_on_this_machine(taskonomyctl: Callable[..., Any], here: Path) -> None:
    write_study(here / "study.yaml", transfers={"orders": [1]})
    taskonomyctl("submit", "--local", "--tracking", "none", "--processes", "2", cwd=here)
    assert "is done: it has its result" in taskonomyctl("why", "curvature/normals", cwd=here).stdout
    assert "study 'rooms' is completed" in taskonomyctl("why", "rooms", cwd=here).stdout

    results = {path.name for path in (here / "artifacts").iterdir() if len(path.name) == 64}
    kept = taskonomyctl("gc", "--apply", cwd=here).stderr
    assert f"0 results unasked for, 0 B; {len(results)} asked for" in kept
    fewer = {"subset": [task for task in SPEC["tasks"]["subset"] if task != "curvature"]}
    document = study_document("rooms", **(SPEC | {"tasks": fewer}))
    submitted = here / "artifacts" / "studies" / "rooms" / "study.json"
    submitted.write_text(json.dumps(document))
    listed = taskonomyctl("gc", cwd=here)
    assert "nothing was removed; --apply does" in listed.stderr
    assert "transfer normals → curvature" in listed.stdout
    taskonomyctl("gc", "--apply", cwd=here)
    left = {path.name for path in (here / "artifacts").iterdir() if len(path.name) == 64}
    # 3 tasks: 3 + 3 networks, 3 guesses, 3 · 4 transfers; 2 tasks: 2 + 2, 2, 2 · 3
    assert (len(results), len(left)) == (21, 12)
    submitted.unlink()
    assert "every result would go" in taskonomyctl("gc", "--apply", code=2, cwd=here).stderr
