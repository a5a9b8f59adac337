"""Tasks of a user's own: the hook for a label format or a loss that is not ours.

A task of a user's tasks file needs no code if its labels are files of `folder` in a format its
output kind implies (`data.encodings`: PNG for images, class maps and embeddings, `.npy` for vectors
and classes). For anything else a package offers a `TaskPlugin` under the entry point group
``taskonomy.tasks``, named after the task's id::

    [project.entry-points."taskonomy.tasks"]
    affordances = "my_package.affordances:plugin"

Data asks a plugin for labels (`domains`, `decode`, `mirror`), training for its loss (`loss`); what
a plugin leaves out is done as for any other task of that output kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from taskonomy_catalogue.errors import TaskonomyError

if TYPE_CHECKING:
    from torch import Tensor

GROUP = "taskonomy.tasks"
"""The entry point group that plugins are found under."""

Array = np.ndarray[Any, Any]
Decode = Callable[[Sequence[Path], int, np.random.Generator], tuple[Array, Array | None]]
"""(one file per domain, image size in pixels, source of random choices) to (target, mask).

Target and mask are shaped as `data.examples.Example` says for the task's output kind. Raise OSError
or ValueError for a file that cannot be used: it is counted and skipped as a damaged file of ours.
"""
Loss = Callable[["Tensor", "Tensor", "Tensor | None"], "Tensor"]
"""(prediction, target, mask), each with the batch first, to one loss per example: (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlugin:
    """What a user's package adds for one task."""

    domains: tuple[str, ...] = ()
    """Data set folders that `decode` reads, one file of each per view; empty: the task's folder."""
    decode: Decode | None = None
    """Reads a label; None: as the output kind implies."""
    loss: Loss | None = None
    """The training loss per example; None: the one that the task names."""
    mirror: Callable[[Array], Array] | None = None
    """From a label, before it is standardised, to the label of the images flipped left to right;
    None: as the output kind implies, and with a `decode` of one's own there is none."""


NO_PLUGIN = TaskPlugin()


class PluginRefused(TaskonomyError):
    """A user's plugin cannot be used."""

    exit_code = 2


@cache
def plugin(task_id: str) -> TaskPlugin:
    """Return the plugin of a task, or one that changes nothing.

    Raises:
        PluginRefused: two packages offer one for this task, or it cannot be imported, or it is no
            `TaskPlugin`.
    """
    found = list(entry_points(group=GROUP, name=task_id))
    if not found:
        return NO_PLUGIN
    if len(found) > 1:
        names = ", ".join(sorted(point.value for point in found))
        raise PluginRefused(f"task {task_id!r} has several plugins: {names}; uninstall all but one")
    return _loaded(found[0], task_id)


def _loaded(point: EntryPoint, task_id: str) -> TaskPlugin:
    try:
        loaded = point.load()
    except (ImportError, AttributeError) as error:
        raise PluginRefused(
            f"the plugin of task {task_id!r}, {point.value}, cannot be imported: {error}"
        ) from error
    if not isinstance(loaded, TaskPlugin):
        raise PluginRefused(
            f"the plugin of task {task_id!r}, {point.value}, is a {type(loaded).__name__}; "
            "make it a taskonomy_jobs.custom.TaskPlugin"
        )
    return loaded
