"""Studies of other shapes than the paper's: small, large, full of holes, hostile."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pytest

from taskonomy_catalogue.tasks import Output, Task, TaskDictionary
from taskonomy_warehouse.published.importer import import_published
from taskonomy_warehouse.published.reader import COLUMNS
from taskonomy_warehouse.report.contents import Contents, read_contents
from taskonomy_warehouse.selection.data import read_problem
from taskonomy_warehouse.selection.results import write_taxonomies
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.warehouse import reading

MakeStudy = Callable[..., str]

GROUPS = ("2d", "3d", "low-dimensional", "semantic", "other")


@pytest.fixture
def make_study(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> MakeStudy:
    """Import and solve an invented study; returns its name."""

    def make(
        *,
        name: str = "invented",
        titles: Sequence[str] = ("Alpha", "Beta", "Gamma"),
        budgets: Sequence[float] = (1.0, 2.0, 3.0),
        orders: Sequence[str] = ("1", "all"),
        holes: float = 0.0,
        settings: Settings | None = None,
    ) -> str:
        tasks = [f"t{i}" for i in range(len(titles))]
        path = tmp_path / "invented.csv"
        path.write_text("\n".join([",".join(COLUMNS), *rows(tasks, holes)]) + "\n")
        import_published(connection, path, name, dictionary(tasks, titles))
        settings = settings or Settings()
        taxonomies = solve_taxonomies(
            read_problem(connection, name, settings), budgets, orders, solver="highs"
        )
        write_taxonomies(connection, name, settings.scenario, settings, taxonomies)
        return name

    return make


def rows(tasks: Sequence[str], holes: float) -> list[str]:
    """Own networks, every first-order transfer and pairs of neighbours; some cells left out."""
    rng = np.random.default_rng(len(tasks))
    lines = []
    for target in tasks:
        sources = ["self", *tasks, *("+".join(p) for p in combinations(tasks[:4], 2))]
        kept = [s for s in sources if s == "self" or rng.random() >= holes]
        affinity = rng.dirichlet(np.ones(len(kept)))
        for source, value in zip(kept, affinity, strict=True):
            gain, quality = ("" if rng.random() < holes else f"{rng.random():.4f}" for _ in "gq")
            order = source.count("+") + 1
            lines.append(f"{target},{order},{source},{value},{gain},{quality}")
    return lines


def dictionary(tasks: Sequence[str], titles: Sequence[str]) -> TaskDictionary:
    return TaskDictionary(
        task=tuple(
            Task.model_validate(
                {
                    "id": task,
                    "title": title,
                    "group": GROUPS[i % len(GROUPS)],
                    "output": Output(kind="image", channels=1),
                    "loss": "l1",
                }
            )
            for i, (task, title) in enumerate(zip(tasks, titles, strict=True))
        )
    )


@pytest.fixture(scope="session")
def paper_contents(solved_paper: Path) -> Contents:
    """What the report of the paper's set shows, with few draws."""
    with reading(solved_paper) as connection:
        return read_contents(
            connection, "paper", "default", seed=0, draws=200, progress=lambda _: None
        )
