"""`load --rebuild`: the warehouse proved from the truth, which is the artifacts and the Study.

The study is built anew in a file beside the warehouse and the two are compared, relation by
relation and trial by trial. If they agree, nothing changes. If not, the new file, with everything
the warehouse holds of other studies, takes its place in one step; taxonomies of the study go, as
they were solved from what was wrong. A place that lacks most of what is loaded is taken for the
wrong place, and not for the truth.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.study import Study
from taskonomy_warehouse.kept_losses import matrices_beside
from taskonomy_warehouse.load.find import Findings
from taskonomy_warehouse.load.insert import loaded_digests
from taskonomy_warehouse.load.loading import Loaded, Progress, load, stayed_before
from taskonomy_warehouse.load.study import check_name_is_free, declare_study
from taskonomy_warehouse.warehouse import TABLES, transaction, writing

Find = Callable[[duckdb.DuckDBPyConnection], Findings]
"""Looks for finished trials through a connection."""

COMPARED = {
    "study_document": (  # one of another text is a study that has grown; this one was meddled with
        "SELECT study AS about, sha256(document) = source_sha256 "
        "FROM {study} JOIN {study_document} USING (study)"
    ),
    "task": "SELECT task AS about, * EXCLUDE (study) FROM {task}",
    "heldout_image": "SELECT target AS about, * EXCLUDE (study) FROM {heldout_image}",
    "transfer": "SELECT digest AS about, * EXCLUDE (study, transfer_id) FROM {transfer}",
    "trial_result": "SELECT digest AS about, * EXCLUDE (study, transfer_id) FROM {trial_result}",
    "trial_loss": (
        "SELECT digest AS about, count(*), sum(hash(image_id, loss)) FROM {transfer} "
        "JOIN {trial} USING (digest) JOIN {trial_loss} USING (trial_id) GROUP BY digest"
    ),
    "win_rate": (
        "SELECT transfer.digest AS about, rival.digest AS rival, wins, ties, images "
        "FROM {win_rate} JOIN {transfer} USING (transfer_id) "
        "JOIN (SELECT transfer_id AS rival_id, digest FROM {transfer}) AS rival USING (rival_id)"
    ),
    "quarantine": "SELECT digest AS about, reason, detail FROM {quarantine}",
}
"""What is compared of the relations that a load writes. Trials are known by digest, as the numbers
of transfers depend on the order of loads."""

_AFFINITIES = (
    "SELECT digest AS about, affinity FROM {computed_affinity} JOIN {transfer} USING (transfer_id)"
)
SAME_AFFINITY = 1e-9
"""Within this, affinities are the same: they are sums, and other orders of loading round otherwise.
Rounded figures could still fall on two sides of a step."""

_SHARED = ("schema_version", "trial", "trial_loss")
"""Tables that do not belong to one study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A relation in which the warehouse and the truth disagree."""

    relation: str
    missing: int
    """Rows that the truth has and the warehouse had not."""
    surplus: int
    """Rows that the warehouse had and the truth has not."""
    example: str
    """The trial, target or task of one such row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild found."""

    loaded: Loaded
    """The load of the new file."""
    differences: tuple[Difference, ...]
    """Where the warehouse was wrong; empty: it was right, and is left as it was."""


def rebuild(
    path: Path,
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    find: Find,
    *,
    origin: str,
    progress: Progress,
    losses_stay: bool | None = None,
    force: bool = False,
) -> Rebuilt:
    """Build a study anew from its results, compare, and put the new file in place if they differ.

    Args:
        path: the warehouse file.
        connection: it, open to write: nobody else writes meanwhile. The caller closes it and opens
            the file again, as it may be another one now.
        study: what was asked.
        find: looks for the finished trials.
        origin: where the study was read from, for people.
        progress: is told how far the new load is.
        losses_stay: as in `load`; a study that is loaded keeps to what it does.
        force: whether to go on though most of what is loaded is no longer found.

    Raises:
        NotFound: over half of what is loaded is not there any more, or none of it is.
        TaskonomyError: the new load failed (`load`).

    Whatever is raised, the warehouse is as it was.
    """
    check_name_is_free(connection, study)
    before = stayed_before(connection, study.name, losses_stay)
    stay = losses_stay if before is None else before
    fresh = _fresh(path)
    with _removed_afterwards(path):
        with writing(fresh) as new:
            found = find(new)
            if not force:
                _check_most_are_there(connection, study.name, found)
            loaded = load(new, study, found, origin=origin, losses_stay=stay, progress=progress)
        with _attached(connection, fresh):
            differences = tuple(_differences(connection, study.name))
            if differences:
                _copy_other_studies(connection, study.name)
        if differences:
            _sync(fresh)
            connection.execute("CHECKPOINT")  # leaves no log that the new file would inherit
            fresh.replace(path)
        else:
            with transaction(connection):  # its file may ask for more than when it was loaded
                declare_study(connection, study, origin)
    return Rebuilt(loaded=loaded, differences=differences)


def remove_leftovers(path: Path) -> None:
    """Remove the new file of a rebuild of this warehouse that was killed."""
    for file in (_fresh(path), path.with_name(f"{_fresh(path).name}.wal")):
        file.unlink(missing_ok=True)
    shutil.rmtree(matrices_beside(_fresh(path)), ignore_errors=True)


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.rebuild")


def _check_most_are_there(
    connection: duckdb.DuckDBPyConnection, study: str, findings: Findings
) -> None:
    """Refuse a place that cannot be the one that the study's results were loaded from."""
    loaded = loaded_digests(connection, study)
    there = loaded.intersection(each.digest for each in findings.finished)
    if 2 * len(there) >= len(loaded):
        return
    row = connection.execute(
        "SELECT min(folder[:-2 - len(digest)]) FROM trial_result WHERE study = ?", [study]
    ).fetchone()
    raise NotFound(
        f"of {len(loaded)} results of study {study!r} in the warehouse, {len(there)} are found "
        "where this looked; name the place they were loaded from (such as "
        f"{row[0] if row else '?'}), or drop what is gone with --rebuild --force. Nothing changed"
    )


