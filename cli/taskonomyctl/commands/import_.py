"""`taskonomyctl import`: measurements made elsewhere, into the warehouse."""

from pathlib import Path

import click

from taskonomy_catalogue.tasks import load_dictionary, published_dictionary
from taskonomy_warehouse.published.importer import shipped_measurements, store_published
from taskonomy_warehouse.published.reader import read_published
from taskonomy_warehouse.warehouse import writing
from taskonomyctl.options import StudyName, warehouse_option


@click.group("import")
def import_() -> None:
    """Bring measurements into the warehouse."""


@import_.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--study", type=StudyName(), required=True, metavar="NAME", help="Name to keep them under."
)
@click.option(
    "--tasks",
    "tasks_file",
    type=click.Path(path_type=Path),
    help="Your own task dictionary (TOML); the paper's 26 tasks unless given.",
)
@click.option("--replace", is_flag=True, help="Replace what the study holds, taxonomies included.")
@warehouse_option
def published(
    file: Path | None, study: str, tasks_file: Path | None, replace: bool, warehouse: Path
) -> None:
    """Import published transfer measurements from FILE, or the paper's own without one.

    FILE is CSV with the columns target, order, sources, affinity, win_rate_vs_scratch and
    win_rate_vs_task_specific; sources are joined by +, `self` is the target's own network, a blank
    affinity means measured and not ranked. All of it is imported, or none. Importing the same
    content again changes nothing.
    """
    dictionary = load_dictionary(tasks_file) if tasks_file else published_dictionary()
    checked = read_published(file or shipped_measurements(), dictionary)
    with writing(warehouse) as connection:  # which makes the file: nothing is refused for after
        done = store_published(connection, checked, study, dictionary, replace=replace)
    what = f"{done.transfers} transfers to {done.targets} targets"
    verb = "imported" if done.changed else "unchanged, already there:"
    click.echo(f"study {study!r}: {verb} {what} in {warehouse}", err=True)
