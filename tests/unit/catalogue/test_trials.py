"""A trial: its digest, what is part of it and what is not."""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from asked_studies import THREE, shuffled_ranking, study, three
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import (
    enumerate_trials,
    scratch_trials,
    task_specific_trials,
    transfer_trials,
)
from taskonomy_catalogue.trials import (
    Trial,
    canonical_json,
    digest,
    untrained_encoder_digest,
)

CATALOGUE = Path(__file__).parents[3] / "catalogue"


def test_random_projections_are_known_by_architecture_and_seed() -> None:
    known = {
        untrained_encoder_digest(encoder, seed)
        for encoder in ("resnet50", "resnet-tiny")
        for seed in (0, 1)
    }
    assert len(known) == 4
    written = b'{"encoder":"resnet-tiny","kind":"untrained","seed":1}'
    assert untrained_encoder_digest("resnet-tiny", 1) == hashlib.sha256(written).hexdigest()


# --- digests -----------------------------------------------------------------------------------

TRIAL: dict[str, Any] = {
    "kind": "transfer",
    "target": {
        "id": "curvature",
        "folder": "principal_curvature",
        "images": 1,
        "output": {"kind": "image", "channels": 2, "stride": 1},
        "loss": "l2",
    },
    "encoders": [
        {"task": "normals", "digest": "a" * 64},
        {"task": "random", "digest": "b" * 64, "initial_seed": 0},
    ],
    "model": {"encoder": "resnet50", "decoder": "paper", "image_size": 256},
    "optimiser": {
        "epochs": 30,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "weight_decay": 1e-6,
        "lr_decay_step": 5000,
        "lr_decay_factor": 0.1,
        "patience": 0,
    },
    "data": {"identity": "rooms é", "layout": "taskonomy", "splits": "medium", "fraction": 0.02},
    "seed": 0,
}

