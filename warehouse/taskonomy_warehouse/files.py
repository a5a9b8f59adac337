"""Whole small files by path or s3:// URI: listed, read, written. Parquet is left to DuckDB.

A *place* is a folder: an absolute path or ``s3://bucket/prefix``, without a slash at its end.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import duckdb

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_warehouse.s3 import as_unreachable, is_about_server, is_s3, speak_s3

_PATTERN_WORDS = "*?[]{}"


def place_of(text: str, setting: str) -> str:
    """Return the place that a path, a file:// or an s3:// URI names.

    Args:
        text: what the user wrote.
        setting: where, for the message.

    Raises:
        SettingRefused: another kind of URI, or characters that DuckDB takes for a pattern.
    """
    if is_s3(text):
        place = text.rstrip("/")
        if not is_s3(place):
            raise SettingRefused(f"{setting} {text!r} names no bucket; write s3://BUCKET/PREFIX")
    elif text.startswith("file://"):
        place = str(Path(url2pathname(urlsplit(text).path)).absolute())
    elif "://" in text or text.startswith("mlflow-artifacts:"):
        raise SettingRefused(f"{setting} {text!r}: give a path, file:// or s3://")
    else:
        place = str(Path(text).absolute())
    if any(word in place for word in _PATTERN_WORDS):
        raise SettingRefused(
            f"{setting} {text!r} has a character of {_PATTERN_WORDS}, which would be taken for a "
            "pattern; use another name"
        )
    return place


def get_ready(connection: duckdb.DuckDBPyConnection, *places: str) -> None:
    """Let a connection speak S3 if one of the places is there.

    Raises:
        NotFound: the extension is not installed.
        SettingRefused: the endpoint in the environment is not a URL.
    """
    if any(map(is_s3, places)):
        speak_s3(connection)


def folders_holding(connection: duckdb.DuckDBPyConnection, place: str, name: str) -> list[str]:
    """Return, in order of name, the folders of a place that hold a file of this name.

    Raises:
        NotFound: there is no such folder (on S3, an empty prefix looks the same as none).
        Unreachable: the server does not answer.
    """
    if not is_s3(place):
        if not Path(place).is_dir():
            raise NotFound(f"no folder {place}; name the one that trials leave their results in")
        return [f"{place}/{folder}" for folder in _local_folders_holding(place, name)]
    try:
        found = connection.execute("SELECT file FROM glob(?)", [f"{place}/*/{name}"]).fetchall()
    except duckdb.Error as error:
        raise as_unreachable(place, error) from None
    return sorted(str(file).removesuffix(f"/{name}") for (file,) in found)


def _local_folders_holding(place: str, name: str) -> list[str]:
    """Return names in order; paths from the root, or glob, take up to twice as long."""
    root = os.open(place, os.O_RDONLY)
    try:
        folders = sorted(os.listdir(root))  # noqa: PTH208
        return [f for f in folders if os.access(f"{f}/{name}", os.F_OK, dir_fd=root)]
    finally:
        os.close(root)


def folder_files(connection: duckdb.DuckDBPyConnection, place: str, pattern: str) -> list[str]:
    """Return the files of a place whose names match a pattern of * and ?, in order of name.

    Raises:
        Unreachable: the server does not answer.
    """
    if not is_s3(place):
        return sorted(str(file) for file in Path(place).glob(pattern))
    try:
        found = connection.execute("SELECT file FROM glob(?)", [f"{place}/{pattern}"]).fetchall()
    except duckdb.Error as error:
        raise as_unreachable(place, error) from None
    return sorted(str(file) for (file,) in found)


def read_files(connection: duckdb.DuckDBPyConnection, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the content of files by path; what is not there is left out.

    Raises:
        Unreachable: the server does not answer.
    """
    wanted = list(paths)
    remote = [path for path in wanted if is_s3(path)]
    local = {path: Path(path) for path in wanted if not is_s3(path)}
    content = {path: file.read_bytes() for path, file in local.items() if file.is_file()}
    return content | _read_remote(connection, remote)


def as_list(paths: Iterable[str]) -> str:
    """Return paths as a list in SQL, for `read_parquet` and its like.

    As values they would cost more than reading them: for every string of a list, DuckDB's Python
    client looks whether pandas can be imported.
    """
    quoted = (path.replace("'", "''") for path in paths)
    return "[" + ", ".join(f"'{path}'" for path in quoted) + "]"


def write_file(connection: duckdb.DuckDBPyConnection, path: str, content: bytes) -> None:
    """Write a file whole: under another name and renamed, or as one object.

    Raises:
        Unreachable: the server does not answer.
    """
    if is_s3(path):
        _copy_blob(connection, "SELECT ?::BLOB", [content], path)
    else:
        replace_file(Path(path), content)


def replace_file(path: Path, content: bytes) -> None:
    """Write a local file so that a reader, or the power going, sees the old one or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def upload(connection: duckdb.DuckDBPyConnection, file: Path, uri: str) -> None:
    """Copy a local file to an s3:// URI.

    Raises:
        Unreachable: the server does not answer.
    """
    _copy_blob(connection, "SELECT content FROM read_blob(?)", [str(file)], uri)


def _copy_blob(
    connection: duckdb.DuckDBPyConnection, query: str, values: list[object], uri: str
) -> None:
    target = uri.replace("'", "''")
    try:
        connection.execute(f"COPY ({query}) TO '{target}' (FORMAT blob)", values)
    except duckdb.Error as error:
        raise as_unreachable(uri, error) from None


def _read_remote(connection: duckdb.DuckDBPyConnection, uris: list[str]) -> dict[str, bytes]:
    """Read objects all at once, as servers are far; by halves if one of them is missing."""
    if not uris:
        return {}
    try:
        rows = connection.execute(
            f"SELECT filename, content FROM read_blob({as_list(uris)})"
        ).fetchall()
    except duckdb.Error as error:
        if len(uris) > 1:
            half = len(uris) // 2
            return _read_remote(connection, uris[:half]) | _read_remote(connection, uris[half:])
        if is_about_server(error):
            raise as_unreachable(uris[0], error) from None
        return {}
    return {str(name): bytes(content) for name, content in rows}
