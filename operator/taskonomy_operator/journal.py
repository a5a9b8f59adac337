"""The journal of a run: which jobs were started, as which process, and how they ended.

One JSON line a record, only ever appended to and on the disk before the runner goes on. What a kill
tore is the last line, and a torn line is passed over: the job it was about is found by its lock.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from taskonomy_operator.retries import End


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    """When it was written."""


class Starting(_Record):
    """A job is about to be started; written first, so that no process is unknown."""

    event: Literal["starting"] = "starting"
    job: str
    """Its name."""
    kind: Literal["train", "ranking"]
    """What it does."""
    digests: tuple[str, ...] = ()
    """Its trials."""
    targets: tuple[str, ...] = ()
    """Targets it ranks."""
    log_offset: int = 0
    """Bytes in its log from earlier attempts."""
    boot: str = ""
    """Which boot of the machine it runs in; empty: not known."""


class Running(_Record):
    """The process a job became."""

    event: Literal["running"] = "running"
    job: str
    """Its name."""
    pid: int
    """Process id, which is its process group too."""
    started: int | None = None
    """When the kernel says it started, in its own ticks: tells it from a later process."""


class Ended(_Record):
    """A job is over."""

    event: Literal["ended"] = "ended"
    job: str
    """Its name."""
    seconds: float
    """How long it ran."""
    finished: tuple[str, ...] = ()
    """Trials that have their result."""
    ends: dict[str, End] = Field(default={})
    """How the attempt ended at those that have none, by digest; of a ranking under its job's
    name."""


class Forgiven(_Record):
    """Failures before this do not count any more."""

    event: Literal["forgiven"] = "forgiven"


Record = Starting | Running | Ended | Forgiven
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="event")])


def append(path: Path, record: Record) -> None:
    """Add a record; it is on the disk when this returns."""
    with path.open("ab+") as file:
        if file.tell() and not _ends_whole(file.fileno(), file.tell()):
            file.write(b"\n")  # a torn line stays a line of its own
        file.write(record.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Iterator[Record]:
    """Yield the records in order; lines that are none (torn ones) are passed over."""
    return iter(Reader(path).read_on())


@dataclass(slots=True)
class Reader:
    """A journal read while it is written."""

    path: Path
    offset: int = 0
    """Bytes read so far: whole lines."""

    def read_on(self) -> list[Record]:
        """Return the records written since."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self.offset += len(whole)
        return list(filter(None, map(_parsed, whole.splitlines())))


def _parsed(line: bytes) -> Record | None:
    try:
        return _RECORD.validate_json(line)
    except ValidationError:
        return None


def _ends_whole(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"
