"""Tracking: every trial is a run of MLflow, and a tracking server that is away costs nothing.

`open_tracker` gives the one tracker of a process; `Tracker.start` the run of a trial, found again
by its tags when the trial is resumed. Three things carry what is logged from there to the server:

- the trial puts it into a queue and goes on: training never waits for a disk or a network,
- one thread writes it to the trial's *journal* (`journal`), ``<artifacts>/<digest>/
  tracking-buffer.jsonl``, which holds what the server does not have yet, in order,
- another sends each journal, batch after batch, to MLflow (`delivery`, `mlflow_runs`).

So a server that is away, or hangs, leaves journals that grow, and the same code empties them later:
this process, the next attempt of the trial, or ``python -m taskonomy_jobs.tracking`` (`replay`).
Sending something twice changes nothing.
"""

from taskonomy_jobs.tracking.queued_run import Panel
from taskonomy_jobs.tracking.replay import Replayed, replay
from taskonomy_jobs.tracking.tracker import Tracker, TrialRun, open_tracker

__all__ = ["Panel", "Replayed", "Tracker", "TrialRun", "open_tracker", "replay"]
