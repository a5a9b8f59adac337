"""A study that runs on this machine, seen from another process: started apart, or asked to stop."""

import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator.local_processes import adopted, send_stop
from taskonomy_operator.observe import Known, OpenJob, is_locked, observe, runner_of
from taskonomy_operator.study_folder import StudyFolder


def start_detached(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a runner that goes on when its terminal is closed; what it says goes to a log."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def cancel(folder: StudyFolder) -> int:
    """Ask whatever runs a study to save and stop; return how many processes were asked.

    Jobs that outlived their runner are asked themselves.

    Raises:
        NotFound: no such study was run here.
        SettingRefused: another machine runs it.
    """
    known = observe(folder)
    runner = runner_of(folder)
    if runner is not None:
        if runner.host not in ("", socket.gethostname()):
            raise SettingRefused(f"study {folder.name!r} runs on {runner.host}; cancel it there")
        return int(send_stop(runner.pid))
    orphans = [adopted(folder, opened, slot=0) for opened in _alive(known)]
    for orphan in orphans:
        orphan.ask_to_stop()
    return len(orphans)


def _alive(known: Known) -> Iterator[OpenJob]:
    for opened in known.history.open.values():
        if is_locked(known.folder.job_lock(opened.starting.job)):
            yield opened
