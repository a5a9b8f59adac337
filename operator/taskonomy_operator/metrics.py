"""The operator in numbers, for Prometheus: what studies do, and how the operator fares.

| metric                       | labels                               | says                      |
|------------------------------|--------------------------------------|---------------------------|
| taskonomy_trials             | namespace, study, stage, phase       | trials that are there now |
| taskonomy_gpu_hours          | namespace, study                     | GPU hours used            |
| taskonomy_eta_seconds        | namespace, study                     | seconds until all are done |
| taskonomy_study_condition    | namespace, study, condition, reason  | 1: so, 0: not so          |
| taskonomy_reconcile_seconds  |                                      | how long passes take      |
| taskonomy_reconciles_total   | outcome: ok, conflict, error         | passes over a study       |
| taskonomy_jobs_created_total |                                      | Jobs made                 |
| taskonomy_jobs_deleted_total |                                      | Jobs removed              |
| taskonomy_api_requests_total | verb, code (0: no answer)            | requests sent             |
| taskonomy_watch_age_seconds  | resource                             | since it said anything    |
| taskonomy_queue_depth        |                                      | studies that wait         |
| taskonomy_leader             |                                      | 1: this replica acts      |

What others know already is read when somebody asks (`/metrics`), not written whenever it changes.
"""

import time
from collections.abc import Callable, Iterator

from prometheus_client.core import (
    CollectorRegistry,
    Counter,
    CounterMetricFamily,
    GaugeMetricFamily,
    Histogram,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from taskonomy_operator.cluster import Cluster
from taskonomy_operator.study_status import Counts, StudyStatus

PHASES = tuple(name for name in Counts.model_fields if name != "total")
"""Where a trial may be; they add up to all trials."""
PASSES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds of a pass's seconds: a quiet study's is a few milliseconds, a busy server's seconds."""
OUTCOMES = ("ok", "conflict", "error")


class Metrics:
    """The numbers of one operator; nothing is shared between two."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self.jobs_created = Counter("taskonomy_jobs_created", "Jobs made", registry=self.registry)
        self.jobs_deleted = Counter(
            "taskonomy_jobs_deleted", "Jobs removed", registry=self.registry
        )
        self._seconds = Histogram(
            "taskonomy_reconcile_seconds",
            "How long a pass over one study takes",
            buckets=PASSES,
            registry=self.registry,
        )
        self._passes = Counter(
            "taskonomy_reconciles", "Passes over a study", ["outcome"], registry=self.registry
        )
        for outcome in OUTCOMES:  # a rate needs a zero to start from
            self._passes.labels(outcome)
        self._read = _ReadWhenAsked(clock)
        self.registry.register(self._read)
        ProcessCollector(registry=self.registry)

    def saw_study(self, namespace: str, study: str, status: StudyStatus) -> None:
        """Take what is known of a study; it replaces what was."""
        self._read.studies[namespace, study] = status

    def forget_study(self, namespace: str, study: str) -> None:
        """Say nothing of a study any more, as it is deleted."""
        self._read.studies.pop((namespace, study), None)

    def reconciled(self, seconds: float, outcome: str) -> None:
        """Count a pass over a study: how long it took, and whether it is ok, conflict or error."""
        self._seconds.observe(seconds)
        self._passes.labels(outcome).inc()

    def watch_source(self, name: str, age: Callable[[], float]) -> None:
        """Show the age of a watch, infinite before it began; a name given again replaces the first.

        Args:
            name: what is watched, e.g. `jobs`.
            age: seconds since it last said anything.
        """
        self._read.watches[name] = age

    def requests_of(self, cluster: Cluster) -> None:
        """Show what is asked of an API server."""
        self._read.cluster = cluster

    def queue_of(self, depth: Callable[[], int]) -> None:
        """Show how many studies wait for a pass."""
        self._read.depth = depth

    def leads(self, leads: Callable[[], bool]) -> None:
        """Show whether this replica acts."""
        self._read.leads = leads


class _ReadWhenAsked(Collector):
    """The numbers that somebody else keeps."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.studies: dict[tuple[str, str], StudyStatus] = {}
        self.watches: dict[str, Callable[[], float]] = {}
        self.cluster: Cluster | None = None
        self.depth: Callable[[], int] | None = None
        self.leads: Callable[[], bool] | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield every number, as it is now. Copies first: other threads go on meanwhile."""
        studies = list(self.studies.items())
        yield _trials(studies)
        yield _gpu_hours(studies)
        yield _eta(studies, self._clock())
        yield _conditions(studies)
        yield self._watch_ages()
        if self.cluster is not None:
            yield _requests(self.cluster)
        if self.depth is not None:
            says = "Studies that wait for a pass"
            yield GaugeMetricFamily("taskonomy_queue_depth", says, value=self.depth())
        if self.leads is not None:
            says = "Whether this replica is the one that acts"
            yield GaugeMetricFamily("taskonomy_leader", says, value=float(self.leads()))

    def _watch_ages(self) -> Metric:
        ages = GaugeMetricFamily(
            "taskonomy_watch_age_seconds",
            "Seconds since the API server last said anything of a list that is watched",
            labels=["resource"],
        )
        for name, age in list(self.watches.items()):
            ages.add_metric([name], age())
        return ages


Studies = list[tuple[tuple[str, str], StudyStatus]]


def _trials(studies: Studies) -> Metric:
    trials = GaugeMetricFamily(
        "taskonomy_trials",
        "Trials of a study, by stage and by where they are",
        labels=["namespace", "study", "stage", "phase"],
    )
    for named, status in studies:
        for stage in status.stages:
            for phase in PHASES:
                trials.add_metric([*named, stage.name, phase], getattr(stage, phase))
    return trials


def _gpu_hours(studies: Studies) -> Metric:
    hours = GaugeMetricFamily(
        "taskonomy_gpu_hours",
        "GPU hours a study has used, evicted and failed attempts among them",
        labels=["namespace", "study"],
    )
    for named, status in studies:
        hours.add_metric(named, status.gpu_hours)
    return hours


def _eta(studies: Studies, now: float) -> Metric:
    eta = GaugeMetricFamily(
        "taskonomy_eta_seconds",
        "Seconds until a study's last trial should be done; absent: not known",
        labels=["namespace", "study"],
    )
    for named, status in studies:
        if status.eta is not None:
            eta.add_metric(named, max(0.0, status.eta.timestamp() - now))
    return eta


def _conditions(studies: Studies) -> Metric:
    conditions = GaugeMetricFamily(
        "taskonomy_study_condition",
        "Whether a condition of a study holds, and the reason",
        labels=["namespace", "study", "condition", "reason"],
    )
    for named, status in studies:
        for condition in status.conditions:
            if condition.status != "Unknown":
                labels = [*named, condition.type, condition.reason]
                conditions.add_metric(labels, float(condition.status == "True"))
    return conditions


def _requests(cluster: Cluster) -> Metric:
    requests = CounterMetricFamily(
        "taskonomy_api_requests",
        "Requests to the API server, by HTTP verb and code; code 0: it did not answer",
        labels=["verb", "code"],
    )
    for (verb, code), number in list(cluster.requests.items()):
        requests.add_metric([verb, str(code)], number)
    return requests
