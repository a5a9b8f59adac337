"""A rebuild: a warehouse that is right stays as it is, one that is wrong is corrected."""

import shutil
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from trial_results import Artifacts, small_study, trials_of
from warehouse_content import content

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.load.find import Findings, find_in_artifacts
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.load.rebuild import Rebuilt, rebuild
from taskonomy_warehouse.load.study import stored_study
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.warehouse import writing

Connection = duckdb.DuckDBPyConnection
TWIN = small_study("twin")
OTHER = small_study("other", data={"dataset": "s3://other/v1"})


class Built(NamedTuple):
    """A warehouse with three trained studies, one sharing trials, and a published one."""

    folder: Path
    artifacts: Artifacts


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Tests only read it."""
    root = tmp_path_factory.mktemp("built")
    made = Built(root / "warehouse", Artifacts(root / "artifacts"))
    made.artifacts.leave_all(small_study())
    Artifacts(made.artifacts.root, "other").leave_all(OTHER)
    with writing(made.folder / "built.duckdb") as connection:
        import_published(connection, shipped_measurements(), "paper", published_dictionary())
        for each in (OTHER, small_study(), TWIN):
            loaded(connection, each, made.artifacts)
    return made


@pytest.fixture
def artifacts(built: Built) -> Artifacts:
    return built.artifacts


@pytest.fixture
def own_artifacts(built: Built, tmp_path: Path) -> Artifacts:
    """A copy that a test may change."""
    return Artifacts(Path(shutil.copytree(built.artifacts.root, tmp_path / "artifacts")))


@pytest.fixture
def path(built: Built, tmp_path: Path) -> Path:
    """A copy of the warehouse, the test's own."""
    return Path(shutil.copytree(built.folder, tmp_path / "warehouse")) / "built.duckdb"


def loaded(connection: Connection, study: Study, artifacts: Artifacts) -> None:
    load(connection, study, find_in_artifacts(connection, str(artifacts.root)), origin="x.yaml")


def rebuilt(path: Path, study: Study, artifacts: Artifacts, *, force: bool = False) -> Rebuilt:
    with writing(path) as connection:
        return rebuild(
            path,
            connection,
            study,
            lambda new: find_in_artifacts(new, str(artifacts.root)),
            origin="x.yaml",
            progress=lambda _done, _total: None,
            force=force,
        )


ALSO = {
    "published": "FROM published_measurement",
    "document": "FROM study_document",
    # Sums round otherwise after another order of loading.
    "affinity": "SELECT study, digest, round(affinity, 9) FROM computed_affinity "
    "JOIN transfer USING (study, transfer_id)",
}


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with writing(path) as connection:
        also = {
            name: connection.execute(f"FROM ({query}) ORDER BY ALL").fetchall()
            for name, query in ALSO.items()
        }
        return content(connection) | also


