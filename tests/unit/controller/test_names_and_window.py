"""Names are functions of what they name; the window lets in what fits."""

from typing import Any

import pytest

from taskonomy_catalogue.study_parts import MAX_NAME
from taskonomy_operator.names import job_name, ranking_name
from taskonomy_operator.window import Window

A, B = "a" * 64, "b" * 64


def test_the_same_trials_make_the_same_name() -> None:
    assert job_name("s", [A]) == "s-aaaaaaaaaa"
    assert job_name("s", [A, B]) == job_name("s", [B, A])
    names = {job_name(study, trials) for study in ("s", "t") for trials in ([A], [B], [A, B])}
    assert len(names) == 6
    assert ranking_name("s") not in names
    assert len(job_name("x" * MAX_NAME, [A, B])) <= 63


@pytest.mark.parametrize(
    ("jobs", "hours", "live", "spent", "free"),
    [
        (4, None, 1, 1e9, 3),
        (4, None, 6, 0, 0),
        (4, 2, 1, 7199, 3),
        (4, 2, 1, 7200, 0),
    ],
)
def test_window(jobs: Any, hours: Any, live: Any, spent: Any, free: Any) -> None:
    assert Window(jobs=jobs, gpu_hours=hours).free(live, spent) == free
