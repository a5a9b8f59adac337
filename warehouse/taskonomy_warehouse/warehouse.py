"""The warehouse file: created, brought to the current schema, opened to write or to read.

One process writes at a time; DuckDB's own file lock keeps it so. Readers open the file read-only
and any DuckDB client can: tables, views and their comments live in the file itself.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import NotFound, TaskonomyError, did_you_mean

SCHEMA_VERSION = 5
"""Raised whenever a table changes or a view comes; a later version is refused, not guessed at."""

TABLES = (
    "schema_version",
    "study",
    "task",
    "transfer",
    "published_measurement",
    "scenario",
    "taxonomy",
    "taxonomy_source",
    "taxonomy_edge",
    "trial",
    "trial_loss",
    "heldout_image",
    "win_rate",
    "computed_affinity",
    "quarantine",
    "bootstrap",
    "replicate",
    "source_stability",
    "edge_stability",
    "study_document",
    "trial_result",
)
VIEWS = (  # each after those it reads
    "loss",
    "win_ratio",
    "affinity",
    "gain",
    "quality",
    "measured_transfer",
    "transfer_mean",
    "affinity_matrix",
    "task_similarity",
    "beam",
    "coverage",
    "taxonomy_choice",
    "taxonomy_curve",
    "consistency",
    "sanity",
    "significance",
    "affinity_ci",
    "transfer_mean_ci",
    "trial_cost",
    "blocked",
    "missing_baseline",
    "group_effect",
)
MACROS = ("ahp",)

WRITING_MEMORY = "1500MB"
"""What DuckDB may hold while we write: it would keep all losses it has seen, up to 80 % of the
machine, and past its limit it goes to disk. What numpy holds comes on top."""

BLOCK_SIZE = "65536"
"""Bytes of a block. DuckDB's own are four times as large, and each column written to has one in
fresh memory: 8 ms of a load of one network. Inserting many losses takes as long with either."""


class WarehouseNotOpened(TaskonomyError):
    """What stands at the path is no warehouse this version can open; the message says why."""

    exit_code = 6


class WarehouseBusy(TaskonomyError):
    """Another process holds the warehouse open; the message says how to go on."""

    exit_code = 6


class WarehouseNotWritten(TaskonomyError):
    """The disk did not take what was to be kept, and nothing of it is there; the message says why.

    A full disk, a quota, a file system that went away: what was kept before stays as it was.
    """


@contextmanager
def writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse to write, creating it or bringing its schema up to date first.

    Raises:
        WarehouseBusy: another process has it open.
        WarehouseNotOpened: the path cannot hold a warehouse, the file is none, or a later version
            wrote it.
    """
    _check_place(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_opened(path, f"no folder {path.parent}: {error.strerror}") from error
    connection = _connected(path, read_only=False)
    try:
        with transaction(connection):
            _bring_up_to_date(connection, path)
        yield connection
    finally:
        connection.close()


@contextmanager
def reading(path: Path, may_write: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse read-only, with no access to other files or the network.

    Args:
        path: the warehouse file.
        may_write: the one other file that COPY may write.

    Raises:
        NotFound: there is no such file.
        WarehouseBusy: another process is writing to it.
        WarehouseNotOpened: the file is not a warehouse, or a later version wrote it.
    """
    _check_place(path)
    if not path.exists():
        raise NotFound(
            f"no warehouse at {path}; `taskonomyctl import published` makes one, "
            "--warehouse PATH or TASKONOMY_WAREHOUSE names another"
        )
    connection = _connected(path, read_only=True, may_write=may_write)
    try:
        if _version(connection, path) != SCHEMA_VERSION:
            raise WarehouseNotOpened(
                f"{path} has an older schema; `taskonomyctl solve --study NAME` brings it "
                "up to date"
            )
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block did, or nothing of it.

    Raises:
        WarehouseNotWritten: the disk is full, or fails; nothing of the block is kept.
    """
    connection.begin()
    try:
        try:
            yield
        except BaseException:
            connection.rollback()
            raise
        connection.commit()  # one that fails has rolled back
    except duckdb.Error as error:
        if not _DISK_FAILS.search(str(error)):
            raise
        reason = str(error).rpartition("Failed to commit: ")[2].strip()
        raise WarehouseNotWritten(
            f"{reason}; nothing of this was kept. Make room, and run it again"
        ) from error


def share_out(connection: duckdb.DuckDBPyConnection, *, much: bool) -> None:
    """Let DuckDB work on all processors, or on one if there is not much to do; in no transaction.

    Where it is a few thousand rows, sharing them out takes longer than the work: to rank one target
    of 136 networks took 68 ms of processor time on two threads, 42 ms on one, and as long.
    """
    connection.execute("RESET threads" if much else "SET threads = 1")


_DISK_FAILS = re.compile(
    r"could not (?:write|fsync|sync|truncate|create)|no space left|failed to offload", re.IGNORECASE
)
"""What DuckDB says of a disk that takes no more, of the file as of where it spills to."""


def insert_rows(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]]
) -> None:
    """Insert rows into a table in one statement; the values stand in the table's column order.

    They travel as one JSON text: as Python lists, DuckDB would look for pandas at every value.
    """
    if not rows:
        return
    # DESCRIBE, as duckdb_columns() first looks at every view there is: 8 ms.
    columns = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
    records = json.dumps([dict(zip(columns, row, strict=True)) for row in rows], allow_nan=False)
    connection.execute(
        f"INSERT INTO {table} SELECT unnest(from_json(?, ?), max_depth := 2)",
        [records, json.dumps([columns])],
    )


