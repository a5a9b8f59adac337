"""Loading: all of it, in any order, once; what is broken is refused with the reason, alone."""

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from new_warehouse import new_warehouse
from trial_results import Artifacts, held_out, small_study, study_document, trials_of
from warehouse_content import content

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.records import LOSSES_FILE, RESULT_FILE, TRIAL_FILE, BestGuess
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_warehouse.bootstrap import bootstrap
from taskonomy_warehouse.load import loading
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import Loaded
from taskonomy_warehouse.load.refusals import Reason
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.warehouse import writing

Load = Callable[..., Loaded]
Connection = duckdb.DuckDBPyConnection


# --- what is loaded ----------------------------------------------------------------------------


def test_every_loss_of_every_file_is_there(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trials = artifacts.leave_all(study)
    done = loaded()
    expected = {
        (digest(trial), image, loss)
        for trial in trials
        for image, loss in zip(
            *pq.read_table(artifacts.folder(trial) / LOSSES_FILE).to_pydict().values(), strict=True
        )
    }
    rows = connection.execute(
        "SELECT digest, image_id, loss FROM trial JOIN trial_loss USING (trial_id)"
    ).fetchall()
    assert (done.trials, done.rows, done.exit_code) == (len(trials), len(expected), 0)
    assert len(rows) == len(expected)
    assert set(rows) == expected


TRANSFERS: dict[str, tuple[str, int, list[str]]] = {
    "task-specific normals": ("task-specific", 1, ["normals"]),
    "scratch normals": ("scratch", 1, []),
    "best-guess normals": ("best-guess", 1, []),
    "transfer random → normals": ("transfer", 1, ["random"]),
    "transfer curvature+reshading → normals": ("transfer", 2, ["curvature", "reshading"]),
}


@pytest.mark.parametrize(("title", "row"), TRANSFERS.items(), ids=TRANSFERS.keys())
def test_what_becomes_of(
    title: str,
    row: tuple[str, int, list[str]],
    connection: Connection,
    artifacts: Artifacts,
    study: Study,
    loaded: Load,
) -> None:
    trial = next(trial for trial in trials_of(study) if trial.title == title)
    artifacts.leave(trial)
    loaded()
    rows = connection.execute(
        "SELECT target, kind, transfer_order, sources, digest FROM transfer"
    ).fetchall()
    assert rows == [("normals", *row, digest(trial))]


def test_what_a_trial_says_of_itself_is_kept(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trial = next(enumerate_trials(study))
    folder = artifacts.leave(trial, gpu_seconds=7.25, status="stopped-early", steps=42)
    loaded()
    row = connection.execute(
        "SELECT status, steps, images, skipped, gpu_seconds, folder, trained_for, "
        "finished_at::VARCHAR, trial FROM trial_result"
    ).fetchone()
    assert row == (
        "stopped-early",
        42,
        50,
        0,
        7.25,
        str(folder),
        "rooms",
        "2026-01-02 03:09:05",
        (folder / TRIAL_FILE).read_text(),
    )


def test_the_study_explains_itself(connection: Connection, study: Study, loaded: Load) -> None:
    loaded()
    assert connection.execute("SELECT study, origin FROM study").fetchall() == [
        ("rooms", "trained")
    ]
    tasks = connection.execute("SELECT task, role FROM task ORDER BY position").fetchall()
    assert tasks == [(task.id, task.role) for task in study.dictionary()]


# --- again, in parts, in any order -------------------------------------------------------------


def test_a_second_load_changes_nothing(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    artifacts.leave_all(study)
    loaded()
    before = content(connection)
    again = loaded()
    assert (again.trials, again.rows, again.known) == (0, 0, len(trials_of(study)))
    assert content(connection) == before


@pytest.mark.slow  # nine loads each
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_trials_may_finish_in_any_order(
    seed: int, connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trials = trials_of(study)
    random.Random(seed).shuffle(trials)
    for start in range(0, len(trials), 7):
        for trial in trials[start : start + 7]:
            artifacts.leave(trial)
        loaded()
    in_parts = content(connection)
    assert in_parts == fresh_content(artifacts, study)
    assert len(in_parts["transfer"]) == len(trials)


def test_batches_change_nothing(
    connection: Connection,
    artifacts: Artifacts,
    study: Study,
    loaded: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    artifacts.leave_all(study)
    expected = fresh_content(artifacts, study)
    monkeypatch.setattr(loading, "BATCH", 150)  # losses: three trials
    loaded()
    assert content(connection) == expected


def test_the_trials_of_a_study_that_grows_are_kept(
    connection: Connection, artifacts: Artifacts, loaded: Load
) -> None:
    small, grown = small_study(transfers={"orders": [1]}), small_study()
    artifacts.leave_all(small)
    loaded(small)
    artifacts.leave_all(grown)
    done = loaded(grown)
    assert done.known == len(trials_of(small))
    assert done.trials == len(trials_of(grown)) - done.known
    assert content(connection) == fresh_content(artifacts, grown)


def test_a_study_that_shrinks_is_refused(
    connection: Connection, artifacts: Artifacts, loaded: Load
) -> None:
    artifacts.leave_all(small_study())
    loaded(small_study())
    before = content(connection)
    with pytest.raises(SettingRefused, match=r"9 results .* no longer asks for.*--rebuild"):
        loaded(small_study(transfers={"orders": [1]}))
    assert content(connection) == before


def test_a_name_that_published_measurements_hold_is_refused(
    connection: Connection, loaded: Load
) -> None:
    import_published(connection, shipped_measurements(), "rooms", published_dictionary())
    with pytest.raises(SettingRefused, match="'rooms' holds published measurements"):
        loaded()


def test_a_folder_that_is_not_there_is_named(loaded: Load, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no folder .*/nowhere"):
        loaded(root=tmp_path / "nowhere")


# --- a shared artifact root --------------------------------------------------------------------


def test_a_trial_that_two_studies_ask_for_is_loaded_for_both_and_kept_once(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trials = artifacts.leave_all(study)
    twin = small_study("twin")
    loaded(study)
    done = loaded(twin)
    assert (done.trials, done.rows) == (len(trials), 0)
    counts = connection.execute(
        "SELECT study, count(DISTINCT digest) FROM transfer GROUP BY study ORDER BY study"
    ).fetchall()
    assert counts == [("rooms", len(trials)), ("twin", len(trials))]
    assert connection.execute("SELECT count(*) FROM trial_loss").fetchone() == (50 * len(trials),)


def test_what_other_studies_trained_is_passed_over(artifacts: Artifacts, loaded: Load) -> None:
    other = small_study("other", data={"dataset": "s3://other/v1"})
    Artifacts(artifacts.root, "other").leave_all(other)
    done = loaded()
    assert (done.trials, done.others, done.refusals) == (0, len(trials_of(other)), ())


# --- what is refused ---------------------------------------------------------------------------

Break = Callable[[Artifacts, Trial], Any]


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Break:
    def rewrite(artifacts: Artifacts, trial: Trial) -> None:
        file = artifacts.folder(trial) / name
        file.write_bytes(change(file.read_bytes()))

    return rewrite


def removed(name: str) -> Break:
    return lambda artifacts, trial: (artifacts.folder(trial) / name).unlink()


def left(**changes: Any) -> Break:
    return lambda artifacts, trial: artifacts.leave(
        trial, **{name: c(trial) if callable(c) else c for name, c in changes.items()}
    )


def with_columns(**columns: pa.DataType) -> Callable[[Trial], pa.Table]:
    return lambda _trial: pa.table(
        {
            name: pa.array(range(1, 51), type_ if type_ != pa.string() else pa.int64()).cast(type_)
            for name, type_ in columns.items()
        }
    )


def with_loss(value: float | None) -> Callable[[Trial], pa.Table]:
    def table(trial: Trial) -> pa.Table:
        losses = [1.0] * 49 + [value]
        ids = held_out(trial.target.id, 50)
        return pa.table({"image_id": ids, "loss": pa.array(losses, pa.float32())})

    return table


def a_data_page_broken(file: bytes) -> bytes:
    return file[:4] + bytes(200) + file[204:]


def other_kind(result: bytes) -> bytes:
    return result.replace(b'"kind": "task-specific"', b'"kind": "scratch"')


BROKEN: dict[str, tuple[Break, str, str]] = {
    "losses missing": (removed(LOSSES_FILE), "not-parquet", "losses.parquet cannot be read: "),
    "losses empty": (rewritten(LOSSES_FILE, lambda _: b""), "not-parquet", "too small"),
    "losses truncated": (rewritten(LOSSES_FILE, lambda b: b[:-7]), "not-parquet", "cannot be read"),
    "losses are text": (rewritten(LOSSES_FILE, lambda _: b"id,loss\n" * 9), "not-parquet", "magic"),
    "a data page broken": (rewritten(LOSSES_FILE, a_data_page_broken), "not-parquet", "cannot"),
    "a column missing": (
        left(table=with_columns(image_id=pa.uint64())),
        "wrong-columns",
        "has the columns image_id UBIGINT; it must have image_id UBIGINT, loss FLOAT",
    ),
    "a column too many": (
        left(table=with_columns(image_id=pa.uint64(), loss=pa.float32(), building=pa.string())),
        "wrong-columns",
        "building VARCHAR",
    ),
    "losses in double": (
        left(table=with_columns(image_id=pa.uint64(), loss=pa.float64())),
        "wrong-columns",
        "loss DOUBLE",
    ),
    "signed image ids": (
        left(table=with_columns(image_id=pa.int64(), loss=pa.float32())),
        "wrong-columns",
        "image_id BIGINT",
    ),
    "a loss is NaN": (left(table=with_loss(float("nan"))), "not-finite", "the first is nan at"),
    "a loss is infinite": (left(table=with_loss(float("inf"))), "not-finite", "1 of 50 losses"),
    "a loss is absent": (left(table=with_loss(None)), "not-finite", "the first is absent at"),
    "an image twice": (
        left(
            ids=lambda t: np.append(held_out(t.target.id, 50)[:-1], held_out(t.target.id, 50)[:1])
        ),
        "duplicate-image",
        "is there twice",
    ),
    "an image of another split": (
        left(ids=lambda t: np.append(held_out(t.target.id, 50)[:-1], np.uint64(7))),
        "other-images",
        "1 images are not in it and 1 are missing (0 were declared as skipped)",
    ),
    "images missing": (
        left(ids=lambda t: held_out(t.target.id, 50)[:40]),
        "other-images",
        "0 images are not in it and 10 are missing",
    ),
    "no rows": (
        left(
            ids=np.array([], np.uint64), losses=np.array([], np.float32), images=50, mean_loss=1.0
        ),
        "figures-disagree",
        "result.json counts 50 images, losses.parquet has 0 rows",
    ),
    "another count": (left(images=49), "figures-disagree", "counts 49 images"),
    "another mean": (left(mean_loss=0.5), "figures-disagree", "has mean loss 0.5"),
    "the footer of another trial": (
        left(footer={"taskonomy.digest": "0" * 64}),
        "digest-disagrees",
        f"losses.parquet is of trial {'0' * 64}",
    ),
    "no footer": (left(footer={}), "digest-disagrees", "losses.parquet names no trial"),
    "a result of another trial": (left(digest="0" * 64), "digest-disagrees", "result.json is of"),
    "a result of another kind": (
        rewritten(RESULT_FILE, other_kind),
        "digest-disagrees",
        "result.json says scratch, trial.json task-specific",
    ),
    "a trial with another seed": (
        rewritten(TRIAL_FILE, lambda b: b.replace(b'"seed":0', b'"seed":1')),
        "digest-disagrees",
        "put it into the folder of its own name",
    ),
    "trial.json missing": (removed(TRIAL_FILE), "not-a-trial", "trial.json: "),
    "trial.json is no JSON": (rewritten(TRIAL_FILE, lambda _: b"{"), "not-a-trial", "Invalid JSON"),
    "result.json is no JSON": (rewritten(RESULT_FILE, lambda _: b"x"), "not-a-result", "Invalid"),
    "result.json of a later format": (
        rewritten(RESULT_FILE, lambda b: b.replace(b'"version": 1', b'"version": 2')),
        "not-a-result",
        "field version",
    ),
}


TWO_TASKS = small_study(
    tasks={"subset": ["curvature", "reshading", "random"]}, transfers={"orders": [1]}
)


def one_of_each_reason_first() -> Iterator[Any]:
    """Yield the cases; those whose reason an earlier case has met are slow."""
    met: set[str] = set()
    for name, (broken, reason, said) in BROKEN.items():
        marks = [pytest.mark.slow] if reason in met else []
        yield pytest.param(broken, reason, said, id=name, marks=marks)
        met.add(reason)


@pytest.mark.parametrize(("broken", "reason", "said"), list(one_of_each_reason_first()))
def test_refused_and_taken_in_once_put_right(
    broken: Break,
    reason: str,
    said: str,
    connection: Connection,
    artifacts: Artifacts,
    loaded: Load,
    mended_content: dict[str, list[tuple[object, ...]]],
) -> None:
    study = TWO_TASKS
    artifacts.leave_all(study)
    bad = next(enumerate_trials(study))
    broken(artifacts, bad)
    done = loaded(study)
    assert done.exit_code == 3
    assert done.trials == len(trials_of(study)) - 1
    assert [(r.digest, r.reason) for r in done.refusals] == [(digest(bad), reason)]
    assert said in done.refusals[0].detail
    in_quarantine = connection.execute("SELECT digest, folder, reason, detail FROM quarantine")
    (refusal,) = done.refusals
    assert in_quarantine.fetchall() == [
        (refusal.digest, refusal.folder, refusal.reason, refusal.detail)
    ]
    assert digest(bad) not in {row[0] for row in content(connection)["trial"]}

    artifacts.leave(bad)
    mended = loaded(study)
    assert (mended.trials, mended.exit_code) == (1, 0)
    assert under_root(content(connection), artifacts) == mended_content
    assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)


def test_a_result_of_this_study_that_it_does_not_ask_for_is_refused(
    artifacts: Artifacts, loaded: Load
) -> None:
    strange = next(enumerate_trials(small_study(training={"taskSpecific": {"seeds": [9]}})))
    artifacts.leave(strange, versions={"taskonomy": "0.0.7"})
    (refusal,) = loaded().refusals
    assert refusal.reason == "unknown-trial"
    assert "it was trained by another taskonomy (0.0.7), to which" in refusal.detail
    assert "task-specific curvature, seed 9" in refusal.detail


def test_a_folder_of_another_name_is_refused(
    artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    folder = artifacts.leave(next(enumerate_trials(study)))
    folder.rename(folder.with_name("copy of it"))
    (refusal,) = loaded().refusals
    assert (refusal.digest, refusal.reason) == ("copy of it", "digest-disagrees")


def test_what_is_not_finished_is_not_looked_at(
    artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    folder = artifacts.leave(next(enumerate_trials(study)))
    (folder / RESULT_FILE).unlink()
    (artifacts.root / "notes.txt").touch()
    done = loaded()
    assert (done.trials, done.refusals) == (0, ())


def test_a_refused_result_that_is_removed_leaves_quarantine(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    bad = artifacts.leave(next(enumerate_trials(study)), images=1)
    assert loaded().exit_code == 3
    shutil.rmtree(bad)
    assert loaded().exit_code == 0
    assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)


def test_what_lies_elsewhere_stays_in_quarantine(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load, tmp_path: Path
) -> None:
    artifacts.leave(next(enumerate_trials(study)), images=1)
    loaded()
    (tmp_path / "elsewhere").mkdir()
    assert loaded(root=tmp_path / "elsewhere").refusals == ()
    assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (1,)


def test_quarantine_says_since_when(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    bad = next(enumerate_trials(study))
    artifacts.leave(bad, images=1)
    loaded()
    first = connection.execute("SELECT seen_at, reason FROM quarantine").fetchall()
    loaded()
    assert connection.execute("SELECT seen_at, reason FROM quarantine").fetchall() == first
    artifacts.leave(bad, digest="0" * 64)
    loaded()
    ((seen_at, reason),) = connection.execute("SELECT seen_at, reason FROM quarantine").fetchall()
    assert reason == "digest-disagrees"
    assert seen_at > first[0][0]


def test_many_broken_at_once_do_not_hide_one_another(
    artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trials = [t for t in artifacts.leave_all(study) if t.target.id == "normals"]
    chosen = [t for t in trials if isinstance(t, Trial)][: len(PARQUET_FAULTS)]
    for trial, name in zip(chosen, PARQUET_FAULTS, strict=True):
        BROKEN[name][0](artifacts, trial)
    reasons = {refusal.digest: refusal.reason for refusal in loaded().refusals}
    assert reasons == {
        digest(trial): BROKEN[name][1] for trial, name in zip(chosen, PARQUET_FAULTS, strict=True)
    }


PARQUET_FAULTS = [
    "losses truncated",
    "a data page broken",
    "losses in double",
    "a loss is NaN",
    "an image twice",
    "no footer",
]


def fresh_content(artifacts: Artifacts, study: Study) -> dict[str, list[tuple[object, ...]]]:
    """What a new warehouse holds after one load of the same results."""
    path = new_warehouse(artifacts.root.parent / "fresh.duckdb")
    with writing(path) as connection:
        findings = find_in_artifacts(connection, str(artifacts.root))
        loading.load(connection, study, findings, origin="study.yaml")
        return content(connection)


@pytest.fixture(scope="module")
def mended_content(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[tuple[object, ...]]]:
    """`fresh_content` of all results of the study of two tasks, under a root called ROOT."""
    artifacts = Artifacts(tmp_path_factory.mktemp("whole") / "artifacts")
    artifacts.leave_all(TWO_TASKS)
    return under_root(fresh_content(artifacts, TWO_TASKS), artifacts)


def under_root(
    rows: dict[str, list[tuple[object, ...]]], artifacts: Artifacts
) -> dict[str, list[tuple[object, ...]]]:
    """Rows with the artifact root called ROOT, to compare those of two roots."""
    root = str(artifacts.root)
    return {
        name: [
            tuple(v.replace(root, "ROOT") if isinstance(v, str) else v for v in row) for row in part
        ]
        for name, part in rows.items()
    }


def test_a_best_guess_is_a_result_like_any_other(
    artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    guesses = [t for t in trials_of(study) if isinstance(t, BestGuess)]
    artifacts.leave(guesses[0], images=3)
    artifacts.leave(guesses[1])
    done = loaded()
    assert (done.trials, [r.reason for r in done.refusals]) == (1, ["figures-disagree"])


def test_the_document_in_the_warehouse_is_the_study(
    connection: Connection, study: Study, loaded: Load
) -> None:
    loaded()
    (document,) = connection.execute("SELECT document FROM study_document").fetchall()[0]
    assert parse_study(json.loads(document), origin="stored") == study
    assert json.loads(document)["spec"]["transfers"] == study_document()["spec"]["transfers"]


def test_every_reason_is_documented_and_met_here(connection: Connection) -> None:
    reasons = set(get_args(Reason))
    guide = (Path(__file__).parents[4] / "docs/loading.md").read_text()
    table = guide.split("| reason |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z]+-[a-z-]+)`", table)) == reasons
    (comment,) = connection.execute(
        "SELECT comment FROM duckdb_columns() "
        "WHERE (table_name, column_name) = ('quarantine', 'reason')"
    ).fetchall()[0]
    assert set(re.split(", | or ", comment)) == reasons
    assert {reason for _, reason, _ in BROKEN.values()} | {"unknown-trial"} == reasons


def test_a_load_with_nothing_new_keeps_error_bars_though_a_target_has_a_baseline_alone(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    for trial in trials_of(study):
        if trial.target.id != "curvature" or trial.kind == "best-guess":
            artifacts.leave(trial)
    loaded()
    bootstrap(connection, study.name, replicates=2)
    count = "SELECT count(*) FROM replicate"
    before = connection.execute(count).fetchone()
    assert loaded().trials == 0
    assert connection.execute(count).fetchone() == before != (0,)


def test_a_network_that_joins_a_lone_baseline_is_compared_with_it(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trials = [t for t in trials_of(study) if t.target.id == "curvature"]
    for kind in ("best-guess", "scratch", "task-specific"):
        artifacts.leave(next(t for t in trials if t.kind == kind))
        loaded()
    counts = "SELECT count(*) FROM win_rate UNION ALL SELECT count(*) FROM computed_affinity"
    assert connection.execute(counts).fetchall() == [(6,), (1,)]
