"""How trials of failed Jobs ended: `job_end`'s table, row by row, on pods as servers show them."""

from typing import Any

import pytest

from taskonomy_catalogue.last_words import FailedTrial, LastWords
from taskonomy_catalogue.launch import Progressed
from taskonomy_operator.job_end import PodEnd, last_pod_end, verdict
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.retries import End

NAMES = [f"{place:064x}" for place in range(4)]


def job(reason: str, trials: int = 1, *, attempt: int = 0, failed: int = 1) -> JobRecord:
    return JobRecord(
        namespace="n",
        name="j",
        uid="u",
        study_uid="s",
        stage="first-order",
        digests=",".join(NAMES[:trials]),
        attempt=attempt,
        ended="failed",
        reason=reason,
        message="Job has reached the specified backoff limit",
        is_suspended=False,
        ready=0,
        failed=failed,
        pods=1,
        gpus=1,
        made_at=0,
        started_at=0,
        ended_at=1,
    )


def pod(code: int, message: str = "", *, finished: str = "1", reason: str = "Error") -> Any:
    end = {"exitCode": code, "reason": reason, "message": message, "finishedAt": finished}
    return {"status": {"containerStatuses": [{"name": "train", "state": {"terminated": end}}]}}


def alone(job: JobRecord, pod: PodEnd, retries: int = 3) -> tuple[bool, int, str]:
    told = verdict(job, pod, retries)
    (attempts,) = told.given_up.values()
    assert attempts.verdict(retries) == "never"
    return attempts.is_bad, attempts.crashes, attempts.why()


@pytest.mark.parametrize(
    ("reason", "end", "expected"),
    [
        ("PodFailurePolicy", PodEnd(64, "Error", "no label"), (True, 0, "no label")),
        ("BackoffLimitExceeded", PodEnd(1, "Error", "boom\n"), (False, 4, "exit code 1: boom")),
        ("BackoffLimitExceeded", PodEnd(137, "OOMKilled"), (False, 4, "137 (OOMKilled)")),
        ("DeadlineExceeded", PodEnd(75), (False, 4, "exit code 75")),
        ("BackoffLimitExceeded", PodEnd(), (False, 4, "specified backoff limit")),
    ],
)
def test_a_lone_trial(reason: str, end: PodEnd, expected: tuple[bool, int, str]) -> None:
    is_bad, crashes, why = alone(job(reason, failed=2), end)
    assert (is_bad, crashes) == expected[:2]
    assert why.endswith(expected[2])


def test_attempts_of_jobs_before_count_too() -> None:
    assert alone(job("BackoffLimitExceeded", attempt=3, failed=4), PodEnd(1))[1] == 7


def test_its_own_words_go_before_the_logs() -> None:
    words = LastWords.of(NAMES[:1], set(), {NAMES[0]: FailedTrial(code=64, reason="bad label")})
    end = PodEnd(64, "Error", words.text())
    assert alone(job("PodFailurePolicy"), end) == (True, 0, "bad label")


def test_a_pack_that_told_its_trials_apart() -> None:
    bad = FailedTrial(code=64, reason="bad label")
    words = LastWords.of(NAMES, {NAMES[0], NAMES[1]}, {NAMES[2]: bad})
    told = verdict(job("PodFailurePolicy", 4), PodEnd(64, "Error", words.text()), 3)
    assert told.finished == {NAMES[0], NAMES[1]}
    assert not told.given_up
    assert told.ends == {
        NAMES[2]: End(code=64, reason="bad label"),
        NAMES[3]: End(code=1, alone=False),
    }


@pytest.mark.parametrize("end", [PodEnd(), PodEnd(64), PodEnd(75), PodEnd(137, "OOMKilled")])
def test_a_pack_that_crashed_without_a_word_is_halved_and_nothing_is_used_up(end: PodEnd) -> None:
    told = verdict(job("BackoffLimitExceeded", 4), end, 3)
    assert told.finished == frozenset()
    assert set(told.ends) == set(NAMES)
    for each in told.ends.values():
        assert not each.alone
        assert each.code not in (None, 64, 75)


def test_a_whole_pack_whose_data_is_missing_is_bad() -> None:
    words = LastWords.of(NAMES, set(), {"": FailedTrial(code=64, reason="no data set")})
    told = verdict(job("PodFailurePolicy", 4), PodEnd(64, "Error", words.text()), 3)
    assert told.ends == dict.fromkeys(NAMES, End(code=64, reason="no data set"))


def test_the_pod_that_decided_is_the_one_that_counts() -> None:
    pods = [pod(1, "first", finished="2026-01-01"), pod(1, "last", finished="2026-01-02")]
    assert last_pod_end(pods).message == "last"
    assert last_pod_end([pod(64, "bad", finished="2026-01-01"), *pods]).message == "bad"
    assert last_pod_end([pod(0, "well"), {"status": {"phase": "Pending"}}]) == PodEnd()


def test_a_step_before_counts_as_the_pod() -> None:
    end = {"exitCode": 64, "reason": "Error", "message": "holds no result", "finishedAt": "1"}
    told = {"status": {"initContainerStatuses": [{"name": "rank", "state": {"terminated": end}}]}}
    assert last_pod_end([told]).words() == "ended with exit code 64: holds no result"


def test_events_of_the_log_are_not_its_last_words() -> None:
    event = Progressed(step=1, steps=2, loss=1.0, images_per_second=1.0).line()
    log = f"Traceback\nValueError: no\n{event}\n"
    assert PodEnd(1, "Error", log).words() == "ended with exit code 1: ValueError: no"
