"""One reading statement in, its rows out: whole, as JSON, as Parquet."""

import json
from pathlib import Path

import duckdb
import pytest

from taskonomy_warehouse.parsing import parse_number
from taskonomy_warehouse.queries import QueryRefused, as_json, query_to_parquet, run_query

ONE_NAME = {
    "by alias": "SELECT 1 AS a, 2 AS a",
    "from two tables": "SELECT t.study, s.study FROM task AS t JOIN study AS s USING (study)",
}


@pytest.mark.parametrize("query", ONE_NAME.values(), ids=ONE_NAME)
def test_columns_of_one_name_are_all_kept(paper_warehouse: Path, query: str) -> None:
    result = run_query(paper_warehouse, query)
    with duckdb.connect(paper_warehouse, read_only=True) as connection:
        assert list(result.rows) == connection.execute(query).fetchall()
    assert len(result.columns) == 2
    with pytest.raises(QueryRefused, match="name them apart with AS"):
        result.records()


REFUSED = {
    "blank": (" \n", "one SELECT"),
    "a comment": ("-- SELECT 1", "one SELECT"),
    "not UTF-8": (b"SELECT \xff\x00".decode("utf-8", "surrogateescape"), "not UTF-8"),
}


@pytest.mark.parametrize(("query", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_query_is_refused(paper_warehouse: Path, query: str, words: str) -> None:
    with pytest.raises(QueryRefused, match=words):
        run_query(paper_warehouse, query)


ONE_STATEMENT = {
    "plain": "SELECT 1 AS n",
    "semicolon": "SELECT 1 AS n;",
    "comment behind": "SELECT 1 AS n; -- done",
    "comment before": "-- one\nSELECT 1 AS n",
    "values": "VALUES (1)",
}


@pytest.mark.parametrize("query", ONE_STATEMENT.values(), ids=ONE_STATEMENT)
def test_parquet_holds_the_rows(paper_warehouse: Path, tmp_path: Path, query: str) -> None:
    file = tmp_path / "it's.parquet"
    query_to_parquet(paper_warehouse, query, file)
    assert duckdb.read_parquet(str(file)).fetchall() == [(1,)]


def test_parquet_goes_nowhere_else(paper_warehouse: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryRefused, match="disabled by configuration"):
        query_to_parquet(paper_warehouse, "FROM read_csv('/etc/hostname')", tmp_path / "a.parquet")


JSON_VALUES = {
    "NaN": ("'nan'::DOUBLE", None),
    "infinity": ("'-inf'::DOUBLE", None),
    "NaN within": ("[1.5, 'nan'::DOUBLE]", [1.5, None]),
    "bytes": (r"'\xAA\x01'::BLOB", "aa01"),
    "struct": ("{'a': [1, 2], 'b': NULL}", {"a": [1, 2], "b": None}),
    "map": ("MAP {DATE '2018-06-18': 1}", {"2018-06-18": 1}),
    "date": ("DATE '2018-06-18'", "2018-06-18"),
    "decimal": ("1.50::DECIMAL(4, 2)", "1.50"),
    "truth": ("true", True),
}


@pytest.mark.parametrize(("value", "expected"), JSON_VALUES.values(), ids=JSON_VALUES)
def test_json_has_a_value_for_every_type(
    paper_warehouse: Path, value: str, expected: object
) -> None:
    records = run_query(paper_warehouse, f"SELECT {value} AS v").records()
    assert json.loads(as_json(records)) == [{"v": expected}]


NUMBERS = {"1": 1.0, " 2.5 ": 2.5, "-0": 0.0, "1e3": 1000.0, "-inf": float("-inf")}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_read(text: str) -> None:
    assert repr(parse_number(text)) == repr(NUMBERS[text])


@pytest.mark.parametrize("text", ["", "1_0", "one", "1,5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|float"):
        parse_number(text)
