"""A trained study made of given losses: what a load leaves, without files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import duckdb
import numpy as np
from numpy.typing import NDArray

from taskonomy_warehouse.warehouse import MACROS, TABLES, VIEWS, insert_rows, sql


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse in memory, for tests that need many: what they write is rolled back."""
    connection = _schema()
    connection.begin()
    try:
        yield connection
    finally:
        connection.rollback()


@cache
def _schema() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    make_schema(connection)
    return connection


def make_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a warehouse in memory: faster than a file where a test needs many."""
    for folder, names in (("tables", TABLES), ("views", VIEWS), ("macros", MACROS)):
        for name in names:
            connection.execute(sql(folder, name))


def declare_study(connection: duckdb.DuckDBPyConnection, study: str = "s") -> None:
    """Make an empty trained study."""
    connection.execute(
        "INSERT INTO study VALUES (?, 'trained', 'test', 'abc', TIMESTAMP '2026-01-01')", [study]
    )


def add_losses(
    connection: duckdb.DuckDBPyConnection,
    losses: NDArray[np.float32],
    *,
    target: str = "t",
    study: str = "s",
    kinds: Mapping[int, str] | None = None,
    sources: Mapping[int, Sequence[str]] | None = None,
    images: NDArray[np.uint64] | None = None,
) -> list[int]:
    """Add the networks of a target: transfers × images, NaN where one has no loss.

    A network is a transfer from a task of its own, ``x<number>``, unless said otherwise. Images
    new to the target become held-out images.

    Returns:
        The transfer ids given.
    """
    images = np.arange(losses.shape[1], dtype=np.uint64) if images is None else images
    connection.register("new_images", {"image_id": images})
    connection.execute(
        "INSERT INTO heldout_image SELECT ?, ?, image_id FROM new_images WHERE image_id NOT IN "
        "(SELECT image_id FROM heldout_image WHERE study = ? AND target = ?)",
        [study, target, study, target],
    )
    connection.unregister("new_images")
    row = connection.execute("SELECT coalesce(max(trial_id), -1) + 1 FROM trial").fetchone()
    assert row is not None
    ids = list(range(row[0], row[0] + len(losses)))
    own: dict[str, list[str]] = {"task-specific": [target], "scratch": [], "best-guess": []}
    transfers, trials = [], []
    for k, number in enumerate(ids):
        kind = (kinds or {}).get(k, "transfer")
        on = list((sources or {}).get(k, own.get(kind, [f"x{number}"])))
        transfers.append((study, number, target, kind, max(1, len(on)), on, f"d{number}"))
        there = max(1, int((~np.isnan(losses[k])).sum()))
        trials.append((number, f"d{number}", there, "2026-01-01"))
    insert_rows(connection, "transfer", transfers)
    insert_rows(connection, "trial", trials)
    row_of, column_of = np.nonzero(~np.isnan(losses))
    rows = {
        "trial_id": np.array(ids)[row_of],
        "image_id": images[column_of],
        "loss": losses[row_of, column_of],
    }
    connection.register("new_losses", rows)
    connection.execute("INSERT INTO trial_loss FROM new_losses")
    connection.unregister("new_losses")
    return ids
