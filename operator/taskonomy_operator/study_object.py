"""A Study as the API server keeps it, read for people: what was asked, and where it stands. Pure.

`shown` gives the same `Status` that a run on one machine has, so that both look alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from taskonomy_catalogue.study import Study, parse_study
from taskonomy_operator.constants import RETRY_FAILED
from taskonomy_operator.status import Missing, Phase, RunningTrial, StageStatus, Status
from taskonomy_operator.study_status import Condition, StudyStatus
from taskonomy_operator.study_status import Failure as FailureSeen

BLOCKED_BY = "BlockedBy"
"""Reason of a failure that is another trial's."""
UNSEEN = "no controller has looked at it yet; is taskonomy's operator installed for this namespace?"
OUTDATED = "the controller has not acted on the latest change yet"


@dataclass(frozen=True)
class StudyObject:
    """A Study, as an API server answers it."""

    raw: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.raw["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.raw["metadata"].get("namespace", ""))

    @property
    def uid(self) -> str:
        """What tells it from one that had its name before."""
        return str(self.raw["metadata"].get("uid", ""))

    @property
    def version(self) -> str:
        """Which state of it this is."""
        return str(self.raw["metadata"].get("resourceVersion", ""))

    @property
    def spec(self) -> dict[str, Any]:
        """What is asked."""
        spec = self.raw.get("spec")
        return spec if isinstance(spec, dict) else {}

    @property
    def is_suspended(self) -> bool:
        """Whether it was asked to wait."""
        return self.spec.get("suspend") is True

    @cached_property
    def status(self) -> StudyStatus:
        """What the controller has seen; what no longer reads as a status counts as none."""
        try:
            return StudyStatus.model_validate(self.raw.get("status") or {})
        except ValidationError:
            return StudyStatus()

    def study(self) -> Study:
        """Return what is asked, checked.

        Raises:
            StudyRefused: it asks for what this version does not know.
        """
        return parse_study(self.raw, origin=f"study {self.name!r}")

    def condition(self, kind: str) -> Condition | None:
        """Return a condition; None: nothing was said of it."""
        return next((each for each in self.status.conditions if each.type == kind), None)

    def holds(self, kind: str, value: str = "True") -> bool:
        """Return whether a condition is as asked."""
        found = self.condition(kind)
        return found is not None and found.status == value

    @property
    def is_seen(self) -> bool:
        """Whether the controller has looked at what was asked last."""
        wished = (self.raw["metadata"].get("annotations") or {}).get(RETRY_FAILED, "")
        generation = int(self.raw["metadata"].get("generation", 0))
        return self.status.observed_generation >= generation and wished == self.status.retried

    @property
    def phase(self) -> Phase:
        """Where it stands, in one word."""
        if not self.is_seen:
            return "Pending"
        if self.holds("Accepted", "False"):
            return "Refused"
        if self.holds("Completed"):
            return "Degraded" if self.holds("Degraded") else "Completed"
        if self.is_suspended:
            return "Suspended"
        counts = self.status.trials
        if self.holds("Progressing", "False") and not (counts.running or counts.queued):
            return "Stopped"
        return "Running"

    @property
    def note(self) -> str:
        """What a person should know besides; empty: nothing."""
        if not self.is_seen:
            return OUTDATED if self.status.observed_generation else UNSEEN
        said = {"Refused": "Accepted", "Suspended": "Suspended"}.get(self.phase, "Progressing")
        found = self.condition(said)
        if found is None or self.phase in ("Completed", "Degraded"):
            return ""
        is_worth_it = self.phase in ("Refused", "Suspended") or found.status == "False"
        return found.message if is_worth_it else ""

    def shown(
        self, now: datetime, running: Sequence[RunningTrial] = (), *, ranking: bool = False
    ) -> Status:
        """Return where it stands, as a run on one machine is shown.

        Args:
            now: the time, to tell how long it takes yet.
            running: trials that are known to run.
            ranking: whether sources are being ranked.
        """
        seen = self.status
        is_over = self.phase in ("Completed", "Degraded", "Refused", "Suspended")
        eta = None if seen.eta is None or is_over else (seen.eta - now).total_seconds()
        return Status(
            study=self.name,
            phase=self.phase,
            stages=tuple(map(_stage, seen.stages)),
            running=tuple(running),
            missing=tuple(map(_missing, seen.failures)),
            ranking=ranking,
            spent_hours=seen.gpu_hours,
            eta_seconds=None if eta is None else max(0.0, eta),
            note=self.note,
        )


def _stage(seen: Any) -> StageStatus:
    return StageStatus(
        stage=seen.name,
        trials=seen.total,
        done=seen.done,
        running=seen.running,
        queued=seen.queued,
        waiting=seen.waiting,
        failed=seen.failed,
        blocked=seen.blocked,
    )


def _missing(seen: FailureSeen) -> Missing:
    said = seen.message or seen.reason
    is_told = seen.exit_code is None or f"exit code {seen.exit_code}" in said
    code = "" if is_told else f" (exit code {seen.exit_code})"
    return Missing(
        digest=seen.trial,
        title=seen.title,
        state="blocked" if seen.reason == BLOCKED_BY else "failed",
        why=f"{said}{code}",
    )
