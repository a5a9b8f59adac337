"""The status of a Study: what the controller has seen, small at any size of study.

Counts and index ranges, never a list of every trial: 13,000 finished trials are one range
(``0-12999``), and everything about a single trial is in the warehouse. The custom resource's
schema of ``status`` is generated from these classes, and their bounds keep a Study under 64 KiB.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from taskonomy_operator.asked import PlanStage

MAX_RANGES = 16_000
"""Longest text of index ranges: every other of 5,000 trials done, the worst there is, is 12 KiB."""
MAX_FAILURES = 20
"""Most failed trials that are named; the warehouse's `coverage` view lists them all."""
MAX_TRIED = 500
"""Most trials whose failed attempts are kept."""
MAX_MESSAGE = 256
"""Longest message, as a pod's or ours may quote a user's words."""

Count = Annotated[int, Field(ge=0)]
Ranges = Annotated[str, Field(max_length=MAX_RANGES)]
Message = Annotated[str, Field(max_length=MAX_MESSAGE)]
Word = Annotated[str, Field(max_length=253)]


class StatusModel(BaseModel):
    """A part of the status: camelCase on the server; what an older controller left is let be."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )


class Condition(StatusModel):
    """One thing that is so, is not, or is not known, as on every Kubernetes object."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Accepted, Progressing, Suspended, Degraded or Completed."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    observed_generation: Count = 0
    """Generation of the spec that this was said of."""
    last_transition_time: AwareDatetime
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    """One word for programs, e.g. `GpuHoursUsed`."""
    message: Annotated[str, Field(max_length=4_096)]
    """A sentence for people: what is so, and what to do if it should not be."""


class Counts(StatusModel):
    """How many trials are where; they add up to `total`."""

    total: Count = 0
    """Trials that are known to be needed; grows when higher orders are chosen."""
    done: Count = 0
    """Trials whose result is recorded."""
    running: Count = 0
    """Trials whose Job has a pod that runs."""
    queued: Count = 0
    """Trials whose Job waits: suspended, not admitted, not scheduled."""
    failed: Count = 0
    """Trials that are given up."""
    blocked: Count = 0
    """Trials that wait for one that failed."""
    waiting: Count = 0
    """Trials that wait for others, or for their turn."""


class StageStatus(Counts):
    """One stage: its counts, and which of its trials are done or given up."""

    name: PlanStage
    """Which stage this is."""
    done_indexes: Ranges = ""
    """Indexes of trials with a result, in the stage's order, e.g. `0-411,413`. A trial in here is
    never started again, whether its Job still exists or not."""
    failed_indexes: Ranges = ""
    """Indexes of trials that are given up."""
    checksum: Annotated[str, Field(max_length=16)] = ""
    """Of the digests that the indexes mean: should they come to mean others, they are not read."""
    tried: Annotated[dict[str, Count], Field(max_length=MAX_TRIED)] = Field(default={})
    """Failed attempts of trials neither done nor given up, by index: a budget of retries outlives
    its Jobs."""
    gpu_hours: Annotated[float, Field(ge=0)] = 0.0
    """GPU hours its pods have used."""


class Failure(StatusModel):
    """A trial that was given up, or that waits for one: a cell that is missing in the results."""

    trial: Annotated[str, Field(max_length=64)]
    """Digest of the trial."""
    title: Annotated[str, Field(max_length=MAX_MESSAGE)]
    """What a reader calls it, e.g. `transfer normals → curvature`."""
    reason: Annotated[str, Field(max_length=64)]
    """One word: `BadTrial`, `RetriesUsed`, `DeadlineExceeded`, `BlockedBy`."""
    exit_code: int | None = None
    """What its last pod ended with; absent where no pod did."""
    message: Message = ""
    """What went wrong, in the job's words."""


class StudyStatus(StatusModel):
    """What the controller has seen of a study."""

    observed_generation: Count = 0
    """Generation of the spec that this status is of."""
    stage: Word = ""
    """Earliest stage that is not finished; empty: none has begun; Completed: all are."""
    start_time: AwareDatetime | None = None
    """When the study began. It is written before the first Job is made, and from then on what
    trials' digests are made of cannot be changed."""
    completion_time: AwareDatetime | None = None
    """When the last trial was done or given up."""
    trials: Counts = Counts()
    """All stages together."""
    stages: Annotated[tuple[StageStatus, ...], Field(max_length=6)] = ()
    """Each training stage, in order."""
    failures: Annotated[tuple[Failure, ...], Field(max_length=MAX_FAILURES)] = ()
    """The first trials that were given up, and why."""
    gpu_hours: Annotated[float, Field(ge=0)] = 0.0
    """GPU hours used, evicted and failed attempts among them."""
    eta: AwareDatetime | None = None
    """When the last trial should be done at the present pace; absent: not known yet."""
    retried: Word = ""
    """The `taskonomy.dev/retry-failed` annotation that failures were last forgiven for."""
    ranking: Word = ""
    """ConfigMap that holds the ranking of sources that higher orders are chosen by."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    """What is so: Accepted, Progressing, Suspended, Degraded, Completed."""
