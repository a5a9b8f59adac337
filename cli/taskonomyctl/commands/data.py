"""`taskonomyctl data`: look at a data set, or make one. The work is done by the training jobs."""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping

import click

from taskonomy_catalogue.errors import NotFound

MODULES = {
    "check": ("taskonomy_jobs.data", "check"),
    "browse": ("taskonomy_jobs.data", "browse"),
    "make-rooms": ("taskonomy_jobs.rooms",),
}
"""By command, the module that is started and its first words."""
NEEDED = ("numpy", "PIL", "scipy", "skimage", "numba")
"""What those modules import besides our own; the jobs extra has it."""

_layout = click.option(
    "--layout",
    type=click.Choice(["taskonomy", "omnidata"]),
    default="taskonomy",
    show_default=True,
    help="How its files are laid out.",
)
_tasks = click.option("--tasks", metavar="FILE", help="Your own task dictionary (TOML).")


@click.group()
def data() -> None:
    """Check and browse a data set, or make one of procedural rooms."""


@data.command()
@click.argument("root")
@click.option("--splits", help="A split's name or CSV: its buildings, by part. Else: every one.")
@_layout
@_tasks
@click.option("--deep", is_flag=True, help="Decode every file, not only size and ends.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the report.",
)
def check(
    root: str, splits: str | None, layout: str, tasks: str | None, deep: bool, output: str
) -> None:
    """Report which labels ROOT has, by task, part and building, and what is damaged.

    A view counts for a task where training would take it. Ends with 5 if a file is damaged. Without
    --deep it takes seconds: folders are listed, sizes, headers and ends looked at.
    """
    options = {"--splits": splits, "--layout": layout, "--tasks": tasks, "--output": output}
    _run("check", root, options, *(["--deep"] if deep else []))


@data.command()
@click.argument("root")
@click.option("--out", required=True, metavar="FILE", help="PNG to write.")
@click.option("--building", help="The building; the first one if it is not given.")
@click.option("--point", type=int, help="The point's number; the first one.")
@click.option("--view", type=int, help="The view's number; the first one.")
@_layout
@_tasks
def browse(
    root: str,
    out: str,
    building: str | None,
    point: int | None,
    view: int | None,
    layout: str,
    tasks: str | None,
) -> None:
    """Draw every label of one image of ROOT on a sheet, decoded as training decodes it."""
    options = {
        "--out": out,
        "--building": building,
        "--point": point,
        "--view": view,
        "--layout": layout,
        "--tasks": tasks,
    }
    _run("browse", root, options)


@data.command(name="make-rooms")
@click.argument("out")
@click.option("--buildings", type=click.IntRange(3), required=True, help="Buildings; 3 or more.")
@click.option(
    "--views", type=click.IntRange(2), required=True, help="Views of each building; 2 or more."
)
@click.option(
    "--size",
    type=click.Choice(["64", "128", "256"]),
    default="64",
    show_default=True,
    help="Side of the images, pixels.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, another world.")
@click.option("--workers", type=click.IntRange(1), help="Processes; as many as there are cores.")
def make_rooms(
    out: str, buildings: int, views: int, size: str, seed: int, workers: int | None
) -> None:
    """Make a data set of procedural rooms in OUT, with every label and a split called rooms.

    The same options make the same files, however many processes work. A run that was cut off goes
    on where it stopped.
    """
    options = {
        "--buildings": buildings,
        "--views": views,
        "--size": size,
        "--seed": seed,
        "--workers": workers,
    }
    _run("make-rooms", out, options)


def _run(command: str, place: str, options: Mapping[str, object], *flags: str) -> None:
    """Run a module of the jobs with our own standard streams, and end with its exit code.

    Raises:
        NotFound: the jobs are not installed.
    """
    module, *words = MODULES[command]
    missing = [name for name in ("taskonomy_jobs", *NEEDED) if not importlib.util.find_spec(name)]
    if missing:
        raise NotFound(
            f"data {command} needs the training jobs, and {', '.join(missing)} is not installed; "
            "pip install 'taskonomy[jobs,cli]'"
        )
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    # A place that starts with a dash is a place, not an option.
    call = [sys.executable, "-m", module, *words, *given, *flags, "--", place]
    sys.stdout.flush()
    sys.exit(_finished(call))


def _finished(call: list[str]) -> int:
    """Return a child's exit code; Ctrl-C reaches it too, and it ends by itself."""
    with subprocess.Popen(call) as child:
        while True:
            try:
                code = child.wait()
            except KeyboardInterrupt:
                continue
            return 128 - code if code < 0 else code
