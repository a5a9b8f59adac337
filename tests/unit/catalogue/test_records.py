"""What a trial leaves behind: written whole, read back the same, refused with the field named."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trial_results import Artifacts, result_of, small_study, trials_of

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.records import (
    LOSSES_FILE,
    RESULT_FILE,
    TRIAL_FILE,
    AskedRecords,
    BestGuess,
    best_guesses,
    parse_result,
    parse_trial,
    trial_folder,
    write_result,
    write_trial,
)
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, canonical_json, digest

STUDY = small_study()
TRIAL = next(enumerate_trials(STUDY))
GUESS = next(best_guesses(STUDY))


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("trial", trials_of(STUDY), ids=lambda trial: trial.title)
def test_what_is_written_is_what_is_read(trial: Trial | BestGuess, tmp_path: Path) -> None:
    folder = Artifacts(tmp_path).leave(trial)
    result = result_of(trial, "rooms", [1.0, 2.0])
    write_result(folder, result)
    assert parse_trial((folder / TRIAL_FILE).read_bytes(), "trial.json") == trial
    assert parse_result((folder / RESULT_FILE).read_bytes(), "result.json") == result


def test_the_folder_is_named_by_the_sha256_of_trial_json(tmp_path: Path) -> None:
    folder = Artifacts(tmp_path).leave(TRIAL)
    assert folder.name == hashlib.sha256((folder / TRIAL_FILE).read_bytes()).hexdigest()
    assert str(folder) == trial_folder(f"{tmp_path}/", digest(TRIAL))


def test_a_result_is_written_last(tmp_path: Path) -> None:
    result = result_of(TRIAL, "rooms", [1.0])
    with pytest.raises(FileNotFoundError, match=TRIAL_FILE):
        write_result(tmp_path, result)
    write_trial(tmp_path, TRIAL)
    with pytest.raises(FileNotFoundError, match=LOSSES_FILE):
        write_result(tmp_path, result)
    (tmp_path / LOSSES_FILE).touch()
    write_result(tmp_path, result)
    assert sorted(f.name for f in tmp_path.iterdir()) == [LOSSES_FILE, RESULT_FILE, TRIAL_FILE]


def test_a_write_that_fails_leaves_the_former_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_trial(tmp_path, TRIAL)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_trial(tmp_path, GUESS)
    assert [f.name for f in tmp_path.iterdir()] == [TRIAL_FILE]
    assert parse_trial((tmp_path / TRIAL_FILE).read_bytes(), "") == TRIAL


# --- refusals ----------------------------------------------------------------------------------

REFUSED_RESULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a later format": ({"version": 2}, "field version: Input should be 1"),
    "a digest of another length": ({"digest": "abc"}, "field digest: String should match"),
    "a kind that there is not": ({"kind": "fine-tuned"}, "field kind: Input should be"),
    "no images": ({"images": 0}, "field images: Input should be greater than or equal to 1"),
    "an unknown field": ({"gpu_secs": 3}, "field gpu_secs: Extra inputs"),
    "time without a zone": ({"started_at": "2026-01-02T03:04:05"}, "field started_at: Input"),
    "an end before the beginning": (
        {"finished_at": "2025-01-01T00:00:00Z"},
        "finished_at lies before started_at",
    ),
    "a mean that is no number": ({"mean_loss": "NaN"}, "field mean_loss: Input should be a finite"),
}


@pytest.mark.parametrize(
    ("change", "message"), REFUSED_RESULTS.values(), ids=REFUSED_RESULTS.keys()
)
def test_a_result_is_refused_by_its_field(change: dict[str, Any], message: str) -> None:
    content = result_of(TRIAL, "rooms", [1.0]).model_dump(mode="json") | change
    with pytest.raises(InputRefused) as refused:
        parse_result(json.dumps(content).encode(), "s3://a/b/result.json")
    assert str(refused.value).startswith("s3://a/b/result.json: ")
    assert message in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_what_is_no_trial_is_refused(content: bytes) -> None:
    with pytest.raises(InputRefused, match=r"^trial.json: \S"):
        parse_trial(content, "trial.json")


def test_a_trial_is_refused_by_its_field() -> None:
    content = json.loads(canonical_json(TRIAL))
    content["optimiser"]["batch_size"] = 0
    with pytest.raises(InputRefused, match=r"field optimiser\.batch_size: .*greater than"):
        parse_trial(json.dumps(content).encode(), "trial.json")


# --- best guesses ------------------------------------------------------------------------------


def test_there_is_one_best_guess_a_target() -> None:
    assert [guess.target.id for guess in best_guesses(STUDY)] == [t.id for t in STUDY.targets()]


def test_a_best_guess_depends_on_labels_alone() -> None:
    named = {name: digest(next(best_guesses(study))) for name, study in OTHERS.items()}
    assert named["another encoder"] == named["other seeds"] == digest(GUESS)
    assert len({named["larger images"], named["other data"], digest(GUESS)}) == 3


OTHERS: dict[str, Study] = {
    "another encoder": small_study(model={"encoder": "resnet-tiny"}),
    "other seeds": small_study(training={"transfer": {"seeds": [3]}}),
    "larger images": small_study(model={"imageSize": 512}),
    "other data": small_study(data={"dataset": "s3://rooms/v2"}),
}


def test_the_digest_of_a_best_guess_is_pinned() -> None:
    assert digest(GUESS) == PINNED


PINNED = "e975689f0596bc8a73273d8e768b40d915a912fdae0a473ee7d7b2c92f8559ef"


def test_the_canonical_json_of_a_best_guess_is_the_documented_one() -> None:
    task = json.dumps(json.loads(canonical_json(GUESS))["target"], separators=(",", ":"))
    expected = (
        '{"data":{"fraction":1.0,"identity":"s3://rooms/v1","layout":"taskonomy",'
        f'"splits":"medium"}},"image_size":256,"kind":"best-guess","target":{task}}}'
    )
    assert canonical_json(GUESS) == expected
    assert hashlib.sha256(expected.encode()).hexdigest() == digest(GUESS)


# --- whose trial it is -------------------------------------------------------------------------


def test_a_study_asks_for_all_its_trials_and_for_no_others() -> None:
    asked = AskedRecords(STUDY)
    strange = [t for other in STRANGERS.values() for t in trials_of(other)]
    assert all(trial in asked for trial in trials_of(STUDY))
    known = {digest(trial) for trial in trials_of(STUDY)}
    assert {digest(t) for t in strange if t in asked} == {digest(t) for t in strange} & known


STRANGERS = {
    "other data": small_study(data={"dataset": "s3://rooms/v2"}),
    "other seeds": small_study(training={"transfer": {"seeds": [0, 1]}}),
    "more tasks": small_study(tasks={"subset": ["normals", "reshading", "edges-2d"]}),
    "fewer targets": small_study(
        tasks={"subset": ["normals", "reshading", "curvature"], "sourceOnly": ["curvature"]}
    ),
    "own encoder at every order": small_study(
        transfers={"orders": [1, 2, 3], "candidates": "exhaustive", "ownEncoder": "every-order"}
    ),
    "never its own encoder": small_study(transfers={"orders": [1], "ownEncoder": "never"}),
}


CHANGES: dict[str, Callable[[Trial], Trial]] = {
    "another seed": lambda t: t.model_copy(update={"seed": 7}),
    "another length": lambda t: t.model_copy(
        update={"optimiser": t.optimiser.model_copy(update={"epochs": 3})}
    ),
    "another model": lambda t: t.model_copy(
        update={"model": t.model.model_copy(update={"image_size": 64})}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_trial_changed_in_anything_is_not_asked_for(change: Callable[[Trial], Trial]) -> None:
    asked = AskedRecords(STUDY)
    for trial in enumerate_trials(STUDY):
        assert change(trial) not in asked


def test_what_is_asked_for_does_not_depend_on_a_ranking() -> None:
    ranked = small_study(transfers={"orders": [1, 2]})
    asked = AskedRecords(ranked)
    assert all(trial in asked for trial in trials_of(STUDY))
    assert sum(trial.order == 2 for trial in enumerate_trials(ranked)) == 0