GOLDEN = "ff0c421c69c50c3ee68492b0ab6c9c0c1ee52113b2cc86604aa22c7ff690fafd"


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the content of TRIAL with one value changed; None removes it."""
    content = json.loads(json.dumps(TRIAL))
    *parents, last = path.split(".")
    part: Any = content
    for step in parents:
        part = part[int(step)] if step.isdigit() else part[step]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return content  # type: ignore[no-any-return]


def shuffled(content: Any, draw: random.Random) -> Any:
    """Return the same mapping with the fields of every level in another order."""
    if isinstance(content, dict):
        keys = draw.sample(list(content), len(content))
        return {key: shuffled(content[key], draw) for key in keys}
    return content


def test_the_digest_of_a_trial_is_pinned() -> None:
    # If this fails, every network trained so far would be trained again: add options so that
    # their absence leaves the canonical JSON as it is.
    assert digest(Trial.model_validate(TRIAL)) == GOLDEN


PINNED = "4cde9182b1f99f01e59d6edb12c1ef8dce1ea7435d3a8df8c7dda3fbb4e80463"


def test_the_digests_of_a_study_without_options_are_pinned() -> None:
    """What was trained before there was an adversary, or flips, is not trained again."""
    plain = [digest(trial) for trial in enumerate_trials(study())]
    assert hashlib.sha256("\n".join(plain).encode()).hexdigest() == PINNED
    off = study(training={"taskSpecific": {"augment": {"flip": False}}})
    assert [digest(trial) for trial in enumerate_trials(off)] == plain


def test_an_adversary_is_part_of_the_trials_that_predict_images() -> None:
    asked = study(training={"taskSpecific": {"adversarial": {"fromStep": 7}}})
    found = {t.target.id: t.adversarial for t in task_specific_trials(asked)}
    images = {task.id for task in asked.dictionary() if task.output.kind == "image"}
    assert len(images) == 12
    assert {task for task, adversary in found.items() if adversary} == images
    adversary = found["normals"]
    assert adversary is not None
    assert (adversary.weight, adversary.from_step) == (0.004, 7)
    assert not any(trial.adversarial for trial in scratch_trials(asked))
    assert not any(trial.adversarial for trial in transfer_trials(asked, 1))


def test_mirrored_examples_are_part_of_every_task_specific_trial() -> None:
    asked = study(training={"taskSpecific": {"augment": {"flip": True}}})
    assert all(trial.flip for trial in task_specific_trials(asked))
    assert not any(trial.flip for trial in scratch_trials(asked))
    assert not any(trial.flip for trial in transfer_trials(asked, 1))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"kind": "scratch", "adversarial": {}}, "only a task-specific network"),
        ({"kind": "scratch", "flip": True}, "only a task-specific network"),
        (
            {"kind": "task-specific", "adversarial": {}, "target.output.kind": "embedding"},
            "predicts an image",
        ),
    ],
)
def test_options_go_with_networks_that_have_them(changes: dict[str, object], word: str) -> None:
    content = changed("target.output.kind", changes.pop("target.output.kind", "image"))
    with pytest.raises(ValidationError, match=word):
        Trial.model_validate(content | {"encoders": []} | changes)


def test_the_canonical_json_is_the_documented_one() -> None:
    text = canonical_json(Trial.model_validate(TRIAL))
    plain = json.dumps(TRIAL, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text == plain
    assert "rooms é" in text
    assert "0.0001" in text
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN


def test_another_process_with_another_hash_seed_finds_the_same_digest() -> None:
    program = (
        "import sys; from taskonomy_catalogue.trials import Trial, digest;"
        "print(digest(Trial.model_validate_json(sys.stdin.read())))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(TRIAL),
        env={"PYTHONPATH": str(CATALOGUE), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == GOLDEN


@given(seed=st.integers(0, 10_000))
def test_the_order_of_fields_does_not_matter(seed: int) -> None:
    assert digest(Trial.model_validate(shuffled(TRIAL, random.Random(seed)))) == GOLDEN


def test_the_order_of_sources_does_not_matter() -> None:
    other = TRIAL | {"encoders": TRIAL["encoders"][::-1]}
    assert digest(Trial.model_validate(other)) == GOLDEN
    assert Trial.model_validate(other).sources == ("normals", "random")


CHANGES: dict[str, object] = {
    "target.id": "normals",
    "target.folder": "curvature",
    "target.images": 2,
    "target.output.kind": "embedding",
    "target.output.channels": 3,
    "target.output.stride": 2,
    "target.loss": "l1",
    "encoders.0.task": "depth",
    "encoders.0.digest": "c" * 64,
    "encoders.1.initial_seed": 1,
    "model.encoder": "resnet-tiny",
    "model.decoder": "tiny",
    "model.image_size": 128,
    "optimiser.epochs": 31,
    "optimiser.batch_size": 31,
    "optimiser.learning_rate": 2e-4,
    "optimiser.weight_decay": 0.0,
    "optimiser.lr_decay_step": 0,
    "optimiser.lr_decay_factor": 0.2,
    "optimiser.patience": 1,
    "data.identity": "rooms",
    "data.layout": "omnidata",
    "data.splits": "tiny",
    "data.fraction": 0.03,
    "seed": 1,
}


@pytest.mark.parametrize("path", CHANGES)
def test_any_change_is_another_trial(path: str) -> None:
    assert digest(Trial.model_validate(changed(path, CHANGES[path]))) != GOLDEN


def test_kind_and_kind_of_length_change_the_digest_too() -> None:
    alone = {**TRIAL, "encoders": []}
    kinds = {
        digest(Trial.model_validate(alone | {"kind": k})) for k in ("scratch", "task-specific")
    }
    steps = {**TRIAL["optimiser"], "steps": 30}
    del steps["epochs"]
    kinds.add(digest(Trial.model_validate(TRIAL | {"optimiser": steps})))
    assert len(kinds | {GOLDEN}) == 4


def test_what_networks_are_compared_by_is_part_of_a_trial_where_it_is_not_the_loss() -> None:
    by_angle = Trial.model_validate(changed("target.comparison", "angle"))
    assert digest(by_angle) != GOLDEN
    compared = {t.target.id: t.target.comparison for t in task_specific_trials(study())}
    assert {task for task, by in compared.items() if by} == {"normals"}
    assert compared["normals"] == "angle"


def leaves(content: Any, place: str = "") -> set[str]:
    """Return the dotted path of every value in a document."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    return {
        path
        for key, value in items
        for path in (
            leaves(value, f"{place}{key}.") if isinstance(value, dict | list) else {f"{place}{key}"}
        )
    }


def test_the_changes_above_reach_every_field_of_a_trial() -> None:
    other_entries = {"encoders.1.task", "encoders.1.digest"}
    assert leaves(TRIAL) - other_entries - {"kind"} == set(CHANGES)
    declared = Trial.model_validate(TRIAL).model_dump(mode="json")
    absent = {"optimiser.steps", "encoders.0.initial_seed", "target.comparison"}
    absent |= {"adversarial", "flip"}
    assert leaves(declared) - leaves(TRIAL) == absent


