"""`taskonomyctl`: the commands gathered, errors turned into one message and an exit code."""

import os
import sys
from importlib.metadata import version

import click

from taskonomy_catalogue.errors import TaskonomyError
from taskonomyctl.commands.analyse import bootstrap, generalization, novel_task, taxonomy
from taskonomyctl.commands.completion import completion
from taskonomyctl.commands.export import export
from taskonomyctl.commands.import_ import import_
from taskonomyctl.commands.load import load
from taskonomyctl.commands.report import report
from taskonomyctl.commands.show import show
from taskonomyctl.commands.solve import solve
from taskonomyctl.commands.sql import sql
from taskonomyctl.commands.tasks import tasks

EXIT_CODES = """\b
Exit codes:
  0  done
  1  failed; a message that is not ours is a bug
  2  the command line, a setting or the SQL is wrong
  3  loaded, and some results are in quarantine: the table says which and why
  4  solved, and some budget has no taxonomy: the message says which target
  5  a file was refused: the message names line, column and reason
  6  something is missing, busy or away: a warehouse, a study, a solver, a server
"""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(version("taskonomy"), prog_name="taskonomyctl")
def cli() -> None:
    """Measure how vision tasks transfer to one another, and choose which few to label.

    A first session, with the paper's own measurements:

    \b
      taskonomyctl import published --study paper
      taskonomyctl solve --study paper --budgets 1-26 --orders 1,4,all
      taskonomyctl show taxonomy --budget 8 --order 4
      taskonomyctl report --out report
      taskonomyctl sql "SELECT target, sources, gain FROM taxonomy_choice WHERE budget = 8"

    Everything is kept in one DuckDB file, ./warehouse.duckdb unless --warehouse or
    TASKONOMY_WAREHOUSE names another. Results go to standard output, progress and messages to
    standard error.
    """


COMMANDS = (
    import_,
    load,
    tasks,
    solve,
    show,
    export,
    report,
    bootstrap,
    generalization,
    novel_task,
    taxonomy,
    sql,
    completion,
)

for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake ends in one message, never in a traceback."""
    try:
        result = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        _leave("interrupted; what was committed before is kept", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except TaskonomyError as error:
        _leave(str(error), error.exit_code)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(result if isinstance(result, int) else 0)


def _leave(message: str, exit_code: int) -> None:
    click.echo(f"taskonomyctl: {message}", err=True)
    sys.exit(exit_code)
