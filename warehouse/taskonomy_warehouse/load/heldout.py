"""Which images a target is judged on, and what becomes of a result that was judged on others.

The rule. All networks of a target are judged on the same images, or their win rates mean nothing.
The set of a target is fixed by the first load that meets results of it: it is what most of the
first five of them, by digest, were judged on (if as many have one set as another, the larger set;
results that have an image twice have no vote). So one broken result cannot make itself the measure.
From then on it stays; `load --rebuild` decides anew. Targets differ from one another: some take
pairs or triplets, and labels are missing here and there.

A result is refused when an image is there twice, is not in the set, or is missing, unless
`result.json` says how many images could not be read (``skipped``) and that is how many are missing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import duckdb

from taskonomy_warehouse.load.losses import Fingerprint, Measured
from taskonomy_warehouse.load.refusals import Refusal

JURY = 5
"""Results that settle a target's set."""


def settled(connection: duckdb.DuckDBPyConnection, study: str, target: str) -> Fingerprint | None:
    """Return the fingerprint of a target's held-out set; None while no result has settled it."""
    row = connection.execute(
        "SELECT count(*), bit_xor(hash(image_id)) FROM heldout_image "
        "WHERE study = ? AND target = ?",
        [study, target],
    ).fetchone()
    return Fingerprint(*row) if row and row[0] else None


def settle(
    connection: duckdb.DuckDBPyConnection, study: str, target: str, batch: Sequence[Measured]
) -> Fingerprint | None:
    """Fix a target's held-out set from its first results; None if all have an image twice.

    Args:
        connection: the warehouse, in a transaction.
        study: the study.
        target: the target.
        batch: its first results.
    """
    jury = list(islice(_without_twins(connection, batch), JURY))
    if not jury:
        return None
    votes = Counter(measured.fingerprint for measured in jury)
    chosen = max(votes, key=lambda each: (votes[each], each.images, -each.hashes))
    file = next(measured.file for measured in jury if measured.fingerprint == chosen)
    connection.execute(
        "INSERT INTO heldout_image SELECT ?, ?, image_id FROM read_parquet(?) ORDER BY image_id",
        [study, target, file],
    )
    return chosen


def _without_twins(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Measured]
) -> Iterator[Measured]:
    """Yield the results that have every image once, by digest.

    Files of one fingerprint have the same images: one of each is looked at.
    """
    looked_at: dict[Fingerprint, bool] = {}
    for measured in sorted(batch, key=lambda each: each.candidate.digest):
        if measured.fingerprint not in looked_at:
            looked_at[measured.fingerprint] = _twins(connection, measured.file) is None
        if looked_at[measured.fingerprint]:
            yield measured


def check_images(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    wanted: Fingerprint | None,
    batch: Sequence[Measured],
) -> tuple[list[Measured], list[Refusal]]:
    """Return the results judged on their target's images, and the others with the reason."""
    sound: list[Measured] = []
    refusals: list[Refusal] = []
    for measured in batch:
        refusal = None
        if measured.fingerprint != wanted:
            refusal = _fault(connection, study, measured)
        if refusal:
            refusals.append(refusal)
        else:
            sound.append(measured)
    return sound, refusals


def _fault(connection: duckdb.DuckDBPyConnection, study: str, measured: Measured) -> Refusal | None:
    candidate = measured.candidate
    twins = _twins(connection, measured.file)
    if twins is not None:
        return candidate.refused("duplicate-image", f"image {twins} is there twice; train it again")
    row = connection.execute(
        """
        SELECT count(*) FILTER (h.image_id IS NULL), count(*) FILTER (l.image_id IS NULL)
        FROM (SELECT image_id FROM read_parquet(?)) AS l
        FULL JOIN (SELECT image_id FROM heldout_image WHERE study = ? AND target = ?) AS h
            USING (image_id)
        """,
        [measured.file, study, candidate.target],
    ).fetchone()
    foreign, missing = row or (0, 0)
    skipped = candidate.result.skipped
    if not foreign and missing == skipped:
        return None
    detail = (
        f"compared with the held-out set of target {candidate.target!r}, {foreign} images are not "
        f"in it and {missing} are missing ({skipped} were declared as skipped); evaluate it on the "
        "same split, or if the set itself is wrong, `taskonomyctl load --rebuild`"
    )
    return candidate.refused("other-images", detail)


def _twins(connection: duckdb.DuckDBPyConnection, file: str) -> int | None:
    """Return an image that a file of losses has twice, or None."""
    row = connection.execute(
        "SELECT min(image_id) FROM (SELECT image_id FROM read_parquet(?) "
        "GROUP BY image_id HAVING count(*) > 1)",
        [file],
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else None
