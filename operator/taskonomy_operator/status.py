"""Where a study stands, as people and programs are told: made from what was observed. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from taskonomy_operator.asked import PLAN_STAGES, PlanStage
from taskonomy_operator.log_tail import Standing
from taskonomy_operator.pace import Pace
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import State

Phase = Literal["Pending", "Refused", "Running", "Suspended", "Stopped", "Completed", "Degraded"]
"""Running: somebody runs it; Stopped: something is left to do and nobody does it; Completed: all
trials have results; Degraded: nothing is left to do and some trials have none. On a cluster also
Pending: the controller has not looked at what was asked last; Refused: it will not; Suspended: it
was asked to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """How many trials of a stage are in each state; `queued`: they have a Job that does not run."""

    stage: PlanStage
    trials: int
    done: int = 0
    running: int = 0
    queued: int = 0
    ready: int = 0
    waiting: int = 0
    resting: int = 0
    failed: int = 0
    blocked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTrial:
    """A trial that is being trained."""

    digest: str
    title: str
    job: str
    step: int = 0
    steps: int = 0
    loss: float | None = None
    images_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A trial that has no result and will get none."""

    digest: str
    title: str
    state: State
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a study stands."""

    study: str
    phase: Phase
    stages: tuple[StageStatus, ...]
    running: tuple[RunningTrial, ...]
    """Trials that run now; of a cluster's, the first few."""
    missing: tuple[Missing, ...]
    ranking: bool
    """Whether sources are being ranked now."""
    spent_hours: float
    """Job hours so far (GPU hours, where there are GPUs), failed attempts included."""
    eta_seconds: float | None
    """Until everything is done; None: nothing tells yet, or nobody works on it."""
    note: str = ""
    """What a person should know besides."""

    @property
    def trials(self) -> int:
        """All trials."""
        return sum(stage.trials for stage in self.stages)

    @property
    def done(self) -> int:
        """Trials that have their result."""
        return sum(stage.done for stage in self.stages)

    @property
    def lost(self) -> int:
        """Trials that have no result and will get none."""
        return sum(stage.failed + stage.blocked for stage in self.stages)

    @property
    def live(self) -> int:
        """Trials that run now."""
        return sum(stage.running for stage in self.stages)

    def document(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJob:
    """A job under way, as observed."""

    name: str
    kind: Literal["train", "ranking"]
    digests: Sequence[str]
    seconds: float
    """How long it has run."""
    standings: dict[str, Standing]
    """Where its trials stand."""


def status_of(
    plan: Plan,
    live: Sequence[LiveJob],
    pace: Pace,
    *,
    slots: int,
    spent_seconds: float,
    is_run: bool,
    note: str = "",
) -> Status:
    """Return where a study stands.

    Args:
        plan: what is asked and known.
        live: the jobs under way.
        pace: what trials took.
        slots: jobs at once.
        spent_seconds: job seconds, failed attempts and running jobs included.
        is_run: whether a process runs the study.
        note: for a person.
    """
    missing = tuple(_missing(plan)) if _may_miss(plan) else ()
    return Status(
        study=plan.study.name,
        phase=_phase(plan, is_run),
        stages=tuple(_stages(plan)),
        running=tuple(_running(plan, live)),
        missing=missing,
        ranking=any(job.kind == "ranking" for job in live),
        spent_hours=spent_seconds / 3600,
        eta_seconds=_eta(plan, live, pace, slots) if is_run else None,
        note=note,
    )


def _phase(plan: Plan, is_run: bool) -> Phase:
    if not plan.is_over():
        return "Running" if is_run else "Stopped"
    return "Degraded" if _may_miss(plan) else "Completed"


def _may_miss(plan: Plan) -> bool:
    return any(states["failed"] or states["blocked"] for states in plan.counts().values())


def _stages(plan: Plan) -> Iterator[StageStatus]:
    counts = plan.counts()
    for stage in PLAN_STAGES:
        if stage in counts:
            states: dict[str, int] = {str(state): n for state, n in counts[stage].items()}
            yield StageStatus(stage=stage, trials=sum(states.values()), **states)


def _running(plan: Plan, live: Sequence[LiveJob]) -> Iterator[RunningTrial]:
    for job in live:
        for name in job.digests:
            node = plan.node(name)
            if node is None or node.state == "done":
                continue
            at = job.standings.get(name, Standing())
            yield RunningTrial(
                digest=name,
                title=node.trial.title,
                job=job.name,
                step=at.step,
                steps=at.steps,
                loss=at.loss,
                images_per_second=at.images_per_second,
            )


def _missing(plan: Plan) -> Iterator[Missing]:
    for node in plan.nodes():
        if node.state in ("failed", "blocked"):
            yield Missing(
                digest=node.digest, title=node.trial.title, state=node.state, why=plan.why(node)
            )
    if plan.ranking_attempts.verdict(plan.study.spec.retries) == "never":
        why = f"its sources could not be ranked: {plan.ranking_attempts.why()}"
        for target, transfers in plan.unranked().items():
            title = f"{transfers} higher-order transfers → {target}"
            yield Missing(digest="", title=title, state="blocked", why=why)


def _eta(plan: Plan, live: Sequence[LiveJob], pace: Pace, slots: int) -> float | None:
    left: dict[PlanStage, float] = {}
    for stage, states in plan.counts().items():
        left[stage] = sum(n for state, n in states.items() if state not in _NOT_LEFT)
    running: dict[PlanStage, tuple[float, float]] = {}
    for job in live:
        node = plan.node(job.digests[0]) if job.digests else None
        if node is None:
            continue
        done = sum(at.share for at in job.standings.values())
        before = running.get(node.stage, (0.0, 0.0))
        running[node.stage] = (before[0] + job.seconds, before[1] + done)
        going = [job.standings.get(n, Standing()).share for n in job.digests if _lacks(plan, n)]
        left[node.stage] = max(0.0, left[node.stage] - sum(going))
    return pace.remaining(left, slots, running)


def _lacks(plan: Plan, name: str) -> bool:
    node = plan.node(name)
    return node is not None and node.state == "running"


_NOT_LEFT = ("done", "failed", "blocked")
