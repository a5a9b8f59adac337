"""Win rates that jobs computed, a target each, merged into the warehouse (`win_rate_job`)."""

from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import InputRefused, NotFound
from taskonomy_warehouse.files import folder_files
from taskonomy_warehouse.s3 import as_unreachable, is_about_server, is_s3
from taskonomy_warehouse.warehouse import transaction
from taskonomy_warehouse.win_rates import forget_error_bars, refresh_affinities

PATTERN = "target=*.parquet"
COLUMNS = {
    "study": "VARCHAR",
    "target": "VARCHAR",
    "digest": "VARCHAR",
    "rival": "VARCHAR",
    "wins": "BIGINT",
    "ties": "BIGINT",
    "images": "BIGINT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge did."""

    targets: tuple[str, ...]
    """Targets whose win rates are new."""
    lacking: tuple[str, ...]
    """Targets with transfers that their file does not know: their job is to run again."""


def merge_win_rates(connection: duckdb.DuckDBPyConnection, study: str, place: str) -> Merged:
    """Replace the win rates of every target that has a file in a place, and their affinities.

    Args:
        connection: the warehouse, open to write.
        study: the study.
        place: where jobs left their files; the connection is ready for it.

    Raises:
        NotFound: no file of this study is there.
        InputRefused: a file is not a job's, or names trials that the study does not hold. The
            targets before it are merged.
        Unreachable: the server does not answer.
    """
    merged = [
        target
        for file in win_rate_files(connection, place)
        if (target := _merge(connection, study, file))
    ]
    if not merged:
        raise NotFound(f"no win rates of study {study!r} in {place}; run its jobs first")
    for target in _compared_with_none(connection, study):
        refresh_affinities(connection, study, target)
    rows = connection.execute(
        "WITH measured AS (SELECT study, target, transfer_id, "
        "count(*) OVER (PARTITION BY target) AS networks "
        "FROM transfer SEMI JOIN trial_result USING (study, transfer_id) WHERE study = ?) "
        "SELECT DISTINCT target FROM measured ANTI JOIN win_rate USING (study, transfer_id) "
        "WHERE networks > 1 ORDER BY target",  # one alone is compared with none
        [study],
    ).fetchall()
    return Merged(targets=tuple(merged), lacking=tuple(str(target) for (target,) in rows))


def win_rate_files(connection: duckdb.DuckDBPyConnection, place: str) -> list[str]:
    """Return the files that jobs left in a place, in order of name.

    Raises:
        NotFound: there is none.
        Unreachable: the server does not answer.
    """
    files = folder_files(connection, place, PATTERN)
    if not files:
        raise NotFound(f"no win rates of a study in {place} ({PATTERN}); run its jobs first")
    return files


def _compared_with_none(connection: duckdb.DuckDBPyConnection, study: str) -> list[str]:
    """Return targets whose only network has no rival: it has an affinity, and no job's file."""
    rows = connection.execute(
        "SELECT target FROM transfer SEMI JOIN trial_result USING (study, transfer_id) "
        "WHERE study = ? GROUP BY target HAVING count(*) = 1 ORDER BY target",
        [study],
    ).fetchall()
    return [str(target) for (target,) in rows]


def _merge(connection: duckdb.DuckDBPyConnection, study: str, file: str) -> str | None:
    """Merge one file and return its target; None if it is of another study, or empty."""
    with transaction(connection):
        _read(connection, file)
        if _value(connection, "SELECT count(*) FROM merged WHERE study = ?", study) == 0:
            return None
        target = str(_value(connection, "SELECT min(target) FROM merged WHERE study = ?", study))
        _check_trials(connection, study, file)
        connection.execute("DELETE FROM win_rate WHERE study = ? AND target = ?", [study, target])
        connection.execute(
            """
            INSERT INTO win_rate
            SELECT m.study, m.target, mine.transfer_id, theirs.transfer_id, wins, ties, images
            FROM merged AS m
            JOIN transfer AS mine ON (mine.study, mine.digest) = (m.study, m.digest)
            JOIN transfer AS theirs ON (theirs.study, theirs.digest) = (m.study, m.rival)
            WHERE m.study = ?
            """,
            [study],
        )
        forget_error_bars(connection, study)
        refresh_affinities(connection, study, target)
    return target


def _read(connection: duckdb.DuckDBPyConnection, file: str) -> None:
    try:
        connection.execute(
            "CREATE OR REPLACE TEMPORARY TABLE merged AS FROM read_parquet(?)", [file]
        )
    except duckdb.Error as error:
        if is_s3(file) and is_about_server(error):
            raise as_unreachable(file, error) from None
        raise InputRefused(file, f"cannot be read: {error}; run its job again") from error
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'merged'"
    ).fetchall()
    if dict(rows) != COLUMNS:
        raise InputRefused(file, f"has the columns {dict(rows)}, not a job's; run its job again")


def _check_trials(connection: duckdb.DuckDBPyConnection, study: str, file: str) -> None:
    unknown = _value(
        connection,
        "SELECT count(DISTINCT digest) FROM merged WHERE study = $1 AND (digest, target) NOT IN "
        "(SELECT (digest, target) FROM transfer WHERE study = $1 AND digest IS NOT NULL)",
        study,
    )
    if unknown:
        raise InputRefused(
            file,
            f"names {unknown} trials that study {study!r} does not hold; load them, or run the job "
            "again on a new snapshot",
        )


def _value(connection: duckdb.DuckDBPyConnection, query: str, study: str) -> object:
    row = connection.execute(query, [study]).fetchone()
    return row[0] if row else None
