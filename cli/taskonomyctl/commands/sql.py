"""`taskonomyctl sql`: a user's SQL against the warehouse."""

import sys
import tempfile
from pathlib import Path

import click

from taskonomy_warehouse.queries import describe_relations, query_to_parquet, run_query
from taskonomyctl.options import warehouse_option
from taskonomyctl.output import print_result


@click.command()
@click.argument("query", required=False)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    show_default=True,
    help="How to print the rows; parquet goes to a pipe or a file.",
)
@click.option("--tables", is_flag=True, help="Show the tables and views with their comments.")
@warehouse_option
def sql(query: str | None, format_: str, tables: bool, warehouse: Path) -> None:
    """Run one SELECT, read-only, and print its rows.

    QUERY is DuckDB's SQL; - reads it from standard input. Any DuckDB client can open the same file.

    \b
      taskonomyctl sql --tables
      taskonomyctl sql "SELECT * FROM affinity_matrix WHERE target = 'depth' ORDER BY affinity DESC"
      taskonomyctl sql --format parquet "FROM measured_transfer" > transfers.parquet
    """
    if tables == (query is not None):
        raise click.UsageError("give a QUERY, or --tables to see what there is to query")
    if query is None:
        if format_ == "parquet":
            raise click.UsageError("--tables prints a table, CSV or JSON, and no parquet")
        print_result(describe_relations(warehouse), format_)
        return
    if query == "-":
        query = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    if not query.strip():
        raise click.UsageError("the QUERY is blank; --tables shows what there is to query")
    if format_ == "parquet":
        _print_parquet(warehouse, query)
    else:
        print_result(run_query(warehouse, query), format_)


def _print_parquet(warehouse: Path, query: str) -> None:
    if sys.stdout.isatty():
        raise click.UsageError("parquet is not for a terminal; redirect it to a file with >")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        query_to_parquet(warehouse, query, file)
        sys.stdout.buffer.write(file.read_bytes())
