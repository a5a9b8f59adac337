"""MLflow's client, made fit for a training job: quick to give up, silent, telling nobody."""

import logging
import os
from typing import TYPE_CHECKING

from taskonomy_jobs.tracking.sqlite import make_database, sqlite_file

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

REQUEST_SECONDS = 10
"""How long one request may take; a server that hangs is away."""


def get_ready() -> None:
    """Set what MLflow reads when it is imported and first used; a user's own values win."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_SECONDS))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # the journal tries again
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # it is for events


def opened(uri: str) -> "MlflowClient":
    """Return a client of a tracking server, or of a SQLite file, which is made if need be."""
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it sets its own level when imported
    file = sqlite_file(uri)
    if file is not None:
        make_database(file)
    return MlflowClient(tracking_uri=uri)
