"""What trials measured, checked before it counts: `losses.parquet`, a batch at a time.

Three looks: at the footers, before anything is read; at the rows, once they are in table
``trial_loss`` and before that is committed, or as they are read from files where they stay
(`reading`); at a single file, only when a look finds fault, to say what is wrong with it. Whether
two files have the same images is told by a *fingerprint*: their number and the exclusive or of the
ids' 64-bit hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite
from typing import NamedTuple

import duckdb

from taskonomy_catalogue.records import DIGEST_KEY, LOSSES_COLUMNS, LOSSES_FILE, RESULT_FILE
from taskonomy_warehouse.files import as_list
from taskonomy_warehouse.load.candidates import Candidate
from taskonomy_warehouse.load.refusals import Refusal
from taskonomy_warehouse.s3 import as_unreachable, is_about_server, is_s3

MEAN_TOLERANCE = 1e-4
"""Relative difference of means that rounding may make: jobs add up float32 in any order."""


class Fingerprint(NamedTuple):
    """What tells sets of images apart."""

    images: int
    """How many there are."""
    hashes: int
    """Exclusive or of the hashes of their ids: the order of rows does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A candidate whose losses are readable, complete and finite; the images are still to check."""

    candidate: Candidate
    trial_id: int
    """Its number in ``trial_loss``."""
    fingerprint: Fingerprint

    @property
    def file(self) -> str:
        """Path or URI of its losses."""
        return losses_file(self.candidate)


def losses_file(candidate: Candidate) -> str:
    """Return the path or URI of a candidate's losses."""
    return f"{candidate.folder}/{LOSSES_FILE}"


# --- footers -----------------------------------------------------------------------------------


class _Footer(NamedTuple):
    columns: dict[str, str]
    """DuckDB type by name."""
    digest: str | None
    """What the footer says it belongs to."""


