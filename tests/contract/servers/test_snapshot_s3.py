"""A snapshot on a real S3 server: published, verified, queried; nothing is downloaded for it."""

from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.errors import InputRefused, NotFound
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.files import get_ready, write_file
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.queries import QueryRefused, describe_relations, run_query
from taskonomy_warehouse.s3 import Unreachable, speak_s3
from taskonomy_warehouse.snapshot import Manifest, Snapshot, publish
from taskonomy_warehouse.warehouse import writing

pytestmark = pytest.mark.s3

COUNT = "SELECT count(*) FROM transfer"


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with writing(path) as connection:
        import_published(connection, shipped_measurements(), "paper", published_dictionary())
    return path


def published(warehouse: Path, place: str) -> Manifest:
    with writing(warehouse) as connection:
        get_ready(connection, place)
        return publish(connection, warehouse, place)


def test_a_snapshot_is_queried_where_it_lies(warehouse: Path, s3: str) -> None:
    manifest = published(warehouse, s3)
    assert manifest.bytes > 1_000_000
    query = "FROM affinity_matrix ORDER BY ALL"
    assert run_query(Snapshot(s3), query) == run_query(warehouse, query)
    assert describe_relations(Snapshot(s3)) == describe_relations(warehouse)


def test_nothing_is_left_beside_the_warehouse(warehouse: Path, s3: str) -> None:
    published(warehouse, s3)
    assert [f.name for f in warehouse.parent.iterdir()] == [warehouse.name]


def test_the_manifest_moves_on_to_the_next_copy(warehouse: Path, s3: str) -> None:
    first = published(warehouse, s3)
    with Snapshot(s3).reading() as reader:
        with writing(warehouse) as connection:
            connection.execute("UPDATE study SET source_name = 'changed'")
        assert published(warehouse, s3).file != first.file
        name = "SELECT source_name FROM study"
        assert reader.execute(name).fetchall() == [("taskonomy_16k.csv",)]
        assert run_query(Snapshot(s3), name).rows == (("changed",),)


def test_a_damaged_copy_is_refused(warehouse: Path, s3: str) -> None:
    manifest = published(warehouse, s3)
    with duckdb.connect() as connection:
        speak_s3(connection)
        write_file(connection, f"{s3}/{manifest.file}", bytes(manifest.bytes))
    with pytest.raises(InputRefused, match="its sha256 is "):
        run_query(Snapshot(s3), COUNT)


FORBIDDEN = {
    "read another object": "SELECT * FROM read_blob('{s3}/manifest.json')",
    "read the bucket": "SELECT * FROM glob('{s3}/*')",
    "read another server": "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
    "read a file": "SELECT * FROM read_text('/etc/hostname')",
    "write": "CREATE TABLE mine (a INTEGER)",
}


@pytest.mark.parametrize("query", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_a_query_cannot(query: str, warehouse: Path, s3: str) -> None:
    published(warehouse, s3)
    with pytest.raises(QueryRefused):
        run_query(Snapshot(s3), query.format(s3=s3))


def test_a_query_sees_no_credentials(warehouse: Path, s3: str) -> None:
    published(warehouse, s3)
    everything = ("FROM duckdb_secrets()", "FROM duckdb_settings()", "FROM duckdb_databases()")
    said = "".join(str(run_query(Snapshot(s3), query)) for query in everything)
    assert "test-key" not in said
    assert "test-secret" not in said


def test_no_snapshot_and_no_entry_are_told_apart(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect() as connection:
        speak_s3(connection)
        write_file(connection, f"{s3}-other/x", b"the bucket is there")
    with pytest.raises(NotFound, match="no snapshot at s3://results/"):
        run_query(Snapshot(s3), COUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    with pytest.raises(Unreachable, match="403") as refused:
        run_query(Snapshot(s3), COUNT)
    assert "wrong-secret" not in str(refused.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(Unreachable, match="cannot be reached"):
        run_query(Snapshot(s3), COUNT)
