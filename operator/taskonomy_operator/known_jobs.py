"""The Jobs of one study, as far as they are known: under way, ended, and in the way. Pure."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.plan_parts import Job

HANGS_AFTER = 180.0
"""Seconds after which a Job that was to be deleted, and that trials wait for, is told of: its pods
have a grace of their own, `Installation.grace_seconds`."""


@dataclass(slots=True)
class LiveJob:
    """A Job that was made and has not been seen to end."""

    job: Job
    made_at: float
    uid: str = ""
    """Which Job of that name; empty: not known."""
    record: JobRecord | None = None
    """As the server tells of it; None: the watch has not shown it yet."""
    is_stopping: bool = False
    """Whether its deletion was asked for."""


@dataclass(slots=True)
class EndedJob:
    """A Job that ended and is still there to be looked at."""

    record: JobRecord
    is_written: bool = False
    """Whether the status on the server tells of its end: only then may it go."""
    is_going: bool = False
    """Whether its deletion was asked for."""


class KnownJobs:
    """The Jobs of a study, by name, and what is still to be done about them.

    Attributes:
        live: those under way.
        ended: those that ended and are still there.
        unwritten: names of those in `ended` that the status does not tell of yet.
        kept: names of those it tells of, the first to have ended first.
        held: trials that wait until failed Jobs of theirs are gone, with the names of these.
    """

    def __init__(self) -> None:
        self.live: dict[str, LiveJob] = {}
        self.ended: dict[str, EndedJob] = {}
        self.unwritten: set[str] = set()
        self.kept: deque[str] = deque()
        self.held: defaultdict[str, set[str]] = defaultdict(set)

    # --- questions -----------------------------------------------------------------------------

    def is_of_before(self, name: str, record: JobRecord | None) -> bool:
        """Return whether news are of an earlier Job of a name that is used again.

        Args:
            name: of the Job.
            record: the Job; None: it is gone.
        """
        live = self.live.get(name)
        if live is None or live.record is not None:
            return False
        # what was made just now and not been seen: it cannot have gone unseen
        return record is None or (live.uid not in ("", record.uid))

    def is_history(self, record: JobRecord) -> bool:
        """Return whether a Job failed and is being deleted, and nobody waited for it.

        It was written down, or forgiven, before it was deleted: what is there already when a
        controller starts says nothing new.
        """
        return record.ended == "failed" and record.is_leaving and record.name not in self.live

    def is_taken_in(self, record: JobRecord) -> bool:
        """Return whether a Job is known to have ended; one that we gave up may yet succeed."""
        ended = self.ended.get(record.name)
        if ended is None or ended.record.uid != record.uid:
            return False
        return not (ended.record.is_given_up and record.ended == "succeeded")

    def hanging(self, now: float) -> list[JobRecord]:
        """Return the Jobs that trials wait for, and that should have been gone long ago."""
        return [job for job in self._waited_for() if 0 < job.leaving_at < now - HANGS_AFTER]

    def hangs_at(self) -> float | None:
        """Return when the first of them will have been, or was, waited for so long."""
        left = [job.leaving_at for job in self._waited_for() if job.is_leaving]
        return min(left) + HANGS_AFTER if left else None

    # --- facts ---------------------------------------------------------------------------------

    def ends(self, record: JobRecord) -> None:
        """A Job is seen to have ended."""
        self.live.pop(record.name, None)
        self.ended[record.name] = EndedJob(record)
        self.unwritten.add(record.name)

    def changes(self, record: JobRecord) -> None:
        """A Job that is known to have ended has changed, e.g. is being deleted."""
        ended = self.ended[record.name]
        # what we gave up goes on, as the server tells it, until it is gone
        given_up = replace(ended.record, leaving_at=record.leaving_at)
        ended.record = record if record.ended else given_up

    def wrote(self) -> None:
        """The status on the server tells of every Job that has ended until now."""
        for name in sorted(self.unwritten, key=lambda name: self.ended[name].record.ended_at):
            ended = self.ended[name]
            ended.is_written = True
            # what we gave up still runs: it goes first
            (self.kept.appendleft if ended.record.is_given_up else self.kept.append)(name)
        self.unwritten.clear()

    def hold(self, record: JobRecord) -> tuple[str, ...]:
        """Have the trials of a failed Job wait until it is gone, as its pods may still write.

        Returns:
            Digests of these trials.
        """
        if record.ended != "failed" or record.is_ranking:
            return ()
        for name in record.names:
            self.held[name].add(record.name)
        return record.names

    def forget_ended(self, name: str) -> list[str]:
        """An ended Job is gone: return the digests of trials that no other one holds back."""
        gone = self.ended.pop(name, None)
        self.unwritten.discard(name)  # `kept` finds it gone by itself
        waited = [each for each in gone.record.names if each in self.held] if gone else []
        for digest in waited:
            self.held[digest].discard(name)
        free = [digest for digest in waited if not self.held[digest]]
        for digest in free:
            del self.held[digest]
        return free

    def _waited_for(self) -> list[JobRecord]:
        names = {name for jobs in self.held.values() for name in jobs}
        return [self.ended[name].record for name in sorted(names)]


def job_of(record: JobRecord) -> Job:
    """Return what a Job was made for."""
    if record.is_ranking:
        return Job(record.name, "ranking", targets=record.names)
    return Job(record.name, "train", record.names)


def oldest_first(records: Iterable[JobRecord]) -> list[JobRecord]:
    """Return Jobs in the order they were made, so that packs are halved in the order they were."""
    return sorted(records, key=lambda record: (record.made_at, record.name))
