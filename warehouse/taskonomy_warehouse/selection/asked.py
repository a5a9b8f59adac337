"""What a trained study's own file asks of its taxonomies; published sets ask for nothing."""

from dataclasses import dataclass, field
from typing import Any

import duckdb

from taskonomy_warehouse.load.study import stored_study


@dataclass(frozen=True, slots=True)
class Asked:
    """Budgets, orders and settings to solve for where nobody says otherwise."""

    budgets: tuple[float, ...] = tuple(float(budget) for budget in range(1, 27))
    """Supervision budgets."""
    orders: tuple[str, ...] = ("1", "4", "all")
    """Most sources per transfer."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of `Settings` by name."""


def asked_of(connection: duckdb.DuckDBPyConnection, study: str) -> Asked:
    """Return what a study asks for: its ``spec.taxonomy``, importance and label costs.

    A study of published measurements has no file; it is asked for what the paper prints.
    """
    document = stored_study(connection, study)
    if document is None:
        return Asked()
    taxonomy = document.spec.taxonomy
    tasks = document.spec.tasks
    return Asked(
        budgets=taxonomy.budgets,
        orders=tuple(map(str, document.taxonomy_orders())),
        settings={
            "importance": tasks.by_id(tasks.importance),
            "label_cost": tasks.by_id(tasks.label_cost),
            "affinity_exponent": taxonomy.affinity_exponent,
            "sources_serve_themselves": taxonomy.sources_serve_themselves,
            "allow_own_transfer": taxonomy.allow_own_transfer,
        },
    )
