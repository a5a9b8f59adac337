"""GPU hours as they pass: what runs now, times the time it runs.

Pods are counted while they run and not while they wait for a node, so a study that is queued costs
nothing. What was used is part of the status, so a controller that is replaced reads on from there.
"""

from collections import Counter, defaultdict

from taskonomy_operator.asked import PlanStage


class GpuMeter:
    """GPU seconds by stage."""

    def __init__(self) -> None:
        self._used: defaultdict[PlanStage, float] = defaultdict(float)
        self._now: Counter[PlanStage] = Counter()
        self._of_job: dict[str, tuple[PlanStage, int]] = {}
        self._read_at: float | None = None

    def start_from(self, stage: PlanStage, seconds: float) -> None:
        """Take over what was used before."""
        self._used[stage] = seconds

    def saw(self, job: str, stage: PlanStage, gpus: int, now: float) -> None:
        """A job's pods use so many GPUs from now on; 0: it waits or is over.

        Args:
            job: its name.
            stage: of its trials.
            gpus: of all its running pods together.
            now: seconds on any clock, the same one always.
        """
        before, used = self._of_job.get(job, (stage, 0))
        if used == gpus:
            return
        self.read(now)
        self._now[before] -= used
        self._now[stage] += gpus
        if gpus:
            self._of_job[job] = stage, gpus
        else:
            del self._of_job[job]

    def read(self, now: float) -> dict[PlanStage, float]:
        """Return the GPU seconds used until now, by stage."""
        if self._read_at is not None:
            for stage, gpus in self._now.items():
                self._used[stage] += gpus * max(0.0, now - self._read_at)
        self._read_at = now
        return dict(self._used)
