"""What is known of a study on this machine: its folder and the results, read into a plan.

The runner starts from it, after whatever happened to the one before; `status` and `watch` show it
while another process runs. Nothing is written and nothing is locked for longer than a look.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from taskonomy_catalogue.study import Study
from taskonomy_operator.asked import PlanStage
from taskonomy_operator.journal import (
    Ended,
    Forgiven,
    Reader,
    Record,
    Running,
    Starting,
    read,
)
from taskonomy_operator.log_tail import LogTail
from taskonomy_operator.pace import Pace
from taskonomy_operator.packing import DEFAULT_PACK
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import Job
from taskonomy_operator.status import LiveJob, Status, status_of
from taskonomy_operator.study_folder import Run, StudyFolder


@dataclass(slots=True)
class OpenJob:
    """A job that the journal saw start and not end."""

    starting: Starting
    running: Running | None = None

    @property
    def job(self) -> Job:
        """What it was started to do."""
        begun = self.starting
        return Job(begun.job, begun.kind, begun.digests, begun.targets)


@dataclass(slots=True)
class History:
    """What the journal tells, from its first line on."""

    open: dict[str, OpenJob] = field(default_factory=dict)
    """Jobs not seen to end, by name."""
    pace: Pace = field(default_factory=Pace)
    spent_seconds: float = 0.0
    """Job seconds of everything that ended."""
    last_job: dict[str, str] = field(default_factory=dict)
    """By digest, the job that trained it last."""

    def retell(self, record: Record, plan: Plan) -> None:
        """Take in one record, and tell the plan of the failures in it."""
        if isinstance(record, Starting):
            self.open[record.job] = OpenJob(record)
            self.last_job.update(dict.fromkeys(record.digests, record.job))
        elif isinstance(record, Running) and record.job in self.open:
            self.open[record.job].running = record
        elif isinstance(record, Ended):
            self._ended(record, plan)
        elif isinstance(record, Forgiven):
            plan.forgive()

    def _ended(self, record: Ended, plan: Plan) -> None:
        begun = self.open.pop(record.job, None)
        self.spent_seconds += record.seconds
        when = record.time.timestamp()
        if begun is not None and begun.starting.kind == "ranking":
            plan.saw_ranking_end(record.ends.get(record.job), when)
            return
        for name, end in record.ends.items():
            plan.saw_end(name, end, when)
        stages: Counter[PlanStage] = Counter()
        for name in record.finished:
            if node := plan.node(name):
                stages[node.stage] += 1
        for stage, number in stages.items():
            self.pace.saw_job(stage, record.seconds * number / stages.total(), number)


@dataclass(slots=True)
class Known:
    """A study and everything that is known of it here."""

    folder: StudyFolder
    study: Study
    run: Run
    plan: Plan
    history: History


def observe(folder: StudyFolder, *, most_in_pack: int = DEFAULT_PACK) -> Known:
    """Return what is known of a study that was submitted on this machine.

    Raises:
        NotFound: it was not.
        InputRefused: a file of its folder was damaged.
    """
    return observe_as(folder, folder.study(), folder.run(), most_in_pack=most_in_pack)


def observe_as(
    folder: StudyFolder,
    study: Study,
    run: Run,
    *,
    most_in_pack: int,
    records: Iterable[Record] | None = None,
) -> Known:
    """Return what is known of a study, were it submitted so; its folder need not be there."""
    plan = Plan(study, stage=run.stage or study.spec.stage, most_in_pack=most_in_pack)
    plan.saw_ranking(folder.ranking(study))
    history = History()
    for record in read(folder.journal_file) if records is None else records:
        history.retell(record, plan)
    _see_results(folder, plan, (node.digest for node in plan.nodes()))
    return Known(folder, study, run, plan, history)


def status(folder: StudyFolder) -> Status:
    """Return where a study stands, whoever runs it; errors as `observe`."""
    return Watch(folder).look()


@dataclass(slots=True)
class Watch:
    """A study looked at again and again: each look costs what happened since the last."""

    folder: StudyFolder
    _known: Known | None = None
    _journal: Reader | None = None

    def look(self) -> Status:
        """Return where the study stands now; errors as `observe`."""
        runner = runner_of(self.folder)
        if self._known is None or self._journal is None or runner is None:
            self._known = self._from_the_start()
        else:
            self._read_on(self._known, self._journal)
        live = list(_live(self._known))
        plan = self._known.plan
        for job in live:
            plan.saw_start(Job(job.name, job.kind, tuple(job.digests)))
        return status_of(
            plan,
            live,
            self._known.history.pace,
            slots=runner.slots if runner else 1,
            spent_seconds=self._known.history.spent_seconds + sum(job.seconds for job in live),
            is_run=runner is not None,
            note=_note(self._known, bool(live), runner is not None),
        )

    def _from_the_start(self) -> Known:
        self._journal = Reader(self.folder.journal_file)
        records = self._journal.read_on()
        run = self.folder.run()
        return observe_as(
            self.folder, self.folder.study(), run, most_in_pack=DEFAULT_PACK, records=records
        )

    def _read_on(self, known: Known, journal: Reader) -> None:
        for record in journal.read_on():
            opened = known.history.open.get(getattr(record, "job", ""))
            known.history.retell(record, known.plan)
            if isinstance(record, Ended):
                for name in record.finished:
                    known.plan.saw_result(name)
                if opened is not None and opened.starting.kind == "ranking":
                    new = known.plan.saw_ranking(self.folder.ranking(known.study))
                    _see_results(known.folder, known.plan, new)
        for opened in known.history.open.values():
            _see_results(known.folder, known.plan, opened.starting.digests)


def _see_results(folder: StudyFolder, plan: Plan, names: Iterable[str]) -> None:
    for name in list(folder.finished(names)):
        plan.saw_result(name)


class Runner(BaseModel):
    """The process that runs a study, as its lock file says."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    pid: int = 0
    """Its process id; 0: not known."""
    host: str = ""
    """The machine it runs on."""
    started: AwareDatetime | None = None
    """Since when."""
    slots: int = Field(default=1, ge=1)
    """Jobs it runs at once."""


def runner_of(folder: StudyFolder) -> Runner | None:
    """Return the process that runs a study; None: none does."""
    if not is_locked(folder.lock_file):
        return None
    try:
        return Runner.model_validate_json(folder.lock_file.read_bytes())
    except (OSError, ValidationError):  # it has the lock and has not said yet who it is
        return Runner()


def is_locked(path: Path) -> bool:
    """Return whether a living process holds a lock file. The kernel lets go of it at any end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def process_start(pid: int) -> int | None:
    """Return when the kernel says a process started, in its ticks; None: gone, or not told here."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(said.rpartition(")")[2].split()[19])


def _live(known: Known) -> Iterator[LiveJob]:
    for opened in known.history.open.values():
        begun = opened.starting
        if is_locked(known.folder.job_lock(begun.job)):
            tail = LogTail(known.folder.log(begun.job), begun.log_offset)
            tail.read_all()
            seconds = max(0.0, time.time() - begun.time.timestamp())
            yield LiveJob(
                name=begun.job,
                kind=begun.kind,
                digests=begun.digests,
                seconds=seconds,
                standings=tail.standings,
            )


def _note(known: Known, has_jobs: bool, is_run: bool) -> str:
    if known.plan.is_over() or is_run:
        return ""
    if has_jobs:
        return "the process that ran it is gone and its jobs go on; submit again to take them over"
    return "nobody runs it; submit again to go on where it stopped"
