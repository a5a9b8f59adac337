"""What a reader of MLflow sees of a trial."""

import pytest
from trial_results import result_of, small_study

from taskonomy_catalogue.records import best_guesses
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.tracking.description import curve, describe, ends, params

TRIALS = list(enumerate_trials(small_study()))


def of_kind(kind: str, order: int = 0) -> Trial:
    return next(t for t in TRIALS if t.kind == kind and t.order == order)


def test_a_transfer_is_described_by_who_learns_from_whom() -> None:
    trial = of_kind("transfer", 2)
    run = describe(trial, "rooms", "s3://bucket/x", "rooms-1", 5)
    assert run.name == trial.title
    assert run.stage == "higher-order"
    assert {k: v for k, v in run.tags.items() if k.startswith("taskonomy.")} == {
        "taskonomy.digest": digest(trial),
        "taskonomy.study": "rooms",
        "taskonomy.artifacts": "s3://bucket/x",
        "taskonomy.stage": "higher-order",
        "taskonomy.sources": "+".join(trial.sources),
        "taskonomy.target": trial.target.id,
        "taskonomy.order": "2",
        "taskonomy.job": "rooms-1",
    }


def test_params_are_the_trial_flat_and_readable() -> None:
    trial = of_kind("transfer", 1)
    found = dict(params(trial))
    assert list(found)[:5] == ["kind", "target", "sources", "order", "seed"]
    assert found["model.encoder"] == "resnet50"
    assert found["optimiser.batch_size"] == "32"
    assert found["data.fraction"] == "0.02"
    assert found["sources.trials"] == f"{trial.sources[0]} {trial.encoders[0].digest[:10]}"
    assert not [name for name in found if "encoders" in name]


def test_transfers_to_one_target_differ_only_in_their_sources() -> None:
    to_one = [t for t in TRIALS if t.order == 1 and t.target.id == "normals"]
    first, *others = [dict(params(t)) for t in to_one]
    assert len(others) >= 2
    for other in others:
        differ = {name for name in first if first[name] != other[name]}
        assert differ == {"sources", "sources.trials"}


def test_a_best_guess_has_a_stage_and_no_sources() -> None:
    guess = next(best_guesses(small_study()))
    run = describe(guess, "rooms", "/x", "", 0)
    assert run.stage == "best-guess"
    assert "taskonomy.sources" not in run.tags
    assert "taskonomy.job" not in run.tags
    assert run.params["image_size"] == "256"


def test_hundreds_of_sources_stay_within_what_mlflow_takes() -> None:
    trial = of_kind("transfer", 1)
    (encoder,) = trial.encoders
    many = [
        encoder.model_copy(update={"task": f"a-task-with-a-long-name-{i:03}"}) for i in range(400)
    ]
    run = describe(trial.model_copy(update={"encoders": tuple(many)}), "rooms", "/x", "", 0)
    assert max(map(len, run.params.values())) <= 6000
    assert max(map(len, run.tags.values())) <= 8000


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("train_loss", "train/loss"),
        ("validation_loss", "validation/loss"),
        ("train_angular_error", "train/angular_error"),
        ("learning_rate", "train/learning_rate"),
        ("loss", "train/loss"),  # `loss` alone is what the run ends with
    ],
)
def test_curves_stand_in_sections(given: str, shown: str) -> None:
    assert curve(given) == shown


def test_a_run_ends_with_loss_and_cost() -> None:
    result = result_of(TRIALS[0], "rooms", [0.25, 0.75], skipped=2)
    values, tags = ends(result)
    assert values == {"loss": 0.5, "gpu_seconds": 12.5}
    assert tags == {
        "taskonomy.status": "complete",
        "taskonomy.held_out_images": "2",
        "taskonomy.skipped_images": "2",
        "taskonomy.versions": "taskonomy 0.1.0",
    }
