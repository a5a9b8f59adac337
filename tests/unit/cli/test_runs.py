"""Which study is meant, where it is kept, who tracks it: what is named goes first."""

from pathlib import Path
from typing import Any

import pytest
from trial_results import study_document

from taskonomy_catalogue.errors import InputRefused, NotFound, SettingRefused
from taskonomy_catalogue.study import parse_study
from taskonomy_operator.study_folder import Run, StudyFolder
from taskonomyctl.runs import (
    Submission,
    artifacts_of,
    dataset_of,
    parse_estimates,
    submission,
    submitted_here,
    the_folder,
    tracking_of,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def given(folder: Any, **spec: Any) -> Any:
    study = parse_study(study_document(**spec), origin="s.yaml")
    return Submission(study=study, origin="s.yaml", folder=folder)


def write_study(path: Path, name: Any = "here", extra: Any = "") -> None:
    path.write_text(
        "apiVersion: taskonomy.dev/v1alpha1\nkind: Study\n"
        f"metadata: {{name: {name}}}\nspec: {{data: {{dataset: rooms}}{extra}}}\n"
    )


def keep(artifacts: Path, name: Any) -> Any:
    folder = StudyFolder(artifacts, name)
    study = parse_study(study_document(name), origin="s")
    folder.keep(study, Run(folder=".", dataset="."))
    return folder


def test_a_named_file_goes_before_the_folders_and_that_before_the_built_in(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built_in = submission(None)
    assert (built_in.study.name, len(built_in.study.dictionary())) == ("paper26", 26)
    assert "built-in study of the paper's 26 tasks" in capsys.readouterr().err
    write_study(here / "study.yaml")
    assert submission(None).study.name == "here"
    assert "taking ./study.yaml" in capsys.readouterr().err
    (here / "sub").mkdir()
    write_study(here / "sub" / "other.yaml", "other")
    named = submission(here / "sub" / "other.yaml")
    assert (named.study.name, named.folder, named.origin) == ("other", here / "sub", "other.yaml")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("option", "spec", "path"),
    [
        (None, {}, "artifacts"),
        (None, {"artifacts": "out"}, "sub/out"),
        ("mine", {"artifacts": "out"}, "mine"),
        ("file:///abs/a", {}, "/abs/a"),
    ],
)
def test_where_results_go(here: Path, option: Any, spec: Any, path: Path) -> None:
    assert artifacts_of(option, given(here / "sub", **spec)) == here / path


def test_results_cannot_go_into_a_bucket_from_here(here: Path) -> None:
    with pytest.raises(InputRefused, match="mount it"):
        artifacts_of("s3://bucket/a", given(here))


@pytest.mark.parametrize(
    ("option", "spec", "environment", "uri"),
    [
        ("none", {"tracking": "http://study"}, "http://env", ""),
        ("http://option", {"tracking": "http://study"}, "http://env", "http://option"),
        (None, {"tracking": "http://study"}, "http://env", "http://study"),
        (None, {}, "http://env", "http://env"),
        (None, {}, None, "sqlite:////a b/mlflow.db"),
    ],
)
def test_who_tracks(
    here: Path, monkeypatch: pytest.MonkeyPatch, option: Any, spec: Any, environment: Any, uri: Any
) -> None:
    if environment:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", environment)
    assert tracking_of(option, given(here, **spec), Path("/a b")) == uri


def test_without_mlflow_runs_go_untracked_and_it_is_said(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("taskonomyctl.runs.importlib.util.find_spec", lambda _: None)
    assert tracking_of(None, given(here), here) == ""
    assert "taskonomy[tracking]" in capsys.readouterr().err


def test_the_data_set_lies_beside_the_study(here: Path) -> None:
    (here / "sub" / "rooms").mkdir(parents=True)
    asked = given(here / "sub", data={"dataset": "rooms"})
    assert dataset_of(asked) == here / "sub" / "rooms"
    with pytest.raises(NotFound, match=r"s\.yaml: spec\.data\.dataset 'gone' is no folder"):
        dataset_of(given(here, data={"dataset": "gone"}))
    with pytest.raises(InputRefused, match="mount it"):
        dataset_of(given(here, data={"dataset": "s3://b/rooms"}))


def test_which_study_a_command_is_about(here: Path) -> None:
    with pytest.raises(NotFound, match="`taskonomyctl submit` runs one"):
        the_folder(None, None)
    keep(here / "artifacts", "rooms")
    assert the_folder(None, None).name == "rooms"
    keep(here / "artifacts", "other")
    with pytest.raises(NotFound, match="holds 2 studies; name one of other, rooms"):
        the_folder(None, None)
    write_study(here / "study.yaml", "other")
    assert the_folder(None, None).name == "other"
    assert the_folder(None, "rooms").name == "rooms"


def test_the_study_files_artifact_root_is_looked_in(here: Path) -> None:
    write_study(here / "study.yaml", "far", ", artifacts: elsewhere")
    folder = keep(here / "elsewhere", "far")
    assert the_folder(None, None) == folder


def test_a_study_to_load_is_found_by_name_or_by_being_the_only_one(here: Path) -> None:
    assert submitted_here(None, "rooms") is None
    folder = keep(here / "artifacts", "rooms")
    assert submitted_here(None, None) == submitted_here("./artifacts", "rooms") == folder
    keep(here / "artifacts", "other")
    assert submitted_here(None, None) is None
    assert submitted_here("s3://bucket", "rooms") is None


def test_estimates() -> None:
    assert parse_estimates(("first-order=0.5", "scratch=2")) == {"first-order": 0.5, "scratch": 2}
    for wrong in ("first=1", "scratch", "scratch=-1", "scratch=inf", "affinity=1"):
        with pytest.raises(SettingRefused, match="STAGE=HOURS"):
            parse_estimates((wrong,))