def check_footers(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[list[Candidate], list[Refusal]]:
    """Return the candidates whose files can be read as losses, and what is wrong with the others.

    Raises:
        Unreachable: the artifacts' server does not answer.
    """
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
        ok, refused = check_footers(connection, [candidate])
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
        f"SELECT file_name, name, duckdb_type FROM parquet_schema({as_list(files)}) "
        "WHERE duckdb_type IS NOT NULL"
    ).fetchall():
        columns[file][name] = kind
    for file, value in connection.execute(
        f"SELECT file_name, value FROM parquet_kv_metadata({as_list(files)}) WHERE key = ?::BLOB",
        [DIGEST_KEY],
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
    file = losses_file(candidate)
    if is_s3(file) and is_about_server(error):
        raise as_unreachable(file, error) from None
    said = str(error).splitlines()[0].replace(file, LOSSES_FILE)
    return candidate.refused("not-parquet", f"{LOSSES_FILE} cannot be read: {said}; train it again")


# --- rows --------------------------------------------------------------------------------------


class Figures(NamedTuple):
    """What the rows of one file come to."""

    rows: int
    images: int
    """Rows that have an image id."""
    losses: int
    """Rows that have a loss."""
    hashes: int
    mean: float
    """Finite if all losses are: doubles do not overflow on sums of single precision."""


_FIGURES = "count(*), count(image_id), count(loss), bit_xor(hash(image_id)), avg(loss)"
"""A `Figures` in SQL."""
_NOTHING = Figures(0, 0, 0, 0, 0.0)
"""Of a file without rows."""


def figures_of_files(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> dict[int, Figures]:
    """Return the figures of files by place in the batch; files without rows are left out."""
    rows = connection.execute(
        f"SELECT file_index, {_FIGURES} FROM read_parquet({as_list(map(losses_file, batch))}) "
        "GROUP BY file_index"
    ).fetchall()
    return {index: Figures(*figures) for index, *figures in rows}


def figures_of_trials(
    connection: duckdb.DuckDBPyConnection, numbered: Mapping[int, Candidate]
) -> dict[int, Figures]:
    """Return the figures of losses in table ``trial_loss``, in the transaction they came in."""
    first, last = min(numbered), max(numbered)
    # In the table nothing is absent. Groups that fit a byte are counted in an array: twice as fast.
    group = f"(trial_id - {first})::UTINYINT" if last - first < 256 else f"trial_id - {first}"
    rows = connection.execute(
        f"""
        SELECT {group}, count(*), count(*), count(*), bit_xor(hash(image_id)), avg(loss)
        FROM trial_loss WHERE trial_id BETWEEN {first} AND {last} GROUP BY ALL
        """
    ).fetchall()
    return {first + offset: Figures(*figures) for offset, *figures in rows}


def check_rows(
    connection: duckdb.DuckDBPyConnection,
    numbered: Mapping[int, Candidate],
    figures: Mapping[int, Figures],
) -> tuple[list[Measured], list[Refusal]]:
    """Return the candidates whose losses are sound in themselves, and what is wrong with others.

    Args:
        connection: what a file is looked at through to say what is wrong with it.
        numbered: candidates by their number in ``trial_loss``; if they stay in their files, by any.
        figures: by the same numbers (`figures_of_trials`, `figures_of_files`); none for a file
            without rows.
    """
    measured: list[Measured] = []
    refusals: list[Refusal] = []
    for trial_id, candidate in numbered.items():
        found = figures.get(trial_id, _NOTHING)
        refusal = _figures_fault(connection, candidate, found)
        if refusal:
            refusals.append(refusal)
        else:
            fingerprint = Fingerprint(found.rows, found.hashes)
            measured.append(
                Measured(candidate=candidate, trial_id=trial_id, fingerprint=fingerprint)
            )
    return measured, refusals


def check_alone(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[list[Candidate], list[Refusal]]:
    """Look at each file alone: for a batch that could not be inserted. As `check_footers`.

    A footer may be whole and a page before it broken, or a value absent.
    """
    refusals = [refusal for c in batch if (refusal := _fault_alone(connection, c))]
    refused = {refusal.digest for refusal in refusals}
    return [c for c in batch if c.digest not in refused], refusals


def _fault_alone(connection: duckdb.DuckDBPyConnection, candidate: Candidate) -> Refusal | None:
    try:
        row = connection.execute(
            f"SELECT {_FIGURES} FROM read_parquet({as_list([losses_file(candidate)])})"
        ).fetchone()
    except duckdb.Error as error:
        return _not_parquet(candidate, error)
    found = Figures(*row) if row and row[0] else _NOTHING
    return _figures_fault(connection, candidate, found)


def _figures_fault(
    connection: duckdb.DuckDBPyConnection, candidate: Candidate, found: Figures
) -> Refusal | None:
    result = candidate.result
    if found.images < found.rows:
        detail = (
            f"{LOSSES_FILE} has {found.rows - found.images} rows without an image; train it again"
        )
        return candidate.refused("other-images", detail)
    if found.losses < found.rows or not isfinite(found.mean):
        return candidate.refused("not-finite", _where_not_finite(connection, candidate))
    if found.rows != result.images:
        detail = f"{RESULT_FILE} counts {result.images} images, {LOSSES_FILE} has {found.rows} rows"
        return candidate.refused("figures-disagree", f"{detail}; train it again")
    if not _same_mean(found.mean, result.mean_loss):
        detail = f"{RESULT_FILE} has mean loss {result.mean_loss:g}, {LOSSES_FILE} {found.mean:g}"
        return candidate.refused("figures-disagree", f"{detail}; train it again")
    return None


def _same_mean(mean: float, said: float) -> bool:
    return isclose(mean, said, rel_tol=MEAN_TOLERANCE, abs_tol=1e-12)


def _where_not_finite(connection: duckdb.DuckDBPyConnection, candidate: Candidate) -> str:
    row = connection.execute(
        "SELECT count(*), arg_min(image_id, image_id), "
        "arg_min(coalesce(loss::VARCHAR, 'absent'), image_id) "
        f"FROM read_parquet({as_list([losses_file(candidate)])}) WHERE isfinite(loss) IS NOT true"
    ).fetchone()
    count, image, loss = row or (0, "?", "?")
    return (
        f"{count} of {candidate.result.images} losses are not finite, the first is {loss} at image "
        f"{image}; train it again, with a lower learning rate if it diverges"
    )
