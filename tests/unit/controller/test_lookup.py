"""What people call a trial."""

from collections.abc import Callable
from typing import Any

import pytest

from taskonomy_catalogue.errors import NotFound, UnknownTask
from taskonomy_catalogue.study import Study
from taskonomy_operator.lookup import find_trials, short_name
from taskonomy_operator.plan import Plan


@pytest.fixture
def plan(study: Callable[..., Study]) -> Any:
    return Plan(study(transfers={"orders": [1, 2], "candidates": "exhaustive"}))


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("curvature/normals", "transfer normals → curvature"),
        ("curvature/reshading+normals", "transfer normals+reshading → curvature"),
        ("curvature: reshading + normals", "transfer normals+reshading → curvature"),
        ("normals+reshading->curvature", "transfer normals+reshading → curvature"),
        ("normals + reshading → curvature", "transfer normals+reshading → curvature"),
        ("transfer normals → curvature", "transfer normals → curvature"),
        ("rgb2sfnorm->principal_curvature", "transfer normals → curvature"),
        ("scratch/curvature", "scratch curvature"),
        ("scratch curvature", "scratch curvature"),
        ("task-specific Surface Normals", "task-specific normals"),
        ("best-guess/reshading", "best-guess reshading"),
    ],
)
def test_names(plan: Plan, words: Any, title: str) -> None:
    assert [node.trial.title for node in find_trials(plan, words)] == [title]


def test_every_trial_is_found_by_its_digest_its_title_and_its_short_name(plan: Plan) -> None:
    for node in plan.nodes():
        beginning = next(
            node.digest[:n]
            for n in range(4, 65)
            if sum(other.digest.startswith(node.digest[:n]) for other in plan.nodes()) == 1
        )
        for words in (beginning, node.digest, node.trial.title, short_name(node.trial)):
            assert find_trials(plan, words) == [node]


def test_one_name_may_mean_a_trial_a_seed(study: Callable[..., Study]) -> None:
    seeds = {"transfer": {"seeds": [0, 1]}}
    plan = Plan(study(transfers={"orders": [1]}, training=seeds))
    assert [n.trial.seed for n in find_trials(plan, "curvature/normals")] == [0, 1]


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("curvature/nomals", UnknownTask, "did you mean"),
        ("scratch/random", NotFound, "no trial scratch/random"),
        ("0" * 12, NotFound, "no trial of study 'rooms' has a digest like"),
        (
            "curvature",
            NotFound,
            "'curvature' names no trial but a task; its networks are task-specific/curvature, "
            "scratch/curvature, best-guess/curvature, curvature/",
        ),
        ("curvatures", NotFound, "names no trial: give a digest"),
        ("", NotFound, "names no trial"),
    ],
)
def test_what_is_not_there_is_named(plan: Plan, words: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        find_trials(plan, words)
