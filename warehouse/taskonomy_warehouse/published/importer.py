"""Checked published measurements -> the warehouse, in one transaction, once."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.tasks import TaskDictionary
from taskonomy_warehouse.dictionary import read_dictionary, write_dictionary
from taskonomy_warehouse.published.reader import PublishedFile, read_published
from taskonomy_warehouse.warehouse import insert_rows, transaction

_TABLES_OF_A_STUDY = (
    "taxonomy_edge",
    "taxonomy_source",
    "taxonomy",
    "scenario",
    "published_measurement",
    "transfer",
    "task",
    "study",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did."""

    study: str
    transfers: int
    targets: int
    changed: bool
    """False when the same content was already there."""


def shipped_measurements() -> Path:
    """Return the paper's own measurements, shipped with the package."""
    return Path(str(resources.files("taskonomy_warehouse"))) / "published/data/taskonomy_16k.csv"


def import_published(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    study: str,
    dictionary: TaskDictionary,
    *,
    replace: bool = False,
) -> Imported:
    """Read a published file and store it as a study: `read_published`, then `store_published`."""
    return store_published(
        connection, read_published(path, dictionary), study, dictionary, replace=replace
    )


def store_published(
    connection: duckdb.DuckDBPyConnection,
    file: PublishedFile,
    study: str,
    dictionary: TaskDictionary,
    *,
    replace: bool = False,
) -> Imported:
    """Store a checked file as a study; ``dictionary`` is the one it was read with.

    The same content under the same name changes nothing. Replacing a study drops its taxonomies:
    they were solved from the measurements that go.

    Raises:
        InputRefused: the study holds other content and ``replace`` is off. Nothing is changed then.
    """
    targets = len({transfer.target for transfer in file.transfers})
    with transaction(connection):
        existing = connection.execute(
            "SELECT source_sha256, source_name FROM study WHERE study = ?", [study]
        ).fetchone()
        changed = (
            existing is None
            or existing[0] != file.sha256
            or read_dictionary(connection, study) != dictionary
        )
        if existing is not None and changed:
            if not replace:
                raise InputRefused(
                    file.path,
                    f"study {study!r} already holds other measurements (from {existing[1]}); "
                    "choose another --study, or --replace them and their taxonomies",
                )
            _remove(connection, study)
        if changed:
            _insert(connection, study, file, dictionary)
    return Imported(study=study, transfers=len(file.transfers), targets=targets, changed=changed)


def _remove(connection: duckdb.DuckDBPyConnection, study: str) -> None:
    for table in _TABLES_OF_A_STUDY:
        connection.execute(f"DELETE FROM {table} WHERE study = ?", [study])


def _insert(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    file: PublishedFile,
    dictionary: TaskDictionary,
) -> None:
    connection.execute(
        "INSERT INTO study VALUES (?, 'published', ?, ?, now() AT TIME ZONE 'UTC')",
        [study, file.path.name, file.sha256],
    )
    write_dictionary(connection, study, dictionary)
    insert_rows(
        connection,
        "transfer",
        [
            (study, number, t.target, t.kind, t.order, list(t.sources), None)
            for number, t in enumerate(file.transfers)
        ],
    )
    insert_rows(
        connection,
        "published_measurement",
        [(study, number, t.affinity, t.gain, t.quality) for number, t in enumerate(file.transfers)],
    )
