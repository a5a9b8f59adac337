"""A user's SQL against the warehouse: one read-only statement, and what there is to query."""

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_warehouse.snapshot import Source, opened_to_read


class QueryRefused(TaskonomyError):
    """The SQL is wrong, or is not one statement that only reads."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """Rows of a query, in order."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    more: int = 0
    """Rows that follow and were not asked for."""

    def records(self) -> list[dict[str, object]]:
        """Return the rows as one dict each.

        Raises:
            QueryRefused: two columns have one name, and one of them would be lost.
        """
        doubled = [name for name, times in Counter(self.columns).items() if times > 1]
        if doubled:
            raise QueryRefused(
                f"several columns are called {doubled[0]!r}; name them apart with AS, "
                "or print a table or CSV"
            )
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run_query(source: Source, query: str, *, at_most: int | None = None) -> QueryResult:
    """Run one SELECT against a warehouse file or a snapshot, which is opened read-only.

    Args:
        source: what is queried.
        query: the SQL.
        at_most: rows to return, the first ones; the rest are counted. None: all of them.

    Raises:
        QueryRefused: not one reading statement, or DuckDB's own complaint.
        NotFound: there is no warehouse at the path, or no snapshot at the URI.
    """
    with opened_to_read(source) as connection:
        statement = _reading_statement(connection, query)
        try:
            cursor = connection.execute(statement)
            columns = tuple(column[0] for column in cursor.description or ())
            if at_most is None:
                return QueryResult(columns=columns, rows=tuple(cursor.fetchall()))
            rows = tuple(cursor.fetchmany(at_most))
            more = 0
            if cursor.fetchone() is not None:  # to count is quick, to make Python's tuples is not
                counted = connection.sql(statement).aggregate("count(*)").fetchone()
                more = max(1, (counted[0] if counted else 0) - len(rows))
            return QueryResult(columns=columns, rows=rows, more=more)
        except duckdb.Error as error:
            raise QueryRefused(str(error)) from error


def query_to_parquet(source: Source, query: str, file: Path) -> None:
    """Run one SELECT and write its rows as a Parquet file.

    Raises:
        QueryRefused: as `run_query`.
    """
    with opened_to_read(source, may_write=file) as connection:
        statement = _reading_statement(connection, query)
        try:  # as a relation: text spliced into COPY would trip over `SELECT 1; -- done`
            connection.sql(statement).write_parquet(str(file))
        except duckdb.Error as error:
            raise QueryRefused(str(error)) from error


def describe_relations(source: Source) -> QueryResult:
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


def as_json(value: object, *, indent: int | None = 2) -> str:
    """Return a value as JSON.

    NaN and infinities, which JSON has not, are null; bytes are hexadecimal; what else it has no
    type for (dates, decimals) is text.
    """
    return json.dumps(_json_value(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _json_value(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)


def _reading_statement(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    """Return the query as its one statement, which only reads."""
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise QueryRefused("the SQL is not UTF-8 text") from error
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
    return statements[0]
