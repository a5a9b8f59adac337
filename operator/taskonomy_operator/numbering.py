"""The number of each trial within its stage: what a Study's status names trials by.

A digest has 64 digits, an index four at most, and finished neighbours make one range. Numbers are a
function of the spec and of each target's ranking alone: not of what was ranked first, nor of how
far a study was asked to go, and orders that are added later are numbered after those before.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from math import comb

from taskonomy_catalogue.index_ranges import IndexRanges
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.trials import digest
from taskonomy_operator.asked import Measured, PlanStage, asked_trials, stage_of

Place = tuple[PlanStage, int]
"""A stage, and the number of one of its trials."""


class Numbering:
    """Numbers of a study's trials, as far as its targets are ranked."""

    def __init__(self, study: Study) -> None:
        self._places: dict[str, Place] = {}
        self._digests: defaultdict[PlanStage, dict[int, str]] = defaultdict(dict)
        self._taken: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], int] = dict(_first_numbers(study))
        self.add(asked_trials(study))

    def add(self, trials: Iterable[Measured]) -> None:
        """Number trials; those of one target and order in the order they are planned in."""
        for trial in trials:
            stage, name = stage_of(trial), digest(trial)
            if name in self._places:
                continue
            key = _key(trial, stage)
            index = self._first.get(key, 0) + self._taken[key]
            self._taken[key] += 1
            self._places[name] = stage, index
            self._digests[stage][index] = name

    def place(self, name: str) -> Place:
        """Return the stage and number of a trial, by digest.

        Raises:
            KeyError: it has not been numbered.
        """
        return self._places[name]

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def digests(self, stage: PlanStage, indexes: IndexRanges | Container[int]) -> Iterator[str]:
        """Yield the digests of numbers; numbers of trials that are not known are passed over."""
        for index, name in self._digests[stage].items():
            if index in indexes:
                yield name


def _key(trial: Measured, stage: PlanStage) -> tuple[str, str]:
    """Return what a trial is counted within: a target and an order, or else its stage."""
    if stage == "higher-order":
        return (str(len(trial.sources)), trial.target.id)
    return ("", stage)


def _first_numbers(study: Study) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the first number of each target within each higher order: as many as there may be."""
    spec, number = study.spec, 0
    for order in (order for order in spec.transfers.orders if order > 1):
        for target in study.targets():
            yield (str(order), target.id), number
            pool = spec.transfers.pool(order, len(spec.usable_sources(target, order)))
            number += comb(pool, order) * len(spec.training.transfer.seeds)
