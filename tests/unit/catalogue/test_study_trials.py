"""Which trials a study has, in which order, and what they wait for."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import comb

import pytest
from asked_studies import THREE, shuffled_ranking, study, three
from hypothesis import given
from hypothesis import strategies as st

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.study_parts import Transfers
from taskonomy_catalogue.study_trials import (
    count_trials,
    enumerate_trials,
    higher_order_candidates,
    task_specific_trials,
    transfer_trials,
)
from taskonomy_catalogue.trials import (
    digest,
    upstream,
)

# --- how many ----------------------------------------------------------------------------------

SOURCES, TARGETS, UNTRAINED = 26, 22, 1


def test_the_papers_trials_are_as_many_as_combinatorics_says() -> None:
    paper = study()
    trials = list(enumerate_trials(paper, shuffled_ranking(paper)))
    by_order = Counter(trial.order for trial in trials)
    assert by_order == {
        0: (SOURCES - UNTRAINED) + TARGETS,
        1: TARGETS * SOURCES,  # 24 other tasks, random, own encoder
        2: TARGETS * comb(5, 2),
        3: TARGETS * comb(5, 3),
        4: TARGETS * comb(6, 4),
    }
    assert Counter(trial.stage for trial in trials) == {
        "task-specific": 25,
        "scratch": 22,
        "first-order": 572,
        "higher-order": 220 + 220 + 330,
    }
    assert len({digest(trial) for trial in trials}) == len(trials)


def test_from_order_five_on_one_transfer_a_target() -> None:
    paper = study(transfers={"orders": [1, 5, 6, 24]})
    ranking = shuffled_ranking(paper)
    for order in (5, 6, 24):
        trials = list(transfer_trials(paper, order, ranking))
        assert len(trials) == TARGETS
        for trial in trials:
            best = [s for s in ranking[trial.target.id] if s != trial.target.id][:order]
            assert trial.sources == tuple(sorted(best))


COUNTED: dict[str, dict[str, object]] = {
    "the paper": {},
    "seeds": {
        "training": {
            "taskSpecific": {"seeds": [3, 4]},
            "scratch": {"seeds": [0, 1, 2]},
            "transfer": {"seeds": [5, 6]},
        }
    },
    "narrow beam": {"transfers": {"orders": [1, 2, 4], "candidates": "beam", "beamWidth": 3}},
    "every pair": {"transfers": {"orders": [1, 2], "candidates": "exhaustive"}},
    "pairs alone": {"transfers": {"orders": [2], "candidates": "exhaustive"}},
    "own encoder never": {"transfers": {"orders": [1], "ownEncoder": "never"}},
    "own encoder always": {"transfers": {"orders": [1, 2], "ownEncoder": "every-order"}},
    "few sources": {
        "tasks": {"subset": [*THREE, "jigsaw", "depth"], "targetOnly": ["depth"]},
        "transfers": {"orders": [1, 2, 3]},
    },
}


@pytest.mark.parametrize("spec", COUNTED.values(), ids=COUNTED.keys())
def test_trials_are_counted_without_listing_them(spec: dict[str, object]) -> None:
    asked = study(**spec)
    listed = Counter(trial.stage for trial in enumerate_trials(asked, shuffled_ranking(asked)))
    assert {stage: n for stage, n in count_trials(asked).items() if n} == listed


def test_a_target_that_is_no_source_has_its_own_network_and_no_own_transfer() -> None:
    asked = study(tasks={"subset": THREE, "targetOnly": ["curvature"]}, transfers={"orders": [1]})
    assert [t.target.id for t in task_specific_trials(asked)] == sorted(THREE)
    onto = [t.sources for t in transfer_trials(asked, 1) if t.target.id == "curvature"]
    assert onto == [("normals",), ("reshading",)]


# --- which, and in which order -----------------------------------------------------------------


def test_a_small_study_whole() -> None:
    ranking = {"curvature": ["normals", "curvature", "random", "reshading"]}
    assert [trial.title for trial in enumerate_trials(three(), ranking)] == [
        "task-specific curvature",
        "task-specific normals",
        "task-specific reshading",
        "scratch curvature",
        "scratch normals",
        "scratch reshading",
        "transfer random → curvature",
        "transfer curvature → curvature",
        "transfer normals → curvature",
        "transfer reshading → curvature",
        "transfer random → normals",
        "transfer curvature → normals",
        "transfer normals → normals",
        "transfer reshading → normals",
        "transfer random → reshading",
        "transfer curvature → reshading",
        "transfer normals → reshading",
        "transfer reshading → reshading",
        "transfer normals+random → curvature",
        "transfer normals+reshading → curvature",
        "transfer random+reshading → curvature",
    ]


def test_higher_orders_appear_as_targets_are_ranked() -> None:
    asked, full = three(), shuffled_ranking(three())
    before = [digest(trial) for trial in enumerate_trials(asked)]
    some = {target: full[target] for target in ("normals",)}
    between = {digest(trial) for trial in enumerate_trials(asked, some)}
    after = [digest(trial) for trial in enumerate_trials(asked, full)]
    assert after[: len(before)] == before
    assert set(before) < between < set(after)


def test_the_exhaustive_policy_needs_no_ranking() -> None:
    asked = three(transfers={"orders": [2], "candidates": "exhaustive"})
    names = sorted([*THREE, "random"])
    assert {(t.target.id, t.sources) for t in transfer_trials(asked, 2)} == {
        (target, pair) for target in THREE for pair in combinations(names, 2) if target not in pair
    }


@pytest.mark.parametrize(
    ("ranking", "word"),
    [
        ({"random": ["normals"]}, "no target 'random'"),
        ({"normls": ["normals"]}, "did you mean 'normals'"),
        ({"normals": ["reshadng"]}, "did you mean 'reshading'"),
        ({"normals": ["depth"]}, "no source of study 'small'"),
        ({"normals": ["reshading", "reshading"]}, "'reshading' twice"),
    ],
)
def test_a_ranking_of_something_else_is_refused(ranking: dict[str, list[str]], word: str) -> None:
    with pytest.raises(SettingRefused, match=word):
        list(transfer_trials(three(), 2, ranking))


LETTERS = list("abcdefgh")


@pytest.mark.parametrize(
    ("policy", "order", "expected"),
    [
        (Transfers(), 2, list(combinations("abcde", 2))),
        (Transfers(), 3, list(combinations("abcde", 3))),
        (Transfers(), 4, list(combinations("abcdef", 4))),
        (Transfers(), 5, [tuple("abcde")]),
        (Transfers(), 8, [tuple("abcdefgh")]),
        (Transfers(), 9, []),
        (Transfers(candidates="beam", beam_width=3), 2, list(combinations("abc", 2))),
        (Transfers(candidates="beam", beam_width=3), 4, [tuple("abcd")]),
        (Transfers(candidates="exhaustive"), 2, list(combinations("abcdefgh", 2))),
    ],
)
def test_which_combinations_are_tried(
    policy: Transfers, order: int, expected: list[tuple[str, ...]]
) -> None:
    assert list(higher_order_candidates("t", LETTERS, order, policy)) == expected


def test_better_combinations_come_first_each_in_canonical_order() -> None:
    found = list(higher_order_candidates("t", ["d", "b", "c"], 2, Transfers()))
    assert found == [("b", "d"), ("c", "d"), ("b", "c")]


def test_the_own_encoder_gives_its_place_in_the_beam_to_the_next() -> None:
    found = set(higher_order_candidates("b", LETTERS, 2, Transfers()))
    assert found == set(combinations("acdef", 2))
    every = Transfers(own_encoder="every-order")
    assert set(higher_order_candidates("b", LETTERS, 2, every)) == set(combinations("abcde", 2))


@given(
    ranked=st.lists(st.sampled_from("abcdefghijkl"), unique=True),
    order=st.integers(1, 8),
    width=st.integers(1, 12),
)
def test_candidates_are_distinct_sorted_and_from_the_best(
    ranked: Sequence[str], order: int, width: int
) -> None:
    policy = Transfers(candidates="beam", beam_width=width)
    found = list(higher_order_candidates("z", ranked, order, policy))
    best = ranked if order == 1 else ranked[: max(width, order)]
    assert len(found) == comb(len(best), order)
    assert len(set(found)) == len(found)
    assert all(list(c) == sorted(set(c)) and set(c) <= set(best) for c in found)


# --- what a trial is made of -------------------------------------------------------------------


def test_a_transfer_is_taught_on_a_fraction_and_its_sources_on_everything() -> None:
    trials = list(enumerate_trials(three(), shuffled_ranking(three())))
    fractions = {(trial.kind, trial.data.fraction) for trial in trials}
    assert fractions == {("task-specific", 1.0), ("scratch", 0.02), ("transfer", 0.02)}


def test_each_stage_is_trained_as_the_study_says() -> None:
    asked = study(training={"transfer": {"steps": 9, "batchSizes": {"rgb2sfnorm": 4}}})
    by_title = {t.title: t for t in enumerate_trials(asked, shuffled_ranking(asked))}
    own = by_title["task-specific egomotion"].optimiser
    assert (own.batch_size, own.epochs, own.steps, own.weight_decay) == (8, 30, None, 2e-6)
    first = by_title["transfer jigsaw → normals"].optimiser
    assert (first.batch_size, first.epochs, first.steps, first.weight_decay) == (4, None, 9, 1e-5)
    assert by_title["transfer jigsaw → depth"].optimiser.batch_size == 32
    higher = {t.optimiser.weight_decay for t in by_title.values() if t.order > 1}
    assert higher == {1e-6}


def test_a_transfer_waits_for_its_trained_sources_alone() -> None:
    asked = three()
    own = {trial.target.id: digest(trial) for trial in task_specific_trials(asked)}
    waits = {
        trial.title: upstream(trial)
        for trial in enumerate_trials(asked, {"curvature": ["reshading", "normals", "random"]})
    }
    assert waits["transfer normals → curvature"] == (own["normals"],)
    assert waits["transfer normals+reshading → curvature"] == (own["normals"], own["reshading"])
    assert waits["transfer normals+random → curvature"] == (own["normals"],)
    assert waits["transfer random → curvature"] == ()
    assert waits["scratch curvature"] == waits["task-specific curvature"] == ()


def test_with_several_seeds_transfers_start_from_the_first_encoders() -> None:
    asked = three(training={"taskSpecific": {"seeds": [7, 8]}, "transfer": {"seeds": [1, 2]}})
    first = {digest(trial) for trial in task_specific_trials(asked) if trial.seed == 7}
    transfers = list(transfer_trials(asked, 1))
    assert {seed for trial in transfers for seed in [trial.seed]} == {1, 2}
    assert {name for trial in transfers for name in upstream(trial)} == first
    seeds = {e.initial_seed for trial in transfers for e in trial.encoders if not e.is_trained}
    assert seeds == {7}
