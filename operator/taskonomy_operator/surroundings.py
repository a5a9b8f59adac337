"""What a pass over a study sees by, acts with, and keeps between two of them."""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError

from taskonomy_catalogue.study import Study
from taskonomy_operator import constants
from taskonomy_operator.actions import Actions
from taskonomy_operator.cluster import Object
from taskonomy_operator.conditions import Trouble
from taskonomy_operator.events import Kind
from taskonomy_operator.installation import Installation
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.memory import Memory
from taskonomy_operator.metrics import Metrics
from taskonomy_operator.study_status import StudyStatus


class Seen(Protocol):
    """The copies of lists that a pass looks at."""

    def study(self, uid: str) -> Object | None:
        """Return a Study; None: it is gone."""

    def jobs(self, uid: str) -> Collection[JobRecord]:
        """Return all Jobs of a study."""

    def changed_jobs(self, uid: str) -> dict[str, JobRecord | None]:
        """Return the Jobs that changed since this was last asked, by name; None: it is gone."""

    def tell_again(self, uid: str, names: Collection[str]) -> None:
        """Tell of some Jobs as if they had changed again."""


class Recorder(Protocol):
    """Where people read what happened to a Study."""

    def record(self, study: Object, kind: Kind, reason: str, message: str) -> None:
        """Tell of something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often things are done."""

    status_interval: float = 1.0
    """Seconds between two writes of a status."""
    keep_ended: float = 3_600.0
    """Seconds that an ended Job stays to be looked at, once its end is written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything a pass needs beside the study."""

    seen: Seen
    actions: Actions
    installation: Installation
    events: Recorder
    metrics: Metrics
    rhythm: Rhythm = Rhythm()
    clock: Callable[[], float] = time.time
    """Seconds since 1970."""
    ticks: Callable[[], float] = time.monotonic
    """Seconds that pass, whoever sets the clock."""

    def artifacts(self, study: Study) -> str:
        """Return where a study's results go; empty: nobody said."""
        return study.spec.artifacts or self.installation.artifacts


@dataclass(slots=True)
class Tracked:
    """A study between two passes."""

    memory: Memory
    asked: tuple[int, str]
    """Generation and labels of the Study: what its Jobs are made from."""
    told_at: float = 0.0
    """When its status was last compared with what is known."""
    is_told: bool = False
    """Whether that was after all that has happened."""
    written_at: float = 0.0
    """When its status was last written."""
    trouble: Trouble | None = None
    """What keeps Jobs from being made."""
    blocked_until: float = 0.0
    """No Job is made before: the server refused one."""
    refused: dict[str, float] = field(default_factory=dict)
    """Jobs that cannot be made, for a reason of their own, by name: none is tried again before."""
    parked: list[str] = field(default_factory=list)
    """Ended Jobs that may not go yet: failed packs whose trials are not settled."""
    parked_at: float = 0.0
    """When they were last looked at."""
    pods_seen_at: float = 0.0
    """When its failed pods were last looked at."""


# --- what a Study object says ------------------------------------------------------------------


def status_in(study: Object) -> StudyStatus:
    """Return the status of a Study; what no longer reads as one counts as none."""
    with suppress(ValidationError):
        return StudyStatus.model_validate(study.get("status") or {})
    return StudyStatus()


def retry_asked(study: Object) -> str:
    """Return the wish that failures be forgiven; empty: there is none."""
    text: str = (study["metadata"].get("annotations") or {}).get(constants.RETRY_FAILED, "")
    return text[:253]


def asked(study: Object) -> tuple[int, str, str]:
    """Return what has to change for there to be work: spec, labels, and failures forgiven."""
    meta = study["metadata"]
    return meta["generation"], repr(sorted((meta.get("labels") or {}).items())), retry_asked(study)
