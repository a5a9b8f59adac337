"""`load --rebuild`: the warehouse proved from the truth, which is the artifacts and the Study.

The study is built anew in a file beside the warehouse and the two are compared, relation by
relation and trial by trial. If they agree, nothing changes. If not, the new file, with everything
the warehouse holds of other studies, takes its place in one step; taxonomies of the study go, as
they were solved from what was wrong.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from taskonomy_catalogue.study import Study
from taskonomy_warehouse.kept_losses import matrices_beside
from taskonomy_warehouse.load.find import Findings
from taskonomy_warehouse.load.insert import loaded_digests
from taskonomy_warehouse.load.loading import Loaded, Progress, load
from taskonomy_warehouse.loss_matrix import losses_stay
from taskonomy_warehouse.warehouse import TABLES, writing

Find = Callable[[duckdb.DuckDBPyConnection], Findings]
"""Looks for finished trials through a connection."""

COMPARED = {
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

    Raises:
        TaskonomyError: the new load failed (`load`); the warehouse is as it was.
    """
    stay = losses_stay(connection, study.name) if loaded_digests(connection, study.name) else None
    fresh = _fresh(path)
    with _removed_afterwards(path):
        with writing(fresh) as new:
            loaded = load(new, study, find(new), origin=origin, losses_stay=stay, progress=progress)
        with _attached(connection, fresh):
            differences = tuple(_differences(connection, study.name))
            if differences:
                _copy_other_studies(connection, study.name)
        if differences:
            _sync(fresh)
            connection.execute("CHECKPOINT")  # leaves no log that the new file would inherit
            fresh.replace(path)
    return Rebuilt(loaded=loaded, differences=differences)


def remove_leftovers(path: Path) -> None:
    """Remove the new file of a rebuild of this warehouse that was killed."""
    for file in (_fresh(path), path.with_name(f"{_fresh(path).name}.wal")):
        file.unlink(missing_ok=True)
    shutil.rmtree(matrices_beside(_fresh(path)), ignore_errors=True)


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.rebuild")


# --- comparing ---------------------------------------------------------------------------------


def _differences(connection: duckdb.DuckDBPyConnection, study: str) -> Iterator[Difference]:
    """Yield the relations whose rows of a study differ between the open file and `rebuilt`."""
    for relation, query in COMPARED.items():
        old = _of(query, "", study)
        new = _of(query, "rebuilt.", study)
        missing, example = _count(connection, f"({new}) EXCEPT ALL ({old})")
        surplus, other = _count(connection, f"({old}) EXCEPT ALL ({new})")
        if missing or surplus:
            yield Difference(
                relation=relation, missing=missing, surplus=surplus, example=example or other
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
