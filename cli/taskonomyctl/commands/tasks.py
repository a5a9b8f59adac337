"""`taskonomyctl tasks`: the dictionary, with every name a task answers to."""

from pathlib import Path

import click

from taskonomy_catalogue.tasks import load_dictionary, published_dictionary
from taskonomyctl.options import output_option
from taskonomyctl.output import print_rows

COLUMNS = ("task", "title", "published", "folder", "group", "role", "images", "output", "loss")


@click.command()
@click.option(
    "--tasks",
    "tasks_file",
    type=click.Path(path_type=Path),
    help="Your own task dictionary (TOML), checked and listed.",
)
@output_option
def tasks(tasks_file: Path | None, output: str) -> None:
    """List the task dictionary: the paper's 26 tasks, or your own file's.

    Any command takes a task by its id, its published name or its data folder's name.
    """
    dictionary = load_dictionary(tasks_file) if tasks_file else published_dictionary()
    rows = [
        {
            "task": task.id,
            "title": task.title,
            "published": task.published,
            "folder": task.folder,
            "group": task.group,
            "role": task.role,
            "images": task.images,
            "output": f"{task.output.kind} × {task.output.channels}",
            "loss": task.loss,
        }
        for task in dictionary
    ]
    print_rows(rows, COLUMNS, output)
