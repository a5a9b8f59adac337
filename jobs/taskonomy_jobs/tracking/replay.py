"""Replay: journals that ended processes left are sent, in order, each by whoever comes first."""

import logging
from dataclasses import dataclass
from pathlib import Path

from taskonomy_catalogue.launch import TRACKING_BUFFER
from taskonomy_jobs.tracking.delivery import Delivery
from taskonomy_jobs.tracking.journal import Busy, Journal
from taskonomy_jobs.tracking.mlflow_runs import Away, MlflowRuns

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay."""

    sent: int
    """Journals that were sent to the end, and removed."""
    left: int
    """Journals that are still there: the server is away, or a trial that runs owns them."""


def replay(uri: str, artifacts: Path) -> Replayed:
    """Send every journal under an artifact root that no running process owns.

    Args:
        uri: MLflow tracking URI.
        artifacts: the artifact root.

    Returns:
        How many were sent, and how many are left.
    """
    runs = MlflowRuns(uri)
    files = sorted(artifacts.glob(f"*/{TRACKING_BUFFER}"))
    sent = 0
    for file in files:
        try:
            sent += _sent(file.parent, runs)
        except Away as away:
            _log.warning("tracking waits in %s: %s", artifacts, away)
            break
        except OSError as error:
            _log.warning("%s cannot be read: %s", file, error)
    return Replayed(sent=sent, left=len(files) - sent)


def _sent(folder: Path, runs: MlflowRuns) -> bool:
    try:
        journal = Journal(folder)
    except Busy:
        return False
    try:
        delivery = Delivery(journal, runs)
        while not delivery.deliver():
            pass
        return True
    finally:
        journal.close()
