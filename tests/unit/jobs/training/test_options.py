"""What task-specific networks may be trained with besides: an adversary, mirrored examples."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import World, live_in, picture
from trial_runs import anew, assert_same, events, left, of_kind, run

from taskonomy_catalogue.study import Study
from taskonomy_catalogue.trials import digest
from taskonomy_jobs.adversary import Adversary
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.students import Inputs, Student
from taskonomy_jobs.tracking.tracker import _NoRun

OPTIONS: dict[str, Any] = {
    "adversarial": {"weight": 0.1, "fromStep": 4},
    "augment": {"flip": True},
}


@pytest.mark.parametrize("stopped", [3, 4, 9])
def test_an_adversary_and_mirrored_examples_are_resumed_bitwise(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    monkeypatch: pytest.MonkeyPatch,
    stopped: int,
) -> None:
    study = small_study(steps=12, earlyStopping={"patience": 3}, lrDecayStep=5, **OPTIONS)
    (trial,) = of_kind(study, "task-specific", "normals")
    run(world, tmp_path, [trial])
    other = anew(world, "other")
    live_in(other, monkeypatch.setattr)
    assert run(other, tmp_path, [trial], stop_after=stopped) == "stopped"
    assert run(other, tmp_path, [trial]) == 0
    assert_same(left(other, trial), left(world, trial))
    curve = left(world, trial)[1]
    for name in ("adversarial_loss", "discriminator_loss"):
        assert [row[name] is None for row in curve] == [True] * 4 + [False] * 8


def test_until_it_takes_part_an_adversary_changes_nothing(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    (plain,) = of_kind(small_study(steps=8), "task-specific", "depth")
    study = small_study(steps=8, adversarial={"fromStep": 4, "weight": 1.0})
    (opposed,) = of_kind(study, "task-specific", "depth")
    run(world, tmp_path, [plain, opposed])
    first, second = ([row["loss"] for row in left(world, t)[1]] for t in (plain, opposed))
    assert first[:5] == second[:5]
    assert first[5:] != second[5:]


def test_an_adversary_learns_from_parts_what_it_does_from_the_whole(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study(steps=5, adversarial={"fromStep": 0, "weight": 0.1})
    (trial,) = of_kind(study, "task-specific", "depth")
    run(world, tmp_path, [trial])
    other = anew(world, "other")
    live_in(other, monkeypatch.setattr)
    run(other, tmp_path, [trial], Settings(micro_batch=1))
    for ours, theirs in zip(left(world, trial)[1], left(other, trial)[1], strict=True):
        for name in ("loss", "adversarial_loss", "discriminator_loss"):
            assert theirs[name] == pytest.approx(ours[name], rel=1e-4)


def test_a_discriminator_that_diverges_is_named(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = small_study(steps=6, adversarial={"fromStep": 1})
    (trial,) = of_kind(study, "task-specific", "depth")
    learn = Adversary.learn

    def poisoned(adversary: Adversary, rate: float, figures: Sequence[float]) -> None:
        learn(adversary, rate, figures)
        if len(adversary.curve) == 2:
            next(adversary.network.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(Adversary, "learn", poisoned)
    assert run(world, tmp_path, [trial]) == 64
    (failed,) = events(capsys.readouterr().out, "failed")
    assert "the adversarial term is not finite at step 4" in failed["reason"]
    assert not (world.root / digest(trial) / "result.json").exists()


def test_half_of_the_training_examples_are_mirrored_and_no_other(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    (trial,) = of_kind(small_study(steps=40, augment={"flip": True}), "task-specific", "normals")
    seen: dict[str, list[bool]] = {"learnt": [], "judged": []}
    accumulate, judge = Student.accumulate, Student.judge

    def note(kind: str, batch: Batch) -> None:
        assert batch.images is not None
        for row, image, target in zip(
            batch.views[:, 0].tolist(),
            batch.images[:, 0].numpy(),
            batch.target.numpy(),
            strict=True,
        ):
            plain = picture(row)  # the label, too, of normals
            is_mirrored = not np.array_equal(target, plain)
            across = np.array([-1, 1, 1], np.float32)[:, None, None]
            expected = [plain[:, :, ::-1], (plain * across)[:, :, ::-1]]
            for found, wanted in zip(
                (image, target), expected if is_mirrored else [plain, plain], strict=True
            ):
                np.testing.assert_array_equal(found, wanted)
            seen[kind].append(is_mirrored)

    def noted_accumulate(student: Student, batch: Batch, *arguments: Any) -> Any:
        note("learnt", batch)
        return accumulate(student, batch, *arguments)

    def noted_judge(student: Student, batch: Batch, inputs: Inputs) -> Any:
        note("judged", batch)
        return judge(student, batch, inputs)

    monkeypatch.setattr(Student, "accumulate", noted_accumulate)
    monkeypatch.setattr(Student, "judge", noted_judge)
    assert run(world, tmp_path, [trial]) == 0
    assert len(seen["learnt"]) == 160
    assert 55 < sum(seen["learnt"]) < 105
    assert not any(seen["judged"])


def test_what_an_adversary_says_is_tracked(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study(steps=4, adversarial={"fromStep": 2})
    (trial,) = of_kind(study, "task-specific", "depth")
    told: dict[int, dict[str, float]] = {}

    def metrics(_run: Any, step: int, **values: float) -> None:
        told[step] = told.get(step, {}) | values

    monkeypatch.setattr(_NoRun, "metrics", metrics)
    run(world, tmp_path, [trial])
    names = {"adversarial_loss", "discriminator_loss"}
    assert [step for step, figures in sorted(told.items()) if names <= figures.keys()] == [3, 4]
    curve = left(world, trial)[1]
    for name in names:
        assert told[4][name] == curve[3][name]
