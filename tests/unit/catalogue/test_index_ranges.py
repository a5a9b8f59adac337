"""Index ranges against a plain set of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskonomy_catalogue.index_ranges import IndexRanges


@pytest.mark.parametrize(
    ("indexes", "text"),
    [([], ""), ([7], "7"), ([0, 1], "0-1"), ([3, 1, 2, 9], "1-3,9"), ([5, 5, 5], "5")],
)
def test_ranges_are_written_as_people_read_them(indexes: list[int], text: str) -> None:
    assert str(IndexRanges(indexes)) == text


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=120))
def test_ranges_hold_what_a_set_would(steps: list[tuple[bool, int]]) -> None:
    ranges, plain = IndexRanges(), set[int]()
    for is_added, index in steps:
        (ranges.add if is_added else ranges.discard)(index)
        (plain.add if is_added else plain.discard)(index)
    assert list(ranges) == sorted(plain)
    assert len(ranges) == len(plain)
    assert all((index in ranges) == (index in plain) for index in range(42))
    text = str(ranges)
    assert list(IndexRanges.parse(text)) == sorted(plain)
    assert str(IndexRanges.parse(text)) == text


def test_a_text_that_is_too_long_is_cut_between_ranges() -> None:
    ranges = IndexRanges([1, 3, 4, 5, 700, 900])
    assert ranges.text(100) == "1,3-5,700,900"
    assert ranges.text(9) == "1,3-5"
    assert ranges.text(1) == ""


def test_thirteen_thousand_done_trials_are_one_range() -> None:
    assert str(IndexRanges(range(13_000))) == "0-12999"


@pytest.mark.parametrize("text", ["a", "3-1", "1-4,4", "5,1", "-3", "1--2", "٣"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="index"):
        IndexRanges.parse(text)
