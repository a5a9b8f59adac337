"""A target's losses as a matrix, networks × images, read in bounded memory.

They are read from table trial_loss, or straight from the files that trials left where a study's
losses stay there (`taskonomyctl load --losses-stay`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.records import LOSSES_FILE
from taskonomy_warehouse.files import as_list, get_ready
from taskonomy_warehouse.kept_losses import kept_losses
from taskonomy_warehouse.s3 import as_unreachable, is_about_server, is_s3

Losses = NDArray[np.float32]
"""networks × images; NaN where a network has no loss for an image."""
Counts = NDArray[np.int64]


class LossesOfImages(NamedTuple):
    """One network's losses, as its file has them."""

    images: NDArray[np.uint64]
    losses: Losses
    """On each of these images: one dimension."""


BLOCK_BYTES = 256 << 20
"""Losses held at a time; a target with more is worked through in blocks of images."""
ROWS_READ = 1 << 20
"""Losses that one query brings, about: 16 MB."""
MOST_RUNS = 8
"""Runs of rows per network that are copied one by one; rows in more disorder are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrants:
    """The networks of one target whose losses are here, and the images they are compared on."""

    study: str
    target: str
    transfers: NDArray[np.int32]
    """Transfer ids, by rising trial."""
    trials: NDArray[np.int32]
    """Trial of each transfer, rising; where losses stay in files, its position."""
    files: tuple[str, ...]
    """File of each transfer's losses, path or URI; none where they are in table trial_loss."""
    rows: Counts
    """Losses that each transfer was loaded with."""
    keys: tuple[bytes, ...]
    """What tells each transfer's losses from any other, or a later training's."""
    is_new: NDArray[np.bool_]
    """Whether a transfer has no win rate yet."""
    images: NDArray[np.uint64]
    """The target's held-out images, rising."""


def losses_stay(connection: duckdb.DuckDBPyConnection, study: str) -> bool:
    """Return whether losses of a study are in the files that trials left, and not in trial_loss."""
    row = connection.execute(
        "SELECT count(*) FROM trial_result ANTI JOIN trial USING (digest) WHERE study = ?", [study]
    ).fetchone()
    return bool(row and row[0])


def read_entrants(connection: duckdb.DuckDBPyConnection, study: str, target: str) -> Entrants:
    """Return the networks of a target whose losses are here, baselines included.

    Args:
        connection: the warehouse; if losses stay in their files, it is made ready to read them.
        study: a trained study.
        target: one of its targets.

    Raises:
        NotFound: the losses are on S3 and what reads from there is not installed.
    """
    number, folder = "trial_id", "''"
    losses, trial = "trial USING (digest)", "trial.images, digest, trial.loaded_at"
    in_files = losses_stay(connection, study)
    if in_files:
        trial = "trial_result.images, digest, finished_at, mean_loss"
        number, folder = "(row_number() OVER (ORDER BY digest) - 1)::INTEGER", "folder"
        losses = "trial_result USING (study, transfer_id, digest)"
    rows = connection.execute(
        f"SELECT transfer_id, {number} AS number, {folder} AS folder, "
        f"unhex(sha256(concat_ws(' ', {trial}))) AS key, {trial.split(',')[0]} AS images, "
        "transfer_id NOT IN "
        "(SELECT transfer_id FROM win_rate WHERE study = ? AND target = ?) AS is_new "
        f"FROM transfer JOIN {losses} WHERE study = ? AND target = ? ORDER BY number",
        [study, target, study, target],
    ).fetchnumpy()
    images = connection.execute(
        "SELECT image_id FROM heldout_image WHERE study = ? AND target = ?", [study, target]
    ).fetchnumpy()
    files = tuple(f"{folder}/{LOSSES_FILE}" for folder in rows["folder"]) if in_files else ()
    get_ready(connection, *files)
    return Entrants(
        study=study,
        target=target,
        transfers=np.asarray(rows["transfer_id"]),
        trials=np.asarray(rows["number"]),
        files=files,
        rows=np.asarray(rows["images"]),
        keys=tuple(map(bytes, rows["key"])),
        is_new=np.asarray(rows["is_new"]),
        images=np.sort(images["image_id"]),
    )


