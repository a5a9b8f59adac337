"""A warehouse of every earlier version opens as today's, with its rows kept."""

from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_warehouse.warehouse import SCHEMA_VERSION, migrations, reading, writing

DATA = Path(__file__).parent / "data"
EARLIER = sorted(int(path.stem.removeprefix("schema_")) for path in DATA.glob("schema_*.sql"))


def earlier_warehouse(path: Path, version: int) -> Path:
    """Make a file as that version of taskonomy left it, with a published study in it."""
    with duckdb.connect(path) as connection:
        connection.execute((DATA / f"schema_{version}.sql").read_text(encoding="utf-8"))
        connection.execute(
            "INSERT INTO study VALUES ('old', 'published', 'a.csv', 'abc', TIMESTAMP '2020-01-01')"
        )
        connection.execute(
            "INSERT INTO transfer (study, transfer_id, target, kind, transfer_order, sources) "
            "VALUES "
            "('old', 0, 'depth', 'transfer', 2, ['edges-2d', 'normals']), "
            "('old', 1, 'depth', 'scratch', 1, [])"
        )
        connection.execute(
            "INSERT INTO published_measurement VALUES ('old', 0, 1.0, 0.9, 0.4), "
            "('old', 1, NULL, 0.5, NULL)"
        )
        connection.execute(
            "INSERT INTO taxonomy_edge VALUES ('old', 'default', 2, '1', 'depth', 0)"
        )
    return path


def shape(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Everything that makes a schema: columns, constraints, comments, views and macros."""
    return connection.execute(
        """
        SELECT table_name, column_name, data_type, is_nullable::VARCHAR, comment
        FROM duckdb_columns() WHERE NOT internal
        UNION ALL SELECT table_name, '', '', '', comment FROM duckdb_tables()
        UNION ALL SELECT view_name, '', sql, '', comment FROM duckdb_views() WHERE NOT internal
        UNION ALL
        SELECT table_name, constraint_type, constraint_text, constraint_column_names::VARCHAR, ''
        FROM duckdb_constraints()
        UNION ALL
        SELECT function_name, parameters::VARCHAR, macro_definition, '', comment
        FROM duckdb_functions() WHERE function_type LIKE '%macro' AND NOT internal
        ORDER BY ALL
        """
    ).fetchall()


def test_every_step_has_its_migration_and_every_earlier_version_its_file() -> None:
    assert list(migrations()) == list(range(2, SCHEMA_VERSION + 1))
    assert list(range(1, SCHEMA_VERSION)) == EARLIER


@pytest.mark.parametrize("version", EARLIER)
def test_a_migrated_warehouse_has_the_shape_of_a_new_one(tmp_path: Path, version: int) -> None:
    with writing(earlier_warehouse(tmp_path / "old.duckdb", version)) as migrated:
        after = shape(migrated)
    with writing(tmp_path / "new.duckdb") as new:
        assert after == shape(new)


@pytest.mark.parametrize("version", EARLIER)
def test_its_rows_are_kept_and_read_through_todays_views(tmp_path: Path, version: int) -> None:
    path = earlier_warehouse(tmp_path / "old.duckdb", version)
    with writing(path):
        pass
    with reading(path) as connection:
        rows = connection.execute(
            "SELECT transfer_id, kind, sources, affinity, gain, quality FROM measured_transfer "
            "ORDER BY transfer_id"
        ).fetchall()
        assert rows == [
            (0, "transfer", ["edges-2d", "normals"], 1.0, 0.9, 0.4),
            (1, "scratch", [], None, 0.5, None),
        ]
        assert connection.execute("SELECT digest FROM transfer").fetchall() == [(None,), (None,)]
        assert connection.execute("SELECT loaded_at::DATE::VARCHAR FROM study").fetchall() == [
            ("2020-01-01",)
        ]
        assert connection.execute("SELECT sources FROM taxonomy_choice").fetchall() == [
            (["edges-2d", "normals"],)
        ]


@pytest.mark.parametrize("version", EARLIER)
def test_a_migration_happens_whole_or_not_at_all(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = earlier_warehouse(tmp_path / "old.duckdb", version)
    with duckdb.connect(path) as connection:
        before = shape(connection)
    monkeypatch.setattr("taskonomy_warehouse.warehouse.VIEWS", ("no_such_view",))
    with pytest.raises(FileNotFoundError), writing(path):
        pass
    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchall() == [
            (version,)
        ]
        assert shape(connection) == before


@pytest.mark.parametrize("version", EARLIER)
def test_a_reader_is_told_to_write_first(tmp_path: Path, version: int) -> None:
    path = earlier_warehouse(tmp_path / "old.duckdb", version)
    with pytest.raises(TaskonomyError, match="older schema"), reading(path):
        pass
