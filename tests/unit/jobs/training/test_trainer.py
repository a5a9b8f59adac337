"""The loop: stopped and resumed, packed and alone, failing and stopping early."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from small_world import SmallExamples, World, live_in
from trial_runs import anew, assert_same, events, left, of_kind, run

from taskonomy_catalogue.records import best_guesses, parse_result
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_parts import Kind
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs import evaluate, stacking
from taskonomy_jobs.batches import Batch
from taskonomy_jobs.evaluate import evaluated
from taskonomy_jobs.model import decoders
from taskonomy_jobs.packing import packs
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.students import Inputs, Student


def test_a_trial_learns_and_leaves_everything(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (trial,) = of_kind(small_study(steps=30), "task-specific", "depth")
    assert run(world, tmp_path, [trial]) == 0
    weights, curve, losses, result = left(world, trial)
    assert any(name.startswith("encoder.") for name in weights)
    assert len(curve) == 30
    assert np.mean([row["loss"] for row in curve[-5:]]) < curve[0]["loss"]
    assert len(losses) == result.images == 12
    assert result.mean_loss == pytest.approx(np.mean([row["loss"] for row in losses]))
    assert (result.status, result.steps, result.study) == ("complete", 30, "small")
    assert result.gpu_seconds > 0
    assert "torch" in result.versions
    assert not (world.root / digest(trial) / "checkpoint").exists()
    said = capsys.readouterr().out
    assert [len(events(said, name)) for name in ("started", "finished")] == [1, 1]


def test_a_finished_trial_is_passed_over(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    (trial,) = of_kind(small_study(), "scratch", "depth")
    run(world, tmp_path, [trial])
    before = (world.root / digest(trial) / "result.json").stat().st_mtime_ns
    world.opened.clear()
    assert run(world, tmp_path, [trial]) == 0
    assert (world.root / digest(trial) / "result.json").stat().st_mtime_ns == before
    assert not world.opened


@pytest.mark.parametrize("kind", ["task-specific", "scratch"])
@pytest.mark.parametrize("stopped", [1, 7, 12])
def test_stopped_and_resumed_is_bitwise_never_stopped(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    stopped: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = small_study(steps=12, earlyStopping={"patience": 3}, lrDecayStep=5)
    (trial,) = of_kind(study, kind, "denoising")
    run(world, tmp_path, [trial])
    whole = left(world, trial)

    other = anew(world, "other")
    live_in(other, monkeypatch.setattr)
    capsys.readouterr()
    assert run(other, tmp_path, [trial], stop_after=stopped) == "stopped"
    assert [event["step"] for event in events(capsys.readouterr().out, "saved")] == [stopped]
    assert run(other, tmp_path, [trial]) == 0
    assert_same(left(other, trial), whole)


def sources_trained(world: World, tmp_path: Path, study: Study) -> None:
    assert run(world, tmp_path, of_kind(study, "task-specific")) == 0


@pytest.mark.slow
def test_a_pack_leaves_what_its_trials_leave_alone(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    study = small_study(steps=6)
    sources_trained(world, tmp_path, study)
    transfers = of_kind(study, "transfer", "depth", order=1)
    assert len(packs(transfers)) == 1
    assert run(world, tmp_path, transfers) == 0
    packed = [left(world, trial) for trial in transfers]
    for trial, together in zip(transfers, packed, strict=True):
        folder = world.root / digest(trial)
        folder.rename(folder.with_name("packed"))
        assert run(world, tmp_path, [trial]) == 0
        assert_same(left(world, trial), together)
        (world.root / "packed").rename(tmp_path / digest(trial))


def test_labels_of_a_pack_are_decoded_once(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    study = small_study(steps=20)
    sources_trained(world, tmp_path, study)
    world.opened.clear()
    run(world, tmp_path, of_kind(study, "transfer", "depth", order=1))
    read = [place for opened in world.opened for place in _read(opened)]
    assert len(read) == len(set(read))


def _read(examples: SmallExamples) -> list[tuple[str, int]]:
    if examples.task.id != "depth":
        return []
    return [(examples.part, index) for index, _ in examples.read]


@pytest.mark.slow
def test_students_left_at_different_steps_catch_up(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    study = small_study(steps=9)
    sources_trained(world, tmp_path, study)
    ahead, behind = of_kind(study, "transfer", "normals", order=1)[:2]
    other = anew(world, "other")
    other.root.mkdir()
    for trial in of_kind(study, "task-specific"):
        (other.root / digest(trial)).symlink_to(world.root / digest(trial))
    run(world, tmp_path, [ahead, behind])
    run(other, tmp_path, [ahead], stop_after=6)
    run(other, tmp_path, [behind], stop_after=2)
    assert run(other, tmp_path, [ahead, behind]) == 0
    for trial in (ahead, behind):
        assert_same(left(other, trial), left(world, trial))


def test_a_head_that_diverges_leaves_the_others_alone(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = small_study(steps=6)
    sources_trained(world, tmp_path, study)
    transfers = of_kind(study, "transfer", "depth", order=1)
    sick, *well = transfers
    source = world.root / sick.encoders[0].digest / "weights.safetensors"
    assert run(world, tmp_path, well) == 0
    alone = [left(world, trial) for trial in well]
    for trial in well:
        (world.root / digest(trial)).rename(tmp_path / digest(trial))

    with pytest.MonkeyPatch.context() as patch:
        judge = Student.accumulate

        def poisoned(student: Student, batch: Batch, inputs: Inputs, *arguments: int) -> Any:
            if student.trial == sick and student.step == 3:
                inputs = {task: seen * float("nan") for task, seen in inputs.items()}
            return judge(student, batch, inputs, *arguments)

        patch.setattr(Student, "accumulate", poisoned)
        capsys.readouterr()
        assert run(world, tmp_path, transfers) == 64
    assert source.exists()
    (failed,) = events(capsys.readouterr().out, "failed")
    assert failed["trial"] == digest(sick)
    assert failed["code"] == 64
    assert "not finite at step 4" in failed["reason"]
    named = failed["reason"].split("examples ")[1].split(". The")[0].split(", ")
    assert len(named) == 4
    assert not (world.root / digest(sick) / "result.json").exists()
    for trial, before in zip(well, alone, strict=True):
        assert_same(left(world, trial), before)


def test_early_stopping_keeps_the_best_weights(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    study = small_study(steps=60, learningRate=0.3, earlyStopping={"patience": 2})
    (trial,) = of_kind(study, "scratch", "scene-classes")
    assert run(world, tmp_path, [trial]) == 0
    _, curve, _, result = left(world, trial)
    validated = [row["validation_loss"] for row in curve if row["validation_loss"] is not None]
    best = int(np.argmin(validated))
    assert result.status == "stopped-early"
    assert len(validated) == best + 1 + 2
    assert result.steps == len(curve) == 3 * len(validated)


def test_parts_of_a_batch_add_up_to_the_whole(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    (trial,) = of_kind(small_study(steps=5), "task-specific", "depth")
    run(world, tmp_path, [trial])
    other = anew(world, "other")
    live_in(other, monkeypatch.setattr)
    run(other, tmp_path, [trial], Settings(micro_batch=1))
    ours, theirs = left(world, trial)[1], left(other, trial)[1]
    assert [row["loss"] for row in theirs] == pytest.approx([row["loss"] for row in ours], rel=1e-5)


def test_parts_of_a_batch_drop_the_features_that_the_whole_drops(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    dropping = replace(decoders.DECODERS["tiny"], dropout=0.5)
    monkeypatch.setattr(decoders, "DECODERS", {"tiny": dropping})
    (trial,) = of_kind(small_study(steps=5), "task-specific", "scene-classes")
    run(world, tmp_path, [trial])
    other = anew(world, "other")
    live_in(other, monkeypatch.setattr)
    run(other, tmp_path, [trial], Settings(micro_batch=3))
    ours, theirs = left(world, trial)[1], left(other, trial)[1]
    assert [row["loss"] for row in theirs] == pytest.approx([row["loss"] for row in ours], rel=1e-5)


@pytest.mark.parametrize(
    ("decoder", "micro_batch", "said"),
    [
        ("paper", 2, "batch norm sees a batch of 4 in parts of 2 (TASKONOMY_MICRO_BATCH)"),
        ("paper", 4, ""),
        ("paper", 0, ""),
        ("tiny", 2, ""),
    ],
)
def test_a_batch_that_is_normalised_in_parts_is_said_so(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    caplog: pytest.LogCaptureFixture,
    decoder: str,
    micro_batch: int,
    said: str,
) -> None:
    trial = decoded(small_study(steps=1), decoder)
    assert run(world, tmp_path, [trial], Settings(micro_batch=micro_batch)) == 0
    assert said in caplog.text
    assert bool(said) == ("batch norm" in caplog.text)


def test_a_part_that_has_no_deviation_is_refused(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    capsys: pytest.CaptureFixture[str],
) -> None:
    trial = decoded(small_study(), "paper")
    assert run(world, tmp_path, [trial], Settings(micro_batch=3)) == 64  # three and then one
    (failed,) = events(capsys.readouterr().out, "failed")
    assert "a batch of 4 in parts of 1 (TASKONOMY_MICRO_BATCH), and one" in failed["reason"]


def decoded(study: Study, decoder: str) -> Trial:
    """A network of classes; the paper's decoder has batch norm, and no encoder here has."""
    (trial,) = of_kind(study, "task-specific", "scene-classes")
    model = trial.model.model_copy(update={"decoder": decoder})
    return trial.model_copy(update={"model": model})


