"""Why something on a cluster is where it is: the facts gathered, then explained (`explain`)."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.trials import digest
from taskonomy_operator.asked import asked_trials
from taskonomy_operator.explain import Encoder, Told, TrialFacts, explain_study, explain_trial
from taskonomy_operator.explain_pods import explain_pods
from taskonomy_operator.ledger import told_by
from taskonomy_operator.log_tail import Standing
from taskonomy_operator.lookup import find_trials
from taskonomy_operator.numbering import Numbering
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import Node
from taskonomy_operator.pod_facts import Answer, JobFacts, LogSeen, told_of
from taskonomy_operator.queueing import is_admitted
from taskonomy_operator.seen_on_cluster import Namespace, standings_of
from taskonomy_operator.study_object import StudyObject

Object = dict[str, Any]

LAST_LINES = 8
"""Lines of a failed trial's log that are shown."""
MOST_JOBS = 200
"""Jobs that are looked at to say what holds a study up."""


@dataclass(frozen=True)
class Asked:
    """A Study of a cluster with its trials, as far as its targets are ranked."""

    space: Namespace
    object: StudyObject

    @cached_property
    def study(self) -> Study:
        """What is asked; errors as `StudyObject.study`."""
        return self.object.study()

    @cached_property
    def plan(self) -> Plan:
        """Every trial, those of stages that were not asked for too."""
        plan = Plan(self.study)
        plan.saw_ranking(self.space.ranking(self.study, self.object))
        return plan

    @cached_property
    def told(self) -> dict[str, Told]:
        """What the status says of trials, by digest."""
        numbering = Numbering(self.study)
        numbering.add(node.trial for node in self.plan.nodes())
        found: defaultdict[str, Told] = defaultdict(lambda: "open")
        for stage in self.object.status.stages:
            for known in told_by(stage, (), numbering):
                if known.is_done or known.is_given_up:
                    found[known.digest] = "done" if known.is_done else "failed"
        return found

    def find(self, words: str) -> list[Node]:
        """Return the trials that words mean; errors as `lookup.find_trials`.

        Of transfers that will never be chosen, the error says why.
        """
        try:
            return find_trials(self.plan, words)
        except NotFound as error:
            for lost in self.object.status.failures:
                target = lost.title.rpartition("→ ")[2]
                if not lost.trial and target in words:
                    raise NotFound(f"{lost.title} will not be trained: {lost.message}") from error
            raise

    def why(self, node: Node) -> Answer:
        """Return why a trial is where it is."""
        needed = map(self.plan.node, node.upstream)
        lacking = [each for each in needed if each and self.told[each.digest] != "done"]
        look_further = len(lacking) == 1
        return explain_trial(
            TrialFacts(
                study=self.object,
                told=self.told[node.digest],
                failure=next(
                    (f for f in self.object.status.failures if f.trial == node.digest), None
                ),
                encoders=[self._encoder(each, look_further) for each in lacking],
                is_asked=node.digest in self._asked_digests,
                job=self._job_facts(node),
            )
        )

    @cached_property
    def _asked_digests(self) -> set[str]:
        stage = self.study.spec.stage
        if stage in (None, "higher-order"):
            return {node.digest for node in self.plan.nodes()}
        return {digest(trial) for trial in asked_trials(self.study, stage)}

    def _encoder(self, node: Node, look_further: bool) -> Encoder:
        told = self.told[node.digest]
        failures = self.object.status.failures
        why = next((f.message for f in failures if f.trial == node.digest), "")
        if told == "open" and look_further:
            why = self.why(node).sentence
        return Encoder(title=node.trial.title, told=told, why=why)

    def _job_facts(self, node: Node) -> JobFacts | None:
        if self.told[node.digest] == "done":
            return None
        job = self.space.job_of(self.object, node.digest, node.stage)
        return None if job is None else job_facts(self.space, job, node.digest)


def job_facts(space: Namespace, job: Object, name: str = "") -> JobFacts:
    """Return what is to be seen of a Job.

    Args:
        space: its namespace.
        job: the Job, whole.
        name: digest of the trial whose log lines matter; empty: the log is not read.
    """
    pods = space.pods_of(job)
    pod = told_of(pods)
    queued = not is_admitted(job)
    workload, has_kueue = space.workload_of(job) if queued else (None, True)
    is_pending = pod is None or pod["status"].get("phase", "Pending") == "Pending"
    return JobFacts(
        job=job,
        pods=pods,
        events=space.events_of([job, *([pod] if pod else [])]) if is_pending else (),
        workload=workload,
        has_kueue=has_kueue,
        log=_log(space, pod, name) if pod and name and not is_pending else LogSeen(),
        now=datetime.now(UTC),
    )


def _log(space: Namespace, pod: Object, name: str) -> LogSeen:
    lines = space.log_tail(pod["metadata"]["name"], 200)
    standing: Standing | None = standings_of(lines)[0].get(name)
    plain = [line for line in lines if line.strip() and not line.startswith("{")]
    return LogSeen(standing=standing, lines=tuple(plain[-LAST_LINES:]))


def why_study(space: Namespace, study: StudyObject) -> Answer:
    """Return why a study is where it is: its conditions, and what holds most of its Jobs up."""
    if study.phase in ("Completed", "Degraded", "Refused", "Suspended"):
        return explain_study(study, ())
    return explain_study(study, _live_jobs(space, study))


def _live_jobs(space: Namespace, study: StudyObject) -> list[Answer]:
    """Return what is to be said of each Job that has not ended, of very many the newest."""
    answers = []
    for seen in space.jobs(study)[:MOST_JOBS]:
        job = space.job(str(seen["metadata"]["name"]))
        if job is None or _is_over(job):
            continue
        answers.append(explain_pods(job_facts(space, job)))
    return answers


def _is_over(job: Object) -> bool:
    conditions = job.get("status", {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
