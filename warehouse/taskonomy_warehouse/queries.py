"""A user's SQL against the warehouse: one read-only statement, and what there is to query."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_warehouse.snapshot import Snapshot
from taskonomy_warehouse.warehouse import reading


class QueryRefused(TaskonomyError):
    """The SQL is wrong, or is not one statement that only reads."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """Rows of a query, in order."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def records(self) -> list[dict[str, object]]:
        """Return the rows as one dict each."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run_query(source: Path | Snapshot, query: str) -> QueryResult:
    """Run one SELECT against a warehouse file or a snapshot, which is opened read-only.

    Raises:
        QueryRefused: not one reading statement, or DuckDB's own complaint.
        NotFound: there is no warehouse at the path, or no snapshot at the URI.
    """
    with _opened(source) as connection:
        _check_it_reads(connection, query)
        try:
            cursor = connection.execute(query)
            columns = tuple(column[0] for column in cursor.description or ())
            return QueryResult(columns=columns, rows=tuple(cursor.fetchall()))
        except duckdb.Error as error:
            raise QueryRefused(str(error)) from error


def query_to_parquet(source: Path | Snapshot, query: str, file: Path) -> None:
    """Run one SELECT and write its rows as a Parquet file.

    Raises:
        QueryRefused: as `run_query`.
    """
    with _opened(source, may_write=file) as connection:
        _check_it_reads(connection, query)
        target = str(file).replace("'", "''")
        try:
            connection.execute(
                f"COPY ({query.strip().rstrip(';')}\n) TO '{target}' (FORMAT parquet)"
            )
        except duckdb.Error as error:
            raise QueryRefused(str(error)) from error


def describe_relations(source: Path | Snapshot) -> QueryResult:
    """Return the tables and views of the warehouse with their comments and columns."""
    return run_query(
        source,
        """
        WITH relation AS (
            SELECT table_name AS name, 'table' AS kind, comment FROM duckdb_tables()
            UNION ALL
            SELECT view_name, 'view', comment FROM duckdb_views() WHERE NOT internal
        )
        SELECT kind, name, relation.comment, list(column_name ORDER BY column_index) AS columns
        FROM relation JOIN duckdb_columns() AS c ON c.table_name = relation.name
        GROUP BY ALL ORDER BY kind DESC, name
        """,
    )


def as_json(records: Sequence[dict[str, object]]) -> str:
    """Return records as JSON; what JSON has no type for (dates, decimals) as text."""
    return json.dumps(records, indent=2, default=str, ensure_ascii=False)


def _opened(
    source: Path | Snapshot, may_write: Path | None = None
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    if isinstance(source, Snapshot):
        return source.reading(may_write)
    return reading(source, may_write)


def _check_it_reads(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise QueryRefused(str(error)) from error
    reads = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(statements) != 1 or statements[0].type not in reads:
        raise QueryRefused(
            "one SELECT (or WITH, VALUES, FROM, DESCRIBE, EXPLAIN) at a time; "
            "the warehouse is opened to read"
        )
