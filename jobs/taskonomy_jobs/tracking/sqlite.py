"""A laptop's tracking: MLflow's tables in one SQLite file, with a folder for pictures beside it.

MLflow's client makes its tables by itself, in some forty steps. Killed between them, or run by
several processes that spell the file's path differently, that leaves a file nobody can use. So the
tables are made in a file beside it, which then gets the name, by one process while others wait.
"""

import fcntl
import os
import re
from pathlib import Path

_SCHEME = "sqlite:///"


def sqlite_file(uri: str) -> Path | None:
    """Return the file that a ``sqlite:///…`` URI names; None for another URI."""
    if not uri.startswith(_SCHEME):
        return None
    return Path(uri.removeprefix(_SCHEME).partition("?")[0])


def picture_folder(file: Path, study: str) -> str:
    """Return the URI of the folder that a study's pictures go to: beside the file."""
    name = re.sub(r"[^\w.-]", "_", study)
    return (file.resolve().parent / f"{file.stem}-artifacts" / name).as_uri()


def make_database(file: Path) -> None:
    """Make MLflow's tables in a file, unless it is there.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    if file.exists() and file.stat().st_size:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f".{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists() and file.stat().st_size:
            return
        made = file.with_name(f".{file.name}.{os.getpid()}")
        made.unlink(missing_ok=True)
        _make_tables(made)
        made.replace(file)


def _make_tables(file: Path) -> None:
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine(f"{_SCHEME}{file}")  # type: ignore[no-untyped-call]
    try:
        utils._initialize_tables(engine)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()
