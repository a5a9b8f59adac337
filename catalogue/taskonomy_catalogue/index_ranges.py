"""Sets of indexes as short text: ``0-411,413`` is all from 0 to 411, and 413.

A study of 13,000 trials that are all done is one range, so what is known of each trial fits into
its custom resource at any size.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class IndexRanges:
    """A set of indexes from 0 up, kept as ranges; adding one costs what there are ranges."""

    def __init__(self, indexes: Iterable[int] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._text: str | None = ""
        for index in sorted(set(indexes)):
            self.add(index)

    @classmethod
    def parse(cls, text: str) -> "IndexRanges":
        """Read ranges.

        Raises:
            ValueError: the text is none: a word that is no number, or ranges that do not ascend.
        """
        found = cls()
        for part in filter(None, text.split(",")):
            first, _, last = part.partition("-")
            begin, end = _index(first), _index(last or first)
            if end < begin or (found._lasts and begin <= found._lasts[-1]):
                raise ValueError(f"{text!r} are no ascending ranges of indexes")
            found._firsts.append(begin)
            found._lasts.append(end)
        found._text = None
        return found

    def add(self, index: int) -> None:
        """Take an index in; one that is there already changes nothing."""
        if index < 0:
            raise ValueError(f"{index} is no index")
        place = bisect_right(self._firsts, index)
        if place and index <= self._lasts[place - 1]:
            return
        self._text = None
        meets_before = bool(place) and self._lasts[place - 1] == index - 1
        meets_after = place < len(self._firsts) and self._firsts[place] == index + 1
        if meets_before and meets_after:
            self._lasts[place - 1] = self._lasts.pop(place)
            self._firsts.pop(place)
        elif meets_before:
            self._lasts[place - 1] = index
        elif meets_after:
            self._firsts[place] = index
        else:
            self._firsts.insert(place, index)
            self._lasts.insert(place, index)

    def discard(self, index: int) -> None:
        """Leave an index out; one that is not there changes nothing."""
        place = bisect_right(self._firsts, index) - 1
        if place < 0 or index > self._lasts[place]:
            return
        self._text = None
        first, last = self._firsts.pop(place), self._lasts.pop(place)
        for begin, end in ((index + 1, last), (first, index - 1)):
            if begin <= end:
                self._firsts.insert(place, begin)
                self._lasts.insert(place, end)

    def __contains__(self, index: int) -> bool:
        place = bisect_right(self._firsts, index)
        return bool(place) and index <= self._lasts[place - 1]

    def __iter__(self) -> Iterator[int]:
        for first, last in zip(self._firsts, self._lasts, strict=True):
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self._pairs())

    def __str__(self) -> str:
        if self._text is None:
            self._text = ",".join(
                str(first) if first == last else f"{first}-{last}" for first, last in self._pairs()
            )
        return self._text

    def text(self, most: int) -> str:
        """Return the ranges as text of at most so many characters: the last are left out."""
        whole = str(self)
        return whole if len(whole) <= most else whole[:most].rpartition(",")[0]

    def _pairs(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no index")
    return int(text)
