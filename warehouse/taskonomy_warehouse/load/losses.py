"""What trials measured, checked before a row is loaded: `losses.parquet`, a batch at a time.

A batch is looked at in two queries, one over the footers and one over the rows. Only what they
find fault with is looked at alone, to say what is wrong. Whether two files have the same images is
told by a *fingerprint*, the sum of the image ids' 64-bit hashes, which no order of rows changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose, isfinite
from typing import NamedTuple

import duckdb

from taskonomy_catalogue.records import DIGEST_KEY, LOSSES_COLUMNS, LOSSES_FILE, RESULT_FILE
from taskonomy_warehouse.load.candidates import Candidate
from taskonomy_warehouse.load.refusals import Refusal

MEAN_TOLERANCE = 1e-4
"""Relative difference of means that rounding may make: jobs add up float32 in any order."""


class Fingerprint(NamedTuple):
    """What tells sets of images apart."""

    images: int
    """How many there are."""
    hashes: int
    """Sum of the hashes of their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A candidate whose losses are readable, complete and finite; the images are still to check."""

    candidate: Candidate
    fingerprint: Fingerprint

    @property
    def file(self) -> str:
        """Path or URI of its losses."""
        return losses_file(self.candidate)


def losses_file(candidate: Candidate) -> str:
    """Return the path or URI of a candidate's losses."""
    return f"{candidate.folder}/{LOSSES_FILE}"


