"""Objects read from a server that is far: few questions, whatever is missing."""

from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from taskonomy_warehouse.files import read_files

URIS = [f"s3://bucket/{number}/trial.json" for number in range(1024)]


class Far:
    """A connection to a server that lacks some objects, and counts what it is asked."""

    def __init__(self, *missing: str) -> None:
        self.missing, self.asked = missing, 0

    def execute(self, query: str) -> Any:
        self.asked += 1
        wanted = [uri for uri in URIS if f"'{uri}'" in query]
        if any(uri in wanted for uri in self.missing):
            raise duckdb.IOException("no files found that match the pattern")
        return SimpleNamespace(fetchall=lambda: [(uri, uri.encode()) for uri in wanted])


@pytest.mark.parametrize(
    ("missing", "most"), [((), 1), (URIS[:1], 21), (URIS[-1:], 21), (URIS[100:900:400], 41)]
)
def test_what_is_missing_is_found_by_halves(missing: tuple[str, ...], most: int) -> None:
    far = Far(*missing)
    found = read_files(cast(duckdb.DuckDBPyConnection, far), URIS)
    assert found == {uri: uri.encode() for uri in URIS if uri not in missing}
    assert far.asked <= most
