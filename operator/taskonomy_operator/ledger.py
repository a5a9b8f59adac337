"""Which trials are settled, as a Study's status keeps it: by stage, as ranges of numbers."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from taskonomy_catalogue.index_ranges import IndexRanges
from taskonomy_operator.asked import PlanStage
from taskonomy_operator.numbering import Numbering
from taskonomy_operator.retries import Attempts, End
from taskonomy_operator.study_status import Failure, StudyStatus


@dataclass(slots=True)
class Page:
    """One stage of the ledger."""

    done: IndexRanges = field(default_factory=IndexRanges)
    """Numbers of trials that have their result."""
    failed: IndexRanges = field(default_factory=IndexRanges)
    """Numbers of trials that are given up."""
    tried: dict[int, int] = field(default_factory=dict)
    """Failed attempts at trials that are neither, by number."""


class Ledger:
    """What is written down of a study's trials."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._pages: defaultdict[PlanStage, Page] = defaultdict(Page)

    def page(self, stage: PlanStage) -> Page:
        """Return what is written down of a stage; not to be changed."""
        return self._pages[stage]

    def done(self, name: str) -> None:
        """A trial has its result."""
        page, index = self._entry(name)
        page.done.add(index)
        page.failed.discard(index)
        page.tried.pop(index, None)

    def failed(self, name: str) -> None:
        """A trial is given up."""
        page, index = self._entry(name)
        page.failed.add(index)
        page.tried.pop(index, None)

    def tried(self, name: str, crashes: int) -> None:
        """So many attempts at a trial have failed."""
        page, index = self._entry(name)
        if index in page.done or index in page.failed:
            return
        if crashes:
            page.tried[index] = crashes
        else:
            page.tried.pop(index, None)

    def forgive(self) -> None:
        """Failures so far do not count."""
        for page in self._pages.values():
            page.failed, page.tried = IndexRanges(), {}

    def _entry(self, name: str) -> tuple[Page, int]:
        stage, index = self._numbering.place(name)
        return self._pages[stage], index


@dataclass(frozen=True, slots=True)
class Known:
    """A trial that an earlier controller wrote down something of."""

    digest: str
    is_done: bool
    attempts: Attempts
    is_given_up: bool = False


def told_by(status: StudyStatus, numbering: Numbering) -> Iterator[Known]:
    """Yield what a status says of single trials; what it cannot be read from is passed over."""
    reasons = {failure.trial: failure for failure in status.failures}
    for stage in status.stages:
        for name in numbering.digests(stage.name, _ranges(stage.done_indexes)):
            yield Known(name, True, Attempts())
        for name in numbering.digests(stage.name, _ranges(stage.failed_indexes)):
            yield Known(name, False, _given_up(reasons.get(name)), is_given_up=True)
        for index, crashes in stage.tried.items():
            if index.isdigit():
                for name in numbering.digests(stage.name, [int(index)]):
                    yield Known(name, False, Attempts(crashes=crashes))


GIVEN_UP = 1_000
"""Failed attempts of a trial that was given up, when nobody wrote down how many."""


def _given_up(failure: Failure | None) -> Attempts:
    if failure is None:
        return Attempts(crashes=GIVEN_UP, last=End(code=None, reason="failed for good before"))
    end = End(code=failure.exit_code, reason=failure.message)
    is_bad = failure.reason == "BadTrial"
    return Attempts(crashes=0 if is_bad else GIVEN_UP, is_bad=is_bad, last=end)


def _ranges(text: str) -> IndexRanges:
    try:
        return IndexRanges.parse(text)
    except ValueError:  # somebody's hand; what is not told here is found by its Jobs and results
        return IndexRanges()
