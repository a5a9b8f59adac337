"""Losses that stay in their files: processes compute win rates, a target each, and are merged."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from trial_results import Artifacts, small_study, trials_of
from warehouse_content import content

from taskonomy_catalogue.errors import InputRefused, NotFound, SettingRefused
from taskonomy_catalogue.records import LOSSES_FILE
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import Loaded, load
from taskonomy_warehouse.load.merge import Merged, merge_win_rates
from taskonomy_warehouse.load.rebuild import Difference, rebuild
from taskonomy_warehouse.snapshot import publish
from taskonomy_warehouse.warehouse import writing
from taskonomy_warehouse.win_rate_job import Partition, compute, main, parsed

AFFINITIES = "SELECT target, sources, kind, affinity, gain, quality FROM measured_transfer"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def loaded(
    path: Path,
    artifacts: Artifacts,
    study: Study,
    *,
    losses_stay: bool | None,
    compute: bool = False,
) -> Loaded:
    """Load, and publish for the jobs."""
    with writing(path) as connection:
        findings = find_in_artifacts(connection, str(artifacts.root))
        done = load(
            connection, study, findings, origin="x", losses_stay=losses_stay, compute=compute
        )
        publish(connection, path, str(path.parent / "snapshot"))
        return done


def partition(path: Path, target: str | None, index: int | None = None) -> Partition:
    return Partition(
        snapshot=str(path.parent / "snapshot"),
        study="rooms",
        target=target,
        index=index,
        out=str(path.parent / "win-rates"),
    )


def merged(path: Path) -> Merged:
    with writing(path) as connection:
        return merge_win_rates(connection, "rooms", str(path.parent / "win-rates"))


def figures(path: Path) -> list[tuple[object, ...]]:
    with writing(path) as connection:
        return connection.execute(f"{AFFINITIES} ORDER BY ALL").fetchall()


def test_processes_by_target_find_what_one_warehouse_finds(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    trials = artifacts.leave_all(study)
    whole = path.with_name("whole.duckdb")
    loaded(whole, artifacts, study, losses_stay=False, compute=True)
    done = loaded(path, artifacts, study, losses_stay=True)
    assert (done.trials, done.rows) == (len(trials), 0)
    assert path.stat().st_size < whole.stat().st_size

    words = [sys.executable, "-m", "taskonomy_warehouse.win_rate_job", "--study", "rooms"]
    words += ["--snapshot", str(path.parent / "snapshot"), "--out", str(path.parent / "win-rates")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    jobs = [
        subprocess.Popen([*words, "--index", str(index)], env=environment) for index in range(3)
    ]
    assert [job.wait() for job in jobs] == [0, 0, 0]

    assert merged(path) == Merged(targets=("curvature", "normals", "reshading"), lacking=())
    assert figures(path) == figures(whole)
    with writing(path) as here, writing(whole) as there:
        mine, theirs = content(here), content(there)
        assert mine.pop("trial") == mine.pop("trial_loss") == []
        assert theirs.pop("trial")
        assert theirs.pop("trial_loss")
        assert mine == theirs
    assert merged(path).targets == ("curvature", "normals", "reshading")
    assert figures(path) == figures(whole)


def test_tasks_that_are_only_sources_are_no_targets(path: Path, artifacts: Artifacts) -> None:
    """Their own network is compared with none; here its name is before the targets'."""
    tasks = {"subset": ["normals", "curvature", "reshading"], "sourceOnly": ["curvature"]}
    study = small_study(tasks=tasks)
    artifacts.leave_all(study)
    loaded(path, artifacts, study, losses_stay=True)
    found = [Path(compute(partition(path, None, index))).name for index in range(2)]
    assert found == ["target=normals.parquet", "target=reshading.parquet"]
    with pytest.raises(NotFound, match="--index 2: the study has 2 targets"):
        compute(partition(path, None, index=2))
    assert merged(path) == Merged(targets=("normals", "reshading"), lacking=())
    whole = path.with_name("whole.duckdb")
    loaded(whole, artifacts, study, losses_stay=False, compute=True)
    assert figures(path) == figures(whole)


