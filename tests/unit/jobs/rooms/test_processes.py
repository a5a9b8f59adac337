"""Forked workers: all they report arrives, failures too, and none outlives its starter."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[4]

PROGRAM = """
import os, sys, time
from taskonomy_jobs.rooms.processes import in_processes

def counts(name):
    for i in range({count}):
        with open({folder!r} + "/" + name, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(0.05)
        if {fails} and i == 3:
            raise OSError(28, "No space left on device", name)
        yield 1

def share(name):
    return lambda: counts(name)

try:
    print(sum(in_processes([share("a"), share("b")])))
except OSError as error:
    print("refused:", error.strerror)
"""


def start(folder: Path, count: int, fails: bool = False) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(REPOSITORY / p) for p in ("catalogue", "jobs"))
    program = PROGRAM.format(folder=str(folder), count=count, fails=fails)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Path]:
    """A folder where workers leave their process numbers; what is left of them is ended."""
    yield tmp_path
    for pid in pids(tmp_path):
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def pids(folder: Path) -> list[int]:
    texts = [path.read_text() for path in folder.iterdir()]
    return [int(text) for text in texts if text]


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that ended and is not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_all_reports_arrive(workers: Path) -> None:
    with start(workers, 4) as process:
        assert process.communicate()[0] == "8\n"


def test_what_a_worker_raises_stops_all_of_them(workers: Path) -> None:
    with start(workers, 1000, fails=True) as process:
        assert process.communicate()[0] == "refused: No space left on device\n"
    assert not any(is_alive(pid) for pid in pids(workers))


def test_workers_end_when_their_starter_is_killed(workers: Path) -> None:
    with start(workers, 100_000) as process:
        while len(pids(workers)) < 2:
            time.sleep(0.05)
        process.kill()
    for _ in range(200):
        if not any(is_alive(pid) for pid in pids(workers)):
            break
        time.sleep(0.1)
    assert not any(is_alive(pid) for pid in pids(workers))
