"""Snapshots: what readers anywhere query while one process writes the warehouse.

A snapshot is a compact copy of the warehouse in a folder or under an S3 prefix:

    warehouse-<time>-<start of sha256>.duckdb    the copy; its name is never used again
    warehouse-….duckdb.sha256                    its checksum, as `sha256sum -c` reads it
    manifest.json                                which copy is the current one; written last

The manifest is replaced in one step, so a reader finds the old snapshot or the new one, whole.
Losses stay out unless asked for: they are most of a warehouse's bytes, and everything above the
win rates is made from those. Older copies are kept a while for readers that just began; on S3 a
lifecycle rule of the bucket removes them.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from taskonomy_catalogue.errors import InputRefused, NotFound, SettingRefused, TaskonomyError
from taskonomy_warehouse.files import get_ready, place_of, read_files, upload, write_file
from taskonomy_warehouse.s3 import as_unreachable, forget_s3, is_s3
from taskonomy_warehouse.warehouse import SCHEMA_VERSION, TABLES, reading, studies, writing

MANIFEST = "manifest.json"
KEPT = 3
"""Copies kept in a local folder, the current one among them."""
MOST_ON_S3 = 1 << 30
"""Bytes of a copy on S3: DuckDB holds all of an object while it sends it, and doubles its room."""
LARGE_TABLES = ("trial_loss",)
"""Left empty unless asked for."""


class Manifest(BaseModel):
    """Which copy of the warehouse is the current one, and how to know that it is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: int = Field(default=1, ge=1, le=1)
    """Version of this format."""
    file: str = Field(pattern=r"^[-.\w]+\.duckdb$")
    """Name of the copy, beside this manifest."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the copy's bytes."""
    bytes: int
    """Size of the copy."""
    schema_version: int
    """Schema of the warehouse it was made from."""
    studies: tuple[str, ...]
    """Studies it holds, in alphabetical order."""
    without: tuple[str, ...]
    """Tables that were left empty."""
    published_at: AwareDatetime
    """When it was made."""
    taskonomy: str
    """Version of taskonomy that made it."""


def publish(
    connection: duckdb.DuckDBPyConnection, warehouse: Path, place: str, *, losses: bool = False
) -> Manifest:
    """Publish a snapshot of the open warehouse to a folder or an s3:// prefix.

    Args:
        connection: the warehouse, open to write; no transaction is open.
        warehouse: its file; the copy is made beside it before it goes to S3.
        place: as `place_of` returns it; the connection is ready for it (`get_ready`).
        losses: whether the losses go too.

    Raises:
        Unreachable: the server does not answer. The former snapshot is still the current one.
        SettingRefused: the place is no folder, or the copy is more than S3 takes from here.
    """
    folder = warehouse.absolute().parent if is_s3(place) else _folder(place)
    with _workplace(folder, warehouse) as workplace:
        copy = workplace / "copy.duckdb"
        without = () if losses else LARGE_TABLES
        _copy(connection, copy, without)
        manifest = _manifest(connection, copy, without)
        if is_s3(place):
            _check_size(manifest, place)
            upload(connection, copy, f"{place}/{manifest.file}")
        else:
            copy.replace(folder / manifest.file)
    checksum = f"{manifest.sha256}  {manifest.file}\n".encode()
    write_file(connection, f"{place}/{manifest.file}.sha256", checksum)
    write_file(connection, f"{place}/{MANIFEST}", manifest.model_dump_json(indent=1).encode())
    if not is_s3(place):
        _remove_old(folder, manifest)
    return manifest


def is_published(connection: duckdb.DuckDBPyConnection, place: str) -> bool:
    """Return whether a place holds a snapshot already."""
    return bool(read_files(connection, [f"{place}/{MANIFEST}"]))


