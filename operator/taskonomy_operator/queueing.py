"""How a Job waits for its turn: Kueue's, where a Study names a queue, else nobody's.

A Job with the queue's label is made suspended and Kueue's webhook or controller lets it go when
there is quota. Without Kueue nobody would, so a queue is only named where Kueue is installed.
"""

from typing import Any

from taskonomy_operator.constants import QUEUE_NAME


def queue_labels(queue: str) -> dict[str, str]:
    """Return the label that puts a Job in a queue; none where no queue is named."""
    return {QUEUE_NAME: queue} if queue else {}


def is_made_suspended(queue: str) -> bool:
    """Return whether a Job is made suspended: whoever admits it lets it go."""
    return bool(queue)


def is_admitted(job: dict[str, Any]) -> bool:
    """Return whether a Job may run: only then does it count as one that does."""
    return not job.get("spec", {}).get("suspend", False)
