"""S3 through DuckDB's own client: its extension from a wheel, credentials from AWS_* variables.

Nothing is downloaded at run time: PyPI's ``duckdb-extension-httpfs`` carries the extension and it
is loaded by its path. Credentials are read where every AWS tool reads them: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION (or AWS_DEFAULT_REGION) and, for a server that
is not Amazon's, AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL). They live in a secret of the open
connection, in memory, and no message holds them.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError

SECRET = "taskonomy_s3"  # noqa: S105 - its name
_PACKAGE = "duckdb_extension_httpfs"

_SETTINGS_FROM_ENVIRONMENT = ("s3_access_key_id", "s3_secret_access_key", "s3_session_token")
"""The extension copies the environment's credentials into settings when it is loaded, where any
SELECT could read them; a secret it redacts."""


class Unreachable(TaskonomyError):
    """A server did not answer, or refused us; what was asked can be asked again."""

    exit_code = 6


def is_s3(place: str) -> bool:
    """Return whether a place is an S3 URI rather than a path."""
    return place.startswith("s3://")


def speak_s3(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection read and write s3:// URIs, with the credentials of the environment.

    Raises:
        NotFound: the extension's wheel is not installed, or was built for another DuckDB.
        SettingRefused: the endpoint is not a URL.
    """
    connection.execute(f"LOAD {_quoted(str(_extension()))}")
    for setting in _SETTINGS_FROM_ENVIRONMENT:
        connection.execute(f"SET {setting} = ''")
    options = _secret_options(os.environ)
    said = ", ".join(f"{word} {_quoted(value)}" for word, value in options.items())
    try:
        connection.execute(f"CREATE OR REPLACE TEMPORARY SECRET {SECRET} (TYPE s3, {said})")
    except duckdb.Error:
        # DuckDB's message would quote the statement, credentials and all.
        raise SettingRefused(
            "the AWS_* environment variables were refused; check AWS_REGION and AWS_ENDPOINT_URL_S3"
        ) from None


def forget_s3(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the credentials; a database that is attached stays readable, nothing else is."""
    connection.execute(f"DROP SECRET IF EXISTS {SECRET}")


def is_about_server(error: duckdb.Error) -> bool:
    """Return whether a complaint about an S3 object is about its server and not its content."""
    if isinstance(error, duckdb.HTTPException):
        return error.status_code != 404  # an object that is missing is its owner's to explain
    return isinstance(error, duckdb.IOException) and "HTTP" in str(error)


def as_unreachable(uri: str, error: duckdb.Error) -> Unreachable:
    """Return DuckDB's complaint about an s3:// URI as ours, with what to look at."""
    said = str(error).splitlines()[0]
    return Unreachable(
        f"{uri} cannot be reached: {said}; check the URI, AWS_ENDPOINT_URL_S3, AWS_REGION and the "
        "credentials, then run it again"
    )


def _extension() -> Path:
    package = find_spec(_PACKAGE)
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise NotFound("S3 needs the package duckdb-extension-httpfs; install taskonomy[warehouse]")
    version = f"v{duckdb.__version__}"
    path = Path(folders[0]) / "extensions" / version / "httpfs.duckdb_extension"
    if not path.is_file():
        raise NotFound(
            f"duckdb-extension-httpfs has no extension for DuckDB {duckdb.__version__}; install "
            f"duckdb-extension-httpfs=={duckdb.__version__}"
        )
    return path


def _secret_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options of DuckDB's S3 secret that the AWS_* variables stand for."""

    def first(*names: str) -> str:
        return next((environment[name] for name in names if environment.get(name)), "")

    options = {
        "KEY_ID": first("AWS_ACCESS_KEY_ID"),
        "SECRET": first("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": first("AWS_SESSION_TOKEN"),
        "REGION": first("AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1",
    }
    endpoint = first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    if endpoint:
        options |= _endpoint_options(endpoint)
    return {word: value for word, value in options.items() if value}


def _endpoint_options(endpoint: str) -> dict[str, str]:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingRefused(
            f"AWS_ENDPOINT_URL_S3 is {endpoint!r}; write a URL such as https://s3.example.org"
        )
    return {
        "ENDPOINT": parts.netloc + parts.path.rstrip("/"),
        "USE_SSL": str(parts.scheme == "https").lower(),
        # A server of one's own seldom has a DNS name for every bucket.
        "URL_STYLE": "path",
    }


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
