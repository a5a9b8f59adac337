"""A study run on this machine: the planner's answers made processes, their ends told to it.

`run_study` takes over what an earlier run left (results, failures, jobs that outlived their
runner), then starts what fits, watches, and writes down what came of it, until nothing is left or
somebody stops it. Stopped in any way, even by kill -9, it goes on from there when run again: a job
is in the journal before it is a process, and a trial is done when its `result.json` is there.

The first Ctrl-C (or SIGTERM) lets jobs save and stop, the second ends them.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from taskonomy_catalogue.launch import TRACKING_BUFFER, trials_text
from taskonomy_catalogue.records import write_whole
from taskonomy_catalogue.study import Study
from taskonomy_operator.journal import Forgiven, Running, Starting, append
from taskonomy_operator.local_commands import Settings, command_of, replay_command
from taskonomy_operator.local_processes import JobProcess, adopted, only_holder, start
from taskonomy_operator.local_settling import Settling
from taskonomy_operator.machine import boot
from taskonomy_operator.observe import Known, Runner, observe
from taskonomy_operator.plan_parts import Job
from taskonomy_operator.status import Status, status_of
from taskonomy_operator.stop_signals import Stops, counted_stops
from taskonomy_operator.study_folder import Run, StudyFolder
from taskonomy_operator.window import Window

Show = Callable[[Status], None]
"""Is told where the study stands, a few times a second."""


def run_study(
    folder: StudyFolder, study: Study, run: Run, settings: Settings, *, show: Show
) -> Status:
    """Run a study, or go on with it, and return where it stands at the end.

    Args:
        folder: its folder; made if it is not there.
        study: what is asked, self-contained.
        run: how it was submitted.
        settings: how to act.
        show: is told how it goes.

    Raises:
        AlreadyRuns: another process runs it.
        OSError: the disk is full, or the folder cannot be written; jobs were told to stop.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    me = Runner(
        pid=os.getpid(),
        host=socket.gethostname(),
        started=datetime.now(UTC),
        slots=settings.slots.jobs,
    )
    with only_holder(folder.lock_file, me.model_dump_json(), f"study {study.name!r}"):
        folder.keep(study, run)
        if settings.retry_failed:
            append(folder.journal_file, Forgiven())
        runner = _LocalRun(observe(folder, most_in_pack=settings.most_in_pack), settings, show)
        return runner.run()


