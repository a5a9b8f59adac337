"""What is sent to change a study: the merge patch, what of it is kept, what is said of it."""

from random import Random
from typing import Any

import pytest

from taskonomyctl.sending import change_of, differences, merge_patch


def drawn(random: Random, depth: int = 0) -> Any:
    """Return an object of a few fields, some of them objects again."""

    def value() -> Any:
        if depth < 3 and random.random() < 0.4:
            return drawn(random, depth + 1)
        return random.choice([0, 1, "x", True, [], [1, 2], [{"a": 1}], {}])

    return {name: value() for name in "abcd" if random.random() < 0.5}


def patched(target: Any, patch: Any) -> Any:
    """Apply a merge patch, word for word as RFC 7396 says it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


@pytest.mark.parametrize("seed", range(20))
def test_a_merge_patch_makes_one_of_the_other_and_is_empty_where_nothing_differs(seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        one, other = drawn(random), drawn(random)
        assert patched(one, merge_patch(one, other)) == other
        assert merge_patch(one, one) == {}
        assert list(differences(one, one)) == []


def now(**spec: Any) -> Any:
    return {"metadata": {"name": "a", "uid": "7", "resourceVersion": "9"}, "spec": spec}


@pytest.mark.parametrize(
    ("before", "spec", "patch"),
    [
        ({"retries": 3}, {"retries": 3}, {}),
        ({"retries": 3, "stage": "scratch"}, {"retries": 5}, {"retries": 5, "stage": None}),
        ({"suspend": True}, {}, {}),
        ({"suspend": True}, {"suspend": False}, {"suspend": False}),
    ],
)
def test_what_a_file_leaves_out_is_default_again_but_not_that_it_is_suspended(
    before: Any, spec: Any, patch: Any
) -> None:
    change = change_of(now(**before), {"metadata": {"labels": {"a": "b"}}, "spec": spec})
    assert change == {
        "metadata": {"uid": "7", "labels": {"a": "b"}},
        "spec": patch,
    }


def test_differences_name_the_field() -> None:
    before = {"retries": 3, "tasks": {"subset": ["a"]}, "stage": "scratch"}
    after = {"retries": 5, "tasks": {"subset": ["a", "b"]}}
    assert list(differences(before, after)) == [
        "spec.retries: 3 → 5",
        "spec.tasks.subset: ['a'] → ['a', 'b']",
        "spec.stage: scratch → (not set)",
    ]
