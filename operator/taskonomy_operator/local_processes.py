"""Jobs as processes of this machine: started, found again, asked to stop, ended.

A job holds a lock for as long as any process of it lives: the file is locked before the process is
made and the lock is passed on to it, so that even a runner that was killed between the two leaves
no job that the next one could miss or start twice.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_operator.log_tail import LogTail
from taskonomy_operator.observe import OpenJob, Runner, is_locked, process_start
from taskonomy_operator.plan_parts import Job
from taskonomy_operator.status import LiveJob
from taskonomy_operator.study_folder import StudyFolder


class AlreadyRuns(TaskonomyError):
    """Another process holds what only one may hold; the message says which."""

    exit_code = 6


@dataclass(slots=True)
class JobProcess:
    """The process of one job, started by us or by a runner before us."""

    job: Job
    log: LogTail
    lock: Path
    began: float
    """Seconds since the epoch."""
    slot: int
    """Which of the machine's slots it takes."""
    process: "subprocess.Popen[bytes] | None" = None
    """Ours to wait for; None: an earlier runner's."""
    pid: int | None = None
    """Its process id, if it is known."""
    started: int | None = None
    """When the kernel says it started."""
    asked_to_stop: float | None = None
    """When it was asked to stop, in seconds since the epoch."""

    def seen(self) -> LiveJob:
        """Return what can be seen of it from outside."""
        return LiveJob(
            name=self.job.name,
            kind=self.job.kind,
            digests=self.job.digests,
            seconds=time.time() - self.began,
            standings=self.log.standings,
        )

    def is_over(self) -> bool:
        """Return whether the job has ended, whatever it left behind."""
        if self.process is not None:
            return self.process.poll() is not None
        return not is_locked(self.lock)

    @property
    def seconds(self) -> float:
        """How long it has run; of one that ended unseen, until it last wrote."""
        end = time.time()
        if self.process is None and self.is_over() and self.log.path.exists():
            end = self.log.path.stat().st_mtime
        return max(0.0, end - self.began)

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None: it runs, or nobody saw it end."""
        return self.process.returncode if self.process is not None else None

    def ask_to_stop(self) -> None:
        """Let it save and stop: SIGTERM to the process that was started, which knows how."""
        self.asked_to_stop = self.asked_to_stop or time.time()
        if self._is_there():
            _send(self.pid, signal.SIGTERM, group=False)

    def kill(self) -> None:
        """End it and every process it started."""
        self.asked_to_stop = self.asked_to_stop or time.time()
        if self._is_there():
            _send(self.pid, signal.SIGKILL, group=True)

    def clear_up(self) -> None:
        """End what a job that is over left running: loaders of a trainer that was killed."""
        if self.process is not None:
            _send(self.pid, signal.SIGKILL, group=True)

    @property
    def is_beyond_reach(self) -> bool:
        """Whether its process is not known: its runner was killed just when it started."""
        return self.process is None and self.pid is None

    def _is_there(self) -> bool:
        """Return whether the process id is still that of this job and of no later process."""
        if self.process is not None:
            return self.process.poll() is None
        alive = self.pid is not None and is_locked(self.lock)
        return alive and process_start(self.pid or 0) == self.started


def start(
    job: Job,
    command: Sequence[str],
    *,
    log: Path,
    lock: Path,
    slot: int,
    folder: Path,
    environment: Mapping[str, str],
) -> JobProcess:
    """Start a job in a session of its own, its output going to the end of its log.

    Args:
        job: what it is to do.
        command: the program and its arguments; no shell sees them.
        log: file its standard output and error are added to.
        lock: file that stays locked while any of its processes lives.
        slot: which of the machine's slots it takes.
        folder: where it runs.
        environment: variables on top of ours.

    Raises:
        AlreadyRuns: a process of this job is alive.
        OSError: the program cannot be started.
    """
    descriptor = _locked(lock, f"job {job.name}")
    try:
        with log.open("ab") as output:
            offset = output.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
                pass_fds=(descriptor,),
                start_new_session=True,
            )
    finally:
        os.close(descriptor)  # the lock stays with the job
    return JobProcess(
        job=job,
        log=LogTail(log, offset),
        lock=lock,
        began=time.time(),
        slot=slot,
        process=process,
        pid=process.pid,
        started=process_start(process.pid),
    )


def adopted(folder: StudyFolder, opened: OpenJob, slot: int) -> JobProcess:
    """Return the process of a job that an earlier runner started, alive or not."""
    begun, running = opened.starting, opened.running
    return JobProcess(
        job=opened.job,
        log=LogTail(folder.log(begun.job), begun.log_offset),
        lock=folder.job_lock(begun.job),
        began=begun.time.timestamp(),
        slot=slot,
        pid=running.pid if running else None,
        started=running.started if running else None,
    )


@contextmanager
def only_holder(lock: Path, says: str, what: str) -> Iterator[None]:
    """Hold a lock file for a block, with words in it about who does.

    The kernel lets go of it when the process ends, however it ends: it is never stale.

    Raises:
        AlreadyRuns: another process holds it.
    """
    descriptor = _locked(lock, what)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, says.encode(), 0)
        yield
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


def send_stop(pid: int) -> bool:
    """Ask a process to save and stop; return whether it was there to be asked."""
    return _send(pid, signal.SIGTERM, group=False)


def _send(pid: int | None, number: signal.Signals, *, group: bool) -> bool:
    if pid is None or pid <= 1:
        return False
    with suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
        return True
    return False


def _locked(path: Path, what: str) -> int:
    """Return the descriptor of a file that is now locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for _ in range(10):  # somebody who only looks holds it for an instant
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        time.sleep(0.05)
    try:
        said = os.pread(descriptor, 4096, 0).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
    raise AlreadyRuns(f"{what} runs already{_who(said)}; wait for it, or cancel it first")


def _who(said: str) -> str:
    """Return who holds a lock, as far as its file says."""
    try:
        runner = Runner.model_validate_json(said)
    except ValidationError:  # a job's lock says nothing
        return ""
    since = f", since {runner.started.astimezone():%d %b %H:%M}" if runner.started else ""
    return f" (process {runner.pid} on {runner.host}{since})"
