"""An import happens once, whole, or not at all."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from taskonomy_catalogue.errors import InputRefused, NotFound, TaskonomyError
from taskonomy_catalogue.tasks import paper_dictionary, published_dictionary
from taskonomy_warehouse.dictionary import read_dictionary
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.published.reader import COLUMNS
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import latest_scenario, write_taxonomies
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.warehouse import (
    WarehouseBusy,
    WarehouseNotOpened,
    reading,
    studies,
    writing,
)

TABLES = ("study", "task", "transfer", "published_measurement", "scenario", "taxonomy")


def contents(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    return {t: connection.execute(f"FROM {t} ORDER BY ALL").fetchall() for t in TABLES}


def small_file(tmp_path: Path, affinity: str = "0.5", name: str = "small.csv") -> Path:
    path = tmp_path / name
    rows = f"depth,1,normals,{affinity},0.7,0.3\ndepth,1,self,0.5,0.8,0.5\n"
    path.write_text(",".join(COLUMNS) + "\n" + rows)
    return path


def test_every_figure_arrives_as_printed(connection: duckdb.DuckDBPyConnection) -> None:
    import_published(connection, shipped_measurements(), "paper", published_dictionary())
    differing = connection.execute(
        """
        SELECT count(*), sum(m.affinity IS DISTINCT FROM f.affinity
            OR m.gain IS DISTINCT FROM f.win_rate_vs_scratch
            OR m.quality IS DISTINCT FROM f.win_rate_vs_task_specific)
        FROM measured_transfer AS m
        JOIN (
            SELECT *, row_number() OVER () - 1 AS transfer_id FROM read_csv(?)
        ) AS f USING (transfer_id)
        """,
        [str(shipped_measurements())],
    ).fetchone()
    assert differing == (1762, 0)


def test_the_same_file_twice_changes_nothing(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = small_file(tmp_path)
    assert import_published(connection, path, "s", paper_dictionary()).changed
    before = contents(connection)
    again = import_published(connection, path, "s", paper_dictionary())
    assert not again.changed
    assert contents(connection) == before


def test_other_content_under_the_same_name_is_refused_and_nothing_lost(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    import_published(connection, small_file(tmp_path), "s", paper_dictionary())
    before = contents(connection)
    with pytest.raises(InputRefused, match="--replace"):
        import_published(connection, small_file(tmp_path, "0.4"), "s", paper_dictionary())
    assert contents(connection) == before


def test_another_dictionary_is_other_content(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    import_published(connection, small_file(tmp_path), "s", paper_dictionary())
    with pytest.raises(InputRefused, match="--replace"):
        import_published(connection, small_file(tmp_path), "s", published_dictionary())


def test_replacing_takes_the_taxonomies_along(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    import_published(connection, small_file(tmp_path), "s", paper_dictionary())
    problem = read_problem(connection, "s", Settings())
    solved = solve_taxonomies(problem, [1.0], ["1"], solver="highs")
    write_taxonomies(connection, "s", "default", Settings(), solved)
    assert latest_scenario(connection, "s") == "default"
    other = small_file(tmp_path, "0.4")
    import_published(connection, other, "s", paper_dictionary(), replace=True)
    with pytest.raises(NotFound, match="taskonomyctl solve"):
        latest_scenario(connection, "s")
    affinities = connection.execute("SELECT affinity FROM affinity ORDER BY 1").fetchall()
    assert affinities == [(0.4,), (0.5,)]


def test_a_refused_file_leaves_the_warehouse_as_it_was(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    import_published(connection, small_file(tmp_path), "s", paper_dictionary())
    before = contents(connection)
    with pytest.raises(InputRefused, match="line 2, column affinity"):
        import_published(
            connection, small_file(tmp_path, "7"), "s", paper_dictionary(), replace=True
        )
    assert contents(connection) == before


def test_two_studies_do_not_see_each_other(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    import_published(connection, small_file(tmp_path, "0.5"), "a", paper_dictionary())
    import_published(connection, small_file(tmp_path, "0.4"), "b", paper_dictionary())
    values = [candidate.value for candidate in read_problem(connection, "b", Settings()).candidates]
    assert sorted(values) == pytest.approx(sorted([0.4**0.5, 0.5**0.5]))


def test_the_dictionary_comes_back_whole(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    import_published(connection, small_file(tmp_path), "s", published_dictionary())
    assert read_dictionary(connection, "s") == published_dictionary()


NO_WAREHOUSE = {
    "notes": ("notes.duckdb", b"not a database"),
    "empty": ("empty.duckdb", b""),
    "JSON": ("s2.json", b'[{"a": 1}]'),
    "CSV": ("measured.csv", b"a,b\n1,2\n"),
    "Parquet": ("rows.parquet", b"PAR1"),
}


@pytest.mark.parametrize("opened", [writing, reading])
@pytest.mark.parametrize(("name", "content"), NO_WAREHOUSE.values(), ids=NO_WAREHOUSE)
def test_a_file_that_is_no_warehouse_is_refused(
    tmp_path: Path, name: str, content: bytes, opened: Any
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WarehouseNotOpened, match=f"{name} cannot be opened"), opened(path):
        pass
    assert path.read_bytes() == content


PLACES = {
    "memory": (":memory:", "a warehouse is a file"),
    "named memory": (":memory:mine", "a warehouse is a file"),
    "a folder": ("folder", "not a file"),
    "a file in a folder's place": ("afile/x.duckdb", "cannot be opened"),
    "deep below a file": ("afile/below/x.duckdb", "cannot be opened"),
    "a name too long": ("n" * 300, "File name too long"),
}


@pytest.mark.parametrize("opened", [writing, reading])
@pytest.mark.parametrize(("name", "words"), PLACES.values(), ids=PLACES)
def test_a_place_that_cannot_hold_a_warehouse_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str, opened: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("afile").touch()
    with pytest.raises(TaskonomyError) as refused, opened(Path(name)):
        pass
    assert refused.value.exit_code == 6
    if opened is writing:
        assert words in str(refused.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["afile", "folder"]


def test_a_name_that_duckdb_takes_for_another_database_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with writing(Path("md:mine")):
        pass
    with reading(Path("md:mine")) as connection:
        assert studies(connection) == []


def test_a_foreign_duckdb_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(path) as other:
        other.execute("CREATE TABLE theirs (x INTEGER)")
    with pytest.raises(TaskonomyError, match="not a taskonomy warehouse"), writing(path):
        pass


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with writing(path) as connection:
        connection.execute("INSERT INTO schema_version VALUES (999, now())")
    with pytest.raises(TaskonomyError, match="upgrade taskonomy"), reading(path):
        pass


def test_any_duckdb_client_reads_the_file(paper_warehouse: Path) -> None:
    with duckdb.connect(paper_warehouse, read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM affinity_matrix").fetchone() == (572,)


def test_a_writer_elsewhere_is_named_busy(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "warehouse.duckdb"
    with writing(path):
        pass
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); "
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(WarehouseBusy, match="another process"), reading(path):
            pass
    finally:
        holder.communicate(b"")
