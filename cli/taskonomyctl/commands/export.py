"""`taskonomyctl export`: one taxonomy for other tools."""

from typing import Any

import click

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_warehouse.selection.export import taxonomy_text
from taskonomy_warehouse.snapshot import Source
from taskonomyctl.options import (
    names_option,
    scenario_option,
    source_option,
    study_option,
    the_study,
)
from taskonomyctl.taxonomies import budget_option, order_option, read_one


@click.command()
@budget_option
@order_option
@click.option(
    "--output",
    "-o",
    "--format",
    "form",
    type=click.Choice(["graphml", "dot", "json", "csv"]),
    default="graphml",
    show_default=True,
    help="GraphML for graph tools, DOT for Graphviz, JSON nodes and links, CSV edges.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    help="File to write; standard output unless given.",
)
@study_option
@scenario_option
@names_option
@source_option
def export(
    budget: float,
    order: str | None,
    form: Any,
    out: str,
    study: str | None,
    scenario: str | None,
    names: Any,
    warehouse: Source,
) -> None:
    """Write one solved taxonomy as a graph: nodes are tasks, edges run from source to target."""
    study = the_study(warehouse, study)
    taxonomy, dictionary = read_one(warehouse, study, scenario, budget, order)
    text = taxonomy_text(taxonomy, dictionary, names, form)
    if out == "-":
        click.echo(text, nl=False)
    else:
        _write(out, text)


def _write(out: str, text: str) -> None:
    """Write the file whole, or leave what was there."""
    try:
        with click.open_file(out, "w", encoding="utf-8", atomic=True) as file:
            file.write(text)
    except OSError as error:
        raise TaskonomyError(f"--out {out} cannot be written: {error.strerror}") from error