@given(
    learning_rate=st.floats(1e-12, 10.0),
    weight_decay=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**31 - 1),
)
def test_what_is_written_reads_back_as_the_same_trial(
    learning_rate: float, weight_decay: float, seed: int
) -> None:
    optimiser = TRIAL["optimiser"] | {"learning_rate": learning_rate, "weight_decay": weight_decay}
    trial = Trial.model_validate(TRIAL | {"optimiser": optimiser, "seed": seed})
    again = Trial.model_validate_json(canonical_json(trial))
    assert again == trial
    assert digest(again) == digest(trial)


@given(one=st.floats(0.0, 1.0), other=st.floats(0.0, 1.0))
def test_equal_numbers_have_equal_digests_and_others_do_not(one: float, other: float) -> None:
    a, b = (
        Trial.model_validate(changed("optimiser.weight_decay", value)) for value in (one, other)
    )
    assert (digest(a) == digest(b)) == (one == other)


def test_minus_zero_and_whole_numbers_are_the_same_number() -> None:
    same = [
        digest(Trial.model_validate(changed("optimiser.weight_decay", value)))
        for value in (0.0, -0.0, 0)
    ]
    assert len(set(same)) == 1


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("kind", "scratch", "no other trial"),
        ("encoders", [], "at least one source"),
        ("encoders.1.task", "normals", "twice"),
        ("encoders.0.digest", "A" * 64, "pattern"),
        ("optimiser.epochs", None, "exactly one"),
        ("optimiser.steps", 3, "exactly one"),
        ("optimiser.learning_rate", float("nan"), "finite"),
        ("data.fraction", 0.0, "greater than 0"),
        ("study", "small", "not permitted"),
    ],
)
def test_what_is_no_trial(path: str, value: object, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Trial.model_validate(changed(path, value))


# --- what does not change a trial --------------------------------------------------------------


def digests(of: Study) -> list[str]:
    return [digest(trial) for trial in enumerate_trials(of, shuffled_ranking(of))]


UNRELATED: dict[str, dict[str, object]] = {
    "resources": {"resources": {"firstOrder": {"gpus": 8, "nodes": {"min": 1, "max": 4}}}},
    "queue": {"queue": "team-a", "priorityClassName": "low"},
    "limits": {"retries": 0, "parallelism": 1, "gpuHours": 5},
    "places": {"artifacts": "s3://elsewhere/x", "tracking": "http://mlflow:5000"},
    "taxonomy": {"taxonomy": {"budgets": [1], "orders": [2], "allowOwnTransfer": True}},
    "weights": {
        "tasks": {
            "subset": [*THREE, "random"],
            "importance": {"normals": 2},
            "labelCost": {"normals": 3},
        }
    },
    "other names for the same tasks": {
        "tasks": {"subset": ["random", "principal_curvature", "reshade", "rgb2sfnorm"]}
    },
    "the same data elsewhere": {
        "data": {"dataset": "/mnt/copy", "identity": "s3://rooms/v1"},
    },
}


@pytest.mark.parametrize("spec", UNRELATED.values(), ids=UNRELATED.keys())
def test_what_does_not_change_a_result_does_not_change_a_trial(spec: dict[str, object]) -> None:
    assert digests(three(**spec)) == digests(three())


def test_a_source_trained_otherwise_makes_other_transfers() -> None:
    other = three(training={"taskSpecific": {"learningRate": 0.01}})
    before, after = list(enumerate_trials(three())), list(enumerate_trials(other))
    same = {a.title for a, b in zip(before, after, strict=True) if digest(a) == digest(b)}
    assert same == {f"scratch {t}" for t in THREE} | {f"transfer random → {t}" for t in THREE}


def test_a_larger_study_finds_the_trials_of_a_smaller_one() -> None:
    small, large = three(transfers={"orders": [1]}), study(transfers={"orders": [1]})
    assert set(digests(small)) < set(digests(large))


def test_two_tasks_that_differ_in_id_alone_are_two_trials() -> None:
    task: Mapping[str, object] = {
        "title": "Heat",
        "output": {"kind": "image", "channels": 1},
        "loss": "l1",
    }
    asked = study(
        tasks={"dictionary": "inline", "custom": [{"id": "a", **task}, {"id": "b", **task}]},
        transfers={"orders": [1]},
    )
    assert len({digest(trial) for trial in scratch_trials(asked)}) == 2
