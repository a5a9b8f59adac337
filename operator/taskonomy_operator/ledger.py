"""Which trials are settled, as a Study's status keeps it: by stage, as ranges of numbers.

Numbers are read back as trials, and may have come to mean others: a ranking that somebody deleted
is made anew and differs, or a release makes digests of something else. So each page carries a
checksum of the digests that it means, and what does not fit counts for nothing: its trials are
looked at again, and what has a result ends at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce

from taskonomy_catalogue.index_ranges import IndexRanges
from taskonomy_operator.asked import PlanStage
from taskonomy_operator.numbering import Numbering
from taskonomy_operator.retries import Attempts, End
from taskonomy_operator.study_status import Failure, StageStatus


@dataclass(slots=True)
class Page:
    """One stage of the ledger."""

    done: IndexRanges = field(default_factory=IndexRanges)
    """Numbers of trials that have their result."""
    failed: IndexRanges = field(default_factory=IndexRanges)
    """Numbers of trials that are given up."""
    tried: dict[int, int] = field(default_factory=dict)
    """Failed attempts at trials that are neither, by number."""
    mark: int = 0
    """Of the digests of those done or failed, `mark_of` of each XORed: order does not matter."""

    @property
    def checksum(self) -> str:
        """The mark, as the status keeps it; empty: nothing is settled."""
        return f"{self.mark:016x}" if self.done or self.failed else ""

    def with_told(self, stage: StageStatus) -> "Page":
        """Return the page with what a status tells of trials that are not known yet."""
        page = Page(ranges(stage.done_indexes), ranges(stage.failed_indexes), dict(self.tried))
        for index in self.done:
            page.done.add(index)
        for index in self.failed:
            page.failed.add(index)
        page.tried |= {int(index): n for index, n in stage.tried.items() if index.isdigit()}
        with suppress(ValueError):  # somebody's hand
            page.mark = self.mark ^ int(stage.checksum, 16)
        return page


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
        page, index = self._settled(name)
        page.done.add(index)
        page.failed.discard(index)
        page.tried.pop(index, None)

    def failed(self, name: str) -> None:
        """A trial is given up."""
        page, index = self._settled(name)
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
        for stage, page in self._pages.items():
            page.mark ^= marks_of(self._numbering.digests(stage, page.failed))
            page.failed, page.tried = IndexRanges(), {}

    def _settled(self, name: str) -> tuple[Page, int]:
        page, index = self._entry(name)
        if index not in page.done and index not in page.failed:
            page.mark ^= mark_of(name)
        return page, index

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


def told_by(
    stage: StageStatus, failures: Iterable[Failure], numbering: Numbering
) -> Iterator[Known]:
    """Yield what a status says of a stage's trials; what it cannot be read from is passed over.

    Args:
        stage: one stage of it.
        failures: the failures that it names.
        numbering: what numbers mean now; if it fits no more, nothing is said.
    """
    done = list(numbering.digests(stage.name, ranges(stage.done_indexes)))
    failed = list(numbering.digests(stage.name, ranges(stage.failed_indexes)))
    if stage.checksum not in ("", f"{marks_of([*done, *failed]):016x}"):
        return
    reasons = {failure.trial: failure for failure in failures}
    for name in done:
        yield Known(name, True, Attempts())
    for name in failed:
        yield Known(name, False, _given_up(reasons.get(name)), is_given_up=True)
    for index, crashes in stage.tried.items():
        if index.isdigit():
            for name in numbering.digests(stage.name, [int(index)]):
                yield Known(name, False, Attempts(crashes=crashes))


def are_numbered(stage: StageStatus, numbering: Numbering) -> bool:
    """Return whether it is known which trials a stage's indexes mean, of all of them."""
    told = [ranges(stage.done_indexes), ranges(stage.failed_indexes)]
    return all(sum(1 for _ in numbering.digests(stage.name, each)) == len(each) for each in told)


def mark_of(digest: str) -> int:
    """Return what stands for a digest in a checksum: its first 16 hex digits."""
    return int(digest[:16], 16)


def marks_of(digests: Iterable[str]) -> int:
    """Return the checksum of digests, in whatever order."""
    return reduce(int.__xor__, map(mark_of, digests), 0)


GIVEN_UP = 1_000
"""Failed attempts of a trial that was given up, when nobody wrote down how many."""


def _given_up(failure: Failure | None) -> Attempts:
    if failure is None:
        return Attempts(crashes=GIVEN_UP, last=End(code=None, reason="failed for good before"))
    end = End(code=failure.exit_code, reason=failure.message)
    is_bad = failure.reason == "BadTrial"
    return Attempts(crashes=0 if is_bad else GIVEN_UP, is_bad=is_bad, last=end)


def ranges(text: str) -> IndexRanges:
    """Read ranges of a status; empty where somebody's hand left something else."""
    try:
        return IndexRanges.parse(text)
    except ValueError:  # what is not told here is found by its Jobs and results
        return IndexRanges()