def measure(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[list[Measured], list[Refusal]]:
    """Return the candidates whose losses are sound in themselves, and what is wrong with others."""
    readable, refusals = _check_footers(connection, batch)
    measured, more = _check_rows(connection, readable)
    return measured, refusals + more


# --- footers -----------------------------------------------------------------------------------


class _Footer(NamedTuple):
    columns: dict[str, str]
    """DuckDB type by name."""
    digest: str | None
    """What the footer says it belongs to."""


def _check_footers(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[list[Candidate], list[Refusal]]:
    try:
        footers = _footers(connection, batch)
    except duckdb.Error as error:
        if len(batch) == 1:
            return [], [_not_parquet(batch[0], error)]
        return _one_by_one(connection, batch)
    refusals = [r for c, f in zip(batch, footers, strict=True) if (r := _footer_fault(c, f))]
    refused = {refusal.digest for refusal in refusals}
    return [c for c in batch if c.digest not in refused], refusals


def _one_by_one(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[list[Candidate], list[Refusal]]:
    readable: list[Candidate] = []
    refusals: list[Refusal] = []
    for candidate in batch:
        ok, refused = _check_footers(connection, [candidate])
        readable += ok
        refusals += refused
    return readable, refusals


def _footers(connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]) -> list[_Footer]:
    if not batch:
        return []
    files = [losses_file(candidate) for candidate in batch]
    columns: dict[str, dict[str, str]] = {file: {} for file in files}
    digests: dict[str, str] = {}
    # The schema's root is a row too: it has no type.
    for file, name, kind in connection.execute(
        "SELECT file_name, name, duckdb_type FROM parquet_schema(?) WHERE duckdb_type IS NOT NULL",
        [files],
    ).fetchall():
        columns[file][name] = kind
    for file, value in connection.execute(
        "SELECT file_name, value FROM parquet_kv_metadata(?) WHERE key = ?::BLOB",
        [files, DIGEST_KEY],
    ).fetchall():
        digests[file] = bytes(value).decode("utf-8", "replace")
    return [_Footer(columns[file], digests.get(file)) for file in files]


def _footer_fault(candidate: Candidate, footer: _Footer) -> Refusal | None:
    if footer.columns != LOSSES_COLUMNS:
        has, wants = (
            ", ".join(f"{n} {t}" for n, t in c.items()) for c in (footer.columns, LOSSES_COLUMNS)
        )
        detail = f"{LOSSES_FILE} has the columns {has}; it must have {wants}"
        return candidate.refused("wrong-columns", detail)
    if footer.digest != candidate.digest:
        said = "names no trial" if footer.digest is None else f"is of trial {footer.digest}"
        detail = f"{LOSSES_FILE} {said} (footer key {DIGEST_KEY}); train it again"
        return candidate.refused("digest-disagrees", detail)
    return None


def _not_parquet(candidate: Candidate, error: duckdb.Error) -> Refusal:
    said = str(error).splitlines()[0].replace(losses_file(candidate), LOSSES_FILE)
    return candidate.refused("not-parquet", f"{LOSSES_FILE} cannot be read: {said}; train it again")


# --- rows --------------------------------------------------------------------------------------


class _Figures(NamedTuple):
    rows: int
    images: int
    """Rows that have an image id."""
    finite: int
    """Rows whose loss is there, and a finite number."""
    hashes: int
    mean: float


def _check_rows(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[list[Measured], list[Refusal]]:
    if not batch:
        return [], []
    try:
        figures = _figures(connection, batch)
    except duckdb.Error as error:  # a footer may be whole and a page before it not
        if len(batch) == 1:
            return [], [_not_parquet(batch[0], error)]
        parts = [_check_rows(connection, [candidate]) for candidate in batch]
        return [m for p in parts for m in p[0]], [r for p in parts for r in p[1]]
    measured: list[Measured] = []
    refusals: list[Refusal] = []
    for candidate, found in zip(batch, figures, strict=True):
        refusal = _figures_fault(connection, candidate, found)
        if refusal:
            refusals.append(refusal)
        else:
            fingerprint = Fingerprint(found.rows, found.hashes)
            measured.append(Measured(candidate=candidate, fingerprint=fingerprint))
    return measured, refusals


def _figures(connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]) -> list[_Figures]:
    rows = connection.execute(
        """
        SELECT
            file_index, count(*), count(image_id), count_if(isfinite(loss)),
            sum(hash(image_id)), avg(loss)
        FROM read_parquet(?)
        GROUP BY file_index
        """,
        [[losses_file(candidate) for candidate in batch]],
    ).fetchall()
    found = {index: _Figures(*figures) for index, *figures in rows}
    nothing = _Figures(0, 0, 0, 0, 0.0)  # a file without rows is in no group
    return [found.get(index, nothing) for index in range(len(batch))]


def _figures_fault(
    connection: duckdb.DuckDBPyConnection, candidate: Candidate, found: _Figures
) -> Refusal | None:
    result = candidate.result
    if found.images < found.rows:
        detail = (
            f"{LOSSES_FILE} has {found.rows - found.images} rows without an image; train it again"
        )
        return candidate.refused("other-images", detail)
    if found.finite < found.rows:
        return candidate.refused("not-finite", _where_not_finite(connection, candidate, found))
    if found.rows != result.images:
        detail = f"{RESULT_FILE} counts {result.images} images, {LOSSES_FILE} has {found.rows} rows"
        return candidate.refused("figures-disagree", f"{detail}; train it again")
    if not _same_mean(found.mean, result.mean_loss):
        detail = f"{RESULT_FILE} has mean loss {result.mean_loss:g}, {LOSSES_FILE} {found.mean:g}"
        return candidate.refused("figures-disagree", f"{detail}; train it again")
    return None


def _same_mean(mean: float, said: float) -> bool:
    return isfinite(mean) and isclose(mean, said, rel_tol=MEAN_TOLERANCE, abs_tol=1e-12)


def _where_not_finite(
    connection: duckdb.DuckDBPyConnection, candidate: Candidate, found: _Figures
) -> str:
    row = connection.execute(
        "SELECT image_id, coalesce(loss::VARCHAR, 'absent') FROM read_parquet(?) "
        "WHERE isfinite(loss) IS NOT true ORDER BY image_id LIMIT 1",
        [losses_file(candidate)],
    ).fetchone()
    image, loss = row or ("?", "?")
    return (
        f"{found.rows - found.finite} of {found.rows} losses are not finite, the first is {loss} "
        f"at image {image}; train it again, with a lower learning rate if it diverges"
    )