def attach_snapshot(
    connection: duckdb.DuckDBPyConnection, uri: str, *, verify: bool = True
) -> Manifest:
    """Attach the current copy, read-only, under the name ``snapshot``; return its manifest.

    Args:
        connection: what it is attached to; it speaks S3 afterwards if the snapshot is there.
        uri: folder, file:// or s3:// URI that it was published to.
        verify: whether the whole copy is read once and its sha256 compared. If not, its size is.

    Raises:
        NotFound: there is no snapshot.
        Unreachable: its server does not answer.
        InputRefused: the copy is not what the manifest says.
        TaskonomyError: another version of taskonomy made it.
    """
    place = place_of(uri.removesuffix(f"/{MANIFEST}"), "--snapshot")
    get_ready(connection, place)
    manifest = read_manifest(connection, place)
    copy = f"{place}/{manifest.file}"
    _check(connection, copy, manifest, whole=verify)
    target = copy.replace("'", "''")
    try:
        connection.execute(f"ATTACH '{target}' AS snapshot (READ_ONLY)")
    except duckdb.Error as error:
        raise InputRefused(copy, f"cannot be opened: {error}") from error
    return manifest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published snapshot, to be queried where it lies."""

    uri: str
    """Folder, file:// or s3:// URI that it was published to."""
    verify: bool = True
    """Whether the whole copy is read once and its sha256 compared. If not, the size alone is."""

    @contextmanager
    def reading(self, may_write: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the current copy read-only, with no access to other files or the network.

        Args:
            may_write: the one file that COPY may write.

        Raises:
            TaskonomyError: as `attach_snapshot`.
        """
        connection = duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
        try:
            attach_snapshot(connection, self.uri, verify=self.verify)
            _shut_in(connection, may_write)
            yield connection
        finally:
            connection.close()


Source = Path | Snapshot
"""What a reader opens: the warehouse's file, or a published snapshot."""


def opened_to_read(
    source: Source, may_write: Path | None = None
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open a warehouse or a snapshot read-only, with no access to other files or the network.

    Args:
        source: what is read.
        may_write: the one other file that COPY may write.

    Raises:
        TaskonomyError: as `reading`, or as `attach_snapshot`.
    """
    if isinstance(source, Snapshot):
        return source.reading(may_write)
    return reading(source, may_write)


def read_manifest(connection: duckdb.DuckDBPyConnection, place: str) -> Manifest:
    """Return the manifest of the snapshot in a place.

    Raises:
        NotFound: there is none, or its server does not answer.
        InputRefused: it is not a manifest.
        TaskonomyError: another version of taskonomy made it.
    """
    path = f"{place}/{MANIFEST}"
    content = read_files(connection, [path]).get(path)
    if content is None:
        raise NotFound(f"no snapshot at {place}; `taskonomyctl load --publish {place}` makes one")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        said = error.errors()[0]
        field = ".".join(map(str, said["loc"]))
        raise InputRefused(path, f"not a snapshot's manifest: {field}: {said['msg']}") from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise TaskonomyError(
            f"{path} was made by taskonomy {manifest.taskonomy} (schema "
            f"{manifest.schema_version}, this one knows {SCHEMA_VERSION}); use that version, or "
            "publish it anew with this one"
        )
    return manifest


# --- making one --------------------------------------------------------------------------------


def _folder(place: str) -> Path:
    folder = Path(place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingRefused(
            f"a snapshot goes into a folder, and {folder} is none: {error.strerror}; name another "
            "with --publish"
        ) from error
    return folder


def _check_size(manifest: Manifest, place: str) -> None:
    if manifest.bytes > MOST_ON_S3:
        advice = "" if manifest.without else " without --publish-losses, or"
        raise SettingRefused(
            f"the copy has {manifest.bytes / 2**30:.1f} GiB, and at most {MOST_ON_S3 / 2**30:g} "
            f"GiB go to {place}; publish it{advice} into a folder"
        )


@contextmanager
def _workplace(folder: Path, warehouse: Path) -> Iterator[Path]:
    """Give an empty folder to make the copy in; it replaces the one that a kill left."""
    workplace = folder / f".{warehouse.name}.snapshot"
    shutil.rmtree(workplace, ignore_errors=True)
    workplace.mkdir()
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _copy(connection: duckdb.DuckDBPyConnection, copy: Path, without: tuple[str, ...]) -> None:
    """Make a new warehouse of the same content: only live rows, no write-ahead log."""
    with writing(copy):
        pass  # empty, with every table and view
    copied = [table for table in TABLES if table not in (*without, "schema_version")]
    target = str(copy).replace("'", "''")
    connection.execute(f"ATTACH '{target}' AS snapshot_copy")
    try:
        for table in copied:
            connection.execute(f"INSERT INTO snapshot_copy.{table} FROM {table}")
    finally:
        connection.execute("DETACH snapshot_copy")


def _manifest(
    connection: duckdb.DuckDBPyConnection, copy: Path, without: tuple[str, ...]
) -> Manifest:
    with copy.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    now = datetime.now(UTC)
    return Manifest(
        file=f"warehouse-{now:%Y%m%dT%H%M%S}-{sha256[:12]}.duckdb",
        sha256=sha256,
        bytes=copy.stat().st_size,
        schema_version=SCHEMA_VERSION,
        studies=tuple(studies(connection)),
        without=without,
        published_at=now,
        taskonomy=version("taskonomy"),
    )


def _remove_old(folder: Path, current: Manifest) -> None:
    copies = [
        copy for copy in sorted(folder.glob("warehouse-*.duckdb")) if copy.name != current.file
    ]
    for copy in copies[: -(KEPT - 1)]:
        copy.unlink(missing_ok=True)
        copy.with_name(f"{copy.name}.sha256").unlink(missing_ok=True)
    for pattern in (
        f".{MANIFEST}.*",
        ".warehouse-*.sha256.*",
    ):  # half-written by one that was killed
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


# --- reading one -------------------------------------------------------------------------------


def _check(
    connection: duckdb.DuckDBPyConnection, copy: str, manifest: Manifest, *, whole: bool
) -> None:
    size, sha256 = _size_and_sha256(connection, copy, whole=whole)
    if size != manifest.bytes:
        raise InputRefused(copy, f"holds {size} bytes, the manifest says {manifest.bytes}{_AGAIN}")
    if sha256 not in (None, manifest.sha256):
        raise InputRefused(copy, f"its sha256 is {sha256}, not the manifest's{_AGAIN}")


_AGAIN = "; the copy is damaged: publish it again with `taskonomyctl load --publish`"


def _size_and_sha256(
    connection: duckdb.DuckDBPyConnection, copy: str, *, whole: bool
) -> tuple[int, str | None]:
    if not is_s3(copy):
        return _size_and_sha256_here(Path(copy), whole=whole)
    columns = "size, sha256(content)" if whole else "size, NULL"
    try:
        row = connection.execute(f"SELECT {columns} FROM read_blob(?)", [copy]).fetchone()
    except duckdb.Error as error:
        raise as_unreachable(copy, error) from None
    if row is None:
        raise NotFound(f"{copy} is gone, the manifest names it{_AGAIN}")
    return int(row[0]), row[1]


def _size_and_sha256_here(copy: Path, *, whole: bool) -> tuple[int, str | None]:
    """As `_size_and_sha256`, of a file of any size: DuckDB takes a blob up to 3.9 GiB."""
    try:
        with copy.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest() if whole else None
            return os.fstat(file.fileno()).st_size, sha256
    except FileNotFoundError as error:
        raise NotFound(f"{copy} is gone, the manifest names it{_AGAIN}") from error
    except OSError as error:
        raise InputRefused(copy, f"cannot be read: {error.strerror}") from error


def _shut_in(connection: duckdb.DuckDBPyConnection, may_write: Path | None) -> None:
    """Leave a connection the snapshot, and no way to other files, servers or credentials."""
    connection.execute("USE snapshot")
    forget_s3(connection)
    if may_write:
        connection.execute("SET allowed_paths = [?]", [str(may_write)])
    connection.execute("SET enable_external_access = false")
