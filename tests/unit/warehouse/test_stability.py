"""Taxonomies solved again on every replicate, against a solve of each by hand."""

import duckdb
import numpy as np
import pytest
from trained import add_losses, declare_study

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import TaskDictionary
from taskonomy_warehouse.bootstrap import bootstrap
from taskonomy_warehouse.dictionary import write_dictionary
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.stability import taxonomy_stability
from taskonomy_warehouse.win_rates import update_win_rates

TASKS = ("a", "b", "c")


@pytest.fixture
def study(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A study of one seed."""
    return trained(connection, seeds=1)


def trained(connection: duckdb.DuckDBPyConnection, seeds: int) -> duckdb.DuckDBPyConnection:
    """Three tasks, each served by its own network or from either of the others."""
    declare_study(connection)
    task = {"title": "t", "output": {"kind": "image", "channels": 1}, "loss": "l1"}
    dictionary = TaskDictionary.model_validate({"task": [task | {"id": t} for t in TASKS]})
    write_dictionary(connection, "s", dictionary)
    rng = np.random.default_rng(0)
    for target in TASKS:
        others = [t for t in TASKS if t != target]
        common = rng.random(60)
        for _ in range(seeds):
            losses = (common + rng.random((3, 60))).astype(np.float32)
            kinds, sources = {0: "task-specific"}, {1: [others[0]], 2: [others[1]]}
            add_losses(connection, losses, target=target, kinds=kinds, sources=sources)
    update_win_rates(connection, "s")
    bootstrap(connection, "s", replicates=12, seed=3)
    return connection


def best_single_source(
    affinity: dict[int, list[float]], b: int, of: dict[tuple[str, str], list[int]]
) -> str:
    """Budget 1: the one source from which all three targets are served best, by its seeds' mean."""
    value = {
        s: sum(np.mean([affinity[seed][b] for seed in of[t, s]]) ** 0.5 for t in TASKS)
        for s in TASKS
    }
    return max(value, key=lambda s: value[s])


@pytest.mark.parametrize("seeds", [1, 2])
def test_choices_are_counted_over_replicates(
    connection: duckdb.DuckDBPyConnection, seeds: int
) -> None:
    study = trained(connection, seeds)
    found = taxonomy_stability(study, "s", "default", Settings(), [1.0, 3.0], ["1"], workers=2)
    affinity = dict(study.execute("SELECT transfer_id, affinity FROM replicate").fetchall())
    rows = study.execute(
        "SELECT target, sources[1], list(transfer_id ORDER BY transfer_id) "
        "FROM transfer GROUP BY ALL"
    ).fetchall()
    of = {(target, source): numbers for target, source, numbers in rows}
    one, three = found
    chosen = [best_single_source(affinity, b, of) for b in range(12)]
    assert dict(one.sources) == {s: chosen.count(s) for s in set(chosen)}
    assert len(set(chosen)) > 1
    expected = {(t, of[t, s][0]): chosen.count(s) for s in set(chosen) for t in TASKS}
    assert dict(one.edges) == expected
    assert sum(three.edges.values()) == 3 * 12
    kept = study.execute(
        "SELECT source, chosen, replicates FROM source_stability WHERE budget = 1 ORDER BY ALL"
    ).fetchall()
    assert kept == [(s, chosen.count(s), 12) for s in sorted(set(chosen))]


def test_a_second_run_replaces_the_first(study: duckdb.DuckDBPyConnection) -> None:
    taxonomy_stability(study, "s", "default", Settings(), [1.0], ["1"])
    taxonomy_stability(study, "s", "default", Settings(), [1.0], ["1"], most_replicates=5)
    rows = study.execute("SELECT sum(chosen), any_value(replicates) FROM edge_stability").fetchall()
    assert rows == [(15, 5)]


def test_without_a_bootstrap_it_says_how_to_make_one(study: duckdb.DuckDBPyConnection) -> None:
    study.execute("DELETE FROM replicate")
    with pytest.raises(NotFound, match="taskonomyctl bootstrap --study s"):
        taxonomy_stability(study, "s", "default", Settings(), [1.0], ["1"])
