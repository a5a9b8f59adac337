"""Where what is derived from a data set is kept: listings, camera tables, statistics.

In the data set's own hidden folder ``<root>/.taskonomy`` if that can be written, so that everything
that mounts the data set shares it; else under the user's cache folder. ``TASKONOMY_CACHE`` names
another place. Whatever is there can be deleted at any time.
"""

import os
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

OWN_FOLDER = ".taskonomy"
FORMAT = 1
"""Raise it when what is kept changes its meaning: old files are then not found."""


def cache_folder(root: Path) -> Path:
    """Return the folder that things derived from this data set are kept in; it may not exist."""
    inside = root / OWN_FOLDER
    chosen = os.environ.get("TASKONOMY_CACHE")
    if not chosen and os.access(inside if inside.is_dir() else root, os.W_OK):
        return inside / f"v{FORMAT}"
    place = blake2b(str(root.resolve()).encode(), digest_size=8).hexdigest()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taskonomy"
    return Path(chosen or home) / place / f"v{FORMAT}"


def keep(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that readers see all of it or none; a full or read-only disk is no fault.

    Args:
        path: where to; its folder is made.
        write: writes the content to an open binary file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def kept_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays that `keep_arrays` wrote; none if the file is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except Exception:  # noqa: BLE001 - whatever is wrong with it, what it held is made again
        return {}


def keep_arrays(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays so that readers see all of them or none."""
    keep(path, lambda file: np.savez(file, allow_pickle=False, **arrays))
