"""What the controller knows of one study: its plan, its ledger, and its Jobs.

Made from three things, after whatever happened to the controller before: the spec, the status, and
the Jobs that are there. From then on it is told what changes, a Job at a time, and costs what
changes: finished trials are numbers in a range. It asks nobody and writes nothing; `reconcile`
does.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from taskonomy_catalogue.rankings import FirstOrder, RankingFile
from taskonomy_catalogue.study import Study
from taskonomy_operator.asked import PLAN_STAGES, PlanStage, needs_ranking
from taskonomy_operator.gpu_meter import GpuMeter
from taskonomy_operator.job_end import WORD_OF, PodEnd, verdict
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.known_jobs import KnownJobs, LiveJob, job_of
from taskonomy_operator.ledger import Known, Ledger, are_numbered, told_by
from taskonomy_operator.manifests import Owner
from taskonomy_operator.numbering import Numbering
from taskonomy_operator.pace import Pace
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import Job
from taskonomy_operator.retries import Attempts, End
from taskonomy_operator.scheduling import resources_of
from taskonomy_operator.study_status import StageStatus, StudyStatus
from taskonomy_operator.window import Window


class Memory:
    """Everything known of a study.

    Attributes:
        study: what is asked.
        owner: the Study object.
        generation: of the spec.
        plan: what is to be trained, and where each trial stands.
        ledger: the same as the status keeps it.
        jobs: its Jobs.
        status: as it was last written, or read at the start.
        told: the status that this was made from; of an earlier spec, as it would have been written.
        unread: stages of it that tell of trials which no ranking makes known yet.
        wants_ranking: whether a ranking was published that has not been read.
        is_ranked: whether any target is ranked.
        word_of: reasons of failures in one word, by digest.
    """

    def __init__(
        self,
        study: Study,
        owner: Owner,
        generation: int,
        status: StudyStatus,
        *,
        most_in_pack: int,
        now: float,
        ticks: Callable[[], float],
    ) -> None:
        self.study, self.owner, self.generation = study, owner, generation
        self.status, self.told, self.retried = status, status, status.retried
        self.plan = Plan(study, stage=study.spec.stage, most_in_pack=most_in_pack)
        self.numbering = Numbering(study)
        self.ledger = Ledger(self.numbering)
        self.pace, self.meter = Pace(), GpuMeter(ticks)
        self.jobs = KnownJobs()
        self.unread = {stage.name: stage for stage in status.stages}
        self.is_ranked = False
        self.wants_ranking = needs_ranking(study, study.spec.stage)
        self._first_order = FirstOrder(study)
        self.word_of = {failure.trial: failure.reason for failure in status.failures}
        self._ranked: tuple[str, ...] = ()
        self._counts_cpus = not any(
            resources_of(stage, study.spec.resources).gpus for stage in PLAN_STAGES
        )
        for stage in status.stages:
            self.meter.start_from(stage.name, stage.gpu_hours * 3600)
        self._read_status(now)

    # --- facts ---------------------------------------------------------------------------------

    def saw_result(self, name: str) -> None:
        """A trial has its result."""
        if name in self.numbering:
            self.plan.saw_result(name)
            self.ledger.done(name)

    def saw_ranking(self, file: RankingFile, now: float) -> None:
        """The ranking that was published; targets known to be ranked keep their transfers.

        Raises:
            SettingRefused: it names a source that is not the study's, or one twice.
        """
        ranking = file.ranking_for(self._first_order)
        for target, sources in ranking.items():
            new = self.plan.saw_ranking({target: sources})
            nodes = [self.plan.node(name) for name in new]
            self.numbering.add(node.trial for node in nodes if node is not None)
        self.wants_ranking, self.is_ranked = False, bool(ranking)
        if self._ranked:
            missing = ", ".join(target for target in self._ranked if target not in ranking)
            end = End(code=0, reason=f"left no ranking of {missing}") if missing else None
            self.plan.saw_ranking_end(end, now)
            self._ranked = ()
        self._read_status(now)

    def made(self, job: Job, now: float, uid: str = "") -> None:
        """A Job was made, or found to be there already."""
        self.jobs.live[job.name] = LiveJob(job, now, uid)
        self._forget_ended(job.name)
        self.plan.saw_start(job)

    def took_over(self, before: "Memory") -> None:
        """Take over what an earlier memory of the study knew beyond what the server shows."""
        self.status, self.pace = before.status, before.pace
        for name, live in before.jobs.live.items():
            known = name in self.jobs.live or name in self.jobs.ended
            if live.record is None and not known:
                self.made(live.job, live.made_at, live.uid)

    def saw_job(self, record: JobRecord, pod: PodEnd | None, now: float) -> None:
        """A Job is there, has changed, or has ended.

        Args:
            record: the Job.
            pod: how its last pod ended, if the Job failed.
            now: seconds since 1970.
        """
        self._notice_another(record, now)
        if record.name in self.jobs.ended and not self.is_unaccounted(record):
            self.jobs.changes(record)
            return
        if record.ended:
            self._saw_end(record, pod or PodEnd(), now)
            return
        if record.name not in self.jobs.live:
            self.made(job_of(record), record.made_at or now, record.uid)
        live = self.jobs.live[record.name]
        live.uid, live.record = record.uid, record
        live.is_stopping = live.is_stopping or record.is_leaving
        self._meter(record)
        if len(record.names) == 1 and not record.is_ranking:
            self._tried(record.names[0], record.crashes)

    def lost_job(self, name: str, now: float) -> None:
        """A Job is gone: deleted by us or by somebody, or cleaned up after its end."""
        self._forget_ended(name)
        live = self.jobs.live.pop(name, None)
        if live is None:
            return
        self.meter.saw(name, "task-specific", 0)
        end = End(code=None, stopped=True, reason="its Job was deleted")
        if live.job.kind == "ranking":
            self.plan.saw_ranking_end(end, now)
            return
        for digest in live.job.digests:
            node = self.plan.node(digest)
            if node is None or node.state == "done":
                continue
            given_up = node.attempts.verdict(self.study.spec.retries) == "never"
            self._attempted(digest, node.attempts if given_up else node.attempts.after(end), now)

    def forgive(self, asked: str) -> None:
        """Failures so far do not count: what failed is tried again, once its Jobs are gone.

        Args:
            asked: the wish for it (`constants.RETRY_FAILED`).
        """
        for job in self.jobs.ended.values():
            self._hold(job.record)
        self.plan.forgive()
        self.ledger.forgive()
        self.retried = asked

    # --- questions -----------------------------------------------------------------------------

    def is_unaccounted(self, record: JobRecord) -> bool:
        """Return whether a Job's end has not been taken in."""
        known = self.jobs.is_taken_in(record) or self.jobs.is_history(record)
        if not record.ended or known:
            return False
        if record.is_ranking:
            return record.name in self.jobs.live
        nodes = [self.plan.node(name) for name in record.names]
        # a success counts, whatever was thought of the trial before
        settled = {"done"} if record.ended == "succeeded" else {"done", "failed"}
        return record.name in self.jobs.live or any(
            node is not None and node.state not in settled for node in nodes
        )

    def gpu_seconds(self) -> Mapping[PlanStage, float]:
        """Return the GPU seconds used so far, by stage (of pods, if no stage asks for a GPU)."""
        return self.meter.read()

    def is_spent(self) -> bool:
        """Return whether the ceiling on GPU hours is reached."""
        return self._window().is_spent(sum(self.gpu_seconds().values()))

    def next_jobs(self, now: float, but: Container[str] = ()) -> list[Job]:
        """Return the Jobs there is room for; nothing changes until they are `made`.

        Args:
            now: seconds since 1970.
            but: names of Jobs that are not to be made now: others take their place.
        """
        free = self.room()
        if not free:
            return []
        jobs = self.plan.next_jobs(free, now)
        if any(job.name in but for job in jobs):
            jobs = self.plan.next_jobs(free + sum(1 for job in jobs if job.name in but), now)
        return [job for job in jobs if job.name not in but][:free]

    def room(self) -> int:
        """Return how many Jobs there is room for."""
        if self.study.spec.suspend or self.wants_ranking:
            return 0
        return self._window().free(len(self.jobs.live), sum(self.gpu_seconds().values()))

    def wrote(self, status: StudyStatus) -> None:
        """The status on the server tells of everything known until now."""
        self.status = status
        self.jobs.wrote()

    # --- how it is kept ------------------------------------------------------------------------

    def _window(self) -> Window:
        spec = self.study.spec
        return Window(jobs=spec.parallelism, gpu_hours=spec.gpu_hours)

    def _read_status(self, now: float) -> None:
        """Take in what was written down of stages, as soon as all their trials are known."""
        for stage in list(self.unread.values()):
            may_come = stage.name == "higher-order" and self.plan.unranked()
            if not (may_come and not are_numbered(stage, self.numbering)):
                del self.unread[stage.name]
                self._read_stage(stage, now)

    def _read_stage(self, stage: StageStatus, now: float) -> None:
        for known in told_by(stage, self.told.failures, self.numbering):
            node = self.plan.node(known.digest)
            if known.is_done:
                self.plan.saw_result(known.digest)
                self.ledger.done(known.digest)
            elif node is None or node.state in ("waiting", "ready"):
                self._attempted(known.digest, self._still_tried(known), now)

    def _still_tried(self, known: Known) -> Attempts:
        """Return the attempts at a trial; one that nobody gave up has one left at least.

        Its Job may go on, and `retries` may have been lowered since.
        """
        if known.is_given_up:
            return known.attempts
        crashes = min(known.attempts.crashes, self.study.spec.retries)
        return replace(known.attempts, crashes=crashes)

    def _hold(self, record: JobRecord) -> None:
        for name in self.jobs.hold(record):
            self.plan.hold(name)

    def _forget_ended(self, name: str) -> None:
        for digest in self.jobs.forget_ended(name):
            self.plan.release(digest)

    def _notice_another(self, record: JobRecord, now: float) -> None:
        """Let go of a Job of the same name that this one has taken the place of."""
        live, ended = self.jobs.live.get(record.name), self.jobs.ended.get(record.name)
        if live is not None and live.uid not in ("", record.uid):
            self.lost_job(record.name, now)
        if ended is not None and ended.record.uid != record.uid:
            self._forget_ended(record.name)

    def _attempted(self, name: str, attempts: Attempts, now: float) -> None:
        self.plan.saw_attempts(name, attempts, now)
        self._write_down(name, attempts)

    def _write_down(self, name: str, attempts: Attempts) -> None:
        self.ledger.tried(name, attempts.crashes)
        if attempts.verdict(self.study.spec.retries) == "never":
            self.ledger.failed(name)

    def _tried(self, name: str, crashes: int) -> None:
        """A Job that goes on counts so many failed attempts, those before it among them."""
        node = self.plan.node(name)
        if node is not None and node.state != "done" and crashes:
            node.attempts = replace(node.attempts, crashes=crashes)
            self.ledger.tried(name, crashes)

    def _saw_end(self, record: JobRecord, pod: PodEnd, now: float) -> None:
        is_news, is_history = self.is_unaccounted(record), self.jobs.is_history(record)
        self.jobs.ends(record)
        self.meter.saw(record.name, "task-specific", 0)
        if is_history or record.is_given_up:
            self._hold(record)
        if not is_news:
            return
        if record.is_ranking:
            self._saw_ranking_end(record, pod, now)
        elif record.ended == "succeeded":
            for name in record.names:
                self.saw_result(name)
            self._keep_pace(record)
        else:
            self._saw_failure(record, pod, now)

    def _saw_failure(self, record: JobRecord, pod: PodEnd, now: float) -> None:
        told = verdict(record, pod, self.study.spec.retries)
        for name in told.finished:
            self.saw_result(name)
        for name, attempts in told.given_up.items():
            self.word_of[name] = WORD_OF.get(record.reason, "RetriesUsed")
            self._attempted(name, attempts, now)
        for name, end in told.ends.items():
            self.plan.saw_end(name, end, now)
            node = self.plan.node(name)
            if node is not None and node.state != "done":
                self._write_down(name, node.attempts)

    def _saw_ranking_end(self, record: JobRecord, pod: PodEnd, now: float) -> None:
        if record.ended == "succeeded":
            self.wants_ranking, self._ranked = True, record.names
            return
        reason = pod.words() or record.message or record.reason
        self.plan.saw_ranking_end(End(code=pod.code or 1, reason=reason), now)

    def _keep_pace(self, record: JobRecord) -> None:
        node = self.plan.node(record.names[0]) if record.names else None
        if node is not None:
            self.pace.saw_job(node.stage, record.seconds, len(record.names))

    def _meter(self, record: JobRecord) -> None:
        node = self.plan.node(record.names[0]) if record.names else None
        if node is not None and not record.is_ranking:
            each = 1 if self._counts_cpus else record.gpus
            self.meter.saw(record.name, node.stage, each * record.ready)
