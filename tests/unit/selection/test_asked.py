"""What a study's own file asks of its taxonomies is what `solve` solves."""

from pathlib import Path
from typing import Any

import duckdb

from taskonomy_catalogue.study import parse_study
from taskonomy_warehouse.load.study import declare_study
from taskonomy_warehouse.selection.asked import Asked, asked_of
from taskonomy_warehouse.selection.settings import Settings

DOCUMENT: dict[str, Any] = {
    "apiVersion": "taskonomy.dev/v1alpha1",
    "kind": "Study",
    "metadata": {"name": "priced"},
    "spec": {
        "tasks": {
            "subset": ["normals", "depth", "edges-2d"],
            "importance": {"rgb2depth": 3.0},
            "labelCost": {"normals": 6.0},
        },
        "data": {"dataset": "rooms"},
        "transfers": {"orders": [1, 2]},
        "taxonomy": {"budgets": [7.0, 2.0], "affinityExponent": 1.0, "allowOwnTransfer": True},
    },
}


def declared(connection: duckdb.DuckDBPyConnection) -> None:
    declare_study(connection, parse_study(DOCUMENT, origin="study.yaml"), "study.yaml")


def test_a_study_asks_by_its_own_names(connection: duckdb.DuckDBPyConnection) -> None:
    declared(connection)
    asked = asked_of(connection, "priced")
    assert asked == Asked(
        budgets=(7.0, 2.0),
        orders=("1", "2"),
        settings={
            "importance": {"depth": 3.0},
            "label_cost": {"normals": 6.0},
            "affinity_exponent": 1.0,
            "sources_serve_themselves": False,
            "allow_own_transfer": True,
        },
    )


def test_published_sets_ask_for_what_the_paper_prints(paper_warehouse: Path) -> None:
    with duckdb.connect(paper_warehouse, read_only=True) as connection:
        asked = asked_of(connection, "paper")
    assert asked.budgets == tuple(map(float, range(1, 27)))
    assert asked.orders == ("1", "4", "all")
    assert Settings.model_validate(asked.settings) == Settings()


def test_an_option_counts_more_than_the_study(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    from taskonomy_warehouse.dictionary import read_dictionary
    from taskonomyctl.commands.solve import _settings

    declared(connection)
    options: dict[str, Any] = dict.fromkeys(Settings.model_fields)
    options |= {"source_only": (), "target_only": (), "exclude": (), "use": ()}
    options |= {"affinity_exponent": 0.25, "sources_serve_themselves": True}
    dictionary = read_dictionary(connection, "priced")
    settings = _settings(dictionary, options, asked_of(connection, "priced").settings)
    assert settings.affinity_exponent == 0.25
    assert settings.sources_serve_themselves
    assert settings.allow_own_transfer  # as the study says
    assert settings.label_cost == {"normals": 6.0}
