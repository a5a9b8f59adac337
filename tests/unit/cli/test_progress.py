"""What a run looks like: durations, the sober line, the bars."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from taskonomy_operator.plan_parts import State
from taskonomy_operator.status import Missing, RunningTrial, StageStatus, Status
from taskonomy_operator.words import duration
from taskonomyctl.missing import grouped
from taskonomyctl.progress import _Lines, bars, line

HALFWAY = Status(
    study="rooms",
    phase="Running",
    stages=(
        StageStatus(stage="task-specific", trials=4, done=3, running=1),
        StageStatus(stage="first-order", trials=16, waiting=12, failed=1, blocked=3),
    ),
    running=(
        RunningTrial(
            digest="a" * 64,
            title="task-specific normals",
            job="rooms-aaaaaaaaaa",
            step=50,
            steps=100,
            loss=0.12345,
            images_per_second=301.6,
        ),
    ),
    missing=(
        Missing(digest="b" * 64, title="transfer [x] → y", state="failed", why="[64] no label"),
        Missing(digest="c" * 64, title="transfer z → y", state="blocked", why="needs x"),
    ),
    ranking=True,
    spent_hours=1.5,
    eta_seconds=4000,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3600, "1 h 0 min"),
        (12_000, "3 h 20 min"),
        (190_800, "2 d 5 h"),
    ],
)
def test_durations(seconds: Any, words: Any) -> None:
    assert duration(seconds) == words


def test_one_line_says_it_all() -> None:
    assert line(HALFWAY) == (
        "rooms: 3 of 20 trials done, 1 running, 1 failed, 3 blocked, ranking sources, "
        "1 h 7 min to go"
    )


def test_bars_name_stages_running_trials_and_nothing_is_taken_for_markup() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(bars(HALFWAY))
    said = console.export_text()
    assert "3/4" in said
    assert "1 running" in said
    assert "12 waiting, 1 failed, 3 blocked" in said
    assert "task-specific normals  step 50/100  loss 0.1235  302 images/s" in said
    assert "1 h 7 min to go" in said


def test_where_nobody_watches_each_failure_is_said_once_and_lines_are_few(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with _Lines() as show:
        for _ in range(5):
            show(HALFWAY)
    assert capsys.readouterr().err.splitlines() == [
        "transfer [x] → y: failed: [64] no label",
        line(HALFWAY),
    ]


NO_SPLIT = "split 'roms' is not there, which is odd"
NEEDS_DEPTH = f"needs task-specific depth, which {NO_SPLIT}"
LOST: tuple[tuple[str, State, str], ...] = (
    ("task-specific depth", "failed", NO_SPLIT),
    ("task-specific normals", "failed", NO_SPLIT),
    ("scratch depth", "failed", "was ended by signal 9"),
    ("transfer depth → normals", "blocked", NEEDS_DEPTH),
    ("transfer depth → depth", "blocked", NEEDS_DEPTH),
    ("transfer edges → depth", "blocked", "needs task-specific edges, which is blocked"),
)
MANY = tuple(Missing(digest=title, title=title, state=state, why=why) for title, state, why in LOST)


def test_trials_without_a_result_share_a_row_where_they_share_a_reason() -> None:
    assert [tuple(row.values()) for row in grouped(MANY)] == [
        ("task-specific depth and 1 more", "failed", NO_SPLIT),
        ("scratch depth", "failed", "was ended by signal 9"),
        (
            "transfer depth → normals and 1 more",
            "blocked",
            "needs task-specific depth, which failed",
        ),
        ("transfer edges → depth", "blocked", "needs task-specific edges, which is blocked"),
    ]


def test_a_reason_is_said_once_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with _Lines() as show:
        for number in (1, 3, len(MANY)):
            show(replace(HALFWAY, missing=MANY[:number]))
    said = [text for text in capsys.readouterr().err.splitlines() if "failed" in text.split(",")[0]]
    assert said == [
        f"task-specific depth: failed: {NO_SPLIT}",
        "task-specific normals: failed, as task-specific depth did",
        "scratch depth: failed: was ended by signal 9",
    ]
