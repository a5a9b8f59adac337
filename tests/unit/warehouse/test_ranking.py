"""Sources ranked by first-order affinity, against affinities numpy computes from the losses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trial_results import Artifacts, losses_of, small_study, study_document

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_catalogue.rankings import FirstOrder, parse_ranking
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import digest
from taskonomy_warehouse.ranking import main, update_ranking

PAPER: dict[str, Any] = {"transfers": {"orders": [1, 2], "candidates": "paper"}}
STUDY = small_study(**PAPER)


def ranked_by_numpy(target: Any) -> Any:
    """Sources by the principal eigenvector of win ratios among first-order transfers alone."""
    trials = FirstOrder(STUDY).targets[target]
    losses = np.stack([losses_of(trial, 50) for trial in trials])
    lower = (losses[:, None, :] < losses[None, :, :]).mean(axis=2)
    ties = (losses[:, None, :] == losses[None, :, :]).mean(axis=2)
    wins = np.clip(lower + ties / 2, 0.001, 0.999)
    ratio = wins / wins.T
    np.fill_diagonal(ratio, 1.0)
    values, vectors = np.linalg.eig(ratio)
    affinity = np.abs(np.real(vectors[:, np.argmax(np.real(values))]))
    return tuple(trials[i].sources[0] for i in np.argsort(-affinity, kind="stable"))


@pytest.fixture
def artifacts(tmp_path: Path) -> Any:
    left = Artifacts(tmp_path / "artifacts")
    left.root.mkdir()
    return left


def test_every_target_is_ranked_as_numpy_ranks_it(artifacts: Artifacts, tmp_path: Path) -> None:
    artifacts.leave_all(
        STUDY
    )  # scratch, task-specific and orders 2 are there too, and do not count
    ranked = update_ranking(STUDY, str(artifacts.root), tmp_path / "ranking.json")
    assert ranked.targets == {t: ranked_by_numpy(t) for t in ("normals", "reshading", "curvature")}
    assert ranked.left_out == ()


def test_the_file_reads_back_as_a_ranking_that_transfers_follow_from(
    artifacts: Artifacts, tmp_path: Path
) -> None:
    artifacts.leave_all(STUDY)
    out = tmp_path / "ranking.json"
    update_ranking(STUDY, str(artifacts.root), out)
    ranking = parse_ranking(out.read_bytes(), "r").ranking_for(FirstOrder(STUDY))
    assert len(list(enumerate_trials(STUDY, ranking))) == 3 + 3 + 12 + 3 * 3


def test_a_target_is_ranked_when_its_transfers_are_all_there(
    artifacts: Artifacts, tmp_path: Path
) -> None:
    out = tmp_path / "ranking.json"
    trials = FirstOrder(STUDY).targets
    for trial in (*trials["normals"], *trials["curvature"][1:]):
        artifacts.leave(trial)
    assert set(update_ranking(STUDY, str(artifacts.root), out).targets) == {"normals"}
    artifacts.leave(trials["curvature"][0])
    assert set(update_ranking(STUDY, str(artifacts.root), out).targets) == {"curvature"}
    assert set(parse_ranking(out.read_bytes(), "r").targets) == {"normals", "curvature"}


def test_a_target_that_is_asked_for_is_ranked_with_what_there_is(
    artifacts: Artifacts, tmp_path: Path
) -> None:
    out = tmp_path / "ranking.json"
    trials = FirstOrder(STUDY).targets
    for trial in trials["curvature"][1:]:
        artifacts.leave(trial)
    ranked = update_ranking(STUDY, str(artifacts.root), out, ["curvature", "normals"])
    assert sorted(ranked.targets["curvature"]) == sorted(
        t.sources[0] for t in trials["curvature"][1:]
    )
    assert ranked.targets["normals"] == ()


def test_a_ranking_stays_when_results_change(artifacts: Artifacts, tmp_path: Path) -> None:
    out = tmp_path / "ranking.json"
    artifacts.leave_all(STUDY)
    update_ranking(STUDY, str(artifacts.root), out)
    before = out.read_bytes()
    for trial in FirstOrder(STUDY).targets["normals"][:2]:
        artifacts.leave(trial, losses=np.full(50, 99.0, np.float32))
    assert update_ranking(STUDY, str(artifacts.root), out).targets == {}
    assert out.read_bytes() == before


def test_a_ranking_of_other_transfers_does_not_count(artifacts: Artifacts, tmp_path: Path) -> None:
    out = tmp_path / "ranking.json"
    artifacts.leave_all(STUDY)
    update_ranking(STUDY, str(artifacts.root), out)
    longer = small_study(**PAPER, training={"transfer": {"steps": 7}})
    ranking = parse_ranking(out.read_bytes(), "r")
    assert set(ranking.ranking_for(FirstOrder(STUDY))) == {"normals", "reshading", "curvature"}
    assert ranking.ranking_for(FirstOrder(longer)) == {}


def test_a_broken_result_is_left_out_and_named(
    artifacts: Artifacts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_file, out = tmp_path / "study.json", tmp_path / "ranking.json"
    study_file.write_text(json.dumps(study_document(**PAPER)))
    artifacts.leave_all(STUDY)
    broken = FirstOrder(STUDY).targets["normals"][0]
    (artifacts.folder(broken) / "losses.parquet").write_bytes(b"torn")
    words = [f"--study={study_file}", f"--artifacts={artifacts.root}", f"--out={out}"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert digest(broken) in said.err
    assert "normals: " in said.out
    assert broken.sources[0] not in parse_ranking(out.read_bytes(), "r").targets["normals"].sources


@pytest.mark.parametrize(
    ("targets", "content", "error", "said"),
    [
        (["normal"], None, SettingRefused, "did you mean 'normals'"),
        ([], b"{}]", InputRefused, "ranking.json"),
        ([], b'{"targets": {"normals": 1}}', InputRefused, "targets.normals"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    artifacts: Artifacts, tmp_path: Path, targets: Any, content: Any, error: Any, said: str
) -> None:
    out = tmp_path / "ranking.json"
    if content is not None:
        out.write_bytes(content)
    with pytest.raises(error, match=said):
        update_ranking(STUDY, str(artifacts.root), out, targets)
    assert (out.read_bytes() if out.exists() else None) == content


@pytest.mark.parametrize(
    ("study", "root", "code"), [("{", "artifacts", 64), (json.dumps(study_document()), "gone", 75)]
)
def test_exit_codes_say_whether_to_try_again(
    tmp_path: Path,
    study: str,
    root: Any,
    code: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "study.json").write_text(study)
    words = [f"--study={tmp_path}/study.json", f"--artifacts={tmp_path}/{root}", "--out=r.json"]
    assert main(words) == code
    assert "ranking: " in capsys.readouterr().err
