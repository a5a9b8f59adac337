"""`taskonomyctl report`: one page and its pictures."""

from pathlib import Path

import click

from taskonomy_warehouse.selection.results import latest_scenario
from taskonomy_warehouse.snapshot import Source, opened_to_read
from taskonomyctl.options import scenario_option, source_option, study_option, the_study
from taskonomyctl.output import stderr_console


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("report"),
    show_default=True,
    help="Folder for the page and the pictures; made if missing.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random taxonomies.")
@click.option(
    "--draws",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Random taxonomies per budget and order.",
)
@study_option
@scenario_option
@source_option
def report(
    out: Path, seed: int, draws: int, study: str | None, scenario: str | None, warehouse: Source
) -> None:
    """Write a self-contained HTML report with its pictures as PNG and SVG.

    Heat maps, the taxonomy of every budget, what supervision buys, how far the optimum is from
    random taxonomies, the similarity tree, and every target's choice.
    """
    from taskonomy_warehouse.report.write import write_report  # matplotlib takes a second

    study = the_study(warehouse, study)
    with opened_to_read(warehouse) as connection:
        scenario = scenario or latest_scenario(connection, study)
        with stderr_console().status("reading the warehouse") as status:
            files = write_report(
                connection,
                study,
                out,
                scenario=scenario,
                seed=seed,
                draws=draws,
                progress=status.update,
            )
    click.echo(f"report: {files.page}", err=True)
