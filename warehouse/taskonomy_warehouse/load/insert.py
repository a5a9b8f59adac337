"""Sound results into the warehouse's tables, and the others into ``quarantine``."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import duckdb

from taskonomy_catalogue.trials import canonical_json
from taskonomy_warehouse.files import as_list
from taskonomy_warehouse.load.candidates import Candidate
from taskonomy_warehouse.load.losses import Measured, losses_file
from taskonomy_warehouse.load.refusals import Refusal
from taskonomy_warehouse.warehouse import insert_rows


def loaded_digests(connection: duckdb.DuckDBPyConnection, study: str) -> set[str]:
    """Return the digests of the trials of a study whose losses are in the warehouse."""
    rows = connection.execute("SELECT digest FROM trial_result WHERE study = ?", [study])
    return {digest for (digest,) in rows.fetchall()}


def insert_losses(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[Candidate]
) -> tuple[dict[int, Candidate], int]:
    """Insert the losses of candidates, sound or not; return them by number, and the rows inserted.

    Losses are kept once for all studies that ask for a trial: those of another study's are there.

    Args:
        connection: the warehouse, in a transaction.
        batch: candidates whose footers are sound.

    Raises:
        duckdb.Error: a file cannot be read after all, or a value is absent.
    """
    known = _known_trials(connection, [candidate.digest for candidate in batch])
    new = [candidate for candidate in batch if candidate.digest not in known]
    numbered = {known[c.digest]: c for c in batch if c.digest in known}
    if not new:
        return numbered, 0
    first = _next(connection, "SELECT max(trial_id) FROM trial")
    # No reader relies on the order of rows, and keeping it would cost half of the speed.
    connection.execute("SET preserve_insertion_order = false")
    row = connection.execute(
        "INSERT INTO trial_loss SELECT (file_index + ?)::INTEGER, image_id, loss "
        f"FROM read_parquet({as_list(map(losses_file, new))})",
        [first],
    ).fetchone()
    connection.execute("RESET preserve_insertion_order")
    return numbered | dict(enumerate(new, start=first)), int(row[0]) if row else 0


def insert_trials(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    sound: Sequence[Measured],
) -> None:
    """Insert sound results as transfers of a study.

    Args:
        connection: the warehouse, in a transaction.
        study: the study.
        sound: results that this study does not hold yet.
    """
    first = _next(connection, "SELECT max(transfer_id) FROM transfer WHERE study = ?", [study])
    numbered = [(n, measured.candidate) for n, measured in enumerate(sound, start=first)]
    insert_rows(connection, "transfer", [_transfer_row(study, n, c) for n, c in numbered])
    insert_rows(connection, "trial_result", [_result_row(study, n, c) for n, c in numbered])


def keep_losses(
    connection: duckdb.DuckDBPyConnection, inserted: Collection[int], sound: Sequence[Measured]
) -> int:
    """Keep the losses of sound results, and take out those of all others.

    Args:
        connection: the warehouse, in the transaction of `insert_losses`.
        inserted: the numbers that it returned.
        sound: the results to keep.

    Returns:
        The rows of losses that were taken out again.
    """
    known = _known_trials(connection, [measured.candidate.digest for measured in sound])
    now = _utc(datetime.now(UTC))
    new = [m for m in sound if m.candidate.digest not in known]
    insert_rows(
        connection,
        "trial",
        [(m.trial_id, m.candidate.digest, m.fingerprint.images, now) for m in new],
    )
    return _take_out(connection, set(inserted) - {m.trial_id for m in sound})


def replace_quarantine(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    refusals: Sequence[Refusal],
    covers: Callable[[str], bool],
) -> None:
    """Make ``quarantine`` say what is refused now: what was put right, or removed, is not.

    Args:
        connection: the warehouse, in a transaction.
        study: the study.
        refusals: everything this load refused.
        covers: whether a folder was looked at by this load; what was not keeps its row.
    """
    before = connection.execute(
        "SELECT digest, folder, reason, detail FROM quarantine WHERE study = ?", [study]
    ).fetchall()
    if not before and not refusals:
        return
    loaded = loaded_digests(connection, study) if before else set()
    now = {(r.digest, r.folder, r.reason, r.detail) for r in refusals}
    refused = {refusal.digest for refusal in refusals}
    stale = [
        row[0]
        for row in before
        if row not in now and (row[0] in refused or row[0] in loaded or covers(row[1]))
    ]
    connection.execute(
        "DELETE FROM quarantine WHERE study = ? AND list_contains(?::VARCHAR[], digest)",
        [study, stale],
    )
    seen_at = _utc(datetime.now(UTC))
    new = sorted(now.difference(before))
    insert_rows(connection, "quarantine", [(study, *row, seen_at) for row in new])


def _next(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[object] = ()) -> int:
    """Return the number after the largest that a query finds, 0 if it finds none."""
    row = connection.execute(query, list(values)).fetchone()
    return 0 if row is None or row[0] is None else int(row[0]) + 1


def _transfer_row(study: str, number: int, candidate: Candidate) -> tuple[object, ...]:
    trial = candidate.trial
    # A task-specific network stands on its own encoder, scratch and best guess on none.
    sources = [trial.target.id] if trial.kind == "task-specific" else list(trial.sources)
    order = max(len(sources), 1)
    return (study, number, trial.target.id, trial.kind, order, sources, candidate.digest)


def _result_row(study: str, number: int, candidate: Candidate) -> tuple[object, ...]:
    result = candidate.result
    return (
        study,
        number,
        candidate.digest,
        candidate.trial.seed,
        result.status,
        result.steps,
        result.images,
        result.skipped,
        result.mean_loss,
        result.gpu_seconds,
        _utc(result.started_at),
        _utc(result.finished_at),
        result.study,
        result.job,
        candidate.folder,
        canonical_json(candidate.trial),
    )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def _known_trials(connection: duckdb.DuckDBPyConnection, digests: list[str]) -> dict[str, int]:
    """Return the numbers of those of the digests whose losses are here, for whichever study."""
    rows = connection.execute(
        "SELECT digest, trial_id FROM trial WHERE digest IN (SELECT unnest(string_split(?, ' ')))",
        [" ".join(digests)],
    ).fetchall()
    return dict(rows)


def _take_out(connection: duckdb.DuckDBPyConnection, refused: set[int]) -> int:
    """Delete losses that no trial has: of refused results, and never of another study's."""
    if not refused:
        return 0
    numbers = ", ".join(map(str, sorted(refused)))
    row = connection.execute(
        f"DELETE FROM trial_loss WHERE trial_id IN ({numbers}) "
        f"AND trial_id BETWEEN {min(refused)} AND {max(refused)} "
        "AND trial_id NOT IN (SELECT trial_id FROM trial)"
    ).fetchone()
    return int(row[0]) if row else 0
