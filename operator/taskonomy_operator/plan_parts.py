"""What a plan is made of: trials, where each stands, and the jobs that train them."""

from dataclasses import dataclass, field
from typing import Literal

from taskonomy_operator.asked import Measured, PlanStage
from taskonomy_operator.packing import Group
from taskonomy_operator.retries import Attempts

State = Literal["waiting", "ready", "resting", "running", "done", "failed", "blocked"]
"""waiting: for encoders; resting: until its next attempt is due, or an earlier job of it is gone;
failed: no attempt is left; blocked: an encoder it needs failed."""

SETTLED = frozenset({"done", "failed", "blocked"})
"""States that nothing leaves but a result found or failures forgiven."""


@dataclass(slots=True)
class Node:
    """One trial of a plan and what is known of it."""

    digest: str
    trial: Measured
    stage: PlanStage
    place: int
    """Its place in the order that trials are started in."""
    upstream: tuple[str, ...]
    """Digests of the encoders it reads."""
    group: Group
    """What it may share a job with."""
    state: State = "waiting"
    attempts: Attempts = field(default_factory=Attempts)
    is_held: bool = False
    """Whether an earlier job of it has to go first."""
    downstream: list[str] = field(default_factory=list)
    """Digests of the trials that read its encoder."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to start."""

    name: str
    kind: Literal["train", "ranking"]
    digests: tuple[str, ...] = ()
    """Trials of the job."""
    targets: tuple[str, ...] = ()
    """Targets to rank."""
