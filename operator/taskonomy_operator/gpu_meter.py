"""GPU hours as they pass: what runs now, times the time it runs.

Time is a clock's that only passes: one that is set forward would make hours that nobody used.

Pods are counted while they run and not while they wait for a node, so a study that is queued costs
nothing. What was used is part of the status, so a controller that is replaced reads on from there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable

from taskonomy_operator.asked import PlanStage


class GpuMeter:
    """GPU seconds by stage."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        """Begin to count.

        Args:
            ticks: seconds on a clock that nobody sets.
        """
        self._ticks = ticks
        self._used: defaultdict[PlanStage, float] = defaultdict(float)
        self._now: Counter[PlanStage] = Counter()
        self._of_job: dict[str, tuple[PlanStage, int]] = {}
        self._read_at: float | None = None

    def start_from(self, stage: PlanStage, seconds: float) -> None:
        """Take over what was used before."""
        self._used[stage] = seconds

    def saw(self, job: str, stage: PlanStage, gpus: int) -> None:
        """A job's pods use so many GPUs from now on; 0: it waits or is over.

        Args:
            job: its name.
            stage: of its trials.
            gpus: of all its running pods together.
        """
        before, used = self._of_job.get(job, (stage, 0))
        if used == gpus:
            return
        self.read()
        self._now[before] -= used
        self._now[stage] += gpus
        if gpus:
            self._of_job[job] = stage, gpus
        else:
            del self._of_job[job]

    def read(self) -> dict[PlanStage, float]:
        """Return the GPU seconds used until now, by stage."""
        now = self._ticks()
        if self._read_at is not None:
            for stage, gpus in self._now.items():
                self._used[stage] += gpus * (now - self._read_at)
        self._read_at = now
        return dict(self._used)
