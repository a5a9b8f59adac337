"""`taskonomyctl gc`: remove results that no study asks for."""

from collections.abc import Iterator
from http.client import FORBIDDEN
from pathlib import Path

import click

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_catalogue.records import AskedRecords
from taskonomy_catalogue.study import Study
from taskonomy_operator.garbage import Found, look_through, remove
from taskonomy_operator.study_folder import submitted
from taskonomy_operator.words import counted
from taskonomyctl.output import print_rows, say
from taskonomyctl.places import Place, place_options
from taskonomyctl.runs import artifacts_of, artifacts_option

COLUMNS = ("digest", "trial", "bytes")
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.command()
@place_options
@artifacts_option
@click.option("--apply", is_flag=True, help="Remove them; without it they are listed.")
def gc(place: Place, artifacts: str | None, apply: bool) -> None:
    """List, or remove, the results in an artifact root that no study asks for.

    Asked for is what any study may need that was run with this artifact root or that is on the
    cluster, in any of its namespaces. Nothing is touched that a process is at work on, or that is
    not surely a trial's folder; what is shared by trials (representations) is left alone.

    \b
      taskonomyctl gc --artifacts /mnt/artifacts
      taskonomyctl gc --artifacts /mnt/artifacts --apply
    """
    root = artifacts_of(artifacts)
    if not root.is_dir():
        raise NotFound(f"there is no artifact root {root}; name one with --artifacts")
    studies = list(_studies(root, place))
    if not studies:
        raise SettingRefused(
            f"no study is kept in {root} and none is on the cluster: every result would go; remove "
            "the folder if that is what you want"
        )
    say(f"kept is what {counted(len(studies), 'study', 'studies')} may ask for")
    found = list(look_through(root, [AskedRecords(study) for study in studies]))
    unasked = [each for each in found if each.verdict == "unasked"]
    _tell(found, unasked)
    if apply and unasked:
        gone = [each for each in unasked if remove(each)]
        say(f"removed {counted(len(gone), 'folder')}, {_size(sum(each.size for each in gone))}")
    elif unasked:
        say("nothing was removed; --apply does")


def _studies(root: Path, place: Place) -> Iterator[Study]:
    """Yield every study whose results are kept; one that cannot be read stops it all."""
    for folder in submitted(root):
        yield folder.study()
    if place.is_local:
        return
    from taskonomy_operator.api_errors import Refused
    from taskonomy_operator.seen_on_cluster import every_study

    space = place.open()
    try:
        found = every_study(space.cluster)
    except Refused as error:
        if error.code != FORBIDDEN or not place.is_named:
            raise
        say(f"only studies of namespace {place.namespace!r} can be seen")
        found = space.studies()
    for each in found:
        yield each.study()


def _tell(found: list[Found], unasked: list[Found]) -> None:
    rows = [
        {
            "digest": each.path.name.removeprefix(".gc-")[:12],
            "trial": each.title,
            "bytes": each.size,
        }
        for each in unasked
    ]
    if rows:
        print_rows(rows, COLUMNS, "table")
    for each in found:
        if each.verdict == "unknown":
            say(f"left alone: {each.path.name[:12]}… {each.title}")
    held = sum(each.verdict == "held" for each in found)
    if held:
        say(f"left alone: {counted(held, 'folder')} that a process is at work on")
    kept = sum(each.verdict == "asked" for each in found)
    total = _size(sum(each.size for each in unasked))
    say(f"{counted(len(unasked), 'result')} unasked for, {total}; {kept:,} asked for")


def _cells(found: Found) -> tuple[str, str, int]:
    return found.path.name.removeprefix(".gc-")[:12], found.title, found.size


def _size(size: float) -> str:
    for unit in UNITS:
        if size < 1024 or unit == UNITS[-1]:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return ""
