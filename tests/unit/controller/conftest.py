"""Small studies, their trials by name, and a server of them."""

from collections.abc import Callable
from typing import Any

import pytest
from small_server import SmallServer
from trial_results import small_study

from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_operator.asked import Measured, asked_trials, stage_of

FIRST = {"orders": [1]}
BOTH = {"orders": [1, 2], "candidates": "paper"}


@pytest.fixture
def study() -> Callable[..., Study]:
    """Normals, reshading, curvature and random projections; settings of the spec by name."""
    return lambda **spec: small_study(**({"transfers": BOTH} | spec))


@pytest.fixture
def trial() -> Callable[..., Measured]:
    """``trial("first-order", "normals", 0)``: a trial of orders 1 and 2, exhaustive."""

    def find(stage: str, target: str, number: int = 0) -> Any:
        asked = small_study()
        every: list[Any] = [*enumerate_trials(asked), *asked_trials(asked)]
        found = [each for each in every if (stage_of(each), each.target.id) == (stage, target)]
        return found[number]

    return find


@pytest.fixture
def server() -> SmallServer:
    """A server that holds nothing yet."""
    return SmallServer()
