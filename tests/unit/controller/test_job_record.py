"""What is kept of a Job, read off Jobs as servers show them."""

import copy
from typing import Any

import pytest
from manifest_cases import SHAPES, objects_of

from taskonomy_operator.job_record import JobRecord, job_record

SERVERS = {"uid": "u", "creationTimestamp": "2026-11-22T10:00:00Z"}


def kept(shape: str, **status: Any) -> JobRecord:
    job = copy.deepcopy(objects_of(SHAPES[shape])[-1])
    job["metadata"] |= SERVERS
    job["status"] = status
    return job_record(job)


def end(kind: str, at: str = "2026-11-22T10:02:00Z", **more: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": "True", "lastTransitionTime": at, **more}]


def test_a_job_that_was_just_made() -> None:
    record = kept("pack")
    assert len(record.names) == 3
    assert (record.ended, record.ready, record.gpus, record.pods) == ("", 0, 1, 1)
    assert record.stage == "first-order"
    assert not record.is_suspended
    assert record.seconds == 0


def test_one_that_waits_in_a_queue() -> None:
    assert kept("queue-and-profile").is_suspended


@pytest.mark.parametrize("failed", [0, 1])
def test_one_that_is_complete(failed: int) -> None:
    record = kept(
        "one-gpu",
        startTime="2026-11-22T10:00:30Z",
        completionTime="2026-11-22T10:02:00Z",
        conditions=[*end("SuccessCriteriaMet"), *end("Complete")],
        failed=failed,
    )
    assert (record.ended, record.seconds) == ("succeeded", 90.0)
    assert record.crashes == 2 + failed  # two before it


def test_one_that_failed() -> None:
    told = end("Failed", reason="PodFailurePolicy", message="x" * 1_000)
    record = kept("one-gpu", startTime="2026-11-22T10:00:00Z", conditions=told)
    assert (record.ended, record.reason, record.seconds) == ("failed", "PodFailurePolicy", 120.0)
    assert len(record.message) == 256


def test_one_that_is_about_to_fail_has_not_failed() -> None:
    assert kept("one-gpu", conditions=end("FailureTarget", reason="PodFailurePolicy")).ended == ""
    not_so = [{"type": "Failed", "status": "False", "lastTransitionTime": "x"}]
    assert kept("one-gpu", conditions=not_so).ended == ""


def test_pods_of_a_gang_that_go_down_together_are_one_attempt() -> None:
    record = kept("elastic", ready=3, failed=7)
    assert (record.pods, record.gpus, record.crashes) == (4, 8, 1)


def test_a_gpu_by_another_name_is_one_too() -> None:
    job = objects_of(SHAPES["eight-gpus"])[-1]
    job["metadata"] |= SERVERS
    resources = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    resources["limits"]["amd.com/gpu"] = resources["limits"].pop("nvidia.com/gpu")
    assert job_record(job).gpus == 8
