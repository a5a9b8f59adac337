"""`taskonomyctl`: the commands gathered, errors turned into one message and an exit code."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from importlib.metadata import version
from types import FrameType
from typing import Any

import click

from taskonomy_catalogue.errors import TaskonomyError
from taskonomyctl.commands.analyse import generalization, novel_task, taxonomy
from taskonomyctl.commands.bootstrap import bootstrap
from taskonomyctl.commands.cancel import cancel
from taskonomyctl.commands.completion import completion
from taskonomyctl.commands.crd import crd
from taskonomyctl.commands.data import data
from taskonomyctl.commands.export import export
from taskonomyctl.commands.gc import gc
from taskonomyctl.commands.import_ import import_
from taskonomyctl.commands.infer import infer
from taskonomyctl.commands.load import load
from taskonomyctl.commands.logs import logs
from taskonomyctl.commands.plan import plan
from taskonomyctl.commands.report import report
from taskonomyctl.commands.show import show
from taskonomyctl.commands.solve import solve
from taskonomyctl.commands.sql import sql
from taskonomyctl.commands.steer import delete, resume, retry, suspend
from taskonomyctl.commands.submit import submit
from taskonomyctl.commands.tasks import tasks
from taskonomyctl.commands.watch import list_, status, watch
from taskonomyctl.commands.why import why

EXIT_CODES = """\b
Exit codes:
  0  done
  1  failed; a message that is not ours is a bug
  2  the command line, a setting or the SQL is wrong
  3  loaded, and some results are in quarantine: the table says which and why
  4  solved, and some budget has no taxonomy: the message says which target
  5  a file was refused: the message names line, column and reason
  6  something is missing, busy or away: a warehouse, a study, a solver, a server
  7  the study ended, and some of its trials have no result: the table says why
  8  rebuilt, and the warehouse was wrong: it is another now, the message says where it differed
  130  interrupted by Ctrl-C, 143 by SIGTERM: what was committed before is kept
  141  the reader of the output went away, as head does
"""


class _ReaderLeft(Exception):
    """Nobody reads our output any more. click would call that a failure and exit with 1."""


class _Terminated(KeyboardInterrupt):
    """SIGTERM, made to unwind as Ctrl-C does."""


class _Commands(click.Group):
    """The commands, with a reader that goes away told apart from other failures."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _reader_may_leave():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():
            return super().invoke(ctx)


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderLeft from error


@click.group(
    cls=_Commands,
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

    A study of your own, trained on this machine, or on a cluster:

    \b
      taskonomyctl submit -f study.yaml --local
      taskonomyctl load --study NAME --from-artifacts ./artifacts
      taskonomyctl submit -f study.yaml -n vision --wait

    Everything is kept in one DuckDB file, ./warehouse.duckdb unless --warehouse or
    TASKONOMY_WAREHOUSE names another. Results go to standard output, progress and messages to
    standard error.
    """


COMMANDS = (
    data,
    plan,
    submit,
    status,
    watch,
    list_,
    why,
    logs,
    suspend,
    resume,
    retry,
    cancel,
    delete,
    gc,
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
    infer,
    sql,
    crd,
    completion,
)

for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake ends in one message, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a Latin-1 terminal prints "?" for "≤"
    try:
        with _sigterm_unwinds():
            result = cli.main(prog_name="taskonomyctl", standalone_mode=False)
            sys.stdout.flush()
    except click.exceptions.Abort as abort:
        terminated = isinstance(abort.__cause__, _Terminated)
        _leave("interrupted; what was committed before is kept", 143 if terminated else 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except TaskonomyError as error:
        _leave(str(error), error.exit_code)
    except (_ReaderLeft, BrokenPipeError):
        _drop_output()
        sys.exit(141)
    except OSError as error:  # a disk that is full, a file that cannot be written
        _drop_output()
        _leave(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
    sys.exit(result if isinstance(result, int) else 0)


@contextlib.contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    def terminate(_signal: int, _frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _drop_output() -> None:
    """Send what is still in the buffer nowhere: Python would try it again on its way out."""
    with contextlib.suppress(OSError):  # a stream that is no file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(message: str, exit_code: int) -> None:
    click.echo(f"taskonomyctl: {message}", err=True)
    sys.exit(exit_code)
