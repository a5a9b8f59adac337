"""What a job's end means for each of its trials, from its code and its words."""

from typing import Any

import pytest

from taskonomy_catalogue.launch import Failed
from taskonomy_operator.endings import endings, ranking_ending
from taskonomy_operator.retries import End

NAMED = Failed(trial="b", reason="loss is NaN at step 7", code=1)
BAD = Failed(trial="b", reason="no label", code=64)
AGAIN = Failed(trial="b", reason="server away", code=75)
WHOLE = Failed(trial="", reason="no such data set", code=64)


@pytest.mark.parametrize(
    ("unfinished", "in_job", "code", "stopped", "failures", "words", "expected"),
    [
        pytest.param([], 1, 0, False, {}, "", {}, id="all done"),
        pytest.param(
            ["a"],
            1,
            1,
            False,
            {},
            "ValueError: x",
            {"a": End(code=1, reason="ended with exit code 1: ValueError: x")},
            id="a crash keeps its last words",
        ),
        pytest.param(
            ["a"],
            1,
            -9,
            False,
            {},
            "",
            {"a": End(code=-9)},
            id="a signal says nothing",
        ),
        pytest.param(
            ["a", "b"],
            3,
            -11,
            False,
            {},
            "Fatal",
            {
                name: End(code=-11, reason="was ended by signal 11: Fatal", alone=False)
                for name in "ab"
            },
            id="a pack's crash is nobody's yet",
        ),
        pytest.param(
            ["a", "b"],
            3,
            1,
            False,
            {"b": NAMED},
            "",
            {"a": End(code=1, alone=False), "b": End(code=1, reason=NAMED.reason)},
            id="a trial that is named is to blame",
        ),
        pytest.param(
            ["b"],
            3,
            0,
            False,
            {"b": BAD},
            "",
            {"b": End(code=64, reason="no label")},
            id="a pack that goes on without a bad trial",
        ),
        pytest.param(
            ["a", "b"],
            2,
            64,
            False,
            {"": WHOLE},
            "",
            {name: End(code=64, reason="no such data set") for name in "ab"},
            id="what is said of the whole job is said of each",
        ),
        pytest.param(
            ["a", "b"],
            2,
            75,
            True,
            {},
            "noise",
            {name: End(code=75, stopped=True, alone=False) for name in "ab"},
            id="stopped",
        ),
        pytest.param(
            ["b"],
            2,
            75,
            True,
            {"b": BAD},
            "",
            {"b": End(code=64, reason="no label")},
            id="a stop does not make a bad trial a good one",
        ),
        pytest.param(
            ["b"],
            1,
            75,
            True,
            {"b": AGAIN},
            "",
            {"b": End(code=75, reason="server away", stopped=True)},
            id="asked to stop while it asked to try again",
        ),
        pytest.param(
            ["a"], 1, None, False, {}, "noise", {"a": End(code=None)}, id="nobody saw it end"
        ),
    ],
)
def test_endings(
    unfinished: Any, in_job: Any, code: Any, stopped: Any, failures: Any, words: Any, expected: Any
) -> None:
    found = endings(
        unfinished,
        in_job=in_job,
        code=code,
        stopped=stopped,
        failures=failures,
        last_words=words,
    )
    assert found == expected


@pytest.mark.parametrize(
    ("missing", "code", "words", "expected"),
    [
        ([], 1, "noise", None),
        (["normals"], 64, "bad", End(code=64, reason="ended with exit code 64: bad")),
        (["normals"], 0, "", End(code=0, reason="left no ranking of normals")),
    ],
)
def test_a_ranking_is_done_when_every_target_is_ranked(
    missing: Any, code: Any, words: Any, expected: Any
) -> None:
    assert ranking_ending(missing, code=code, stopped=False, last_words=words) == expected