@dataclass(slots=True)
class _LocalRun:
    """One run of a study, from taking over to the last job's end."""

    known: Known
    settings: Settings
    show: Show
    _settling: Settling = field(init=False)
    _live: list[JobProcess] = field(default_factory=list)
    _stops: Stops = field(default_factory=Stops)
    _stops_heeded: int = 0
    _shown: float = 0.0

    def __post_init__(self) -> None:
        self._settling = Settling(self.known)

    def run(self) -> Status:
        with counted_stops() as self._stops:
            try:
                self._take_over()
                while self._goes_on():
                    self._start_next()
                    self._tell()
                    time.sleep(self.settings.tick)
                    self._heed_stops()
                    self._look()
            except BaseException:
                self._leave_nothing_running()
                raise
            self._send_what_tracking_missed()
        self._tell(at_once=True)
        return self.status()

    # --- the story's parts ---------------------------------------------------------------------

    def _take_over(self) -> None:
        """Adopt the jobs that outlived their runner; settle those that ended unseen."""
        for opened in list(self.known.history.open.values()):
            process = adopted(self.known.folder, opened, slot=len(self._live))
            self.known.plan.saw_start(opened.job)
            self._live.append(process)
        self._look()

    def _goes_on(self) -> bool:
        if self._live:
            return True
        return not (self._stops.asked or self._is_held() or self.known.plan.is_over())

    def _start_next(self) -> None:
        if self._stops.asked or self._is_held():
            return
        spec = self.known.study.spec
        jobs = min(self.settings.slots.jobs, spec.parallelism)
        window = Window(jobs=jobs, gpu_hours=spec.gpu_hours)
        free = window.free(len(self._live), self._spent_seconds())
        for job in self.known.plan.next_jobs(free, time.time()):
            self._start(job)

    def _look(self) -> None:
        """Tell the planner of results that came and of jobs that ended."""
        for process in list(self._live):
            over = process.is_over()  # before its log is read, so that nothing it said is missed
            process.log.read()
            for name in process.log.finished:
                self._settling.check(name)
            if over:
                self._live.remove(process)
                self._settling.settle(process)

    def _heed_stops(self) -> None:
        if self._stops.asked > self._stops_heeded:
            self._stops_heeded = self._stops.asked
            for process in self._live:
                process.ask_to_stop() if self._stops.asked == 1 else process.kill()
            self._tell(at_once=True)
        if self._stops.asked > 1:  # they go on without us, and the next run takes them over
            self._live = [process for process in self._live if not process.is_beyond_reach]
        for process in self._live:
            asked = process.asked_to_stop
            if asked is not None and time.time() > asked + self.settings.grace:
                process.kill()

    def _tell(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() > self._shown + 0.5:
            self._shown = time.monotonic()
            self.show(self.status())

    # --- one job -------------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        folder, run = self.known.folder, self.known.run
        log = folder.log(job.name)
        offset = log.stat().st_size if log.exists() else 0
        self._settling.write_down(
            Starting(
                job=job.name,
                kind=job.kind,
                digests=job.digests,
                targets=job.targets,
                log_offset=offset,
                boot=boot(),
            )
        )
        if job.kind == "train":
            nodes = filter(None, map(self.known.plan.node, job.digests))
            write_whole(folder.trials_file(job.name), trials_text(node.trial for node in nodes))
        slot = min(set(range(len(self._live) + 1)) - {process.slot for process in self._live})
        process = start(
            job,
            command_of(self.known, job, self.settings),
            log=log,
            lock=folder.job_lock(job.name),
            slot=slot,
            folder=Path(run.folder),
            environment=self.settings.slots.environment(slot),
        )
        self._live.append(process)
        self.known.plan.saw_start(job)
        self._settling.write_down(
            Running(job=job.name, pid=process.pid or 0, started=process.started)
        )

    # --- the rest ------------------------------------------------------------------------------

    def status(self) -> Status:
        """Return where the study stands."""
        live = [process.seen() for process in self._live]
        return status_of(
            self.known.plan,
            live,
            self.known.history.pace,
            slots=self.settings.slots.jobs,
            spent_seconds=self._spent_seconds(),
            is_run=bool(self._live) or not (self._stops.asked or self._is_held()),
            note=self._note(),
        )

    def _note(self) -> str:
        if self._stops.asked > 1:
            return "ending jobs"
        if self._stops.asked:
            jobs = "1 job saves and stops" if len(self._live) == 1 else "jobs save and stop"
            saving = f"{jobs}; Ctrl-C again ends all at once"
            return saving if self._live else "stopped; submit again to go on"
        if self.known.study.spec.suspend and not self.known.plan.is_over():
            return "spec.suspend is true: nothing starts; write false and submit again to go on"
        if self._is_spent() and not self.known.plan.is_over():
            hours = self.known.study.spec.gpu_hours
            return f"spec.gpuHours ({hours:g}) is used up: nothing more starts; raise it to go on"
        return ""

    def _spent_seconds(self) -> float:
        now = time.time()
        return self.known.history.spent_seconds + sum(now - p.began for p in self._live)

    def _is_held(self) -> bool:
        return self.known.study.spec.suspend or self._is_spent()

    def _is_spent(self) -> bool:
        window = Window(jobs=1, gpu_hours=self.known.study.spec.gpu_hours)
        return window.is_spent(self._spent_seconds())

    def _leave_nothing_running(self) -> None:
        """On the way out of an error of ours: jobs save, and are ended if they do not."""
        for process in self._live:
            process.ask_to_stop()
        until = time.time() + self.settings.grace
        while time.time() < until and not all(process.is_over() for process in self._live):
            time.sleep(self.settings.tick)
        for process in self._live:
            process.kill()

    def _send_what_tracking_missed(self) -> None:
        """Send what jobs could not, while the tracking server was away; try once."""
        folder, tracking = self.known.folder, self.known.run.tracking
        nodes = self.known.plan.nodes()
        left = any((folder.artifacts / n.digest / TRACKING_BUFFER).exists() for n in nodes)
        if not tracking or not left or self._stops.asked > 1:
            return
        with (
            folder.log(f"{folder.name}-tracking").open("ab") as log,
            suppress(OSError, subprocess.TimeoutExpired),
        ):
            subprocess.run(
                replay_command(self.known, self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=self.settings.grace,
                check=False,
            )