def loss_blocks(
    connection: duckdb.DuckDBPyConnection, entrants: Entrants
) -> Iterator[tuple[slice, Losses]]:
    """Yield the losses of a target, block after block of its images, each within `BLOCK_BYTES`.

    Yields:
        The positions in ``entrants.images``, and the losses there: networks × images, NaN where
        one is missing.

    Raises:
        InputRefused: a file of losses is gone, broken, or other than when it was loaded; only after
            the last block is all of that known.
        Unreachable: the server that has the files does not answer.
    """
    at_a_time = _images_at_a_time(entrants)
    if len(entrants.images) <= at_a_time:
        rows, read = _kept_and_read(connection, entrants)
        whole = read if len(read) == len(rows) else np.stack(rows)
        yield slice(0, len(entrants.images)), whole
        return
    found = np.zeros(len(entrants.trials), np.int64)
    everyone = np.arange(len(entrants.trials))
    for start in range(0, len(entrants.images), at_a_time):
        block = slice(start, min(start + at_a_time, len(entrants.images)))
        losses = _read(connection, entrants, everyone, entrants.images[block])
        found += _present(losses)
        yield block, losses
    _check_rows(entrants, everyone, found)


def loss_rows(connection: duckdb.DuckDBPyConnection, entrants: Entrants) -> list[Losses] | None:
    """Return the losses of each network, those that are kept as they lie in the file: no copies.

    A matrix of them would cost more, in fresh memory, than comparing one network with all.

    Returns:
        One dimension each, NaN where one is missing; None where they are more than `BLOCK_BYTES`.

    Raises:
        InputRefused, Unreachable: as `loss_blocks`.
    """
    if len(entrants.images) > _images_at_a_time(entrants):
        return None
    return _kept_and_read(connection, entrants)[0]


def keep_for_comparing(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    target: str,
    read: Mapping[str, LossesOfImages],
) -> None:
    """Keep losses that a load has just read, so that comparing need not read the files again.

    Args:
        connection: the warehouse, which has the networks.
        study: a study whose losses stay in their files.
        target: their target.
        read: by file, path or URI; those on other images than the target's are passed over.
    """
    entrants = read_entrants(connection, study, target)
    kept = kept_losses(connection, entrants)
    if kept is None or 4 * len(entrants.trials) * len(entrants.images) > BLOCK_BYTES:
        return
    rows = {
        key: read[file].losses
        for key, file in zip(entrants.keys, entrants.files, strict=True)
        if file in read and np.array_equal(read[file].images, entrants.images)
    }
    kept.append(list(rows), list(rows.values()))


