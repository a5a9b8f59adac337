"""A look at a study's data set before anything is trained on this machine.

A mistake in the split, the image size or the tasks is one mistake: it is said once, and no network
is started. The jobs open the data set; they are asked as a process, as for all they do.
"""

import importlib.util
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import trials_text
from taskonomy_catalogue.study import Study
from taskonomy_operator.asked import asked_trials
from taskonomyctl.commands.data import NEEDED
from taskonomyctl.output import say

PATIENCE = 5.0
"""Seconds after which a person is told what takes so long."""
_ERROR = "Error: "


class NotReady(TaskonomyError):
    """The data set is not what the study asks for; ends with the code that the jobs end with."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


def look_at_data(study: Study, origin: str, dataset: Path) -> None:
    """See that every task of a study can be learnt from its data set.

    Where the jobs are not installed there is nobody to ask, and nothing is said.

    Args:
        study: what is asked.
        origin: the study's file, for messages.
        dataset: the data set's folder.

    Raises:
        NotReady: some task cannot; the message says why, each reason once.
    """
    if not all(map(importlib.util.find_spec, ("taskonomy_jobs", *NEEDED))):
        return
    # Transfers learn from what the networks from scratch learn from, so these stand for them.
    trials = takewhile(lambda trial: trial.kind != "transfer", asked_trials(study))
    command = [sys.executable, "-m", "taskonomy_jobs.data", "ready", "--", str(dataset)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) as child:
        try:
            _, said = child.communicate(trials_text(trials), timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            say(f"listing {dataset}; what is found is kept for the next time")
            _, said = child.communicate()
    if child.returncode:
        last = next(iter(said.strip().splitlines()[-1:]), "it ended without a word")
        code = max(child.returncode, 1)
        raise NotReady(f"{origin}: {last.removeprefix(_ERROR)}; nothing was started", code)
