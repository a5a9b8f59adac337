"""Last words: short enough for a pod, and told apart from a log's tail."""

import pytest

from taskonomy_catalogue.last_words import (
    MOST_BYTES,
    FailedTrial,
    LastWords,
    parse_last_words,
)

TRIALS = [f"{place:064x}" for place in range(32)]


def test_what_is_said_is_what_is_read() -> None:
    bad = FailedTrial(code=64, reason="target normals has no label")
    whole = FailedTrial(code=75, reason="told to stop")
    said = LastWords.of(TRIALS, set(TRIALS[:4]), {TRIALS[4]: bad, "": whole, "other": bad})
    assert said.finished == "0-3"
    read = parse_last_words(said.text())
    assert read is not None
    assert read.by_digest(TRIALS) == (set(TRIALS[:4]), {TRIALS[4]: bad, "": whole})


def test_a_pack_of_long_reasons_fits_into_a_termination_message() -> None:
    long = FailedTrial(code=1, reason='"ä\n' * 2_000)
    text = LastWords.of(TRIALS, set(), dict.fromkeys(TRIALS, long)).text()
    assert len(text.encode()) <= MOST_BYTES
    read = parse_last_words(text)
    assert read is not None
    assert set(read.by_digest(TRIALS)[1]) == set(TRIALS)


@pytest.mark.parametrize(
    "message", ["", "Traceback (most recent call last):", "{", '{"failed": 3}']
)
def test_a_logs_tail_is_none_of_ours(message: str) -> None:
    assert parse_last_words(message) is None


def test_places_that_are_not_there_are_passed_over() -> None:
    said = LastWords(finished="0-99", failed={"1000": FailedTrial(code=1)})
    assert said.by_digest(TRIALS[:2]) == (set(TRIALS[:2]), {})
    assert LastWords(finished="x").by_digest(TRIALS) == (set(), {})
