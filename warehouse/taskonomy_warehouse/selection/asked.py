"""What was asked of a study's taxonomies: by its own file, and by the solves there were."""

import math
from dataclasses import dataclass, field
from typing import Any

import duckdb

from taskonomy_warehouse.load.study import stored_study
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.taxonomy import order_limit


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


def kept_scenarios(
    connection: duckdb.DuckDBPyConnection, study: str
) -> dict[str, tuple[Settings, tuple[str, ...]]]:
    """Return a study's scenarios with the order limits solved for, the last solved first."""
    rows = connection.execute(
        """
        WITH solved AS (
            SELECT study, scenario, list(DISTINCT max_order) AS orders FROM taxonomy GROUP BY ALL
        )
        SELECT scenario, settings, coalesce(orders, [])
        FROM scenario
        LEFT JOIN solved USING (study, scenario)
        WHERE study = ?
        ORDER BY solved_at DESC, scenario
        """,
        [study],
    ).fetchall()
    return {
        name: (Settings.model_validate_json(settings), tuple(sorted(orders, key=_by_number)))
        for name, settings, orders in rows
    }


def _by_number(max_order: str) -> float:
    return order_limit(max_order) or math.inf
