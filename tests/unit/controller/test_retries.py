"""The retry table, row by row: what an attempt's end does to the attempts that are left."""

from typing import Any

import pytest

from taskonomy_operator.retries import MOST_INTERRUPTIONS, Attempts, End

CRASH = End(code=1)
KILLED = End(code=-9)
BAD = End(code=64, reason="the label is missing")
AGAIN = End(code=75)
STOPPED = End(code=75, stopped=True)
STOPPED_HARD = End(code=-9, stopped=True)
UNSEEN = End(code=None)
PACK_CRASH = End(code=1, alone=False)
PACK_BAD = End(code=64, alone=False)


def after(*ends: Any) -> Any:
    attempts = Attempts()
    for end in ends:
        attempts = attempts.after(end)
    return attempts


@pytest.mark.parametrize(
    ("ends", "retries", "verdict"),
    [
        pytest.param([BAD], 3, "never", id="a bad trial is never tried again"),
        pytest.param([CRASH], 0, "never", id="no retries: one attempt"),
        pytest.param([CRASH], 1, "again", id="one retry: two attempts"),
        pytest.param([CRASH, KILLED], 1, "never", id="a signal counts as a crash does"),
        pytest.param([CRASH, KILLED, CRASH], 3, "again", id="three retries: four attempts"),
        pytest.param([UNSEEN], 0, "again", id="an end that nobody saw uses up no retry"),
        pytest.param([CRASH] * 4, 3, "never", id="the fourth crash is the last"),
        pytest.param([AGAIN], 0, "again", id="75 uses up no retry"),
        pytest.param([AGAIN] * MOST_INTERRUPTIONS, 0, "again", id="75 may be said often"),
        pytest.param([AGAIN] * (MOST_INTERRUPTIONS + 1), 9, "never", id="but not for ever"),
        pytest.param([STOPPED] * 500, 0, "again", id="stopped from outside: always again"),
        pytest.param([STOPPED_HARD] * 9, 0, "again", id="stopped by force too"),
        pytest.param([PACK_CRASH], 0, "again", id="a pack's crash is not yet this trial's"),
        pytest.param([PACK_BAD], 0, "again", id="nor is what a pack says without naming it"),
        pytest.param([PACK_CRASH, CRASH], 0, "never", id="alone it is"),
    ],
)
def test_verdict(ends: Any, retries: Any, verdict: Any) -> None:
    assert after(*ends).verdict(retries) == verdict


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([CRASH], 5),
        ([CRASH, CRASH], 10),
        ([CRASH] * 3, 20),
        ([CRASH] * 30, 300),
        ([AGAIN] * 4, 40),
        ([STOPPED], 0),
        ([PACK_CRASH], 0),
        ([CRASH, STOPPED], 0),
    ],
)
def test_each_attempt_waits_longer(ends: Any, seconds: Any) -> None:
    assert after(*ends).wait() == seconds


def test_each_pack_that_crashes_halves_the_next() -> None:
    assert after(PACK_CRASH, PACK_CRASH, CRASH, PACK_CRASH).halvings == 3


def test_a_stop_begins_the_count_of_interruptions_anew() -> None:
    assert after(*[AGAIN] * MOST_INTERRUPTIONS, STOPPED, AGAIN).verdict(0) == "again"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (BAD, "the label is missing"),
        (CRASH, "ended with exit code 1"),
        (KILLED, "was ended by signal 9 (out of memory, most likely)"),
        (End(code=-11), "was ended by signal 11"),
        (End(code=0), "ended as if done and left no result"),
        (UNSEEN, "ended unseen and left no result"),
    ],
)
def test_why_in_words(end: Any, words: Any) -> None:
    assert after(end).why() == words
