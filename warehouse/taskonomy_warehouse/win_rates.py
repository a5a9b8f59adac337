"""Losses -> win rates -> affinities, one target at a time, only what is not there yet.

The rule. Two networks of a target are compared on the held-out images that both have a loss for,
and the number of these is kept; lower is better, a tie counts half. All of it is exact counts.
sql/oracles/win_rate.sql says the same in SQL; what is made of the counts is SQL (macro ahp).

Memory stays bounded: few targets' losses are held at a time, and of these a block of images.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from taskonomy_warehouse.loss_matrix import (
    Counts,
    Entrants,
    Losses,
    loss_blocks,
    loss_rows,
    losses_stay,
    read_entrants,
)
from taskonomy_warehouse.warehouse import require_study, share_out, transaction

FEW = 4
"""So many new networks are compared by numpy: starting the compiled loops takes 0.4 s, once."""

AHEAD = 2
"""Targets that are read and counted while another is written: half of reading is one thread's."""

OnTarget = Callable[[str], None]
"""Is told the name of a target that is done."""
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class WinCounts:
    """Exact counts of some transfers of a target against all of them."""

    over: Counts
    """rows × all: images on which the row's loss is lower."""
    under: Counts
    """rows × all: images on which the row's loss is higher."""
    images: Counts
    """rows × all: images that both have."""


def update_win_rates(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    *,
    threads: int | None = None,
    on_target: OnTarget = lambda _: None,
) -> int:
    """Compare every network that has losses and no win rates yet with all others of its target.

    Each target is one transaction, win rates and affinities together: stopped at any point, it
    goes on where it was. Error bars that are there no longer fit and are dropped. While one target
    is written, the next ones' losses are read and counted. To be called outside a transaction,
    with the losses committed.

    Args:
        connection: the warehouse, open to write.
        study: a trained study.
        threads: threads that count; one per processor unless given.
        on_target: told the target after each one that changed.

    Returns:
        The number of networks that were new.

    Raises:
        NotFound: there is no such study.
        InputRefused, Unreachable: losses that stayed in their files cannot be read (`loss_blocks`);
            targets before this one are done.
    """
    require_study(connection, study)
    threads = threads or os.cpu_count() or 1
    added = 0

    def counted(target: str) -> tuple[Entrants, WinCounts]:
        entrants = read_entrants(connection.cursor(), study, target)
        return entrants, _count_new(connection, entrants, threads)

    targets = _targets_to_update(connection, study)
    share_out(connection, much=len(targets) > 1)
    for target, (entrants, counts) in made_ahead(counted, targets):
        with transaction(connection):
            _insert_counts(connection, entrants, counts)
            forget_error_bars(connection, study)
            refresh_affinities(connection, study, target)
        added += int(entrants.is_new.sum())
        on_target(target)
    return added


def made_ahead(
    work: Callable[[_Item], _Made], items: Sequence[_Item]
) -> Iterator[tuple[_Item, _Made]]:
    """Yield each item with what is made of it, the next `AHEAD` being made in the meantime."""
    with ThreadPoolExecutor(AHEAD) as pool:
        made = deque((item, pool.submit(work, item)) for item in items[:AHEAD])
        for k in range(len(items)):
            item, future = made.popleft()
            result = future.result()
            made.extend((each, pool.submit(work, each)) for each in items[k + AHEAD :][:1])
            yield item, result


def refresh_affinities(connection: duckdb.DuckDBPyConnection, study: str, target: str) -> None:
    """Compute a target's affinities anew from its win rates: macro ahp into computed_affinity."""
    connection.execute(
        "DELETE FROM computed_affinity WHERE study = ? AND target = ?", [study, target]
    )
    connection.execute("INSERT INTO computed_affinity FROM ahp(?, ?)", [study, target])


def forget_error_bars(connection: duckdb.DuckDBPyConnection, study: str) -> None:
    """Drop a study's error bars: they belong to the networks that were there when computed."""
    for table in ("bootstrap", "replicate", "source_stability", "edge_stability"):
        connection.execute(f"DELETE FROM {table} WHERE study = ?", [study])


def count_wins_of(
    rows: NDArray[np.intp] | slice, losses: Losses, threads: int, counts: WinCounts
) -> None:
    """Add a block of images to the counts of some rows against all.

    Args:
        rows: which transfers to count for.
        losses: transfers × images.
        threads: threads that share the images.
        counts: added to.
    """
    mine = losses[rows]
    spans = _spans(losses.shape[1], threads)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda span: _count_span(mine, losses, span), spans))
    for over, under in parts:
        np.add(counts.over, over, out=counts.over)
        np.add(counts.under, under, out=counts.under)
    np.add(counts.images, _images_of_both(mine, losses), out=counts.images)


def zero_counts(rows: int, transfers: int) -> WinCounts:
    """Return counts to add to."""
    over, under, images = np.zeros((3, rows, transfers), np.int64)
    return WinCounts(over=over, under=under, images=images)


