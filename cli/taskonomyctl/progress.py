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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, status: Status) -> None:
        for each in status.missing:
            if (each.digest, each.title) not in self._missing and each.state == "failed":
                click.echo(f"{each.title}: failed: {each.why}", err=True)
            self._missing.add((each.digest, each.title))
        said = line(status)
        last = status.phase != "Running"
        if said != self._said and (last or time.monotonic() > self._when + SECONDS_BETWEEN_LINES):
            click.echo(said, err=True)
            self._said, self._when = said, time.monotonic()


def line(status: Status) -> str:
    """Return where a study stands in one line."""
    parts = [f"{status.done} of {status.trials} trials done"]
    if status.running:
        parts.append(f"{len(status.running)} running")
    lost = {state: sum(m.state == state for m in status.missing) for state in ("failed", "blocked")}
    parts += [f"{count} {state}" for state, count in lost.items() if count]
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
    if len(status.running) > MOST_RUNNING:
        told.append(Text(f"  … and {len(status.running) - MOST_RUNNING} more"))
    told += [Text("  ranking sources")] if status.ranking else []
    told.append(Text(line(status)))
    return Group(*told)


def duration(seconds: float) -> str:
    """Return a time in words: ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = minutes // 60
    return f"{hours // 24} d {hours % 24} h"


def _states(stage: StageStatus) -> str:
    named = ("running", "ready", "resting", "waiting", "failed", "blocked")
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
