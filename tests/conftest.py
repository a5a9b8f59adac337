"""What every folder of tests shares: an empty warehouse, and the paper's set solved once."""

import importlib.abc
import importlib.util
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from new_warehouse import new_warehouse

from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import write_taxonomies
from taskonomy_warehouse.selection.settings import DEFAULT_SCENARIO, Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.warehouse import writing


class _NoPandas(importlib.abc.MetaPathFinder):
    """Says at once that pandas is not here: DuckDB looks for it at every value it is given.

    Whoever asks whether there is one, as torch does, hears that there is none. (None in sys.modules
    would say the same, but pyarrow's compiled import takes that for the module.)
    """

    def find_spec(self, name: str, *_: object) -> None:
        # Called by importlib's _find_spec, that by an import or by find_spec.
        if name == "pandas" and sys._getframe(2).f_code.co_name != "find_spec":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if importlib.util.find_spec("pandas") is None:
    sys.meta_path.insert(0, _NoPandas())

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C and hands that on; what is tested here does not.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new, empty warehouse, open to write."""
    with writing(new_warehouse(tmp_path / "warehouse.duckdb")) as opened:
        yield opened


@pytest.fixture(scope="session")
def paper_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse file with the paper's measurements as study `paper`. Tests only read it."""
    path = tmp_path_factory.mktemp("paper") / "warehouse.duckdb"
    with writing(path) as opened:
        import_published(opened, shipped_measurements(), "paper", published_dictionary())
    return path


@pytest.fixture(scope="session")
def solved_paper(paper_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's set solved for the budgets and orders of its figure 9. Tests only read it."""
    path = tmp_path_factory.mktemp("solved") / "warehouse.duckdb"
    shutil.copy(paper_warehouse, path)
    settings = Settings()
    with writing(path) as opened:
        problem = read_problem(opened, "paper", settings)
        budgets = [2.0, 4.0, 6.0, 8.0, 12.0, 15.0, 22.0, 26.0]
        taxonomies = solve_taxonomies(problem, budgets, ["1", "4"], workers=2)
        write_taxonomies(opened, "paper", DEFAULT_SCENARIO, settings, taxonomies)
    return path


SLOW_MODULES = {
    "test_bootstrap.py",
    "test_cli_keeping.py",
    "test_cli_solve.py",
    "test_cluster.py",
    "test_contents.py",
    "test_evidence.py",
    "test_heldout.py",
    "test_losses_stay.py",
    "test_networks.py",
    "test_optimum.py",
    "test_pictures.py",
    "test_random_taxonomies.py",
    "test_ranking.py",
    "test_rebuild.py",
    "test_stability.py",
    "test_trainer.py",
    "test_win_rate_job.py",
    "test_win_rates.py",
    "test_write.py",
}
"""Modules that draw, resample or start processes throughout: above the ladder's first rung."""


_MARKED = re.compile(r"^pytestmark = (?:\[)?((?:[, ]*pytest\.mark\.\w+)+)", re.MULTILINE)
"""The marks of all of a module's tests."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave unread the modules none of whose tests is asked for: a quarter of collecting them."""
    terms = str(config.option.markexpr or "").split(" and ")
    left_out = {term.removeprefix("not ") for term in terms if term.startswith("not ")}
    if not left_out or not collection_path.name.startswith("test_"):
        return None
    marks = {"slow"} if collection_path.name in SLOW_MODULES else set()
    if found := _MARKED.search(collection_path.read_text(encoding="utf-8")):
        marks.update(re.findall(r"mark\.(\w+)", found[1]))
    return True if marks & left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of a slow module."""
    for item in items:
        if item.path.name in SLOW_MODULES:
            item.add_marker(pytest.mark.slow)