def _targets_to_update(connection: duckdb.DuckDBPyConnection, study: str) -> list[str]:
    """Return the targets with a network that has losses and neither win rates nor affinity.

    A target's only network has no rival and never a win rate: its affinity says it was seen to. If
    it is a baseline, which has no affinity either, there is nothing to be seen to.
    """
    in_files = losses_stay(connection, study)
    losses = "trial_result USING (study, transfer_id)" if in_files else "trial USING (digest)"
    # Few are fresh: win rates are looked through for these, and not gathered of all there are.
    rows = connection.execute(
        "WITH loaded AS (SELECT study, target, transfer_id, kind, "
        "count(*) OVER (PARTITION BY target) AS networks "
        f"FROM transfer SEMI JOIN {losses} WHERE study = ?), "
        "fresh AS MATERIALIZED (SELECT target, transfer_id FROM loaded "
        "ANTI JOIN computed_affinity USING (study, transfer_id) "
        "WHERE networks > 1 OR kind IN ('task-specific', 'transfer')) "
        "SELECT DISTINCT target FROM fresh WHERE transfer_id NOT IN (SELECT transfer_id "
        "FROM win_rate WHERE study = ? AND transfer_id IN (SELECT transfer_id FROM fresh)) "
        "ORDER BY target",
        [study, study],
    ).fetchall()
    return [str(target) for (target,) in rows]


def _count_new(
    connection: duckdb.DuckDBPyConnection, entrants: Entrants, threads: int
) -> WinCounts:
    new = np.flatnonzero(entrants.is_new)
    rows = loss_rows(connection, entrants) if len(new) <= FEW else None
    if rows is not None:
        mine = [rows[k] for k in new]
        over, under = _count_few(mine, rows)
        return WinCounts(over=over, under=under, images=_images_of_both(mine, rows))
    counts = zero_counts(len(new), len(entrants.transfers))
    # All of them as a slice: a view, so that the losses are not copied.
    everyone = slice(None) if entrants.is_new.all() else new
    for _, losses in loss_blocks(connection, entrants):
        count_wins_of(everyone, losses, threads, counts)
    return counts


def _insert_counts(
    connection: duckdb.DuckDBPyConnection, entrants: Entrants, counts: WinCounts
) -> None:
    """Insert both directions of every new pair; two new transfers have both among the rows."""
    new, everyone = np.flatnonzero(entrants.is_new), np.arange(len(entrants.transfers))
    pair = new[:, None] != everyone
    # numpy columns that the query below names; DuckDB finds them by name.
    transfer, rival = (m[pair] for m in np.broadcast_arrays(new[:, None], everyone))
    columns = {
        "transfer_id": entrants.transfers[transfer],
        "rival_id": entrants.transfers[rival],
        "over": counts.over[pair],
        "under": counts.under[pair],
        "images": counts.images[pair],
        "rival_is_new": entrants.is_new[rival],
    }
    connection.register("counted", columns)
    try:
        connection.execute(
            "INSERT INTO win_rate "
            "SELECT ?, ?, transfer_id, rival_id, over, images - over - under, images FROM counted "
            "UNION ALL "
            "SELECT ?, ?, rival_id, transfer_id, under, images - over - under, images FROM counted "
            "WHERE NOT rival_is_new",
            [entrants.study, entrants.target] * 2,
        )
    finally:
        connection.unregister("counted")


def _count_span(mine: Losses, everyone: Losses, span: slice) -> tuple[Counts, Counts]:
    """Return wins and losses of ``mine`` against everyone on a span of images, rows × all."""
    if len(mine) <= FEW:
        return _count_few(list(mine[:, span]), list(everyone[:, span]))
    over_all = _count_compiled(mine, everyone, span)
    if len(mine) == len(everyone):
        return over_all, over_all.T
    return over_all, _count_compiled(everyone, mine, span).T


def _count_few(mine: Sequence[Losses], everyone: Sequence[Losses]) -> tuple[Counts, Counts]:
    """As `_count_span`, a pair at a time: what is compared stays in the nearest cache."""
    over = [[np.count_nonzero(row < rival) for rival in everyone] for row in mine]
    under = [[np.count_nonzero(rival < row) for rival in everyone] for row in mine]
    return np.array(over, np.int64), np.array(under, np.int64)


def _count_compiled(mine: Losses, theirs: Losses, span: slice) -> Counts:
    from taskonomy_warehouse.kernels import count_wins  # numba takes a while to import and start

    wins = np.zeros((len(mine), len(theirs)), np.int64)
    count_wins(mine, theirs, span.start, span.stop, wins)
    return wins


def _images_of_both(mine: Sequence[Losses] | Losses, everyone: Sequence[Losses] | Losses) -> Counts:
    """Return rows × all: how many images both have. Floats count exactly up to 2^24 images."""
    if not any(np.isnan(row.max()) for row in everyone):  # the largest is NaN if any is
        return np.full((len(mine), len(everyone)), len(everyone[0]), np.int64)
    here, there = (~np.isnan(np.asarray(rows)) for rows in (mine, everyone))
    both = here.astype(np.float32) @ there.astype(np.float32).T
    return both.astype(np.int64)


def _spans(length: int, parts: int) -> list[slice]:
    ends = np.linspace(0, length, parts + 1).astype(int).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]