def _images_at_a_time(entrants: Entrants) -> int:
    return max(1, BLOCK_BYTES // (4 * max(1, len(entrants.trials))))


def _kept_and_read(
    connection: duckdb.DuckDBPyConnection, entrants: Entrants
) -> tuple[list[Losses], Losses]:
    """Return the losses of each network, and those not kept beside the warehouse before."""
    kept = kept_losses(connection, entrants)
    found = kept.read(entrants.keys) if kept else [None] * len(entrants.keys)
    rest = np.array([k for k, row in enumerate(found) if row is None], np.intp)
    read = np.zeros((0, len(entrants.images)), np.float32)
    if len(rest):
        read = _read(connection, entrants, rest, entrants.images)
        _check_rows(entrants, rest, _present(read))
        if kept:
            kept.append([entrants.keys[k] for k in rest], list(read))
    now = iter(read)
    return [next(now) if row is None else row for row in found], read


def _present(losses: Losses) -> Counts:
    return np.asarray(losses.shape[1] - np.isnan(losses).sum(axis=1))


def _check_rows(entrants: Entrants, rows: NDArray[np.intp], found: Counts) -> None:
    """Check that files hold what they held when they were loaded; the table does."""
    for k, n in zip(rows.tolist(), found.tolist(), strict=True):
        if entrants.files and n != entrants.rows[k]:
            reason = f"has {n} losses of held-out images, and had {entrants.rows[k]} when it was"
            raise InputRefused(entrants.files[k], f"{reason} loaded; {_AGAIN}")


_AGAIN = "put it back, or build the study anew with `taskonomyctl load --rebuild`"


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
    changes = np.flatnonzero(trials[1:] != trials[:-1]) + 1
    starts = [0, *changes.tolist()] if len(trials) else []
    if len(starts) > MOST_RUNS * len(row_trials):
        _place_anywhere(trials, images, values, row_trials, column_images, losses)
        return
    for start, stop in zip(starts, [*starts[1:], len(trials)], strict=True):
        run, first = images[start:stop], int(np.searchsorted(column_images, images[start]))
        row = np.searchsorted(row_trials, trials[start])
        gapless = slice(first, first + len(run))
        if row_trials[row % len(row_trials)] == trials[start] and np.array_equal(
            column_images[gapless], run
        ):
            losses[row, gapless] = values[start:stop]
        else:
            part = slice(start, stop)
            _place_anywhere(trials[part], run, values[part], row_trials, column_images, losses)


def _place_anywhere(
    trials: NDArray[np.int32],
    images: NDArray[np.uint64],
    values: Losses,
    row_trials: NDArray[np.int32],
    column_images: NDArray[np.uint64],
    losses: Losses,
) -> None:
    """Look up the place of every row; arguments as `place_losses`."""
    row = np.searchsorted(row_trials, trials) % len(row_trials)
    column = np.searchsorted(column_images, images) % len(column_images)
    known = (row_trials[row] == trials) & (column_images[column] == images)
    losses[row[known], column[known]] = values[known]


def _read(
    connection: duckdb.DuckDBPyConnection,
    entrants: Entrants,
    rows: NDArray[np.intp],
    images: NDArray[np.uint64],
) -> Losses:
    """Return some networks × images. A few are read at a time, so that rows never pile up."""
    losses = np.full((len(rows), len(images)), np.nan, np.float32)
    at_a_time = max(1, ROWS_READ // len(images))
    cursor = connection.cursor()
    for start in range(0, len(losses), at_a_time):
        part = rows[start : start + at_a_time]
        files = tuple(entrants.files[k] for k in part) if entrants.files else ()
        trials = np.arange(len(part), dtype=np.int32) if files else entrants.trials[part]
        found = _rows(cursor, trials, files, images)
        trial, image, loss = (np.asarray(found[c]) for c in ("trial_id", "image_id", "loss"))
        place_losses(trial, image, loss, trials, images, losses[start : start + at_a_time])
    return losses


def _rows(
    cursor: duckdb.DuckDBPyConnection,
    trials: NDArray[np.int32],
    files: tuple[str, ...],
    images: NDArray[np.uint64],
) -> dict[str, NDArray[Any]]:
    """Return rows (trial, image, loss) of some trials between the first and the last image."""
    try:
        return cursor.execute(
            f"{_losses_of(trials, files)} WHERE image_id BETWEEN ? AND ?",
            [int(images[0]), int(images[-1])],
        ).fetchnumpy()
    except duckdb.Error as error:
        if not files:
            raise
        if is_s3(files[0]) and is_about_server(error):
            raise as_unreachable(files[0], error) from None
        raise InputRefused("losses", f"{str(error).splitlines()[0]}; {_AGAIN}") from error


def _losses_of(trials: NDArray[np.int32], files: tuple[str, ...]) -> str:
    """Return a query of some trials' losses, to which a condition on the images can be added."""
    if files:
        return (
            "SELECT file_index::INTEGER AS trial_id, image_id, loss "
            f"FROM read_parquet({as_list(list(files))})"
        )
    listed = ", ".join(map(str, trials.tolist()))
    return f"SELECT trial_id, image_id, loss FROM (FROM trial_loss WHERE trial_id IN ({listed}))"
