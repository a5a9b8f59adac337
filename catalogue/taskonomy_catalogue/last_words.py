"""What a training job says of each of its trials as it ends: few enough bytes for Kubernetes.

A pod's termination message holds 4096 bytes and reaches whoever reads the pod, without its log.
Trials are named by their place in the trials file, and reasons are cut to what fits: a pack that
crashed can be told apart trial by trial. On a machine without a kubelet nobody asks for it.
"""

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taskonomy_catalogue.index_ranges import IndexRanges

VARIABLE = "TASKONOMY_LAST_WORDS"
"""Environment variable that names the file; nothing is written unless it is set."""
TERMINATION_LOG = "/dev/termination-log"
"""Where a kubelet looks for it."""

MOST_BYTES = 4_096
"""Of a termination message, by the kubelet's rule."""
WHOLE_JOB = "job"
"""Key of `failed` for what is about the whole job."""


class FailedTrial(BaseModel):
    """Why a trial has no result."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    code: int
    """What the process would have ended with if it had carried this trial alone."""
    reason: str = ""
    """In words, possibly cut short."""


class LastWords(BaseModel):
    """How a training job's trials stand as it ends."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    finished: str = ""
    """Places in the trials file of those that have their result, as ranges: ``0-3,5``."""
    failed: Mapping[str, FailedTrial] = Field(default={})
    """Why others have none, by place; under ``job`` what ended the whole job."""
    steps: int = 0
    """Steps that its trials without a result have saved, all together, as far as it got to know:
    whether one pod brought the job further than the one before."""

    @classmethod
    def of(
        cls,
        trials: Sequence[str],
        finished: set[str],
        failed: Mapping[str, FailedTrial],
        steps: int = 0,
    ) -> Self:
        """Return the last words of a job.

        Args:
            trials: digests in the order of the trials file.
            finished: those that have their result.
            failed: why others have none, by digest; under "" what ended the whole job.
            steps: steps that the others have saved, all together.
        """
        places = {name: str(place) for place, name in enumerate(trials)} | {"": WHOLE_JOB}
        done = IndexRanges(place for place, name in enumerate(trials) if name in finished)
        why = {places[name]: failure for name, failure in failed.items() if name in places}
        return cls(finished=str(done), failed=why, steps=steps)

    @property
    def reached(self) -> tuple[int, int]:
        """How far the job is, to compare: trials finished, then steps saved of the others."""
        return len(self._finished_places()), self.steps

    def text(self) -> str:
        """Return it as JSON of at most `MOST_BYTES` bytes: reasons are shortened until it fits."""
        for length in (512, 256, 128, 64, 32, 0):
            cut = {
                place: FailedTrial(code=each.code, reason=each.reason[:length])
                for place, each in self.failed.items()
            }
            text = self.model_copy(update={"failed": cut}).model_dump_json()
            if len(text.encode()) <= MOST_BYTES:
                return text
        return self.model_copy(update={"failed": {}}).model_dump_json()[:MOST_BYTES]

    def by_digest(self, trials: Sequence[str]) -> tuple[set[str], dict[str, FailedTrial]]:
        """Return which trials finished and why others failed, the whole job's under "".

        Args:
            trials: digests in the order of the trials file; places beyond it are passed over.
        """
        finished = {trials[place] for place in self._finished_places() if place < len(trials)}
        names = {str(place): name for place, name in enumerate(trials)} | {WHOLE_JOB: ""}
        return finished, {names[p]: each for p, each in self.failed.items() if p in names}

    def _finished_places(self) -> IndexRanges:
        try:
            return IndexRanges.parse(self.finished)
        except ValueError:
            return IndexRanges()


def parse_last_words(message: str) -> LastWords | None:
    """Read a termination message; None: it is none of ours, as when a log's tail stands there."""
    if not message.startswith("{"):
        return None
    try:
        return LastWords.model_validate_json(message)
    except ValidationError:
        return None
