"""Spearman's ρ between studies, against scipy's."""

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from trained import in_memory

from taskonomy_catalogue.errors import NotFound
from taskonomy_warehouse.generalization import generalization
from taskonomy_warehouse.warehouse import insert_rows


def add_study(
    connection: duckdb.DuckDBPyConnection, study: str, affinities: dict[str, list[float | None]]
) -> None:
    """Make a published study: per target, affinities of transfers from a, b, c, …."""
    connection.execute(
        "INSERT INTO study VALUES (?, 'published', '', ?, TIMESTAMP '2026-01-01')", [study, study]
    )
    tasks = [
        (study, target, position, target, None, None, "3d", "both", 1, "image", 1, 1, "l1")
        for position, target in enumerate(affinities)
    ]
    measured = [
        (target, source, affinity)
        for target, values in affinities.items()
        for source, affinity in zip("abcdefghijklmnop", values, strict=False)
    ]
    transfers = [
        (study, number, target, "transfer", 2, ["z", source][:: -1 if number % 2 else 1], None)
        for number, (target, source, _) in enumerate(measured)
    ]
    measurements = [
        (study, number, affinity, None, None) for number, (*_, affinity) in enumerate(measured)
    ]
    insert_rows(connection, "task", tasks)
    insert_rows(connection, "transfer", transfers)
    insert_rows(connection, "published_measurement", measurements)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_a_targets_rho_is_scipys(pairs: list[tuple[int, int]]) -> None:
    one, other = [[float(pair[k]) for pair in pairs] for k in (0, 1)]
    with in_memory() as connection:
        add_study(connection, "x", {"t": list(one)})
        add_study(connection, "y", {"t": list(other)})
        (agreement,) = generalization(connection, "x", "y").targets
    assert agreement.transfers == len(pairs)
    if len(pairs) < 3 or len(set(one)) == 1 or len(set(other)) == 1:
        assert agreement.spearman is None
    else:
        assert agreement.spearman == pytest.approx(stats.spearmanr(one, other).statistic)


def test_transfers_meet_by_target_and_sources_and_the_mean_is_over_targets(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    add_study(connection, "x", {"u": [0.1, 0.2, 0.3], "t": [1, 2, 3, 4, None], "only-x": [1]})
    add_study(connection, "y", {"t": [2, 1, 3, 4, 5], "u": [3, 2, 1]})
    agreement = generalization(connection, "x", "y")
    rho = stats.spearmanr([1, 2, 3, 4], [2, 1, 3, 4]).statistic
    assert [(t.target, t.transfers) for t in agreement.targets] == [("u", 3), ("t", 4)]
    assert [t.spearman for t in agreement.targets] == pytest.approx([-1, rho])
    assert agreement.transfers == 7
    assert agreement.spearman == pytest.approx(np.mean([-1, rho]))


def test_a_target_of_too_few_transfers_is_in_neither_the_mean_nor_its_count(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    add_study(connection, "x", {"t": [1, 2, 3, 4], "u": [1, 2], "same": [1, 1, 1]})
    add_study(connection, "y", {"t": [2, 1, 3, 4], "u": [2, 1], "same": [1, 2, 3]})
    agreement = generalization(connection, "x", "y")
    assert [t.transfers for t in agreement.targets] == [4, 2, 3]
    assert agreement.transfers == 4
    assert agreement.spearman == agreement.targets[0].spearman


def test_studies_with_nothing_in_common_cannot_be_compared(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    add_study(connection, "x", {"t": [1.0]})
    add_study(connection, "y", {"u": [1.0]})
    with pytest.raises(NotFound, match="no ranked transfer in common"):
        generalization(connection, "x", "y")
    with pytest.raises(NotFound, match="no study 'z'"):
        generalization(connection, "x", "z")
