"""How a run is shown: bars that move on a terminal, sober lines where nobody watches one."""

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from taskonomy_operator.status import RunningTrial, StageStatus, Status
from taskonomy_operator.words import duration
from taskonomyctl.output import stderr_console

MOST_RUNNING = 8
"""Running trials listed below the bars; of a large pack the rest is counted."""
SECONDS_BETWEEN_LINES = 15.0
"""How often a line tells of progress where nobody watches."""


class View(AbstractContextManager["View"], Protocol):
    """Something that shows where a study stands, again and again."""

    def __call__(self, status: Status) -> None:
        """Show it."""


def view() -> View:
    """Return bars on a terminal, else lines."""
    return _Bars() if sys.stderr.isatty() else _Lines()


class _Bars(View):
    def __init__(self) -> None:
        self._live = Live(console=stderr_console(), refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def __call__(self, status: Status) -> None:
        self._live.update(bars(status))


class _Lines(View):
    def __init__(self) -> None:
        self._said = ""
        self._when = 0.0
        self._missing: set[tuple[str, str]] = set()
        self._reasons: dict[str, str] = {}
        """By reason, the first trial that failed for it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, status: Status) -> None:
        for each in status.missing:
            if (each.digest, each.title) not in self._missing and each.state == "failed":
                first = self._reasons.setdefault(each.why, each.title)
                why = f": {each.why}" if first == each.title else f", as {first} did"
                click.echo(f"{each.title}: failed{why}", err=True)
            self._missing.add((each.digest, each.title))
        said = line(status)
        last = status.phase != "Running"
        if said != self._said and (last or time.monotonic() > self._when + SECONDS_BETWEEN_LINES):
            click.echo(said, err=True)
            self._said, self._when = said, time.monotonic()


def line(status: Status) -> str:
    """Return where a study stands in one line."""
    parts = [f"{status.done} of {status.trials} trials done"]
    for state in ("running", "queued", "failed", "blocked"):
        count = sum(getattr(stage, state) for stage in status.stages)
        parts += [f"{count} {state}"] if count else []
    parts += ["ranking sources"] if status.ranking else []
    parts += [f"{duration(status.eta_seconds)} to go"] if status.eta_seconds else []
    parts += [status.note] if status.note else []
    return f"{status.study}: {', '.join(parts)}"


def bars(status: Status) -> RenderableType:
    """Return a bar for every stage, what runs now, and what a person should know."""
    table = Table.grid(padding=(0, 2))
    for stage in status.stages:
        table.add_row(
            Text(stage.stage),
            ProgressBar(total=max(1, stage.trials), completed=stage.done, width=30),
            Text(f"{stage.done}/{stage.trials}", justify="right"),
            Text(_states(stage)),
        )
    told: list[RenderableType] = [table]
    told += [Text(_running(trial)) for trial in status.running[:MOST_RUNNING]]
    shown = min(len(status.running), MOST_RUNNING)
    if 0 < shown < status.live:
        told.append(Text(f"  … and {status.live - shown} more"))
    told += [Text("  ranking sources")] if status.ranking else []
    told.append(Text(line(status)))
    return Group(*told)


def _states(stage: StageStatus) -> str:
    named = ("running", "queued", "ready", "resting", "waiting", "failed", "blocked")
    counts = {state: getattr(stage, state) for state in named}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _running(trial: RunningTrial) -> str:
    said = f"  {trial.title}"
    if trial.steps:
        said += f"  step {trial.step}/{trial.steps}"
    if trial.loss is not None:
        said += f"  loss {trial.loss:.4g}"
    if trial.images_per_second is not None:
        said += f"  {trial.images_per_second:.0f} images/s"
    return said
