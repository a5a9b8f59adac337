"""How a trial is started and what it says: written, read back, and refused where it is wrong."""

import io
import json
from typing import Any

import pytest

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.launch import (
    Exit,
    Failed,
    Finished,
    Launch,
    Progressed,
    RankingLaunch,
    Saved,
    SkippedImages,
    Started,
    Validated,
    emit,
    local_path,
    parse_event,
    parse_trials,
    trials_text,
)
from taskonomy_catalogue.records import best_guesses
from taskonomy_catalogue.study import parse_study
from taskonomy_catalogue.study_trials import enumerate_trials

STUDY = parse_study(
    {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": "launch"},
        "spec": {
            "tasks": {"subset": ["edges-2d", "normals"]},
            "data": {"dataset": "rooms"},
            "transfers": {"orders": [1]},
        },
    },
    origin="launch.yaml",
)


@pytest.mark.parametrize(
    "launch",
    [
        Launch(trials="a.jsonl", study="s", dataset="rooms", artifacts="out"),
        Launch(
            trials="--tracking=x y\n$(touch z)",
            study="s",
            dataset="file:///d",
            artifacts="-a",
            tracking="sqlite:////tmp/m.db",
            job="s-1",
        ),
        RankingLaunch(study="study.json", artifacts="out", out="ranking.json", targets="a,b"),
    ],
    ids=["least", "strange words", "ranking"],
)
def test_a_command_line_reads_back_as_it_was_written(launch: Any) -> None:
    words = launch.command(python="python")
    assert words[:4] == ["python", "-P", "-m", launch.MODULE]
    assert type(launch).parse(words[4:]) == launch


def test_trial_is_another_name_of_trials() -> None:
    words = ["--trial", "t.json", "--study", "s", "--dataset", "d", "--artifacts", "a"]
    assert Launch.parse(words).trials == "t.json"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trials", "t"], "required: --study, --dataset, --artifacts"),
        (["--trials=t", "--study=", "--dataset=d", "--artifacts=a"], "--study is empty"),
        (["--trials=t", "--study=s", "--dataset=d", "--artifacts=a", "--speed=9"], "--speed=9"),
        (["--tri=t", "--study=s", "--dataset=d", "--artifacts=a"], "--trials"),
    ],
)
def test_a_wrong_command_line_is_a_bad_trial(
    words: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        Launch.parse(words)
    assert left.value.code == 64
    assert Exit.BAD_TRIAL.value == 64
    assert said in capsys.readouterr().err


def test_a_trials_file_reads_back() -> None:
    trials: list[Any] = [*best_guesses(STUDY), *enumerate_trials(STUDY)]
    text = trials_text(trials)
    assert len(text.splitlines()) == len(trials) == 2 + 2 + 2 + 4
    assert parse_trials(text.encode() + b"\n", "t") == trials


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "t.jsonl: holds no trial"),
        (b"\n{}\n", "t.jsonl, line 2: "),
        (b"\xff\xfe", "t.jsonl, line 1: "),
    ],
)
def test_a_file_of_something_else_is_refused(content: Any, said: str) -> None:
    with pytest.raises(InputRefused) as refused:
        parse_trials(content, "t.jsonl")
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "event",
    [
        Started(trial="ab", title="scratch edges-2d", step=5, steps=10),
        Progressed(trial="ab", step=6, steps=10, loss=0.5, images_per_second=300.0),
        Validated(trial="ab", step=6, loss=0.25),
        SkippedImages(count=1, first="point_0 … \n: truncated"),
        Finished(trial="ab", mean_loss=0.125, seconds=4.5),
        Failed(trial="ab", reason="loss is NaN at step 7", code=64),
        Saved(trial="ab", step=7),
    ],
    ids=lambda event: event.event,
)
def test_an_event_is_one_line_that_reads_back(event: Any) -> None:
    stream = io.StringIO()
    emit(event, stream)
    line = stream.getvalue()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert json.loads(line)["event"] == event.event
    assert parse_event(line) == event


def test_figures_that_are_not_finite_are_null() -> None:
    event = Progressed(step=1, steps=2, loss=float("nan"), images_per_second=float("inf"))
    assert (event.loss, event.images_per_second) == (None, None)
    assert parse_event(event.line()) == event


@pytest.mark.parametrize(
    "line", ["Downloading…", "", "{", '{"event": "danced"}', '{"event": "saved"}', "[1]"]
)
def test_other_lines_are_no_events(line: Any) -> None:
    assert parse_event(line) is None


@pytest.mark.parametrize(
    ("place", "path"), [("/a/b", "/a/b"), ("file:///a/b", "/a/b"), ("rooms", "rooms")]
)
def test_places_on_this_machine(place: Any, path: str) -> None:
    assert str(local_path(place)) == path


def test_a_bucket_is_not_on_this_machine() -> None:
    with pytest.raises(InputRefused, match="mount it"):
        local_path("s3://bucket/rooms")
