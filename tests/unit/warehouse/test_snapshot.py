"""Snapshots in a folder: published whole, checked when read, never in the writer's way."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.errors import InputRefused, NotFound, SettingRefused, TaskonomyError
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse import snapshot
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.queries import (
    QueryRefused,
    describe_relations,
    query_to_parquet,
    run_query,
)
from taskonomy_warehouse.snapshot import KEPT, MANIFEST, Manifest, Snapshot, publish
from taskonomy_warehouse.warehouse import TABLES, writing

COUNT = "SELECT count(*) FROM transfer"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paper") / "warehouse.duckdb"
    with writing(path) as connection:
        import_published(connection, shipped_measurements(), "paper", published_dictionary())
    return path


@pytest.fixture
def warehouse(paper: Path, tmp_path: Path) -> Path:
    """A warehouse with the paper's measurements."""
    return Path(shutil.copy(paper, tmp_path))


@pytest.fixture(scope="module")
def published(paper: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    with writing(paper) as connection:
        publish(connection, paper, str(folder))
    return folder


@pytest.fixture
def place(published: Path, tmp_path: Path) -> Path:
    """A folder with one snapshot of it."""
    return Path(shutil.copytree(published, tmp_path / "snapshot"))


def manifest_of(place: Path) -> Manifest:
    return Manifest.model_validate_json((place / MANIFEST).read_bytes())


# --- publishing --------------------------------------------------------------------------------


def test_a_snapshot_holds_what_the_warehouse_holds(warehouse: Path, place: Path) -> None:
    copy = place / manifest_of(place).file
    with (
        duckdb.connect(copy, read_only=True) as new,
        duckdb.connect(warehouse, read_only=True) as old,
    ):
        for table in set(TABLES) - {"schema_version"}:
            query = f"FROM {table} ORDER BY ALL"
            assert new.execute(query).fetchall() == old.execute(query).fetchall(), table
        relations = (
            "SELECT name, comment FROM (SELECT view_name AS name, comment FROM duckdb_views()"
        )
        relations += " UNION ALL SELECT table_name, comment FROM duckdb_tables()) ORDER BY ALL"
        assert new.execute(relations).fetchall() == old.execute(relations).fetchall()


def test_the_manifest_tells_the_truth(place: Path) -> None:
    manifest = manifest_of(place)
    content = (place / manifest.file).read_bytes()
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert manifest.bytes == len(content)
    assert manifest.studies == ("paper",)


def test_sha256sum_agrees(place: Path) -> None:
    said = subprocess.run(
        ["sha256sum", "-c", f"{manifest_of(place).file}.sha256"],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.endswith(": OK\n")


def test_nothing_but_snapshots_is_left_in_the_folder(place: Path) -> None:
    file = manifest_of(place).file
    assert sorted(f.name for f in place.iterdir()) == sorted([MANIFEST, file, f"{file}.sha256"])


def test_old_copies_go_and_the_current_one_stays(warehouse: Path, place: Path) -> None:
    made = [manifest_of(place).file]
    with writing(warehouse) as connection:
        for number in range(KEPT + 1):
            connection.execute("UPDATE study SET source_name = ?", [f"file {number}"])
            made.append(publish(connection, warehouse, str(place)).file)
    copies = {f.name for f in place.glob("*.duckdb")}
    assert made[-1] == manifest_of(place).file
    assert made[-1] in copies
    assert len(copies) == KEPT == len(list(place.glob("*.sha256")))


def test_a_reader_keeps_its_copy_while_others_are_published(warehouse: Path, place: Path) -> None:
    with Snapshot(str(place)).reading() as reader, writing(warehouse) as connection:
        before = reader.execute("SELECT source_name FROM study").fetchall()
        connection.execute("UPDATE study SET source_name = 'changed'")
        for _ in range(KEPT + 1):
            publish(connection, warehouse, str(place))
        assert reader.execute("SELECT source_name FROM study").fetchall() == before
        assert run_query(Snapshot(str(place)), "SELECT source_name FROM study").rows == (
            ("changed",),
        )


@pytest.mark.parametrize("named", ["taken", "taken/inside"])
def test_a_place_that_is_no_folder_is_said(named: str, warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with (
        writing(warehouse) as connection,
        pytest.raises(SettingRefused, match=rf"folder, and .*{named} is none: .* --publish"),
    ):
        publish(connection, warehouse, str(tmp_path / named))


def test_what_is_too_large_for_s3_is_not_sent_and_told_why(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MOST_ON_S3", 1 << 20)
    with writing(warehouse) as connection:
        for losses, said in (
            (True, "publish it without --publish-losses, or into a folder"),
            (False, "publish it into a folder"),
        ):
            with pytest.raises(SettingRefused, match=said):
                publish(connection, warehouse, "s3://nowhere/snapshot", losses=losses)
    assert [f.name for f in warehouse.parent.iterdir()] == [warehouse.name]


# --- reading -----------------------------------------------------------------------------------

SAME_PLACE: dict[str, Callable[[Path], str]] = {
    "its folder": str,
    "its manifest": lambda place: f"{place}/{MANIFEST}",
    "a file URI": lambda place: place.as_uri(),
    "a slash at the end": lambda place: f"{place}/",
}


@pytest.mark.parametrize("named", SAME_PLACE.values(), ids=SAME_PLACE.keys())
def test_a_snapshot_is_read_by(named: Callable[[Path], str], place: Path) -> None:
    assert run_query(Snapshot(named(place)), COUNT).rows == ((1762,),)


def test_the_relations_of_a_snapshot_are_those_of_the_warehouse(
    warehouse: Path, place: Path
) -> None:
    assert describe_relations(Snapshot(str(place))) == describe_relations(warehouse)


def test_rows_of_a_snapshot_go_to_parquet(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    query_to_parquet(Snapshot(str(place)), "FROM transfer", file)
    with duckdb.connect() as connection:
        assert connection.execute(
            "SELECT count(*) FROM read_parquet(?)", [str(file)]
        ).fetchone() == (1762,)


FORBIDDEN = {
    "write": "CREATE TABLE mine (a INTEGER)",
    "write elsewhere": "COPY transfer TO '/tmp/stolen.parquet'",
    "attach": "ATTACH '/tmp/other.duckdb'",
    "settings": "SET enable_external_access = true",
    "read a file": "SELECT * FROM read_text('/etc/hostname')",
    "read a folder": "SELECT * FROM glob('/etc/*')",
    "two at once": f"{COUNT}; {COUNT}",
}


@pytest.mark.parametrize("query", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_a_query_of_a_snapshot_cannot(query: str, place: Path) -> None:
    with pytest.raises(QueryRefused):
        run_query(Snapshot(str(place)), query)


def one_byte_changed(place: Path) -> None:
    copy = place / manifest_of(place).file
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)


def cut_short(place: Path) -> None:
    copy = place / manifest_of(place).file
    copy.write_bytes(copy.read_bytes()[:-4096])


def gone(place: Path) -> None:
    (place / manifest_of(place).file).unlink()


def no_json(place: Path) -> None:
    (place / MANIFEST).write_text("x")


def rewritten(**changes: object) -> Callable[[Path], None]:
    def rewrite(place: Path) -> None:
        manifest = json.loads((place / MANIFEST).read_bytes())
        (place / MANIFEST).write_text(json.dumps(manifest | changes))

    return rewrite


DAMAGES: dict[str, tuple[Callable[[Path], None], type[TaskonomyError], str]] = {
    "a byte is another": (one_byte_changed, InputRefused, "its sha256 is "),
    "the copy is cut short": (cut_short, InputRefused, "the manifest says "),
    "the copy is gone": (gone, NotFound, "is gone, the manifest names it"),
    "the manifest is gone": (lambda p: (p / MANIFEST).unlink(), NotFound, "no snapshot at"),
    "the manifest is no JSON": (
        no_json,
        InputRefused,
        "not a snapshot's manifest",
    ),
    "the manifest points elsewhere": (
        rewritten(file="../secret.duckdb"),
        InputRefused,
        "not a snapshot's manifest: file",
    ),
    "another schema": (rewritten(schema_version=999), TaskonomyError, "schema 999"),
}


@pytest.mark.parametrize(("damage", "error", "said"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_snapshot_is_refused_when(
    damage: Callable[[Path], None], error: type[TaskonomyError], said: str, place: Path
) -> None:
    damage(place)
    with pytest.raises(error, match=said) as refused:
        run_query(Snapshot(str(place)), COUNT)
    assert str(place) in str(refused.value)


def test_without_verifying_the_size_alone_is_compared(place: Path) -> None:
    quick = Snapshot(str(place), verify=False)
    rewritten(sha256="0" * 64)(place)
    assert run_query(quick, COUNT).rows == ((1762,),)
    cut_short(place)
    with pytest.raises(InputRefused, match="the manifest says"):
        run_query(quick, COUNT)


@pytest.mark.parametrize("uri", ["http://example.org/x", "gs://bucket/x", "/tmp/*"])
def test_other_places_are_refused(uri: str) -> None:
    with pytest.raises(TaskonomyError, match="--snapshot"):
        run_query(Snapshot(uri), COUNT)


@pytest.mark.slow
def test_a_copy_larger_than_a_blob_is_read_for_its_sha256(place: Path) -> None:
    copy = place / manifest_of(place).file
    with copy.open("r+b") as file:
        file.truncate(4 << 30)  # a hole: nothing of it is on the disk
    rewritten(bytes=4 << 30)(place)
    with pytest.raises(InputRefused, match="its sha256 is "):
        run_query(Snapshot(str(place)), COUNT)
