"""A target's losses as a matrix, networks × images, read from the warehouse in bounded memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float32]
"""networks × images; NaN where a network has no loss for an image."""
Counts = NDArray[np.int64]

BLOCK_BYTES = 256 << 20
"""Losses held at a time; a target with more is worked through in blocks of images."""
ROWS_READ = 1 << 20
"""Rows of trial_loss that one query brings, about: 16 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrants:
    """The networks of one target whose losses are here, and the images they are compared on."""

    study: str
    target: str
    transfers: NDArray[np.int32]
    """Transfer ids, by rising trial."""
    trials: NDArray[np.int32]
    """Trial of each transfer, rising."""
    is_new: NDArray[np.bool_]
    """Whether a transfer has no win rate yet."""
    images: NDArray[np.uint64]
    """The target's held-out images, rising."""


def read_entrants(connection: duckdb.DuckDBPyConnection, study: str, target: str) -> Entrants:
    """Return the networks of a target whose losses are here, baselines included."""
    rows = connection.execute(
        "SELECT transfer_id, trial_id, transfer_id NOT IN "
        "(SELECT transfer_id FROM win_rate WHERE study = ? AND target = ?) AS is_new "
        "FROM transfer JOIN trial USING (digest) WHERE study = ? AND target = ? ORDER BY trial_id",
        [study, target, study, target],
    ).fetchnumpy()
    images = connection.execute(
        "SELECT image_id FROM heldout_image WHERE study = ? AND target = ? ORDER BY image_id",
        [study, target],
    ).fetchnumpy()
    return Entrants(
        study=study,
        target=target,
        transfers=np.asarray(rows["transfer_id"]),
        trials=np.asarray(rows["trial_id"]),
        is_new=np.asarray(rows["is_new"]),
        images=np.asarray(images["image_id"]),
    )


def loss_blocks(
    connection: duckdb.DuckDBPyConnection, entrants: Entrants, threads: int
) -> Iterator[tuple[slice, Losses]]:
    """Yield the losses of a target, block after block of its images, each within `BLOCK_BYTES`.

    Yields:
        The positions in ``entrants.images``, and the losses there: networks × images, NaN where
        one is missing.
    """
    at_a_time = max(1, BLOCK_BYTES // (4 * max(1, len(entrants.trials))))
    for start in range(0, len(entrants.images), at_a_time):
        block = slice(start, min(start + at_a_time, len(entrants.images)))
        yield block, _read(connection, entrants.trials, entrants.images[block], threads)


def place_losses(
    trials: NDArray[np.int32],
    images: NDArray[np.uint64],
    values: Losses,
    row_trials: NDArray[np.int32],
    column_images: NDArray[np.uint64],
    losses: Losses,
) -> None:
    """Write rows (trial, image, loss) into the matrix; rows of other trials or images are left out.

    Rows mostly come as runs of one trial in image order without a gap: such a run is one copy.
    Any order gives the same matrix.

    Args:
        trials: trial of each row.
        images: image of each row.
        values: loss of each row.
        row_trials: trials of the matrix's rows, rising.
        column_images: images of the matrix's columns, rising.
        losses: networks × images, written to.
    """
    starts = np.flatnonzero(np.diff(trials, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(trials)], strict=True):
        row = np.searchsorted(row_trials, trials[start])
        if row == len(row_trials) or row_trials[row] != trials[start]:
            continue
        run, loss = images[start:stop], values[start:stop]
        first = int(np.searchsorted(column_images, run[0]))
        gapless = slice(first, first + len(run))
        if np.array_equal(column_images[gapless], run):
            losses[row, gapless] = loss
        else:
            column = np.searchsorted(column_images, run)
            column[column == len(column_images)] = 0
            known = column_images[column] == run
            losses[row, column[known]] = loss[known]


def _read(
    connection: duckdb.DuckDBPyConnection,
    trials: NDArray[np.int32],
    images: NDArray[np.uint64],
    threads: int,
) -> Losses:
    """Return networks × images. A few trials are read at a time, so that rows never pile up."""
    losses = np.full((len(trials), len(images)), np.nan, np.float32)
    at_a_time = max(1, ROWS_READ // len(images))
    parts = [slice(k, k + at_a_time) for k in range(0, len(trials), at_a_time)]

    def read(part: slice) -> None:
        listed = ", ".join(map(str, trials[part].tolist()))
        rows = (
            connection.cursor()
            .execute(
                "SELECT trial_id, image_id, loss FROM trial_loss "
                f"WHERE trial_id IN ({listed}) AND image_id BETWEEN ? AND ?",
                [int(images[0]), int(images[-1])],
            )
            .fetchnumpy()
        )
        trial, image, loss = (np.asarray(rows[c]) for c in ("trial_id", "image_id", "loss"))
        place_losses(trial, image, loss, trials[part], images, losses[part])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, parts))
    return losses