def test_a_batch_too_large_for_the_gpu_is_done_in_parts(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    (trial,) = of_kind(small_study(steps=5), "task-specific", "depth")
    run(world, tmp_path, [trial], Settings(micro_batch=2))
    whole = left(world, trial)
    other = anew(world, "other")
    live_in(other, monkeypatch.setattr)
    accumulate = Student.accumulate

    def limited(student: Student, batch: Batch, *arguments: Any) -> Any:
        if len(batch) > 2:
            raise torch.OutOfMemoryError("the GPU is small")
        return accumulate(student, batch, *arguments)

    monkeypatch.setattr(Student, "accumulate", limited)
    assert run(other, tmp_path, [trial]) == 0
    assert_same(left(other, trial), whole)


@pytest.mark.slow
def test_damaged_examples_are_passed_over_and_counted(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.sizes |= {"train": 400}
    world.damaged = {"train": frozenset({3}), "test": frozenset({5})}
    (trial,) = of_kind(small_study(steps=120), "task-specific", "depth")
    assert run(world, tmp_path, [trial]) == 0
    result = left(world, trial)[3]
    assert (result.images, result.skipped) == (11, 1)
    told = events(capsys.readouterr().out, "skipped_images")
    assert [event["count"] for event in told] == [1, 2]
    assert told[0]["first"] == "train/3: is damaged"


def test_too_many_damaged_examples_end_it(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.damaged = {"train": frozenset(range(8))}
    (trial,) = of_kind(small_study(steps=30), "task-specific", "depth")
    assert run(world, tmp_path, [trial]) == 64
    (failed,) = events(capsys.readouterr().out, "failed")
    assert "cannot be read, more than the 1.00%" in failed["reason"]


def test_an_image_too_few_to_stop_a_source_does_not_stop_its_transfers(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    """Representations are normalised by all 90 training images; with val and test there are 112."""
    world.sizes |= {"train": 90}
    world.damaged = {"train": frozenset({80})}  # outside the half that transfers learn from
    transfers = of_kind(small_study(steps=1), "transfer", "depth", order=1)
    (random,) = (trial for trial in transfers if trial.sources == ("random",))
    assert run(world, tmp_path, [random]) == 0
    assert left(world, random)[3].skipped == 0


@pytest.mark.slow
def test_a_transfer_waits_for_its_sources(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = small_study()
    first, *rest = of_kind(study, "transfer", "depth", order=1)
    random = [trial for trial in (first, *rest) if trial.sources == ("random",)]
    assert run(world, tmp_path, [first, *random]) == 75
    (failed,) = events(capsys.readouterr().out, "failed")
    assert failed["trial"] == digest(first)
    assert "not there yet" in failed["reason"]
    assert (world.root / digest(random[0]) / "result.json").exists()


def test_a_damaged_checkpoint_is_not_gone_on_from(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (trial,) = of_kind(small_study(steps=4), "scratch", "depth")
    run(world, tmp_path, [trial], stop_after=2)
    checkpoint = world.root / digest(trial) / "checkpoint" / "state.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert run(world, tmp_path, [trial]) == 0
    assert "trained anew" in caplog.text


def test_a_checkpoint_of_another_trial_is_not_gone_on_from(
    world: World,
    tmp_path: Path,
    small_study: Callable[..., Study],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same network and data, so that nothing but its digest tells it is another's."""
    (slow,) = of_kind(small_study(steps=4), "scratch", "depth")
    (fast,) = of_kind(small_study(steps=4, learningRate=0.01), "scratch", "depth")
    assert run(world, tmp_path, [fast]) == 0
    alone = left(world, fast)
    (world.root / digest(fast)).rename(tmp_path / "alone")
    run(world, tmp_path, [slow], stop_after=2)
    (world.root / digest(slow)).rename(world.root / digest(fast))
    (world.root / digest(fast) / "trial.json").unlink()
    assert run(world, tmp_path, [fast]) == 0
    assert f"it is of another trial, {digest(slow)}" in caplog.text
    assert_same(left(world, fast), alone)


def test_a_best_guess_is_the_mean_label_judged(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    (guess,) = (g for g in best_guesses(small_study()) if g.target.id == "scene-classes")
    assert run(world, tmp_path, [guess]) == 0
    folder = world.root / digest(guess)
    result = parse_result((folder / "result.json").read_bytes(), "result.json")
    assert (result.kind, result.steps, result.images) == ("best-guess", 0, 12)
    rows = pq.read_table(folder / "losses.parquet").to_pylist()
    # Labels are 0, 1, 2, 0, …: each third of the training labels, so log 3 with next to no room.
    assert [row["loss"] for row in rows] == pytest.approx([np.log(3)] * 12, abs=0.1)


@pytest.mark.slow
def test_judged_again_from_its_weights_a_trial_loses_the_same(
    world: World, tmp_path: Path, small_study: Callable[..., Study]
) -> None:
    study = small_study(steps=5)
    trials = of_kind(study, "task-specific", "depth") + of_kind(study, "task-specific", "normals")
    transfer = next(t for t in of_kind(study, "transfer", "depth", 1) if t.sources == ("normals",))
    run(world, tmp_path, [*trials, transfer])
    for trial in (trials[0], transfer):
        found = evaluated(trial, world.job(tmp_path / "trials.jsonl"))
        assert found["largest_difference"] == 0
        assert found["mean_loss"] == pytest.approx(found["recorded_mean_loss"])
        assert found["rmse"] >= found["mean_loss"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--trials", "nope"], {}, "nope: cannot be read: No such file or directory"),
        (["--trials", "nope"], {"TASKONOMY_DECODERS": "two"}, "TASKONOMY_DECODERS is 'two'"),
    ],
)
def test_a_judge_that_is_started_wrongly_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    environment: dict[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    more = ["--study", "small", "--dataset", "memory", "--artifacts", str(tmp_path)]
    assert evaluate.main([*words, *more]) == 64
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.startswith("error: ")
    assert not shown.out


def test_stacked_networks_learn_what_they_learn_one_by_one(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study(steps=8)
    sources_trained(world, tmp_path, study)
    transfers = of_kind(study, "transfer", "normals", order=2)
    other = anew(world, "other")
    shutil.copytree(world.root, other.root)
    assert run(world, tmp_path, transfers) == 0
    live_in(other, monkeypatch.setattr)
    # Stopped and resumed: what a stack leaves in checkpoints is each student's own.
    assert run(other, tmp_path, transfers, Settings(stacked="yes"), stop_after=3) == "stopped"
    assert run(other, tmp_path, transfers, Settings(stacked="yes")) == 0
    for trial in transfers:
        one, stacked = left(world, trial), left(other, trial)
        for alone, beside in zip(one[1], stacked[1], strict=True):
            assert beside["loss"] == pytest.approx(alone["loss"], rel=1e-4)
        for alone, beside in zip(one[2], stacked[2], strict=True):
            assert beside["loss"] == pytest.approx(alone["loss"], rel=1e-3)


@pytest.mark.slow
def test_a_stacked_head_that_diverges_leaves_the_others_alone(
    world: World, tmp_path: Path, small_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study(steps=6)
    sources_trained(world, tmp_path, study)
    sick, *well = of_kind(study, "transfer", "depth", order=1)
    other = anew(world, "other")
    shutil.copytree(world.root, other.root)
    assert run(world, tmp_path, well) == 0
    live_in(other, monkeypatch.setattr)
    learn = stacking._Stack.learn

    def poisoned(stack: Any, figures: Any, examples: Any) -> None:
        if stack.students[0].trial == sick and stack.students[0].step == 2:
            for parameter in stack._parameters.values():
                parameter.grad[0] *= float("nan")
            figures = [[figures[0][0], float("nan")], *figures[1:]]
        learn(stack, figures, examples)

    monkeypatch.setattr(stacking._Stack, "learn", poisoned)
    assert run(other, tmp_path, [sick, *well], Settings(stacked="yes")) == 64
    assert not (other.root / digest(sick) / "result.json").exists()
    for trial in well:
        alone, beside = left(world, trial)[3], left(other, trial)[3]
        assert beside.mean_loss == pytest.approx(alone.mean_loss, rel=1e-3)
