"""Which trained network serves each target of a solved taxonomy, and where it lies."""

from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_warehouse.selection.results import SolvedTaxonomy


@dataclass(frozen=True, slots=True)
class ServingNetwork:
    """The network that a taxonomy serves a target by."""

    target: str
    digest: str
    """Of the trial that trained it."""
    folder: str
    """Path or URI of that trial's folder, as it was when it was loaded."""


def serving_networks(
    connection: duckdb.DuckDBPyConnection, study: str, taxonomy: SolvedTaxonomy
) -> tuple[ServingNetwork, ...]:
    """Return the network of every target of a taxonomy, in the order of its choices.

    Raises:
        NotFound: the taxonomy is infeasible, or its networks were never trained here.
    """
    if not taxonomy.choices:
        why = taxonomy.reason or "it serves no target"
        raise NotFound(f"study {study!r} has no networks at budget {taxonomy.budget:g}: {why}")
    rows = connection.execute(
        "SELECT e.target, r.digest, r.folder FROM taxonomy_edge AS e "
        "LEFT JOIN trial_result AS r USING (study, transfer_id) "
        "WHERE e.study = ? AND e.scenario = ? AND e.budget = ? AND e.max_order = ?",
        [study, taxonomy.scenario, taxonomy.budget, taxonomy.max_order],
    ).fetchall()
    found = {row[0]: ServingNetwork(*row) for row in rows}
    for network in found.values():
        if network.digest is None:
            raise NotFound(
                f"study {study!r} holds measurements and no trained networks; infer needs a study "
                "that was trained (`taskonomyctl submit`) and loaded"
            )
    return tuple(found[choice.target] for choice in taxonomy.choices)
