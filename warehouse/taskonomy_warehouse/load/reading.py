"""A batch of files, read before anything of it is in the warehouse.

Where losses stay in their files each file is read once: its rows are measured, and kept beside the
warehouse for comparing (`kept_losses`). Nothing is written here, so that the next batches are read
while one is inserted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import duckdb
import numpy as np
from numpy.typing import NDArray

from taskonomy_warehouse.files import as_list
from taskonomy_warehouse.load.candidates import Candidate
from taskonomy_warehouse.load.losses import (
    Figures,
    check_alone,
    check_footers,
    figures_of_files,
    losses_file,
)
from taskonomy_warehouse.load.refusals import Refusal
from taskonomy_warehouse.loss_matrix import ROWS_READ, LossesOfImages


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatch:
    """What the files of a batch hold."""

    readable: tuple[Candidate, ...]
    """Candidates whose files can be read as losses."""
    refusals: tuple[Refusal, ...]
    """The others, with the reason."""
    figures: Mapping[int, Figures] = field(default_factory=dict)
    """Of each readable one with rows, by place; none if only footers were looked at."""
    losses: Mapping[str, LossesOfImages] = field(default_factory=dict)
    """Of each file that is as it should be at first sight, by path or URI."""


def read_batch(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate], *, rows: bool
) -> ReadBatch:
    """Read the footers of a batch and, if asked, its rows.

    Args:
        connection: reads the files; a cursor of its own, as other threads use the connection.
        batch: candidates of one target, or none.
        rows: whether to read more than footers.

    Raises:
        Unreachable: the artifacts' server does not answer.
    """
    readable, refusals = check_footers(connection, batch)
    if not rows:
        return ReadBatch(readable=tuple(readable), refusals=tuple(refusals))
    try:
        figures, losses = _read(connection, readable)
    except duckdb.Error:
        readable, broken = check_alone(connection, readable)
        if not broken:
            raise
        refusals += broken
        figures, losses = _read(connection, readable)
    return ReadBatch(
        readable=tuple(readable), refusals=tuple(refusals), figures=figures, losses=losses
    )


def _read(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[dict[int, Figures], dict[str, LossesOfImages]]:
    figures: dict[int, Figures] = {}
    losses: dict[str, LossesOfImages] = {}
    measures = _Measures(connection)
    for start, part in _parts(batch):
        found = _rows(connection, part)
        if found is None:
            measured = figures_of_files(connection, part)
            figures |= {start + k: each for k, each in measured.items()}
            continue
        for k, rows in found.items():
            figures[start + k], losses[losses_file(part[k])] = measures.of(rows)
    return figures, losses


def _parts(batch: Sequence[Candidate]) -> Iterator[tuple[int, Sequence[Candidate]]]:
    """Yield parts of about `ROWS_READ` losses, with the place of each part's first."""
    start, rows = 0, 0
    for k, candidate in enumerate(batch):
        rows += candidate.result.images
        if rows > ROWS_READ and k > start:
            yield start, batch[start:k]
            start, rows = k, candidate.result.images
    if start < len(batch):
        yield start, batch[start:]


def _rows(
    connection: duckdb.DuckDBPyConnection, part: Sequence[Candidate]
) -> dict[int, LossesOfImages] | None:
    """Return the rows of each file by its place; None where they are not to be held.

    There may be any number, if more than `result.json` says, or something absent.
    """
    expected = sum(candidate.result.images for candidate in part)
    # One more than expected tells that there are more. DuckDB hands rows out as it reads them only
    # where the limit is a million or so; below, one file takes five times as long.
    limit = max(expected, ROWS_READ) + 1
    columns = connection.execute(
        "SELECT file_index::INTEGER AS file, image_id, loss "
        f"FROM read_parquet({as_list(map(losses_file, part))}) LIMIT {limit}"
    ).fetchnumpy()
    file, images, losses = columns["file"], columns["image_id"], columns["loss"]
    # What has something absent is a masked array. np.ma would say so, and takes long to import.
    if len(file) > expected or {type(images), type(losses)} != {np.ndarray}:
        return None
    # DuckDB returns files in the order they were named, and rows in the order they have there.
    ends = np.searchsorted(file, np.arange(len(part) + 1))
    return {
        k: LossesOfImages(images[start:stop], losses[start:stop])
        for k, (start, stop) in enumerate(pairwise(ends.tolist()))
        if start < stop
    }


class _Measures:
    """Figures of one file after another; most have the images of the one before."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._images: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._hashes = 0

    def of(self, rows: LossesOfImages) -> tuple[Figures, LossesOfImages]:
        """Return the figures of rows, and the rows; those of the same images share these."""
        if not np.array_equal(rows.images, self._images):
            self._images = rows.images.copy()
            self._hashes = self._hashed()
        count = len(rows.losses)
        with np.errstate(invalid="ignore"):  # infinities of both signs: the mean is NaN
            mean = float(rows.losses.mean(dtype=np.float64))
        return (
            Figures(count, count, count, self._hashes, mean),
            LossesOfImages(self._images, rows.losses),
        )

    def _hashed(self) -> int:
        self._connection.register("image", {"image_id": self._images})
        row = self._connection.execute("SELECT bit_xor(hash(image_id)) FROM image").fetchone()
        self._connection.unregister("image")
        return int(row[0]) if row else 0
