"""`taskonomyctl load` as a user meets it: its output, its messages, its exit code."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from trial_results import Artifacts, small_study, study_document, trials_of

from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import digest

Run = Callable[..., Any]


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    root = tmp_path / "artifacts"
    root.mkdir()
    return Artifacts(root)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The command line of a call in the test's own folder, which holds `study.yaml`."""
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    monkeypatch.chdir(tmp_path)
    document = study_document(artifacts=str(tmp_path / "artifacts"))
    Path("study.yaml").write_text(yaml.safe_dump(document))
    return lambda *words: [sys.executable, "-m", "taskonomyctl", *words]


@pytest.fixture
def run(command: Callable[..., list[str]], taskonomyctl: Run) -> Run:
    """A call in the test's own folder, in this process."""
    del command  # it made the folder what it is
    return lambda *words: taskonomyctl(*words, code=None)


def test_a_first_session(artifacts: Artifacts, run: Run) -> None:
    trials = trials_of(small_study())
    for trial in trials[:20]:
        artifacts.leave(trial)
    first = run("load", "-f", "study.yaml")
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr.startswith("study 'rooms': loaded 20 trials (1,000 losses)\nsnapshot ")

    for trial in trials[20:]:
        artifacts.leave(trial)
    second = run("load")  # the warehouse knows the study, and the study its artifacts
    assert second.returncode == 0
    assert "loaded 10 trials (500 losses), 20 were in already" in second.stderr

    gains = "SELECT count(*) AS n FROM measured_transfer WHERE gain IS NOT NULL"
    read = run("sql", "--format", "json", "--snapshot", "warehouse.snapshot", gains)
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout) == json.loads(run("sql", "--format", "json", gains).stdout)
    assert json.loads(read.stdout)[0]["n"] > 0

    proved = run("load", "--rebuild")
    assert "rebuilt, and the warehouse was right: it is left as it was" in proved.stderr


def test_what_is_refused_is_listed_and_the_rest_is_loaded(artifacts: Artifacts, run: Run) -> None:
    bad, good, *_ = enumerate_trials(small_study())
    folder = artifacts.leave(bad, mean_loss=99.0)
    artifacts.leave(good)
    done = run("load", "-f", "study.yaml", "--output", "json")
    assert done.returncode == 3
    assert "loaded 1 trials (50 losses), 1 are in quarantine" in done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["digest"], row["reason"]) == (digest(bad), "figures-disagree")
    assert row["folder"] == str(folder)
    table = run("load")
    assert table.returncode == 3
    assert table.stdout.split("\n")[1].split() == ["digest", "reason", "detail", "folder"]
    assert "has mean loss 99" in " ".join(table.stdout.split())

    artifacts.leave(bad)
    mended = run("load", "--output", "json")
    assert (mended.returncode, json.loads(mended.stdout)) == (0, [])


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "no study": (
        ["load"],
        6,
        "this warehouse holds no trained study yet; name a study file with -f",
    ),
    "an unknown study": (
        ["load", "--study", "nope"],
        6,
        "knows no trained study 'nope'; the first load names its file: `taskonomyctl load -f",
    ),
    "another name than the file's": (
        ["load", "-f", "study.yaml", "--study", "other"],
        2,
        "--study other is not the study of study.yaml, which is 'rooms'; leave --study out",
    ),
    "two sources": (
        ["load", "-f", "study.yaml", "--from-artifacts", "a", "--from-tracking", "b"],
        2,
        "give --from-artifacts or --from-tracking, not both",
    ),
    "a folder that is not there": (
        ["load", "-f", "study.yaml", "--from-artifacts", "nowhere"],
        6,
        "no folder ",
    ),
    "a bucket of another kind": (
        ["load", "-f", "study.yaml", "--from-artifacts", "gs://a/b"],
        2,
        "--from-artifacts 'gs://a/b': give a path, file:// or s3://",
    ),
    "a file that is not there": (
        ["load", "-f", "x.yaml"],
        5,
        "x.yaml: cannot be read: No such file",
    ),
    "a file that is no YAML": (["load", "-f", "bad.yaml"], 5, "bad.yaml, line 2: not valid YAML"),
    "an empty file": (["load", "-f", "empty.yaml"], 5, "empty.yaml: the file is empty"),
    "a file that is not UTF-8": (
        ["load", "-f", "latin.yaml"],
        5,
        "latin.yaml, line 2: not UTF-8 text; save the file as UTF-8",
    ),
    "a key given twice": (
        ["load", "-f", "twice.yaml"],
        5,
        "twice.yaml, line 4: not valid YAML: 'name' is given twice, first in line 3; keep one",
    ),
    "a file that is no study": (["load", "-f", "list.yaml"], 5, "a study is a mapping that begins"),
    "a tracking server that is away": (
        ["load", "-f", "study.yaml", "--from-tracking", "http://127.0.0.1:1"],
        6,
        "the tracking server http://127.0.0.1:1 does not answer",
    ),
    "a bucket without a name": (
        ["load", "-f", "study.yaml", "--from-artifacts", "s3://"],
        2,
        "--from-artifacts 's3://' names no bucket; write s3://BUCKET/PREFIX",
    ),
    "a database that is not there": (
        ["load", "-f", "study.yaml", "--from-tracking", "sqlite:///nowhere/mlflow.db"],
        6,
        "nowhere/mlflow.db; check the tracking URI sqlite:///nowhere/mlflow.db",
    ),
    "a warehouse in a file": (
        ["load", "-f", "study.yaml", "--warehouse", "bad.yaml/x.duckdb"],
        6,
        "bad.yaml/x.duckdb cannot be loaded into: bad.yaml: File exists; name another with",
    ),
    "win rates that are not there": (
        ["load", "-f", "study.yaml", "--win-rates", "nowhere"],
        6,
        "(target=*.parquet); run its jobs first",
    ),
    "force without a rebuild": (
        ["load", "-f", "study.yaml", "--force"],
        2,
        "--force is a word about --rebuild; give both, or neither",
    ),
    "publish and not": (
        ["load", "-f", "study.yaml", "--publish", "x", "--no-publish"],
        2,
        "give --publish or --no-publish, not both",
    ),
}


