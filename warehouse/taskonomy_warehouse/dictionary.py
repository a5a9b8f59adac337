"""A study's task dictionary, kept in the warehouse so that a study explains itself."""

import duckdb

from taskonomy_catalogue.tasks import Output, Task, TaskDictionary
from taskonomy_warehouse.warehouse import insert_rows


def write_dictionary(
    connection: duckdb.DuckDBPyConnection, study: str, dictionary: TaskDictionary
) -> None:
    """Insert a study's tasks into table ``task``, in dictionary order."""
    insert_rows(
        connection,
        "task",
        [
            (
                study,
                t.id,
                position,
                t.title,
                t.published,
                t.folder,
                t.group,
                t.role,
                t.images,
                t.output.kind,
                t.output.channels,
                t.output.stride,
                t.loss,
            )
            for position, t in enumerate(dictionary)
        ],
    )


def read_dictionary(connection: duckdb.DuckDBPyConnection, study: str) -> TaskDictionary:
    """Return the dictionary that `write_dictionary` wrote."""
    rows = connection.execute(
        "SELECT task, title, published_name, folder, task_group, role, images, output_kind, "
        "channels, stride, loss FROM task WHERE study = ? ORDER BY position",
        [study],
    ).fetchall()
    return TaskDictionary(task=tuple(_task(*row) for row in rows))


def _task(*row: object) -> Task:
    task_id, title, published, folder, group, role, images, kind, channels, stride, loss = row
    return Task.model_validate(
        {
            "id": task_id,
            "title": title,
            "published": published,
            "folder": folder,
            "group": group,
            "role": role,
            "images": images,
            "output": Output.model_validate({"kind": kind, "channels": channels, "stride": stride}),
            "loss": loss,
        }
    )