def test_a_new_trial_asks_for_its_targets_job_again(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    *others, last = (t for t in trials_of(study) if t.target.id == "normals")
    for trial in others:
        artifacts.leave(trial)
    loaded(path, artifacts, study, losses_stay=True)
    compute(partition(path, "normals"))
    artifacts.leave(last)
    assert loaded(path, artifacts, study, losses_stay=None).trials == 1  # as before: they stay
    assert merged(path).lacking == ("normals",)
    compute(partition(path, "normals"))
    assert merged(path).lacking == ()


def test_broken_losses_are_refused_where_they_lie(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    artifacts.leave_all(study)
    bad = list(enumerate_trials(study))[:2]
    (artifacts.folder(bad[0]) / LOSSES_FILE).write_bytes(b"PAR1")
    artifacts.leave(bad[1], mean_loss=99.0)
    done = loaded(path, artifacts, study, losses_stay=True)
    assert {r.reason for r in done.refusals} == {"not-parquet", "figures-disagree"}
    assert done.trials == len(trials_of(study)) - 2


def test_losses_that_changed_since_they_were_checked_are_refused(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    trials = artifacts.leave_all(study)
    loaded(path, artifacts, study, losses_stay=True)
    normals = next(t for t in trials if t.target.id == "normals")
    artifacts.leave(normals, ids=[1, 2, 3])
    with pytest.raises(InputRefused, match="has 3 rows, and had 50 when it was loaded"):
        compute(partition(path, "normals"))
    (artifacts.folder(normals) / LOSSES_FILE).unlink()
    with pytest.raises(InputRefused, match="load the study again"):
        compute(partition(path, "normals"))
    assert not (path.parent / "win-rates").exists()


def test_a_job_that_is_asked_for_nothing_says_so(
    path: Path, artifacts: Artifacts, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts.leave_all(study)
    loaded(path, artifacts, study, losses_stay=True)
    wrong = {"normal": None, "depth": None}
    for target in wrong:
        with pytest.raises(NotFound, match=f"no results of '{target}'"):
            compute(partition(path, target))
    with pytest.raises(NotFound, match="--index 3: the study has 3 targets"):
        compute(partition(path, None, index=3))
    code = main(
        ["--snapshot", str(path.parent / "snapshot"), "--study", "x", "--index", "0", "--out", "y"]
    )
    assert code == 6
    assert "holds no results of a study 'x'" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["taken", "taken/inside"])
def test_a_place_that_takes_no_win_rates_is_one_message(
    out: str,
    path: Path,
    artifacts: Artifacts,
    study: Study,
    capsys: pytest.CaptureFixture[str],
) -> None:
    artifacts.leave_all(study)
    loaded(path, artifacts, study, losses_stay=True)
    (path.parent / "taken").touch()
    words = ["--snapshot", str(path.parent / "snapshot"), "--study", "rooms", "--index", "0"]
    assert main([*words, "--out", str(path.parent / out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"win_rate_job: --out {path.parent / out}: no win rates can be written")
    assert said.count("\n") == 1


def test_what_is_no_jobs_file_is_not_merged(path: Path, artifacts: Artifacts, study: Study) -> None:
    artifacts.leave_all(study)
    loaded(path, artifacts, study, losses_stay=True)
    with pytest.raises(NotFound, match="run its jobs first"):
        merged(path)
    file = path.parent / "win-rates/target=a.parquet"
    file.parent.mkdir()
    for query, said in {
        "SELECT 1 AS x": "not a job's",
        "SELECT 'rooms' AS study, 'normals' AS target, 'd' AS digest, 'e' AS rival, "
        "1::BIGINT AS wins, 1::BIGINT AS ties, 2::BIGINT AS images": "names 1 trials that study",
    }.items():
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
        with pytest.raises(InputRefused, match=said):
            merged(path)
    file.write_bytes(b"PAR1")
    with pytest.raises(InputRefused, match="cannot be read"):
        merged(path)


def test_a_study_keeps_to_one_way(path: Path, artifacts: Artifacts, study: Study) -> None:
    artifacts.leave_all(study)
    loaded(path, artifacts, study, losses_stay=False)
    with pytest.raises(SettingRefused, match="are in this warehouse"):
        loaded(path, artifacts, study, losses_stay=True)
    other = path.with_name("other.duckdb")
    loaded(other, artifacts, study, losses_stay=True)
    with pytest.raises(SettingRefused, match=r"stay in their files: they are not copied"):
        loaded(other, artifacts, study, losses_stay=False)


def test_what_jobs_computed_is_proved_from_the_files(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    artifacts.leave_all(study)
    loaded(path, artifacts, study, losses_stay=True)
    for target in ("curvature", "normals", "reshading"):
        compute(partition(path, target))
    merged(path)
    assert rebuilt(path, artifacts) == ()
    with writing(path) as connection:
        connection.execute("UPDATE win_rate SET wins = wins + 1 WHERE target = 'normals'")
    (difference,) = rebuilt(path, artifacts)
    assert difference.relation == "win_rate"
    assert rebuilt(path, artifacts) == ()


def rebuilt(path: Path, artifacts: Artifacts) -> tuple[Difference, ...]:
    with writing(path) as connection:
        done = rebuild(
            path,
            connection,
            small_study(),
            lambda new: find_in_artifacts(new, str(artifacts.root)),
            origin="x",
            progress=lambda _done, _total: None,
        )
    return done.differences


DOCUMENT = Path(__file__).parents[4] / "docs/scale-out.md"


def test_the_documented_job_is_one_that_runs() -> None:
    (manifest,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    spec = yaml.safe_load(manifest)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "taskonomy_warehouse.win_rate_job"]
    arguments = [each.replace("$(JOB_COMPLETION_INDEX)", "21") for each in container["args"]]
    assert parsed(arguments) == Partition(
        snapshot="s3://results/snapshot",
        study="rooms",
        target=None,
        index=spec["completions"] - 1,
        out="s3://results/win-rates",
    )
