"""How long it takes yet, by hand."""

from typing import Any

import pytest

from taskonomy_operator.pace import Pace


def pace(**jobs: Any) -> Any:
    made = Pace()
    for stage, (seconds, finished) in jobs.items():
        named: Any = stage.replace("_", "-")
        made.saw_job(named, seconds, finished)
    return made


@pytest.mark.parametrize(
    ("measured", "left", "slots", "running", "seconds"),
    [
        ({}, {"scratch": 3}, 2, {}, None),
        ({}, {}, 2, {}, 0),
        ({"scratch": (30, 3)}, {"scratch": 4}, 2, {}, 20),
        ({"scratch": (30, 0)}, {"scratch": 4}, 2, {}, None),
        ({"task_specific": (100, 1)}, {"task-specific": 1, "scratch": 2}, 1, {}, 300),
        ({"task_specific": (100, 1)}, {"scratch": 1}, 1, {"scratch": (10, 0.5)}, 20),
        ({"task_specific": (100, 1)}, {"scratch": 1}, 1, {"scratch": (10, 0.01)}, 100),
        ({}, {"task-specific": 1.5, "scratch": 1}, 1, {"task-specific": (10, 0.5)}, 50),
        ({"scratch": (10, 1)}, {"task-specific": 1}, 1, {}, None),
    ],
)
def test_remaining(measured: Any, left: Any, slots: Any, running: Any, seconds: Any) -> None:
    assert pace(**measured).remaining(left, slots, running) == seconds


def test_packs_count_as_what_they_save() -> None:
    made = pace(first_order=(60, 30))
    made.saw_job("first-order", 4, 2)
    assert made.per_trial("first-order") == 2
    assert made.per_trial("scratch") is None
