"""One pass over one study: from what is there to what is asked, a step at a time.

`Reconciler.reconcile` is the whole story: remember the study, take in what its Jobs did, start what
there is room for, write down where it stands, tidy up. A pass may end anywhere, by an error or by
kill -9, and the next begins at the top: every step looks at what is there first. Two orders matter.
A Study's start is written before its first Job is made, as from then on the spec is fixed; and a
Job is only deleted once the status tells how it ended, as a trial that is written down is never
started again.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from taskonomy_catalogue.errors import InputRefused, SettingRefused, TaskonomyError
from taskonomy_catalogue.records import RESULT_FILE
from taskonomy_catalogue.refusals import StudyRefused
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_operator import constants
from taskonomy_operator.actions import Actions, NameTaken, is_about_one
from taskonomy_operator.cluster import Object, Refused
from taskonomy_operator.cluster_status import (
    Trouble,
    is_worth_writing,
    refused_status,
    status_of,
)
from taskonomy_operator.events import Kind
from taskonomy_operator.installation import Installation
from taskonomy_operator.job_end import PodEnd
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.manifests import Manifest, Owner, training_objects
from taskonomy_operator.memory import EndedJob, Memory, oldest_first
from taskonomy_operator.metrics import Metrics
from taskonomy_operator.plan import SETTLED, Job
from taskonomy_operator.ranking_job import ranking_job
from taskonomy_operator.structured_logs import about
from taskonomy_operator.study_status import StudyStatus

log = logging.getLogger(__name__)

REFUSED_WAIT = 30.0
"""Seconds until Jobs that the server refused are tried again."""
HOURS_WAIT = 60.0
"""Seconds after which GPU hours that passed are worth a write by themselves."""
PARKED_WAIT = 30.0
"""Seconds between two looks at ended Jobs that may not go yet."""
UNSEEN_WAIT = 30.0
"""Seconds after which a Job that was made and that the watch does not show is asked after."""


IN_THE_WAY_WAIT = 1.0
"""Seconds until a name that is still taken is tried again."""


class InTheWay(TaskonomyError):
    """An earlier Job of the same name has to go first."""


class Seen(Protocol):
    """The copies of lists that a pass looks at."""

    def study(self, uid: str) -> Object | None:
        """Return a Study; None: it is gone."""

    def jobs(self, uid: str) -> Collection[JobRecord]:
        """Return all Jobs of a study."""

    def changed_jobs(self, uid: str) -> dict[str, JobRecord | None]:
        """Return the Jobs that changed since this was last asked, by name; None: it is gone."""

    def tell_again(self, uid: str, names: Collection[str]) -> None:
        """Tell of some Jobs as if they had changed again."""


class Recorder(Protocol):
    """Where people read what happened to a Study."""

    def record(self, study: Object, kind: Kind, reason: str, message: str) -> None:
        """Tell of something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often things are done."""

    status_interval: float = 1.0
    """Seconds between two writes of a status."""
    keep_ended: float = 3_600.0
    """Seconds that an ended Job stays to be looked at, once its end is written down."""


Asked = tuple[int, str]
"""Generation and labels of a Study."""


@dataclass(slots=True)
class Tracked:
    """A study between two passes."""

    memory: Memory
    asked: Asked
    """What its Jobs are made from."""
    told_at: float = 0.0
    """When its status was last thought about."""
    is_told: bool = False
    """Whether that was after all that has happened."""
    trouble: Trouble | None = None
    blocked_until: float = 0.0
    """No Job is made before: the server refused one."""
    refused: dict[str, float] = field(default_factory=dict)
    """Jobs that the server refused for themselves alone, by name: none is tried again before."""
    written_at: float = 0.0
    """When its status was last written."""
    parked: list[str] = field(default_factory=list)
    """Ended Jobs that may not go yet: failed packs whose trials are not settled."""
    parked_at: float = 0.0
    """When they were last looked at."""


@dataclass(slots=True)
class Reconciler:
    """Brings studies to their end, one pass at a time; passes over different ones may overlap."""

    seen: Seen
    actions: Actions
    installation: Installation
    events: Recorder
    metrics: Metrics
    rhythm: Rhythm = Rhythm()
    clock: Callable[[], float] = time.time
    _tracked: dict[str, Tracked] = field(default_factory=dict)
    _over: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Studies with nothing left to do or to tidy up, each as it was asked for then."""
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Namespace and name of studies, for when they are gone."""
    _done_elsewhere: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Digests with a result, by artifact root: what one study trained, no other does. A shortcut,
    as a Job whose result is there ends at once; no study that was deleted vouches for any."""

    def reconcile(self, uid: str) -> float | None:
        """Make one pass; return the seconds until the next is due, None: when something changes.

        Raises:
            ApiError: the server did not answer, or somebody else wrote: pass again.
        """
        study = self.seen.study(uid)
        if study is None or "deletionTimestamp" in study["metadata"]:
            self._forget(uid)
            return None
        self._names[uid] = study["metadata"]["namespace"], study["metadata"]["name"]
        tracked = self._remembered(uid, study)
        if tracked is None:
            return REFUSED_WAIT if uid not in self._over else None
        self._take_in_jobs(uid, tracked)
        self._read_ranking(tracked)
        self._forgive_if_asked(study, tracked)
        self._stop_if_suspended(tracked)
        self._begin(study, tracked)
        self._start_jobs(study, tracked)
        self._write_status(study, tracked)
        self._tidy_up(tracked)
        return self._next_look(uid, study, tracked)

    # --- remember ------------------------------------------------------------------------------

    def _remembered(self, uid: str, study: Object) -> Tracked | None:
        """Return what is known of a study; made anew when its spec has changed."""
        tracked = self._tracked.get(uid)
        if tracked is None and self._is_over(uid, study):
            return None
        if tracked is not None and tracked.asked == _asked(study)[:2]:
            return tracked
        now = self.clock()
        status = status_of(tracked.memory, now) if tracked is not None else _status(study)
        try:
            memory = self._memory(parse_study(study, origin=_name(study)), study, status)
        except (InputRefused, SettingRefused, StudyRefused) as error:
            self._refuse(study, status, str(error))
            return None
        self._over.pop(uid, None)
        self.seen.changed_jobs(uid)  # all of them are told now
        fresh = Tracked(memory, _asked(study)[:2])
        for record in oldest_first(self.seen.jobs(uid)):
            self._take_in(fresh, record.name, record)
        if tracked is not None:
            memory.took_over(tracked.memory)
        self._tracked[uid] = fresh  # whole: half a memory would make Jobs again
        return fresh

    def _is_over(self, uid: str, study: Object) -> bool:
        """Return whether nothing is left to do for a study, nor to tidy up."""
        if uid not in self._over:
            status = _status(study)
            is_told = status.observed_generation == study["metadata"]["generation"]
            is_done = status.completion_time is not None and status.retried == _retry(study)
            if is_told and is_done and not self.seen.jobs(uid):  # since before we were started
                self._over[uid] = _asked(study)
                self.metrics.saw_study(*self._names[uid], status)
        return self._over.get(uid) == _asked(study)

    def _memory(self, asked: Study, study: Object, status: StudyStatus) -> Memory:
        meta, now = study["metadata"], self.clock()
        owner = Owner(name=meta["name"], namespace=meta["namespace"], uid=meta["uid"])
        most, generation = self.installation.pack, meta["generation"]
        memory = Memory(asked, owner, generation, status, most_in_pack=most, now=now)
        if memory.wants_ranking:
            memory.saw_ranking(self.actions.ranking(owner), now)
        elsewhere = self._done_elsewhere[self._artifacts(asked)]
        for node in memory.plan.nodes():
            if node.state == "done":
                elsewhere.add(node.digest)
            elif node.digest in elsewhere:
                memory.saw_result(node.digest)
        return memory

    def _refuse(self, study: Object, status: StudyStatus, why: str) -> None:
        """Say that a Study cannot be read as one; Jobs it has go on."""
        meta = study["metadata"]
        self._tracked.pop(meta["uid"], None)
        said = refused_status(status, meta["generation"], why, self.clock())
        if said != _status(study):
            owner = Owner(name=meta["name"], namespace=meta["namespace"], uid=meta["uid"])
            self.actions.write_status(owner, said)
            self.events.record(study, "Warning", "Refused", why)
            about(log, study=meta["name"], namespace=meta["namespace"]).error(why)

    def _forget(self, uid: str) -> None:
        """Drop a study that is gone; what it owns is the garbage collector's."""
        self._tracked.pop(uid, None)
        self._over.pop(uid, None)
        self.seen.changed_jobs(uid)
        self._done_elsewhere.clear()  # its results may be removed, now that nobody asks for them
        if uid in self._names:
            namespace, name = self._names.pop(uid)
            self.metrics.forget_study(namespace, name)
            about(log, study=name, namespace=namespace).info("the study was deleted")

    # --- take in -------------------------------------------------------------------------------

    def _take_in_jobs(self, uid: str, tracked: Tracked) -> None:
        news = self.seen.changed_jobs(uid)
        try:
            for name in list(news):
                self._take_in(tracked, name, news[name])
                del news[name]
        finally:
            self.seen.tell_again(uid, news)  # what a server that is away kept from being taken in
        now = self.clock()
        for name, live in list(tracked.memory.live.items()):
            if live.record is None and now > live.made_at + UNSEEN_WAIT:
                # the watch lags, or the Job went before it was seen: the server knows
                there = self.actions.job(tracked.memory.owner.namespace, name)
                if there is None or there.uid != live.uid:
                    tracked.memory.lost_job(name, now)
                if there is not None:
                    self._take_in(tracked, name, there)

    def _take_in(self, tracked: Tracked, name: str, record: JobRecord | None) -> None:
        memory, now = tracked.memory, self.clock()
        if memory.is_of_before(name, record):
            return
        if record is None:
            memory.lost_job(name, now)
            return
        pod = None
        if memory.is_unaccounted(record):
            pod = self.actions.pod_end(record) if record.ended == "failed" else None
            self._tell_end(tracked, record, pod)
        memory.saw_job(record, pod, now)
        if record.ended == "succeeded" and not record.is_ranking:
            self._done_elsewhere[self._artifacts(memory.study)].update(record.names)

    def _tell_end(self, tracked: Tracked, record: JobRecord, pod: PodEnd | None) -> None:
        owner = tracked.memory.owner
        tell = about(log, study=owner.name, namespace=owner.namespace, job=record.name)
        if record.ended == "succeeded":
            tell.info("the Job is done", extra={"seconds": record.seconds, "stage": record.stage})
            return
        why = (pod.words() if pod else "") or record.message or record.reason
        tell.warning("the Job failed", extra={"reason": record.reason, "why": why})
        study = self.seen.study(owner.uid)
        if study is not None:
            self.events.record(study, "Warning", "JobFailed", f"Job {record.name} {why}")

    def _read_ranking(self, tracked: Tracked) -> None:
        memory = tracked.memory
        if not memory.wants_ranking:
            return
        try:
            memory.saw_ranking(self.actions.ranking(memory.owner), self.clock())
        except (InputRefused, SettingRefused) as error:
            tracked.trouble = Trouble("RankingRefused", str(error))
            tracked.blocked_until = self.clock() + REFUSED_WAIT

    def _forgive_if_asked(self, study: Object, tracked: Tracked) -> None:
        """Let failures not count any more, once the Jobs that failed are out of the way."""
        memory = tracked.memory
        asked = _retry(study)
        if not asked or asked == memory.retried:
            return
        failed = [job.record for job in memory.ended.values() if job.record.ended == "failed"]
        for record in failed:
            if not record.is_leaving:
                self.actions.delete_job(record.namespace, record.name, record.uid)
        if not failed:
            memory.forgive()
            memory.retried = asked
            tracked.told_at, tracked.blocked_until = 0.0, 0.0
            self.events.record(study, "Normal", "Retrying", "failed trials are tried again")

    # --- act -----------------------------------------------------------------------------------

    def _stop_if_suspended(self, tracked: Tracked) -> None:
        memory = tracked.memory
        if not memory.study.spec.suspend:
            return
        for name, live in memory.live.items():
            if live.record is not None and not live.is_stopping:
                self.actions.delete_job(memory.owner.namespace, name, live.record.uid)
                self.metrics.jobs_deleted.inc()
                live.is_stopping = True

    def _begin(self, study: Object, tracked: Tracked) -> None:
        """Write down that the study began, before anything is made for it."""
        if tracked.memory.status.start_time is None:
            self._write_status(study, tracked, at_once=True)
            self.events.record(study, "Normal", "Started", _beginning(tracked.memory))

    def _start_jobs(self, study: Object, tracked: Tracked) -> None:
        """Make the Jobs there is room for."""
        if self.clock() < tracked.blocked_until:
            return
        if not any(until > self.clock() for until in tracked.refused.values()):
            tracked.trouble = None
        while wanted := self._wanted(tracked):
            if self._find_results(tracked.memory, wanted):
                continue  # others take their place
            tried = self.actions.make_all(wanted, partial(self._make, tracked.memory))
            failed = [pair for pair in map(partial(self._made, tracked), tried) if pair]
            for job, error in failed:
                self._in_trouble(study, tracked, job, error)
            return

    def _wanted(self, tracked: Tracked) -> list[Job]:
        """Return the Jobs there is room for, without those that were refused a moment ago."""
        now = self.clock()
        tracked.refused = {name: until for name, until in tracked.refused.items() if until > now}
        return [job for job in tracked.memory.next_jobs(now) if job.name not in tracked.refused]

    def _find_results(self, memory: Memory, jobs: list[Job]) -> bool:
        """Take in results that are there already, where artifacts can be seen from here."""
        root = Path(self._artifacts(memory.study))
        if not root.is_absolute() or not root.is_dir():
            return False
        names = (name for job in jobs for name in job.digests)
        found = [name for name in names if (root / name / RESULT_FILE).exists()]
        for name in found:
            memory.saw_result(name)
        return bool(found)

    def _make(self, memory: Memory, job: Job) -> JobRecord:
        """Make one Job, or find that it is there; threads do this side by side."""
        return self.actions.make(self._objects(memory, job), memory.owner)

    def _made(
        self, tracked: Tracked, tried: tuple[Job, JobRecord | Exception]
    ) -> tuple[Job, Exception] | None:
        """Take in a Job that was made; return it with the error if it was not."""
        job, outcome = tried
        if isinstance(outcome, Exception):
            return job, outcome
        earlier = tracked.memory.ended.get(outcome.name)
        is_taken_in = earlier is not None and earlier.record.uid == outcome.uid
        if is_taken_in or outcome.ended == "failed":
            # an earlier attempt under the same name, whose end was taken in: it makes room
            self.actions.delete_job(outcome.namespace, outcome.name, outcome.uid)
            return job, InTheWay(f"Job {outcome.name} of an earlier attempt is being removed")
        if outcome.is_leaving:
            return job, InTheWay(f"Job {outcome.name} is still being stopped")
        self.metrics.jobs_created.inc()
        made = Job(outcome.name, job.kind, job.digests, job.targets)
        tracked.memory.made(made, self.clock(), outcome.uid)
        return None

    def _objects(self, memory: Memory, job: Job) -> list[Manifest]:
        if job.kind == "ranking":
            targets = job.targets
            return [
                ranking_job(memory.study, memory.owner, targets, installation=self.installation)
            ]
        nodes = [node for node in map(memory.plan.node, job.digests) if node is not None]
        return training_objects(
            memory.study,
            memory.owner,
            [node.trial for node in nodes],
            job=job.name,
            attempt=nodes[0].attempts.crashes if len(nodes) == 1 else 0,
            installation=self.installation,
        )

    def _in_trouble(self, study: Object, tracked: Tracked, job: Job, error: Exception) -> None:
        """Remember why Jobs are not made, say so, and leave the server alone for a while."""
        if isinstance(error, InTheWay):
            tracked.blocked_until = self.clock() + IN_THE_WAY_WAIT
            return
        if not (isinstance(error, Refused) or is_about_one(error)):
            raise error
        reason = "NameTaken" if isinstance(error, NameTaken) else "JobsRefused"
        if isinstance(error, Refused) and "exceeded quota" in str(error):
            reason = "QuotaExceeded"
        tracked.trouble = Trouble(reason, f"Job {job.name}: {error}"[:1_000])
        until = self.clock() + REFUSED_WAIT
        if is_about_one(error):
            tracked.refused[job.name] = until
        else:
            tracked.blocked_until = until
        self.events.record(study, "Warning", reason, tracked.trouble.message)
        owner = tracked.memory.owner
        about(log, study=owner.name, namespace=owner.namespace, job=job.name).error(str(error))

    # --- write down ----------------------------------------------------------------------------

    def _write_status(self, study: Object, tracked: Tracked, *, at_once: bool = False) -> None:
        memory, now = tracked.memory, self.clock()
        tracked.is_told = False
        if not at_once and now < tracked.told_at + self.rhythm.status_interval:
            return
        tracked.told_at = now
        status = status_of(memory, now, tracked.trouble)
        hours_passed = now >= tracked.written_at + HOURS_WAIT and _hours(status) != _hours(
            memory.status
        )
        is_new = memory.status.start_time is None or hours_passed
        if is_new or is_worth_writing(status, memory.status, now):
            self.actions.write_status(memory.owner, status)
            tracked.written_at = now
            self._tell_changes(study, memory.status, status)
            memory.wrote(status)
        else:
            memory.wrote(memory.status)
        tracked.is_told = True
        self.metrics.saw_study(memory.owner.namespace, memory.owner.name, status)

    def _tell_changes(self, study: Object, before: StudyStatus, after: StudyStatus) -> None:
        """Tell people of conditions that turned true or changed their reason."""
        old = {each.type: (each.status, each.reason) for each in before.conditions}
        for each in after.conditions:
            if (each.status, each.reason) == old.get(each.type):
                continue
            if each.type == "Degraded" and each.status == "True":
                self.events.record(study, "Warning", each.reason, each.message)
            elif (each.type in ("Completed", "Suspended") and each.status == "True") or (
                each.type == "Progressing" and each.reason in ("GpuHoursUsed", "Ranking")
            ):
                self.events.record(study, "Normal", each.reason, each.message)

    # --- tidy up -------------------------------------------------------------------------------

    def _tidy_up(self, tracked: Tracked) -> None:
        """Delete Jobs that ended long enough ago and whose end is written down."""
        memory = tracked.memory
        old = [job.record for job in self._old(tracked)]
        starts = {live.job.digests[:1] for live in memory.live.values()} if old else set()
        well = [
            record
            for record in old
            if record.ended == "succeeded" and not record.is_ranking and record.names
            if record.names[:1] not in starts
        ]
        self.actions.delete_ended(memory.owner, well)
        for record in old:
            if record not in well:
                self.actions.delete_job(record.namespace, record.name, record.uid)
            memory.ended[record.name].is_going = True
            self.metrics.jobs_deleted.inc()

    def _old(self, tracked: Tracked) -> list[EndedJob]:
        """Return the Jobs that may go now; what is not due yet is not looked at."""
        memory, now = tracked.memory, self.clock()
        names = []
        while memory.kept and self._is_due(memory, memory.kept[0]):
            names.append(memory.kept.popleft())
        if tracked.parked and now >= tracked.parked_at + PARKED_WAIT:
            names, tracked.parked = [*tracked.parked, *names], []
        found = [memory.ended[name] for name in names if name in memory.ended]
        found = [job for job in found if job.is_written and not job.is_going]
        parked = [job for job in found if not self._may_go(memory, job.record)]
        if parked:
            tracked.parked += [job.record.name for job in parked]
            tracked.parked_at = now
        return [job for job in found if job not in parked]

    def _is_due(self, memory: Memory, name: str) -> bool:
        job = memory.ended.get(name)
        return job is None or self.clock() >= job.record.ended_at + self.rhythm.keep_ended

    def _may_go(self, memory: Memory, record: JobRecord) -> bool:
        """Return whether an ended Job is needed no more.

        A pack that crashed says that its trials go on in smaller packs, and only it does.
        """
        if record.is_ranking or record.ended == "succeeded":
            return True
        nodes = [memory.plan.node(name) for name in record.names]
        return all(node is None or node.state in SETTLED for node in nodes)

    def _next_look(self, uid: str, study: Object, tracked: Tracked) -> float | None:
        memory, now = tracked.memory, self.clock()
        nothing_left = not (memory.live or memory.ended) and tracked.is_told
        if memory.status.completion_time is not None and nothing_left:
            self._over[uid] = _asked(study)
            del self._tracked[uid]
            return None
        moments = [tracked.blocked_until, *tracked.refused.values()]
        moments = [moment for moment in moments if moment > now]
        rests_until = memory.plan.wakes_at()
        if rests_until is not None and memory.room(now) and not moments:
            moments.append(rests_until)
        if memory.unwritten or memory.live or not tracked.is_told:
            moments.append(max(tracked.told_at + self.rhythm.status_interval, now + 0.2))
        if tracked.parked:
            moments.append(tracked.parked_at + PARKED_WAIT)
        first = memory.ended.get(memory.kept[0]) if memory.kept else None
        if first is not None:
            moments.append(first.record.ended_at + self.rhythm.keep_ended)
        return max(0.05, min(moments) - now) if moments else None

    # --- the rest ------------------------------------------------------------------------------

    def _artifacts(self, study: Study) -> str:
        return study.spec.artifacts or self.installation.artifacts


def _status(study: Object) -> StudyStatus:
    with suppress(ValidationError):
        return StudyStatus.model_validate(study.get("status") or {})
    return StudyStatus()


def _hours(status: StudyStatus) -> tuple[float, ...]:
    return tuple(stage.gpu_hours for stage in status.stages)


def _asked(study: Object) -> tuple[int, str, str]:
    """Return what has to change for there to be work: spec, labels, and failures forgiven."""
    meta = study["metadata"]
    return meta["generation"], repr(sorted((meta.get("labels") or {}).items())), _retry(study)


def _retry(study: Object) -> str:
    text: str = (study["metadata"].get("annotations") or {}).get(constants.RETRY_FAILED, "")
    return text[:253]


def _name(study: Object) -> str:
    return f"{study['metadata']['namespace']}/{study['metadata']['name']}"


def _beginning(memory: Memory) -> str:
    total = sum(sum(states.values()) for states in memory.plan.counts().values())
    return f"{total:,} trials are needed, as far as known"
