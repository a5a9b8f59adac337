"""One pass over one study: from what is there to what is asked, a step at a time.

`Reconciler.reconcile` is the whole story: remember the study, take in what its Jobs did, start what
there is room for, write down where it stands, tidy up. A pass may end anywhere, by an error or by
kill -9, and the next begins at the top: every step looks at what is there first. Two orders matter.
A Study's start is written before its first Job is made, as from then on the spec is fixed; and a
Job is only deleted once the status tells how it ended, as a trial that is written down is never
started again.

What a pass acts with is in `surroundings`, and its longer steps in `start_jobs`, `write_down` and
`tidy_up`.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_catalogue.refusals import StudyRefused
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_operator.cluster import Object
from taskonomy_operator.cluster_status import status_of
from taskonomy_operator.conditions import Trouble, refused_status
from taskonomy_operator.job_end import NO_HEAD, NO_PROGRESS, PodEnd
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.known_jobs import oldest_first
from taskonomy_operator.manifests import Owner
from taskonomy_operator.memory import Memory
from taskonomy_operator.no_progress import LONGEST, LOOK_WAIT, in_vain, is_too_much
from taskonomy_operator.start_jobs import REFUSED_WAIT, start_jobs
from taskonomy_operator.structured_logs import about
from taskonomy_operator.study_status import StudyStatus
from taskonomy_operator.surroundings import (
    Surroundings,
    Tracked,
    asked,
    retry_asked,
    status_in,
)
from taskonomy_operator.tidy_up import next_tidying, tidy_up
from taskonomy_operator.write_down import begin, write_status

log = logging.getLogger(__name__)

UNSEEN_WAIT = 30.0
"""Seconds after which a Job that was made and that the watch does not show is asked after."""


@dataclass(slots=True)
class Reconciler:
    """Brings studies to their end, one pass at a time; passes over different ones may overlap."""

    around: Surroundings
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
        study = self.around.seen.study(uid)
        if study is None or "deletionTimestamp" in study["metadata"]:
            self._forget(uid)
            return None
        self._names[uid] = study["metadata"]["namespace"], study["metadata"]["name"]
        tracked = self._remembered(uid, study)
        if tracked is None:
            return REFUSED_WAIT if uid not in self._over else None
        self._take_in_jobs(uid, tracked)
        self._give_up_what_is_stuck(tracked)
        self._read_ranking(tracked)
        self._forgive_if_asked(study, tracked)
        self._stop_if_suspended(tracked)
        begin(self.around, study, tracked)
        start_jobs(self.around, study, tracked)
        write_status(self.around, study, tracked)
        tidy_up(self.around, tracked)
        return self._next_look(uid, study, tracked)

    # --- remember ------------------------------------------------------------------------------

    def _remembered(self, uid: str, study: Object) -> Tracked | None:
        """Return what is known of a study; made anew when its spec has changed."""
        tracked = self._tracked.get(uid)
        if tracked is None and self._is_over(uid, study):
            return None
        if tracked is not None and tracked.asked == asked(study)[:2]:
            return tracked
        now = self.around.clock()
        status = status_of(tracked.memory, now) if tracked is not None else status_in(study)
        try:
            memory = self._memory(parse_study(study, origin=_name(study)), study, status)
        except (InputRefused, SettingRefused, StudyRefused) as error:
            self._refuse(study, status, str(error))
            return None
        self._over.pop(uid, None)
        self.around.seen.changed_jobs(uid)  # all of them are told now
        fresh = Tracked(memory, asked(study)[:2])
        for record in oldest_first(self.around.seen.jobs(uid)):
            self._take_in(fresh, record.name, record)
        if tracked is not None:
            memory.took_over(tracked.memory)
        self._tracked[uid] = fresh  # whole: half a memory would make Jobs again
        return fresh

    def _is_over(self, uid: str, study: Object) -> bool:
        """Return whether nothing is left to do for a study, nor to tidy up."""
        if uid not in self._over:
            status = status_in(study)
            is_told = status.observed_generation == study["metadata"]["generation"]
            is_done = status.completion_time is not None and status.retried == retry_asked(study)
            # since before we were started
            if is_told and is_done and not self.around.seen.jobs(uid):
                self._over[uid] = asked(study)
                self.around.metrics.saw_study(*self._names[uid], status)
        return self._over.get(uid) == asked(study)

    def _memory(self, wanted: Study, study: Object, status: StudyStatus) -> Memory:
        owner, now = _owner(study), self.around.clock()
        memory = Memory(
            wanted,
            owner,
            study["metadata"]["generation"],
            status,
            most_in_pack=self.around.installation.pack,
            now=now,
            ticks=self.around.ticks,
        )
        if memory.wants_ranking:
            memory.saw_ranking(self.around.actions.ranking(owner), now)
        elsewhere = self._done_elsewhere[self.around.artifacts(wanted)]
        for node in memory.plan.nodes():
            if node.state == "done":
                elsewhere.add(node.digest)
            elif node.digest in elsewhere:
                memory.saw_result(node.digest)
        return memory

    def _refuse(self, study: Object, status: StudyStatus, why: str) -> None:
        """Say that a Study cannot be read as one; Jobs it has go on, unless it is suspended."""
        meta, around = study["metadata"], self.around
        self._tracked.pop(meta["uid"], None)
        live = [record for record in around.seen.jobs(meta["uid"]) if not record.ended]
        is_suspended = (study.get("spec") or {}).get("suspend") is True
        if is_suspended:
            self._stop(record for record in live if not record.is_leaving)
        stopping = len(live) if is_suspended else None
        said = refused_status(status, meta["generation"], why, around.clock(), stopping)
        if said != status_in(study):
            around.actions.write_status(_owner(study), said)
            around.events.record(study, "Warning", "Refused", why)
            about(log, study=meta["name"], namespace=meta["namespace"]).error(why)

    def _forget(self, uid: str) -> None:
        """Drop a study that is gone; what it owns is the garbage collector's."""
        self._tracked.pop(uid, None)
        self._over.pop(uid, None)
        self.around.seen.changed_jobs(uid)
        self._done_elsewhere.clear()  # its results may be removed, now that nobody asks for them
        if uid in self._names:
            namespace, name = self._names.pop(uid)
            self.around.metrics.forget_study(namespace, name)
            about(log, study=name, namespace=namespace).info("the study was deleted")

    # --- take in -------------------------------------------------------------------------------

    def _take_in_jobs(self, uid: str, tracked: Tracked) -> None:
        news = self.around.seen.changed_jobs(uid)
        try:
            for name in list(news):
                self._take_in(tracked, name, news[name])
                del news[name]
        finally:
            # what a server that is away kept from being taken in
            self.around.seen.tell_again(uid, news)
        now = self.around.clock()
        for name, live in list(tracked.memory.jobs.live.items()):
            if live.record is None and now > live.made_at + UNSEEN_WAIT:
                # the watch lags, or the Job went before it was seen: the server knows
                there = self.around.actions.job(tracked.memory.owner.namespace, name)
                if there is None or there.uid != live.uid:
                    tracked.memory.lost_job(name, now)
                if there is not None:
                    self._take_in(tracked, name, there)

    def _take_in(self, tracked: Tracked, name: str, record: JobRecord | None) -> None:
        memory, now = tracked.memory, self.around.clock()
        if memory.jobs.is_of_before(name, record):
            return
        if record is None:
            memory.lost_job(name, now)
            return
        if record.lacks_head and not record.ended:
            why = "the pod that the others meet at (index 0) has used its retries up"
            record = record.given_up(NO_HEAD, why, now)
        pod = None
        if memory.is_unaccounted(record):
            pod = self.around.actions.pod_end(record) if record.ended == "failed" else None
            self._tell_end(tracked, record, pod)
        memory.saw_job(record, pod, now)
        if record.ended == "succeeded" and not record.is_ranking:
            self._done_elsewhere[self.around.artifacts(memory.study)].update(record.names)

    def _tell_end(self, tracked: Tracked, record: JobRecord, pod: PodEnd | None) -> None:
        owner = tracked.memory.owner
        tell = about(log, study=owner.name, namespace=owner.namespace, job=record.name)
        if record.ended == "succeeded":
            tell.info("the Job is done", extra={"seconds": record.seconds, "stage": record.stage})
            return
        why = (pod.words() if pod else "") or record.message or record.reason
        tell.warning("the Job failed", extra={"reason": record.reason, "why": why})
        study = self.around.seen.study(owner.uid)
        if study is not None:
            self.around.events.record(study, "Warning", "JobFailed", f"Job {record.name} {why}")

    def _read_ranking(self, tracked: Tracked) -> None:
        memory = tracked.memory
        if not memory.wants_ranking:
            return
        try:
            memory.saw_ranking(self.around.actions.ranking(memory.owner), self.around.clock())
        except (InputRefused, SettingRefused) as error:
            tracked.trouble = Trouble("RankingRefused", str(error))
            tracked.blocked_until = self.around.clock() + REFUSED_WAIT

    # --- steer ---------------------------------------------------------------------------------

    def _give_up_what_is_stuck(self, tracked: Tracked) -> None:
        """End Jobs whose pods come back for ever with nothing new (`no_progress`)."""
        memory, now = tracked.memory, self.around.clock()
        if now < tracked.pods_seen_at + LOOK_WAIT:
            return
        tracked.pods_seen_at = now
        live = [each.record for each in memory.jobs.live.values() if each.record is not None]
        grown = [each for each in live if not each.is_ranking and not each.is_leaving]
        grown = [each for each in grown if 0 < each.started_at < now - LONGEST]
        rows = in_vain(self.around.actions.failed_pods(memory.owner)) if grown else {}
        for record in grown:
            row = rows.get(record.uid, [])
            if is_too_much(row):
                why = f"{len(row)} pods in a row ended with exit code 75 and saved no further step"
                self._take_in(tracked, record.name, record.given_up(NO_PROGRESS, why, now))

    def _forgive_if_asked(self, study: Object, tracked: Tracked) -> None:
        """Let failures not count any more; each trial goes on once failed Jobs of it are gone."""
        memory, wish = tracked.memory, retry_asked(study)
        if not wish or wish == memory.retried:
            return
        failed = [job for job in memory.jobs.ended.values() if job.record.ended == "failed"]
        for job in failed:
            if not (job.is_going or job.record.is_leaving):
                self._stop([job.record])
            job.is_going = True
        memory.forgive(wish)  # only now: what is being deleted when it is written down is history
        tracked.told_at, tracked.blocked_until = 0.0, 0.0
        self.around.events.record(study, "Normal", "Retrying", "failed trials are tried again")

    def _stop_if_suspended(self, tracked: Tracked) -> None:
        if tracked.memory.study.spec.suspend:
            for live in tracked.memory.jobs.live.values():
                if live.record is not None and not live.is_stopping:
                    self._stop([live.record])
                    live.is_stopping = True

    def _stop(self, records: Iterable[JobRecord]) -> None:
        for record in records:
            self.around.actions.delete_job(record.namespace, record.name, record.uid)
            self.around.metrics.jobs_deleted.inc()

    # --- when to look again --------------------------------------------------------------------

    def _next_look(self, uid: str, study: Object, tracked: Tracked) -> float | None:
        """Return the seconds until something is due; None: when something changes."""
        memory, now = tracked.memory, self.around.clock()
        nothing_left = not (memory.jobs.live or memory.jobs.ended) and tracked.is_told
        if memory.status.completion_time is not None and nothing_left:
            self._over[uid] = asked(study)
            del self._tracked[uid]
            return None
        moments = [tracked.blocked_until, *tracked.refused.values(), memory.jobs.hangs_at() or 0.0]
        moments = [moment for moment in moments if moment > now]
        rests_until = memory.plan.wakes_at()
        if rests_until is not None and memory.room() and not moments:
            moments.append(rests_until)
        if memory.jobs.unwritten or memory.jobs.live or not tracked.is_told:
            moments.append(max(tracked.told_at + self.around.rhythm.status_interval, now + 0.2))
        if (tidying := next_tidying(self.around, tracked)) is not None:
            moments.append(tidying)
        return max(0.05, min(moments) - now) if moments else None


def _owner(study: Object) -> Owner:
    meta = study["metadata"]
    return Owner(name=meta["name"], namespace=meta["namespace"], uid=meta["uid"])


def _name(study: Object) -> str:
    return f"{study['metadata']['namespace']}/{study['metadata']['name']}"