# --- comparing ---------------------------------------------------------------------------------


def _differences(connection: duckdb.DuckDBPyConnection, study: str) -> Iterator[Difference]:
    """Yield the relations whose rows of a study differ between the open file and `rebuilt`."""
    queries = [
        (relation, query, "({}) EXCEPT ALL ({})".format) for relation, query in COMPARED.items()
    ]
    for relation, query, without in [*queries, ("computed_affinity", _AFFINITIES, _not_close)]:
        old = _of(query, "", study)
        new = _of(query, "rebuilt.", study)
        missing, example = _count(connection, without(new, old))
        surplus, other = _count(connection, without(old, new))
        if missing or surplus:
            yield Difference(
                relation=relation, missing=missing, surplus=surplus, example=example or other
            )


def _not_close(these: str, those: str) -> str:
    """Return a query for the affinities that others do not have, or have otherwise."""
    return (
        f"FROM ({these}) AS a ANTI JOIN ({those}) AS b "
        f"ON a.about = b.about AND abs(a.affinity - b.affinity) < {SAME_AFFINITY}"
    )


def _of(query: str, catalog: str, study: str) -> str:
    """Return a comparison's query about one study of one file."""
    name = study.replace("'", "''")
    tables = {
        table: f"(FROM {catalog}{table} WHERE study = '{name}') AS {table}"
        for table in TABLES
        if table not in _SHARED
    }
    return query.format(**tables, **{table: f"{catalog}{table}" for table in _SHARED})


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, str]:
    row = connection.execute(f"SELECT count(*), min(about::VARCHAR) FROM ({query})").fetchone()
    return (int(row[0]), str(row[1] or "")) if row else (0, "")


# --- the new file ------------------------------------------------------------------------------


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, fresh: Path) -> Iterator[None]:
    target = str(fresh).replace("'", "''")
    connection.execute(f"ATTACH '{target}' AS rebuilt")
    try:
        yield
    finally:
        connection.execute("DETACH rebuilt")


def _copy_other_studies(connection: duckdb.DuckDBPyConnection, study: str) -> None:
    """Copy what other studies hold; trials that both hold are there already."""
    for table in set(TABLES).difference(_SHARED):
        connection.execute(f"INSERT INTO rebuilt.{table} FROM {table} WHERE study <> ?", [study])
    connection.execute(
        """
        INSERT INTO rebuilt.trial
        SELECT
            row_number() OVER (ORDER BY trial_id)
                + (SELECT coalesce(max(trial_id), -1) FROM rebuilt.trial),
            digest, images, loaded_at
        FROM trial
        WHERE digest IN (SELECT digest FROM transfer WHERE study <> ?)
            AND digest NOT IN (SELECT digest FROM rebuilt.trial)
        """,
        [study],
    )
    connection.execute(
        """
        INSERT INTO rebuilt.trial_loss
        SELECT new.trial_id, image_id, loss
        FROM trial_loss
        JOIN trial USING (trial_id)
        JOIN rebuilt.trial AS new USING (digest)
        WHERE new.trial_id NOT IN (SELECT DISTINCT trial_id FROM rebuilt.trial_loss)
        """
    )


def _sync(fresh: Path) -> None:
    with fresh.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _removed_afterwards(path: Path) -> Iterator[None]:
    remove_leftovers(path)
    try:
        yield
    finally:
        remove_leftovers(path)
