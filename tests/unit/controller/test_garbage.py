"""What an artifact root holds that no study asks for: only what is surely that is ever removed."""

import fcntl
from pathlib import Path
from typing import Any

import pytest
from study_cases import document

from taskonomy_catalogue.records import AskedRecords, write_trial
from taskonomy_catalogue.study import parse_study
from taskonomy_catalogue.trials import digest
from taskonomy_operator.asked import asked_trials
from taskonomy_operator.garbage import Found, look_through, remove

TWO = {"spec.tasks.subset": ["normals", "depth", "curvature"], "spec.transfers.orders": [1, 2]}


def study(**changes: Any) -> Any:
    return parse_study(document({**TWO, **changes}), origin="s")


MINE, OTHERS = study(), study(**{"spec.training.transfer": {"seeds": [7]}})


@pytest.fixture
def root(tmp_path: Path) -> Any:
    """Results of two studies, which share all but their transfers."""
    for each in (MINE, OTHERS):
        for trial in asked_trials(each):
            path = tmp_path / digest(trial)
            path.mkdir(exist_ok=True)
            write_trial(path, trial)
            (path / "losses.parquet").write_bytes(b"x" * 100)
            (path / "lock").touch()
    (tmp_path / "studies").mkdir()
    (tmp_path / "representations" / ("0" * 64)).mkdir(parents=True)
    (tmp_path / "mlflow.db").touch()
    return tmp_path


def verdicts(root: Path, *studies: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in look_through(root, [AskedRecords(one) for one in studies]):
        found.setdefault(each.verdict, set()).add(each.path.name)
    return found


def digests(one: Any) -> set[str]:
    return {digest(trial) for trial in asked_trials(one)}


def unasked(root: Path) -> list[Found]:
    return [f for f in look_through(root, [AskedRecords(MINE)]) if f.verdict == "unasked"]


def test_what_any_study_asks_for_is_kept(root: Path) -> None:
    mine, others = digests(MINE), digests(OTHERS)
    assert others - mine
    assert verdicts(root, MINE, OTHERS) == {"asked": mine | others}
    assert verdicts(root, MINE) == {"asked": mine, "unasked": others - mine}


def test_removal_leaves_all_else_as_it_was(root: Path) -> None:
    gone = unasked(root)
    assert all(found.size > 100 for found in gone)
    assert all(map(remove, gone))
    left = {path.name for path in root.iterdir()}
    assert left == digests(MINE) | {"studies", "representations", "mlflow.db"}


def test_what_a_process_holds_stays_even_if_it_took_hold_only_now(root: Path) -> None:
    found = unasked(root)[0]
    with (found.path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert found.path.name in verdicts(root, MINE)["held"]
        assert not remove(found)
    assert (found.path / "trial.json").exists()
    assert remove(found)
    assert not found.path.exists()


@pytest.mark.parametrize(
    "odd", ["no trial.json", "another trial", "nonsense", "a stranger", "link"]
)
def test_what_is_not_surely_ours_is_left_alone(root: Path, tmp_path: Path, odd: str) -> None:
    path = unasked(root)[0].path
    if odd == "no trial.json":
        (path / "trial.json").unlink()
    elif odd == "another trial":
        path = path.rename(path.with_name("f" * 64))
    elif odd == "nonsense":
        (path / "trial.json").write_text("{")
    elif odd == "a stranger":
        (path / "thesis.docx").touch()
    else:
        kept = path.rename(tmp_path / "kept")
        path.symlink_to(kept)
    (found,) = (f for f in look_through(root, [AskedRecords(MINE)]) if f.path == path)
    assert found.verdict == "unknown"
    assert found.title
    assert not remove(found)
    assert path.exists()


def test_what_a_kill_left_half_removed_is_finished(root: Path) -> None:
    path = unasked(root)[0].path
    path = path.rename(path.with_name(f".gc-{path.name}"))
    (path / "trial.json").unlink()
    (found,) = (f for f in unasked(root) if f.path == path)
    assert remove(found)
    assert not path.exists()
