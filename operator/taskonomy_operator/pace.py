"""How long a study will take yet: what its trials took so far, by stage, times what is left.

Times are those of jobs divided among the trials they finished, so packs count as what they save.
A stage of which nothing is finished yet goes by its running trials, else by the stage before.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from taskonomy_operator.asked import PLAN_STAGES, PlanStage

ENOUGH = 0.02
"""Share of a trial that must be done before its time is told from it."""


@dataclass(slots=True)
class Pace:
    """Job seconds and finished trials, by stage."""

    seconds: defaultdict[PlanStage, float] = field(default_factory=lambda: defaultdict(float))
    finished: Counter[PlanStage] = field(default_factory=Counter)

    def saw_job(self, stage: PlanStage, seconds: float, finished: int) -> None:
        """Take in a job that is over; one that finished nothing says nothing of a trial's time."""
        if finished:
            self.seconds[stage] += seconds
            self.finished[stage] += finished

    def per_trial(self, stage: PlanStage) -> float | None:
        """Return the mean job seconds of a stage's trials; None: none is finished."""
        done = self.finished[stage]
        return self.seconds[stage] / done if done else None

    def remaining(
        self,
        left: Mapping[PlanStage, float],
        slots: int,
        running: Mapping[PlanStage, tuple[float, float]] | None = None,
    ) -> float | None:
        """Return the seconds until everything is done; None: nothing tells yet.

        Args:
            left: by stage, trials still to be trained; running ones count by what they lack.
            slots: jobs at once.
            running: by stage, seconds that running jobs took so far and the trials' worth of work
                they did in it.
        """
        total, told = 0.0, None
        for stage in PLAN_STAGES:
            each = self.per_trial(stage)
            seconds, share = (running or {}).get(stage, (0.0, 0.0))
            if each is None and share > ENOUGH:
                each = seconds / share
            told = each if each is not None else told
            if not left.get(stage):
                continue
            if told is None:
                return None
            total += left[stage] * told
        return total / slots