def sql(folder: str, name: str) -> str:
    """Return the text of ``sql/<folder>/<name>.sql``."""
    file = resources.files("taskonomy_warehouse") / "sql" / folder / f"{name}.sql"
    return file.read_text(encoding="utf-8")


def audits() -> list[str]:
    """Return the names of the audits: queries that must return no row."""
    return _names("audits")


def migrations() -> dict[int, str]:
    """Return the names of the migrations by the schema version that each leads to, lowest first."""
    return {int(name.partition("_")[0]): name for name in _names("migrations")}


def _names(folder: str) -> list[str]:
    files = (resources.files("taskonomy_warehouse") / "sql" / folder).iterdir()
    return sorted(f.name.removesuffix(".sql") for f in files if f.name.endswith(".sql"))


def studies(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of the studies, in alphabetical order."""
    rows = connection.execute("SELECT study FROM study ORDER BY study").fetchall()
    return [str(row[0]) for row in rows]


def study_version(connection: duckdb.DuckDBPyConnection, study: str) -> str:
    """Return a word that changes whenever what the study holds is replaced."""
    row = connection.execute(
        "SELECT source_sha256 || ' ' || loaded_at FROM study WHERE study = ?", [study]
    ).fetchone()
    return str(row[0]) if row else ""


def require_study(connection: duckdb.DuckDBPyConnection, study: str) -> None:
    """Check that the study is there.

    Raises:
        NotFound: it is not; the message names the ones that are.
    """
    names = studies(connection)
    if study not in names:
        known = f"it holds {', '.join(names)}" if names else "it holds none"
        raise NotFound(
            f"no study {study!r} in this warehouse ({known}){did_you_mean(study, names)}"
        )


def _check_place(path: Path) -> None:
    """Refuse what DuckDB would open as a database in memory, forgotten at the end.

    It does so for ``:memory:`` and, without a word, for CSV, JSON and Parquet files.
    """
    try:
        if path.name.startswith(":memory:"):
            raise _not_opened(path, "a warehouse is a file; name one")
        if not path.exists():
            return
        if not path.is_file():
            raise _not_opened(path, "not a file; a warehouse is one DuckDB file")
        with path.open("rb") as file:
            head = file.read(len(_MAGIC) + _MAGIC_AT)
    except OSError as error:
        raise _not_opened(path, error.strerror or str(error)) from error
    if head[_MAGIC_AT:] != _MAGIC:
        raise _not_opened(path, "not a DuckDB file; --warehouse names another or a new one")


_MAGIC, _MAGIC_AT = b"DUCK", 8
"""What a DuckDB file holds after its first checksum (duckdb.org, "Storage Versions and Format")."""


def _not_opened(path: Path, reason: str) -> WarehouseNotOpened:
    return WarehouseNotOpened(f"{path} cannot be opened as a warehouse: {reason}")


def _connected(
    path: Path, *, read_only: bool, may_write: Path | None = None
) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "default_block_size": BLOCK_SIZE,  # of a file that this makes; another keeps its own
    }
    try:
        # Absolute: DuckDB would take "md:x" or "sqlite:x" for another kind of database.
        connection = duckdb.connect(path.absolute(), read_only=read_only, config=config)
    except duckdb.Error as error:
        if "could not set lock" in str(error).lower():
            holder = re.search(r"\(PID (\d+)\)", str(error))
            who = f" (process {holder[1]})" if holder else ""
            raise WarehouseBusy(
                f"{path} is in use by another process{who}; try again when it has finished, "
                "or close the client that has it open"
            ) from error
        raise _not_opened(path, str(error)) from error
    if not read_only:
        connection.execute(f"SET memory_limit = '{WRITING_MEMORY}'")
    else:
        if may_write:
            connection.execute("SET allowed_paths = [?]", [str(may_write)])
        connection.execute("SET enable_external_access = false")
    return connection


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    version = _version(connection, path)
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        for table in TABLES:
            connection.execute(sql("tables", table))
    else:
        for number, migration in migrations().items():
            if number > version:
                connection.execute(sql("migrations", migration))
    for view in VIEWS:
        connection.execute(sql("views", view))
    for macro in MACROS:
        connection.execute(sql("macros", macro))
    connection.execute(
        "INSERT INTO schema_version VALUES (?, now() AT TIME ZONE 'UTC')", [SCHEMA_VERSION]
    )


def _version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the file's schema version, 0 for an empty file."""
    try:
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except duckdb.CatalogException:
        if connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,):
            return 0
        raise WarehouseNotOpened(
            f"{path} is a DuckDB file, and not a taskonomy warehouse"
        ) from None
    version = int(row[0]) if row and row[0] is not None else 0
    if version > SCHEMA_VERSION:
        raise WarehouseNotOpened(
            f"{path} was written by a later version of taskonomy (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); upgrade taskonomy to read it"
        )
    return version