def test_a_warehouse_that_is_right_is_left_alone(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    inode = path.stat().st_ino
    done = rebuilt(path, study, artifacts)
    assert done.differences == ()
    assert done.loaded.trials == 30
    assert path.stat().st_ino == inode


WRONG: dict[str, tuple[str, dict[str, tuple[int, int]]]] = {
    "a loss": (
        "UPDATE trial_loss SET loss = loss + 1 WHERE trial_id = (SELECT max(trial_id) FROM trial) "
        "AND image_id = (SELECT min(image_id) FROM trial_loss AS t WHERE t.trial_id = "
        "(SELECT max(trial_id) FROM trial))",
        {"trial_loss": (1, 1)},
    ),
    "a trial that is gone": (
        "DELETE FROM trial_result WHERE study = 'rooms' AND digest = "
        "(SELECT min(digest) FROM trial_result WHERE study = 'rooms')",
        {"trial_result": (1, 0)},
    ),
    "a held-out image": (
        "DELETE FROM heldout_image WHERE study = 'rooms' AND image_id = "
        "(SELECT min(image_id) FROM heldout_image WHERE study = 'rooms')",
        {"heldout_image": (1, 0)},
    ),
    "a win rate": (
        "UPDATE win_rate SET wins = wins + 1 WHERE study = 'rooms' AND transfer_id = 0 "
        "AND rival_id = (SELECT min(rival_id) FROM win_rate WHERE study = 'rooms' "
        "AND transfer_id = 0)",
        {"win_rate": (1, 1)},
    ),
    "a quarantine that is over": (
        "INSERT INTO quarantine VALUES ('rooms', 'x', '/x', 'not-a-trial', '', now()::TIMESTAMP)",
        {"quarantine": (0, 1)},
    ),
    "an affinity": (
        "UPDATE computed_affinity SET affinity = 2 * affinity WHERE study = 'rooms' "
        "AND transfer_id = (SELECT min(transfer_id) FROM computed_affinity WHERE study = 'rooms')",
        {"computed_affinity": (1, 1)},
    ),
    "an affinity that is gone": (
        "DELETE FROM computed_affinity WHERE study = 'rooms' AND transfer_id = "
        "(SELECT min(transfer_id) FROM computed_affinity WHERE study = 'rooms')",
        {"computed_affinity": (1, 0)},
    ),
    "the study's document": (
        "UPDATE study_document SET document = replace(document, 'reshading', 'curvature') "
        "WHERE study = 'rooms'",
        {"study_document": (1, 1)},
    ),
    "a task": (
        "UPDATE task SET title = 'x' WHERE study = 'rooms' AND position = 0",
        {"task": (1, 1)},
    ),
}


@pytest.mark.parametrize(("damage", "found"), WRONG.values(), ids=WRONG.keys())
def test_a_warehouse_that_is_wrong_is_corrected(
    damage: str,
    found: dict[str, tuple[int, int]],
    path: Path,
    artifacts: Artifacts,
    study: Study,
) -> None:
    right = everything(path)
    with writing(path) as connection:
        connection.execute(damage)
    assert everything(path) != right
    done = rebuilt(path, study, artifacts)
    assert {d.relation: (d.missing, d.surplus) for d in done.differences} == found
    assert all(difference.example for difference in done.differences)
    assert everything(path) == right
    assert rebuilt(path, study, artifacts).differences == ()


def test_the_other_studies_are_as_they_were_and_numbers_stay_unique(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    with writing(path) as connection:
        connection.execute("DELETE FROM heldout_image WHERE study = 'rooms'")
    rebuilt(path, study, artifacts)
    with writing(path) as connection:
        for each in (TWIN, OTHER):
            before = content(connection)
            loaded(connection, each, artifacts)
            assert content(connection) == before
        (row,) = connection.execute(
            "SELECT count(*), count(DISTINCT trial_id) FROM trial"
        ).fetchall()
        assert row == (60, 60)


def test_taxonomies_stay_if_it_is_right_and_go_if_not(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    def edges(damage: str = "") -> list[tuple[object, ...]]:
        with writing(path) as connection:
            if damage:
                connection.execute(damage)
            return connection.execute("SELECT DISTINCT study FROM taxonomy_edge").fetchall()

    edges("INSERT INTO taxonomy_edge VALUES ('rooms', 'default', 2, 'all', 'normals', 0)")
    rebuilt(path, study, artifacts)
    assert edges() == [("rooms",)]
    edges("DELETE FROM heldout_image WHERE study = 'rooms'")
    rebuilt(path, study, artifacts)
    assert edges() == []


def test_what_a_killed_rebuild_left_does_no_harm(
    path: Path, artifacts: Artifacts, study: Study
) -> None:
    leftover = path.with_name(f"{path.name}.rebuild")
    leftover.write_bytes(b"half a file")
    leftover.with_name(f"{leftover.name}.wal").write_bytes(b"half a log")
    assert rebuilt(path, study, artifacts).differences == ()
    names = sorted(f.name for f in path.parent.glob("built*"))
    assert names == [path.name, f"{path.name}.matrices"]


def test_a_rebuild_that_fails_changes_nothing(path: Path, study: Study, tmp_path: Path) -> None:
    right = everything(path)

    def nowhere(new: Connection) -> Findings:
        return find_in_artifacts(new, str(tmp_path / "no"))

    with pytest.raises(NotFound, match="no folder"), writing(path) as connection:
        rebuild(
            path,
            connection,
            study,
            nowhere,
            origin="x.yaml",
            progress=lambda _done, _total: None,
        )
    assert everything(path) == right


def test_a_place_that_is_not_theirs_replaces_nothing(
    path: Path, artifacts: Artifacts, study: Study, tmp_path: Path
) -> None:
    right = everything(path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(
        NotFound, match=r"of 30 results of study 'rooms' .*, 0 are found"
    ) as refused:
        rebuilt(path, study, Artifacts(elsewhere))
    assert f"(such as {artifacts.root})" in str(refused.value)
    for trial in trials_of(study)[:14]:
        Artifacts(elsewhere).leave(trial)
    with pytest.raises(NotFound, match="14 are found"):
        rebuilt(path, study, Artifacts(elsewhere))
    assert everything(path) == right
    assert sorted(f.name for f in path.parent.glob("built*")) == [
        path.name,
        f"{path.name}.matrices",
    ]


@pytest.mark.parametrize(("gone", "force"), [(15, False), (30, True)])
def test_results_that_are_gone_go_if_they_are_few_or_by_force(
    gone: int, force: bool, path: Path, own_artifacts: Artifacts, study: Study
) -> None:
    for trial in trials_of(study)[:gone]:
        own_artifacts.remove(trial)
    rebuilt(path, study, own_artifacts, force=force)
    with writing(path) as connection:
        left = connection.execute("SELECT count(*) FROM trial_result WHERE study = 'rooms'")
        assert left.fetchone() == (30 - gone,)


def test_a_refused_result_is_not_gone(path: Path, own_artifacts: Artifacts, study: Study) -> None:
    for trial in trials_of(study):
        own_artifacts.leave(trial, mean_loss=99.0)
    assert len(rebuilt(path, study, own_artifacts).loaded.refusals) == 30


def test_published_measurements_of_the_name_are_no_study_to_rebuild(
    path: Path, artifacts: Artifacts
) -> None:
    right = everything(path)
    with pytest.raises(SettingRefused, match="'paper' holds published measurements"):
        rebuilt(path, small_study("paper"), artifacts)
    assert everything(path) == right


def test_a_study_that_has_grown_is_kept_as_it_is_now(path: Path, artifacts: Artifacts) -> None:
    grown = small_study(parallelism=7)
    assert rebuilt(path, grown, artifacts).differences == ()
    with writing(path) as connection:
        assert stored_study(connection, "rooms") == grown
