"""`taskonomyctl sql`: a user's SQL against the warehouse."""

import sys
import tempfile
from pathlib import Path

import click

from taskonomy_warehouse.queries import describe_relations, query_to_parquet, run_query
from taskonomy_warehouse.snapshot import Source
from taskonomyctl.options import source_option
from taskonomyctl.output import MOST_ROWS, print_result


@click.command()
@click.argument("query", required=False)
@click.option(
    "--output",
    "-o",
    "--format",
    "output",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    show_default=True,
    help="How to print the rows; parquet goes to a pipe or a file.",
)
@click.option("--tables", is_flag=True, help="Show the tables and views with their comments.")
@source_option
def sql(
    query: str | None,
    output: str,
    tables: bool,
    warehouse: Source,
) -> None:
    """Run one SELECT, read-only, and print its rows.

    QUERY is DuckDB's SQL; - reads it from standard input. Any DuckDB client can open the same file.
    A snapshot is what `taskonomyctl load` publishes: it can be read while the warehouse is written.
    A table ends after 2,000 rows and says how many more there are; csv, json and parquet hold all.

    \b
      taskonomyctl sql --tables
      taskonomyctl sql "SELECT * FROM affinity_matrix WHERE target = 'depth' ORDER BY affinity DESC"
      taskonomyctl sql -o parquet "FROM measured_transfer" > transfers.parquet
      taskonomyctl sql --snapshot s3://results/snapshot "FROM affinity_matrix"
    """
    if tables == (query is not None):
        raise click.UsageError("give a QUERY, or --tables to see what there is to query")
    if query is None:
        if output == "parquet":
            raise click.UsageError("--tables prints a table, CSV or JSON, and no parquet")
        print_result(describe_relations(warehouse), output)
        return
    if query == "-":
        query = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    if not query.strip():
        raise click.UsageError("the QUERY is blank; --tables shows what there is to query")
    if output == "parquet":
        _print_parquet(warehouse, query)
    else:
        most = MOST_ROWS if output == "table" else None
        print_result(run_query(warehouse, query, at_most=most), output)


def _print_parquet(source: Source, query: str) -> None:
    if sys.stdout.isatty():
        raise click.UsageError("parquet is not for a terminal; redirect it to a file with >")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        query_to_parquet(source, query, file)
        sys.stdout.buffer.write(file.read_bytes())
