"""The study that results are loaded for, kept in the warehouse beside its dictionary."""

import hashlib
import json
from datetime import UTC, datetime

import duckdb
from pydantic import TypeAdapter

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.records import AskedRecords, Measured
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_warehouse.dictionary import write_dictionary


def stored_study(connection: duckdb.DuckDBPyConnection, name: str) -> Study | None:
    """Return a trained study as it was last loaded; None if there is none of this name."""
    row = connection.execute(
        "SELECT document FROM study_document WHERE study = ?", [name]
    ).fetchone()
    if row is None:
        return None
    return parse_study(json.loads(row[0]), origin=f"study {name!r} in the warehouse")


def trained_studies(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of the trained studies, in alphabetical order."""
    rows = connection.execute("SELECT study FROM study_document ORDER BY study").fetchall()
    return [str(name) for (name,) in rows]


def declare_study(connection: duckdb.DuckDBPyConnection, study: Study, origin: str) -> None:
    """Write a study, its document and its dictionary, or bring them up to date.

    A study that has grown (more targets, orders, seeds) keeps what is loaded.

    Args:
        connection: the warehouse, in a transaction.
        study: the study.
        origin: the name of its file.

    Raises:
        SettingRefused: the name is taken by published measurements, or results are loaded that
            the study no longer asks for.
    """
    document = study.model_dump_json(by_alias=True, exclude_unset=True)
    sha256 = hashlib.sha256(document.encode()).hexdigest()
    check_name_is_free(connection, study)
    row = connection.execute(
        "SELECT source_sha256 FROM study WHERE study = ?", [study.name]
    ).fetchone()
    if row and row[0] == sha256:
        return
    _check_all_asked(connection, study)
    for table in ("study", "study_document", "task"):
        connection.execute(f"DELETE FROM {table} WHERE study = ?", [study.name])
    connection.execute(
        "INSERT INTO study VALUES (?, 'trained', ?, ?, ?)",
        [study.name, origin, sha256, datetime.now(UTC).replace(tzinfo=None)],
    )
    connection.execute("INSERT INTO study_document VALUES (?, ?)", [study.name, document])
    write_dictionary(connection, study.name, study.dictionary())


def check_name_is_free(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """Check that no published measurements have the name of a trained study.

    Raises:
        SettingRefused: some have.
    """
    row = connection.execute("SELECT origin FROM study WHERE study = ?", [study.name]).fetchone()
    if row and row[0] != "trained":
        raise SettingRefused(
            f"study {study.name!r} holds {row[0]} measurements in this warehouse; rename one"
        )


def _check_all_asked(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """Check that every loaded trial is one that the study, as it is now, asks for."""
    rows = connection.execute(
        "SELECT trial FROM trial_result WHERE study = ? ORDER BY digest", [study.name]
    ).fetchall()
    asked = AskedRecords(study)
    adapter: TypeAdapter[Measured] = TypeAdapter(Measured)
    loaded = [adapter.validate_json(text) for (text,) in rows]
    strange = [trial.title for trial in loaded if trial not in asked]
    if strange:
        raise SettingRefused(
            f"study {study.name!r} has {len(strange)} results in this warehouse that its file no "
            f"longer asks for, such as {strange[0]}; give the changed study another name, or build "
            "it anew from its artifacts with --rebuild"
        )
