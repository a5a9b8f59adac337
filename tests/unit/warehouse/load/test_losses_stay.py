"""`load --losses-stay`: nothing is copied, and all else is as with losses in the warehouse."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from new_warehouse import new_warehouse
from trial_results import Artifacts, small_study, trials_of
from warehouse_content import content

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_catalogue.records import LOSSES_FILE
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import count_trials, enumerate_trials
from taskonomy_warehouse import kept_losses
from taskonomy_warehouse.bootstrap import bootstrap
from taskonomy_warehouse.load import loading
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import Loaded, load
from taskonomy_warehouse.load.session import Outcome, Request, run_load
from taskonomy_warehouse.snapshot import attach_snapshot, publish
from taskonomy_warehouse.warehouse import writing

Connection = duckdb.DuckDBPyConnection
Stay = Callable[[], Loaded]
FIGURES = (  # in another order of loading, sums differ in the last digit
    "SELECT target, sources, kind, round(affinity, 12), gain FROM measured_transfer ORDER BY ALL"
)


@pytest.fixture
def study() -> Study:
    return small_study(
        tasks={"subset": ["curvature", "reshading", "random"]}, transfers={"orders": [1]}
    )


@pytest.fixture
def stay(connection: Connection, artifacts: Artifacts, study: Study) -> Stay:
    """Load what the artifacts hold now; losses stay."""

    def run() -> Loaded:
        findings = find_in_artifacts(connection, str(artifacts.root))
        return load(connection, study, findings, origin="study.yaml", losses_stay=True)

    return run


def moved_in(artifacts: Artifacts, study: Study) -> dict[str, list[tuple[Any, ...]]]:
    """What a warehouse holds that losses are moved into."""
    with writing(new_warehouse(artifacts.root.parent / "whole.duckdb")) as connection:
        findings = find_in_artifacts(connection, str(artifacts.root))
        load(connection, study, findings, origin="study.yaml")
        return content(connection) | {"figures": connection.execute(FIGURES).fetchall()}


def test_everything_but_the_losses_is_the_same_however_they_arrive(
    connection: Connection, artifacts: Artifacts, study: Study, stay: Stay
) -> None:
    trials = trials_of(study)
    for trial in trials[:5]:
        artifacts.leave(trial)
    stay()
    for trial in trials[5:]:
        artifacts.leave(trial)
    artifacts.leave(trials[0], images=1)  # loaded is loaded
    assert stay().trials == len(trials) - 5
    artifacts.leave(trials[0])
    expected = moved_in(artifacts, study)
    mine = content(connection)
    assert mine.pop("trial") == mine.pop("trial_loss") == []
    assert len(expected.pop("trial_loss")) == 50 * len(expected.pop("trial"))
    assert connection.execute(FIGURES).fetchall() == expected.pop("figures")
    assert mine == expected


def test_error_bars_are_the_same(
    connection: Connection, artifacts: Artifacts, study: Study, stay: Stay, tmp_path: Path
) -> None:
    artifacts.leave_all(study)
    stay()
    bootstrap(connection, study.name, replicates=5)
    bars = (
        "SELECT digest, r.affinity FROM replicate AS r JOIN transfer USING (transfer_id) ORDER BY 1"
    )
    with writing(new_warehouse(tmp_path / "whole.duckdb")) as whole:
        findings = find_in_artifacts(whole, str(artifacts.root))
        load(whole, study, findings, origin="study.yaml")
        bootstrap(whole, study.name, replicates=5)
        assert connection.execute(bars).fetchall() == whole.execute(bars).fetchall()


def test_what_is_broken_is_refused_and_the_rest_is_computed(
    connection: Connection, artifacts: Artifacts, study: Study, stay: Stay
) -> None:
    artifacts.leave_all(study)
    bad = list(enumerate_trials(study))[:2]
    (artifacts.folder(bad[0]) / LOSSES_FILE).write_bytes(b"PAR1")
    artifacts.leave(bad[1], mean_loss=99.0)
    done = stay()
    assert {r.reason for r in done.refusals} == {"not-parquet", "figures-disagree"}
    for trial in bad:
        artifacts.leave(trial)
    assert stay().refusals == ()
    assert connection.execute(FIGURES).fetchall() == moved_in(artifacts, study)["figures"]


@pytest.mark.parametrize("change", ["gone", "broken", "fewer"])
def test_a_file_that_changed_since_it_was_checked_is_named_and_nothing_is_written(
    change: str,
    connection: Connection,
    artifacts: Artifacts,
    study: Study,
    stay: Stay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_losses, "MOST_BYTES", 0)
    *most, last = [t for t in trials_of(study) if t.target.id == "curvature"]
    for trial in most:
        artifacts.leave(trial)
    stay()
    before = content(connection)["win_rate"]
    artifacts.leave(last)
    file = artifacts.folder(most[0]) / LOSSES_FILE
    if change == "fewer":
        artifacts.leave(most[0], ids=[1, 2, 3])
    elif change == "broken":
        file.write_bytes(b"PAR1")
    else:
        file.unlink()
    with pytest.raises(InputRefused, match=most_likely(change, file)):
        stay()
    assert content(connection)["win_rate"] == before
    artifacts.leave(most[0])
    stay()
    assert connection.execute(FIGURES).fetchall() == moved_in(artifacts, study)["figures"]


def most_likely(change: str, file: Path) -> str:
    """What the message says, the file's name in it."""
    said = {"fewer": ": has 0 losses of held-out images, and had 50", "gone": "", "broken": ""}
    return f"{file.parent.name}/{LOSSES_FILE}.*{said[change]}"


