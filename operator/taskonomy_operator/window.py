"""How much may run now: the window of live jobs, and the ceiling on GPU hours."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What bounds the work that is under way."""

    jobs: int
    """Most jobs alive at once."""
    gpu_hours: float | None = None
    """GPU hours (on CPUs, hours) after which no further trial starts; None: no ceiling."""

    def free(self, live: int, spent_seconds: float) -> int:
        """Return how many more jobs may start.

        Args:
            live: jobs that run.
            spent_seconds: GPU seconds used so far, failed attempts included.
        """
        return 0 if self.is_spent(spent_seconds) else max(0, self.jobs - live)

    def is_spent(self, spent_seconds: float) -> bool:
        """Return whether the ceiling is reached."""
        return self.gpu_hours is not None and spent_seconds >= self.gpu_hours * 3600
