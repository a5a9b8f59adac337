"""Every target as a new task, against a brute-force reading of the published file."""

import csv
from pathlib import Path

import duckdb
import pytest

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.novel_task import means, novel_task
from taskonomy_warehouse.published.importer import shipped_measurements
from taskonomy_warehouse.warehouse import reading

UNUSED = {"class_selected"}


def by_brute_force(k: int) -> dict[str, tuple[float, float, float]]:
    """Affinity, gain and quality of each target's best transfer of at most k other sources."""
    dictionary = published_dictionary()
    best: dict[str, tuple[float, float, float]] = {}
    with shipped_measurements().open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sources = set(row["sources"].split("+"))
            if len(sources) > k or sources & {row["target"], "self", *UNUSED}:
                continue
            if not row["affinity"]:
                continue
            figures = (
                float(row["affinity"]),
                float(row["win_rate_vs_scratch"]),
                float(row["win_rate_vs_task_specific"]),
            )
            target = dictionary.resolve(row["target"]).id
            best[target] = max(best.get(target, figures), figures)
    return best


def test_the_papers_set_agrees_with_brute_force(paper_warehouse: Path) -> None:
    with reading(paper_warehouse) as connection:
        services = novel_task(connection, "paper")
    for k in range(1, 5):
        ours = {
            s.target: (s.affinity, s.gain, s.quality) for s in services if s.max_order == str(k)
        }
        assert ours == by_brute_force(k)
    assert [(m.max_order, m.targets) for m in means(services)] == [
        (str(k), 22) for k in range(1, 5)
    ]


def test_more_sources_help_on_average(paper_warehouse: Path) -> None:
    """As in figure 10: gain and quality rise with the order."""
    with reading(paper_warehouse) as connection:
        found = means(novel_task(connection, "paper"))
    assert [m.gain for m in found] == sorted(m.gain or 0 for m in found)
    assert [m.quality for m in found] == sorted(m.quality or 0 for m in found)
    assert found[0].gain == pytest.approx(0.684257, abs=1e-6)
    assert found[3].gain == pytest.approx(0.838194, abs=1e-6)
    assert found[3].quality == pytest.approx(0.300010, abs=1e-6)


def test_no_service_stands_on_its_own_target_or_an_unused_task(paper_warehouse: Path) -> None:
    with reading(paper_warehouse) as connection:
        for service in novel_task(connection, "paper", max_orders=("all",)):
            assert service.target not in service.sources
            assert "object-classes-selected" not in service.sources


def test_one_target_alone(paper_warehouse: Path) -> None:
    with reading(paper_warehouse) as connection:
        services = novel_task(connection, "paper", max_orders=("1", "3"), targets=("depth",))
    assert [(s.target, s.max_order) for s in services] == [("depth", "1"), ("depth", "3")]
    assert len(services[0].sources) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"study": "nope"}, NotFound, "no study 'nope'"),
        ({"study": "paper", "targets": ("jigsaw",)}, NotFound, "no ranked transfer to jigsaw"),
        ({"study": "paper", "max_orders": ("0",)}, SettingRefused, "order '0'"),
    ],
)
def test_it_says_what_is_wrong(
    paper_warehouse: Path, arguments: dict[str, object], error: type[Exception], said: str
) -> None:
    with reading(paper_warehouse) as connection, pytest.raises(error, match=said):
        novel_task(connection, **arguments)  # type: ignore[arg-type]


def test_a_study_without_affinities_serves_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("INSERT INTO study VALUES ('s', 'trained', '', '', TIMESTAMP '2026-01-01')")
    with pytest.raises(NotFound, match="any target"):
        novel_task(connection, "s")
