"""What every folder of tests shares: an empty warehouse, and the paper's set solved once."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.warehouse import writing


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new, empty warehouse, open to write."""
    with writing(tmp_path / "warehouse.duckdb") as opened:
        yield opened


@pytest.fixture(scope="session")
def paper_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse file with the paper's measurements as study `paper`. Tests only read it."""
    path = tmp_path_factory.mktemp("paper") / "warehouse.duckdb"
    with writing(path) as opened:
        import_published(opened, shipped_measurements(), "paper", published_dictionary())
    return path
