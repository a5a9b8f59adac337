"""A target added to a finished study: its own losses come in, everything else is as it was."""

from typing import Any

import duckdb
from trial_results import Artifacts, small_study, trials_of

from taskonomy_catalogue.study import Study
from taskonomy_catalogue.trials import digest
from taskonomy_warehouse import loss_matrix
from taskonomy_warehouse.load.loading import Loaded
from taskonomy_warehouse.novel_task import novel_task

Connection = duckdb.DuckDBPyConnection
OLD = ("normals", "reshading")
NEW = "curvature"
OF_THE_OLD = (
    "SELECT * FROM win_rate WHERE target <> 'curvature' ORDER BY ALL",
    "SELECT * FROM computed_affinity WHERE target <> 'curvature' ORDER BY ALL",
    "SELECT * FROM transfer WHERE target <> 'curvature' ORDER BY ALL",
    "SELECT * FROM heldout_image WHERE target <> 'curvature' ORDER BY ALL",
)


def of_the_old(connection: Connection) -> list[list[tuple[Any, ...]]]:
    return [connection.execute(query).fetchall() for query in OF_THE_OLD]


def with_the_new_target() -> Study:
    return small_study(tasks={"subset": [*OLD, NEW, "random"], "targetOnly": [NEW]})


def test_only_its_own_losses_are_needed(
    connection: Connection, artifacts: Artifacts, loaded: Any, monkeypatch: Any
) -> None:
    study, grown = small_study(tasks={"subset": [*OLD, "random"]}), with_the_new_target()
    finished = artifacts.leave_all(study)
    loaded(study)
    before = of_the_old(connection)
    for trial in finished:  # whatever is read from here on is the new target's
        artifacts.remove(trial)
    asked_before = {digest(trial) for trial in finished}
    own = [trial for trial in trials_of(grown) if digest(trial) not in asked_before]
    assert {trial.target.id for trial in own} == {NEW}
    for trial in own:
        artifacts.leave(trial)
    read: list[str] = []
    real = loss_matrix.loss_blocks

    def blocks(connection: Connection, entrants: loss_matrix.Entrants) -> Any:
        read.append(entrants.target)
        return real(connection, entrants)

    monkeypatch.setattr("taskonomy_warehouse.win_rates.loss_blocks", blocks)
    done: Loaded = loaded(grown)
    assert (done.trials, done.refusals) == (len(own), ())
    assert read == [NEW]
    assert of_the_old(connection) == before


def test_it_is_served_as_if_it_had_been_there_from_the_first(
    connection: Connection, artifacts: Artifacts, loaded: Any
) -> None:
    grown = with_the_new_target()
    artifacts.leave_all(small_study(tasks={"subset": [*OLD, "random"]}))
    loaded(small_study(tasks={"subset": [*OLD, "random"]}))
    artifacts.leave_all(grown)
    loaded(grown)
    services = novel_task(connection, "rooms", max_orders=("1", "2"), targets=(NEW,))
    by_hand = connection.execute(
        "SELECT t.transfer_order, t.sources, c.affinity FROM transfer AS t "
        "JOIN computed_affinity AS c USING (study, transfer_id) "
        "WHERE t.target = 'curvature' AND t.kind = 'transfer'"
    ).fetchall()
    for service, limit in zip(services, (1, 2), strict=True):
        best = max((row for row in by_hand if row[0] <= limit), key=lambda row: row[2])
        assert (list(service.sources), service.affinity) == (best[1], best[2])
        assert service.gain is not None
    no_source = connection.execute(
        "SELECT count(*) FROM transfer WHERE target <> 'curvature' "
        "AND list_contains(sources, 'curvature')"
    ).fetchone()
    assert no_source == (0,)
