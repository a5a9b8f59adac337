"""Packs: as few as can be, as even as can be, one for every slot that would stand idle."""

from collections.abc import Callable
from typing import Any

import pytest

from taskonomy_operator.packing import Group, group_of, pack_sizes


@pytest.mark.parametrize(
    ("ready", "most", "jobs", "sizes"),
    [
        (0, 8, 1, []),
        (1, 8, 1, [1]),
        (8, 8, 1, [8]),
        (9, 8, 1, [5, 4]),
        (26, 16, 1, [13, 13]),
        (26, 32, 1, [26]),
        (26, 32, 2, [13, 13]),
        (3, 32, 8, [1, 1, 1]),
        (5, 1, 1, [1, 1, 1, 1, 1]),
        (7, 3, 0, [3, 2, 2]),
    ],
)
def test_sizes(ready: Any, most: Any, jobs: Any, sizes: Any) -> None:
    assert list(pack_sizes(ready, most, jobs)) == sizes


def test_what_may_share_a_job(trial: Callable[..., Any]) -> None:
    first = group_of(trial("first-order", "normals"), 8)
    assert first == Group("transfer", "normals", 1, 8)
    assert first == group_of(trial("first-order", "normals", 1), 8)
    assert first != group_of(trial("first-order", "curvature"), 8)
    assert first != group_of(trial("higher-order", "normals"), 8)
    assert group_of(trial("scratch", "normals"), 8).most == 1
    assert group_of(trial("task-specific", "normals"), 8).most == 1
    both = {group_of(trial("best-guess", target), 8) for target in ("normals", "curvature")}
    assert both == {Group("best-guess", "", 0, 8)}


def test_a_pack_that_crashed_is_halved_until_its_trials_are_alone(
    trial: Callable[..., Any],
) -> None:
    sizes = [group_of(trial("first-order", "normals"), 16, n).most for n in range(7)]
    assert sizes == [16, 8, 4, 2, 1, 1, 1]
