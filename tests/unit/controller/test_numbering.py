"""Numbers of trials: the same whoever counts, and however much is known."""

import itertools

import pytest
from study_cases import document

from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import transfer_trials
from taskonomy_catalogue.trials import digest
from taskonomy_operator.asked import asked_trials, stage_of
from taskonomy_operator.numbering import Numbering

TASKS = ["normals", "reshading", "curvature", "depth"]


def study_of(orders: list[int], **more: object) -> Study:
    changes = {"spec.tasks.subset": TASKS, "spec.transfers.orders": orders, **more}
    return parse_study(document(changes), origin="study.yaml")


def ranked(study: Study, target: str, order: int) -> list[object]:
    sources = tuple(task for task in TASKS if task != target)
    return list(transfer_trials(study, order, {target: sources}))


def numbers(study: Study, targets: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """Return the numbers of everything once targets were ranked in this order."""
    numbering = Numbering(study)
    found = [digest(trial) for trial in asked_trials(study)]
    for target in targets:
        for order in study.spec.transfers.orders[1:]:
            trials = ranked(study, target, order)
            numbering.add(trials)  # type: ignore[arg-type]
            found += [digest(trial) for trial in trials]  # type: ignore[arg-type]
    return {name: numbering.place(name) for name in found}


def test_a_stage_is_numbered_in_the_order_it_is_planned_in() -> None:
    study = study_of([1])
    numbering = Numbering(study)
    for stage in ("task-specific", "scratch", "best-guess", "first-order"):
        names = [digest(trial) for trial in asked_trials(study) if stage_of(trial) == stage]
        assert [numbering.place(name) for name in names] == [(stage, i) for i in range(len(names))]
        assert list(numbering.digests(stage, [0, len(names) - 1, 10_000])) == [names[0], names[-1]]


def test_what_was_ranked_first_does_not_matter() -> None:
    study = study_of([1, 2, 3])
    told = [numbers(study, order) for order in itertools.permutations(TASKS)]
    assert all(each == told[0] for each in told)
    assert len(set(told[0].values())) == len(told[0])


def test_orders_added_later_are_numbered_after_those_before() -> None:
    before, after = (
        numbers(study_of([1, 2]), tuple(TASKS)),
        numbers(study_of([1, 2, 3]), tuple(TASKS)),
    )
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("stage", ["task-specific", "first-order"])
def test_how_far_a_study_is_to_go_does_not_matter(stage: str) -> None:
    assert numbers(study_of([1, 2], **{"spec.stage": stage}), ()) == numbers(study_of([1, 2]), ())


def test_exhaustive_orders_are_numbered_like_ranked_ones() -> None:
    study = study_of([1, 2, 3], **{"spec.transfers.candidates": "exhaustive"})
    told = numbers(study, ())
    higher = sorted(index for stage, index in told.values() if stage == "higher-order")
    assert higher == list(range(4 * (3 + 1)))  # 3 over 2, and 3 over 3, for each target