def test_a_snapshot_says_where_the_losses_lie_and_has_none(
    connection: Connection, artifacts: Artifacts, study: Study, stay: Stay, tmp_path: Path
) -> None:
    trials = artifacts.leave_all(study)
    stay()
    publish(connection, tmp_path / "warehouse.duckdb", str(tmp_path / "snapshot"), losses=True)
    with duckdb.connect() as reader:
        attach_snapshot(reader, str(tmp_path / "snapshot"))
        reader.execute("USE snapshot")
        assert reader.execute("SELECT count(*) FROM trial_loss").fetchone() == (0,)
        assert reader.execute(FIGURES).fetchall() == connection.execute(FIGURES).fetchall()
        folders = {row[0] for row in reader.execute("SELECT folder FROM trial_result").fetchall()}
    assert folders == {str(artifacts.folder(trial)) for trial in trials}


@pytest.mark.parametrize(
    ("asked", "bound", "stay"),
    [
        (None, 0, False),
        (None, -1, True),
        (True, 0, True),
        (False, -1, False),
    ],
    ids=["as many as are copied", "one more", "asked to stay", "asked to be copied"],
)
def test_losses_of_a_large_study_stay_unless_asked(
    connection: Connection,
    artifacts: Artifacts,
    study: Study,
    monkeypatch: pytest.MonkeyPatch,
    asked: bool | None,
    bound: int,
    stay: bool,
) -> None:
    losses_of_all = 50 * sum(count_trials(study).values())
    monkeypatch.setattr(loading, "MOST_COPIED", losses_of_all + bound)
    trials = trials_of(study)
    artifacts.leave(trials[0])  # what is done so far is far below the bound

    def run(**options: Any) -> Loaded:
        findings = find_in_artifacts(connection, str(artifacts.root))
        return load(connection, study, findings, origin="study.yaml", **options)

    said = run(losses_stay=asked).notes
    assert any("--no-losses-stay" in note for note in said) == (asked is None and stay)
    monkeypatch.setattr(loading, "MOST_COPIED", losses_of_all - bound - 1)
    artifacts.leave(trials[1])
    assert run().notes == ()  # the first load decided
    copied = connection.execute("SELECT count(*) FROM trial_loss").fetchone()
    assert copied == ((0,) if stay else (100,))


def request(artifacts: Artifacts, study: Study, path: Path, **changes: Any) -> Request:
    asked = Request(
        warehouse=path,
        study=study,
        study_name=None,
        origin="study.yaml",
        from_artifacts=str(artifacts.root),
        from_tracking=None,
        rebuild=False,
        losses_stay=None,
        compute=True,
        win_rates=None,
        publish_to=str(path.parent / "snapshot"),
        publish_losses=False,
        wait=0,
    )
    return replace(asked, **changes)


def ran(wanted: Request) -> Outcome:
    return run_load(wanted, say=print, progress=lambda _done, _all: None)


def test_losses_that_a_snapshot_is_to_hold_are_copied(
    artifacts: Artifacts, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MOST_COPIED", 0)
    artifacts.leave(trials_of(study)[0])
    path = new_warehouse(tmp_path / "published.duckdb")
    ran(request(artifacts, study, path, publish_losses=True))
    with duckdb.connect() as reader:
        attach_snapshot(reader, str(tmp_path / "snapshot"))
        assert reader.execute("SELECT count(*) FROM snapshot.trial_loss").fetchone() == (50,)


AGAINST: dict[str, dict[str, Any]] = {
    "to be copied": {"losses_stay": False},
    "to be published": {"publish_losses": True},
    "to be published by a rebuild": {"publish_losses": True, "rebuild": True},
}


@pytest.mark.parametrize("asked", AGAINST.values(), ids=AGAINST.keys())
def test_losses_that_stay_are_not_asked_for_in_silence(
    asked: dict[str, Any], artifacts: Artifacts, study: Study, tmp_path: Path
) -> None:
    artifacts.leave(trials_of(study)[0])
    path = new_warehouse(tmp_path / "in-files.duckdb")
    first = request(artifacts, study, path, losses_stay=True)
    ran(first)
    with pytest.raises(SettingRefused, match="stay in their files: they are not copied"):
        ran(request(artifacts, study, path, **asked))
    assert ran(replace(first, losses_stay=False, as_it_began=True)).loaded.known == 1
