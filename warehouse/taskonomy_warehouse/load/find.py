"""Which trials are finished: the folders of an artifact root that hold a `result.json`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import duckdb

from taskonomy_catalogue.records import RESULT_FILE
from taskonomy_warehouse.files import folders_holding


class Finished(NamedTuple):
    """A trial that says it is done."""

    digest: str
    """As its folder, or the tag of its MLflow run, names it: not yet checked."""
    folder: str
    """Path or URI of its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a look at a source of results found."""

    finished: tuple[Finished, ...]
    """In order of digest, each digest once."""
    covers: Callable[[str], bool]
    """Whether a folder, had it a finished trial, would have been found: what is covered and not
    among `finished` is gone."""
    notes: tuple[str, ...] = ()
    """What the user should know of what was not looked at."""


def find_in_artifacts(connection: duckdb.DuckDBPyConnection, place: str) -> Findings:
    """Return the finished trials under an artifact root.

    Args:
        connection: what S3 is asked through.
        place: as `place_of` returns it; the connection is ready for it.

    Raises:
        NotFound: there is no such folder.
        Unreachable: its server does not answer.
    """
    folders = folders_holding(connection, place, RESULT_FILE)
    finished = sorted(Finished(folder.rsplit("/", 1)[1], folder) for folder in folders)
    note = (
        f"no folder in {place} holds a {RESULT_FILE}: no trial is finished, or its results lie "
        "elsewhere (--from-artifacts names where)"
    )
    return Findings(
        finished=tuple(finished),
        covers=lambda folder: folder.startswith(f"{place}/"),
        notes=() if finished else (note,),
    )
