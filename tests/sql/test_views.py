"""Every view: rows in, rows out, from the YAML file of its name. Every audit: what it must catch.

A file holds named cases. `given` lists rows by table, columns that a case does not care about are
filled in; `query` is optional and defaults to the whole view; `expect` is compared in full.
"""

import math
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from taskonomy_warehouse.warehouse import VIEWS, audits, sql

FOLDER = Path(__file__).parent
FILLED_IN: dict[str, Any] = {
    "study": "s",
    "scenario": "default",
    "kind": "transfer",
    "origin": "published",
    "role": "both",
    "status": "optimal",
    "max_order": "1",
    "task_group": "3d",
    "output_kind": "image",
    "loss": "l1",
    "solver": "cbc",
    "settings": "{}",
}
BY_TYPE: dict[str, Any] = {"INTEGER": 1, "DOUBLE": 0.0, "VARCHAR": "", "TIMESTAMP": "2018-06-18"}


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(path.stem, case, id=f"{path.stem}: {case['name']}")
        for path in sorted((FOLDER / kind).glob("*.yaml"))
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def fill(connection: duckdb.DuckDBPyConnection, given: dict[str, list[dict[str, Any]]]) -> None:
    for table, rows in given.items():
        columns = connection.execute(
            "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE table_name = ? ORDER BY column_index",
            [table],
        ).fetchall()
        assert columns, f"no table {table}"
        for row in rows:
            unknown = set(row) - {name for name, _, _ in columns}
            assert not unknown, f"{table} has no column {unknown}"
            values = [
                row.get(name, None if nullable else FILLED_IN.get(name, BY_TYPE.get(data_type, 0)))
                for name, data_type, nullable in columns
            ]
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)


def same(got: Any, expected: Any) -> bool:
    if isinstance(got, float) and isinstance(expected, int | float):
        return math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(got, list | tuple) and isinstance(expected, list | tuple):
        return len(got) == len(expected) and all(map(same, got, expected))
    return bool(got == expected)


@pytest.mark.parametrize(("view", "case"), cases("views"))
def test_view(connection: duckdb.DuckDBPyConnection, view: str, case: dict[str, Any]) -> None:
    fill(connection, case["given"])
    columns = list(case["expect"][0]) if case["expect"] else ["*"]
    query = case.get("query", f"SELECT {', '.join(columns)} FROM {view} ORDER BY ALL")
    got = connection.execute(query).fetchall()
    expected = [tuple(row.values()) for row in case["expect"]]
    assert len(got) == len(expected), got
    for got_row, expected_row in zip(got, expected, strict=True):
        assert same(got_row, expected_row), f"got {got_row}, expected {expected_row}"


@pytest.mark.parametrize(("audit", "case"), cases("audits"))
def test_audit(connection: duckdb.DuckDBPyConnection, audit: str, case: dict[str, Any]) -> None:
    fill(connection, case["given"])
    assert len(connection.execute(sql("audits", audit)).fetchall()) == case["rows"]


def test_every_view_and_audit_has_a_file_of_cases() -> None:
    assert {p.stem for p in (FOLDER / "views").glob("*.yaml")} == set(VIEWS)
    assert {p.stem for p in (FOLDER / "audits").glob("*.yaml")} == set(audits())


def test_every_relation_and_column_has_a_comment(connection: duckdb.DuckDBPyConnection) -> None:
    silent = connection.execute(
        """
        SELECT table_name, NULL FROM duckdb_tables() WHERE comment IS NULL
        UNION ALL SELECT view_name, NULL FROM duckdb_views() WHERE NOT internal AND comment IS NULL
        UNION ALL
        SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL
        """
    ).fetchall()
    assert silent == []


@pytest.mark.parametrize("audit", audits())
def test_the_papers_set_passes_every_audit(solved_paper: Path, audit: str) -> None:
    with duckdb.connect(solved_paper, read_only=True) as connection:
        assert connection.execute(sql("audits", audit)).fetchall() == []
