"""Which sources serve a target best: what is written between first and higher orders.

The warehouse writes a `RankingFile` from first-order affinities; the planner reads it to list the
higher-order transfers that are worth training (Zamir et al. 2018, section 3.2). A target is ranked
once and for all, so that a study's transfers do not change while it runs; an entry says which
first-order transfers it ranks, and one that ranks others than the study asks for does not count.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import Ranking, transfer_trials
from taskonomy_catalogue.trials import Digest, Trial, digest


class RankedTarget(BaseModel):
    """The sources of one target."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sources: tuple[str, ...]
    """Ids of the sources whose first-order transfer was measured, best first."""
    of: Digest
    """Which transfers were ranked: `FirstOrder.key` of the target."""


class RankingFile(BaseModel):
    """The targets of a study that are ranked already."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    targets: dict[str, RankedTarget] = Field(default={})
    """By target id."""

    def ranking_for(self, first: "FirstOrder") -> Ranking:
        """Return the entries that rank exactly the first-order transfers a study asks for."""
        return {
            target: ranked.sources
            for target, ranked in self.targets.items()
            if target in first.targets and ranked.of == first.key(target)
        }


class FirstOrder:
    """The first-order transfers of a study, by target: what a ranking is made from."""

    def __init__(self, study: Study) -> None:
        self._study = study

    @cached_property
    def targets(self) -> Mapping[str, tuple[Trial, ...]]:
        """The first-order transfers of every target, in dictionary order."""
        found: dict[str, list[Trial]] = {task.id: [] for task in self._study.targets()}
        for trial in transfer_trials(self._study, 1):
            found[trial.target.id].append(trial)
        return {target: tuple(trials) for target, trials in found.items()}

    def key(self, target: str) -> Digest:
        """Return what stands for the transfers that a target's ranking is made from."""
        names = sorted(digest(trial) for trial in self.targets[target])
        return hashlib.sha256("\n".join(names).encode()).hexdigest()


def parse_ranking(content: bytes, origin: str) -> RankingFile:
    """Read a ranking.

    Args:
        content: the file's bytes.
        origin: its path, for messages.

    Raises:
        InputRefused: it is no ranking.
    """
    try:
        return RankingFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputRefused(origin, f"{place}: {first['msg']}; remove it to rank anew") from error