@pytest.mark.parametrize(("words", "code", "said"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.usefixtures("artifacts")
def test_a_request_is_refused_with_one_message(
    words: list[str], code: int, said: str, run: Run
) -> None:
    Path("bad.yaml").write_text("a: b\n: - [\n")
    Path("list.yaml").write_text("- a\n")
    Path("empty.yaml").write_text("")
    Path("latin.yaml").write_bytes(b"a: b\nname: caf\xe9\n")
    Path("twice.yaml").write_text("kind: Study\nmetadata:\n  name: rooms\n  name: other\n")
    done = run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_loads_at_the_same_time_take_turns(
    artifacts: Artifacts, command: Callable[..., list[str]], run: Run
) -> None:
    trials = artifacts.leave_all(small_study())
    words = command("load", "-f", "study.yaml", "--no-publish")
    running: list[Any] = [
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sum(f"loaded {len(trials)} trials" in each for each in said) == 1
    assert sum(f"{len(trials)} were in already" in each for each in said) == 2
    count = run("sql", "--format", "csv", "SELECT count(*) AS n FROM trial_loss")
    assert count.stdout == f"n\n{50 * len(trials)}\n"


def test_a_tracking_server_that_is_away_does_not_fail_a_load(
    artifacts: Artifacts, run: Run
) -> None:
    document = study_document(artifacts=str(artifacts.root), tracking="http://127.0.0.1:1")
    Path("study.yaml").write_text(yaml.safe_dump(document))
    artifacts.leave_all(small_study())
    done = run("load", "-f", "study.yaml")
    assert done.returncode == 0
    assert "gain and quality are not written to MLflow yet, the next load will: " in done.stderr


def test_a_snapshot_that_cannot_be_published_is_said(artifacts: Artifacts, run: Run) -> None:
    artifacts.leave_all(small_study())
    Path("taken").touch()
    done = run("load", "-f", "study.yaml", "--publish", "taken")
    assert done.returncode == 6
    assert "loaded, and no snapshot published: a snapshot goes into a folder, and " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_rebuild_from_the_wrong_place_is_refused_and_one_that_corrects_ends_otherwise(
    artifacts: Artifacts, run: Run
) -> None:
    trials = artifacts.leave_all(small_study())
    assert run("load", "-f", "study.yaml", "--no-publish").returncode == 0
    Path("empty").mkdir()
    rebuild = ("load", "--no-publish", "--rebuild")
    wrong = run(*rebuild, "--from-artifacts", "empty")
    assert wrong.returncode == 6
    assert (
        f"0 are found where this looked; name the place they were loaded from (such as "
        f"{artifacts.root}), or drop what is gone with --rebuild --force" in wrong.stderr
    )
    artifacts.leave(trials[0], losses=np.ones(50, np.float32))
    corrected = run(*rebuild)
    assert corrected.returncode == 8
    assert "  trial_loss: 1 rows were missing, 1 too many" in corrected.stderr
    assert "taxonomies and error bars made from it are gone" in corrected.stderr
    assert run(*rebuild).returncode == 0


def test_a_place_without_results_is_said(artifacts: Artifacts, run: Run) -> None:
    done = run("load", "-f", "study.yaml", "--no-publish")
    assert done.returncode == 0
    assert f"no folder in {artifacts.root} holds a result.json: no trial is finished" in done.stderr
