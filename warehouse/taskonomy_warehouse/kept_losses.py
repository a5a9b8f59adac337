"""A target's losses kept beside the warehouse as one matrix, so that one more network is cheap.

Nothing depends on it: whatever is not here, or not as it was written, is read again from the table
or the files and appended. The folder `<warehouse>.matrices` may be removed at any time. One file a
target: what it is of, then a record a network: its key, a checksum, its loss on every image.
Records are appended alone, so a kill leaves whole ones and at most a part of the last, which is cut
off.
"""

import hashlib
import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from taskonomy_warehouse.loss_matrix import Entrants, Losses

MOST_BYTES = 2 << 30
"""What all studies' matrices may take together, about; targets beyond it are read each time."""
_HEADER = 32


@dataclass(frozen=True, slots=True)
class KeptLosses:
    """The file of one target."""

    file: Path
    header: bytes
    """What it is of: warehouse, study, target and images, hashed."""
    record: np.dtype[np.void]

    def read(self, keys: Sequence[bytes]) -> "list[Losses | None]":
        """Return the losses of each network as they lie in the file, None for one that is not kept.

        Args:
            keys: of each network, 32 bytes.
        """
        records = self._records()
        place = {key: k for k, key in enumerate(records["key"].tolist())}
        losses, checksums = np.asarray(records["loss"]), records["checksum"].tolist()
        found = [place.get(key) for key in keys]
        return [
            None if k is None or zlib.crc32(losses[k]) != checksums[k] else losses[k] for k in found
        ]

    def append(self, keys: Sequence[bytes], losses: Sequence["Losses"]) -> None:
        """Keep some networks' losses, each on all images; where that cannot be, keep none."""
        try:
            self.file.parent.mkdir(exist_ok=True)
            whole = len(self._records())
            with self.file.open("r+b" if whole else "wb") as file:
                file.write(self.header)
                file.seek(_HEADER + whole * self.record.itemsize)
                file.truncate()
                for key, row in zip(keys, map(np.ascontiguousarray, losses), strict=True):
                    file.write(key + zlib.crc32(row.data).to_bytes(8, "little"))
                    file.write(row.data)
        except OSError:  # no room, or no right to write: the losses are read again next time
            with suppress(OSError):
                self.file.unlink()

    def _records(self) -> NDArray[np.void]:
        nothing = np.zeros(0, self.record)
        try:
            with self.file.open("rb") as file:
                if file.read(_HEADER) != self.header:
                    return nothing
            count = (self.file.stat().st_size - _HEADER) // self.record.itemsize
            if count == 0:
                return nothing
            return np.memmap(self.file, self.record, "r", offset=_HEADER, shape=(count,))
        except OSError:
            return nothing


def kept_losses(connection: duckdb.DuckDBPyConnection, entrants: "Entrants") -> KeptLosses | None:
    """Return the file of a target's losses; None for a warehouse in memory, or beyond all bounds.

    A file of another warehouse that stood at the same path, or of other held-out images, is taken
    for empty.
    """
    # A cursor, as other threads use the connection.
    row = (
        connection.cursor()
        .execute(
            "SELECT path, (SELECT min(applied_at)::VARCHAR FROM schema_version) "
            "FROM duckdb_databases() WHERE database_name = current_database()"
        )
        .fetchone()
    )
    if row is None or row[0] is None:
        return None
    folder, images = matrices_beside(Path(row[0])), len(entrants.images)
    name = _sha256(entrants.study, entrants.target).hex()[:32]
    others = sum(f.stat().st_size for f in folder.glob("*") if f.name != name)
    if others + 4 * images * len(entrants.transfers) > MOST_BYTES:
        return None
    shown = hashlib.sha256(entrants.images.tobytes()).hexdigest()
    header = _sha256(str(row[1]), entrants.study, entrants.target, shown)
    record = np.dtype([("key", "V32"), ("checksum", "<u8"), ("loss", "<f4", (images,))])
    return KeptLosses(folder / name, header, record)


def matrices_beside(warehouse: Path) -> Path:
    """Return the folder of a warehouse's matrices."""
    return warehouse.with_name(f"{warehouse.name}.matrices")


def _sha256(*words: str) -> bytes:
    return hashlib.sha256(json.dumps(words).encode()).digest()
