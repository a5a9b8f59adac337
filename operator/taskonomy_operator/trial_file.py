"""How trials get into a pod without another object: an annotation, seen there as a file.

The trials of a Job, one canonical JSON a line, are an annotation of its pods; a downward API volume
makes it the file that ``--trials`` names. A ConfigMap each would double the objects and the writes
of a study, and a command line would be read by a shell sooner or later.
"""

from collections.abc import Sequence
from typing import Any

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.launch import trials_text
from taskonomy_operator.asked import Measured
from taskonomy_operator.constants import TRIALS

FOLDER = "/etc/taskonomy"
FILE = "trials.jsonl"
PATH = f"{FOLDER}/{FILE}"
"""Where the trials are in the container."""
VOLUME = "trials"

MOST_BYTES = 240 * 1024
"""All annotations of an object hold 256 KiB together; the rest is for others'."""


def trials_annotation(trials: Sequence[Measured]) -> dict[str, str]:
    """Return the annotation that carries the trials.

    Raises:
        SettingRefused: they do not fit; fewer of them may share a Job.
    """
    text = trials_text(trials)
    size = len(text.encode("utf-8"))
    if size > MOST_BYTES:
        raise SettingRefused(
            f"{len(trials)} trials take {size:,} bytes and a Job holds {MOST_BYTES:,}; put fewer "
            "trials in a pack"
        )
    return {TRIALS: text}


def trials_volume() -> dict[str, Any]:
    """Return the volume that shows the annotation as a file."""
    field = {"fieldPath": f"metadata.annotations['{TRIALS}']"}
    return {"name": VOLUME, "downwardAPI": {"items": [{"path": FILE, "fieldRef": field}]}}


def trials_mount() -> dict[str, Any]:
    """Return where the container sees it."""
    return {"name": VOLUME, "mountPath": FOLDER, "readOnly": True}
