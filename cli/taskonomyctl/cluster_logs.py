"""The log of a trial's newest pod, followed over broken connections and from pod to pod."""

import time
from collections.abc import Iterator
from typing import Any

import click

from taskonomy_catalogue.errors import NotFound
from taskonomy_operator.api_errors import ApiError, Away, Refused
from taskonomy_operator.plan_parts import Node
from taskonomy_operator.pod_facts import told_of as telling_pod
from taskonomy_operator.why import Asked
from taskonomyctl.cluster_runs import the_study
from taskonomyctl.job_words import told_of
from taskonomyctl.output import say
from taskonomyctl.places import Place

Object = dict[str, Any]

SILENCE = 120.0
"""Seconds without a line after which a connection is made anew: jobs say something each minute."""
BETWEEN_PODS = 2.0
"""Seconds between two looks for the next pod."""


def print_logs(place: Place, study: str | None, words: str, *, follow: bool) -> None:
    """Print the log of the trials that words mean.

    Raises:
        NotFound: there is no pod any more, or none yet; the message says what is known instead.
    """
    space = place.open()
    asked = Asked(space, the_study(space, study))
    nodes = asked.find(words)
    for node in nodes:
        if len(nodes) > 1:
            say(f"{node.trial.title}, seed {node.trial.seed}")
        job = space.job_of(asked.object, node.digest, node.stage)
        if job is None:
            raise NotFound(_no_pod(asked, node))
        for line in told_of(node.digest, _lines(asked, node, job, follow)):
            click.echo(line)


def _lines(asked: Asked, node: Node, job: Object, follow: bool) -> Iterator[str]:
    """Yield the lines of the Job's newest pod; with `follow`, of those after it too."""
    space, seen = asked.space, ""
    while True:
        pod = telling_pod(space.pods_of(job))
        name = pod["metadata"]["name"] if pod else ""
        if not follow and (pod is None or not _has_begun(pod)):
            raise NotFound(_no_pod(asked, node))
        if pod is not None and name != seen and _has_begun(pod):
            if seen:
                say(f"goes on in pod {name}")
            yield from _pod_lines(asked, node, name, follow)
            seen = name
        if not follow:
            return
        found = space.job(job["metadata"]["name"])
        if found is None or _is_over(found):
            if not seen:
                raise NotFound(_no_pod(asked, node))
            return
        time.sleep(BETWEEN_PODS)


def _pod_lines(asked: Asked, node: Node, pod: str, follow: bool) -> Iterator[str]:
    last = ""
    while True:
        more: dict[str, str | int] = {"follow": "true"} if follow else {}
        if last:
            more["sinceTime"] = last[:19] + "Z"
        try:
            for raw in asked.space.log(pod, silence=SILENCE, timestamps="true", **more):
                stamp, _, line = raw.decode("utf-8", "replace").partition(" ")
                if stamp > last:  # what was said in that second before is said already
                    last = stamp
                    yield line
            return
        except Away as error:
            if error.reason != "Silence":
                raise NotFound(_no_log(asked, node, pod, error)) from error
        except Refused as error:
            raise NotFound(_no_log(asked, node, pod, error)) from error


def _no_pod(asked: Asked, node: Node) -> str:
    answer = asked.why(node)
    if answer.reason in ("Done", "Failed", "Ended", "JobFailed"):
        return f"{node.trial.title} {answer.sentence}; its pods are gone. {_record(asked, node)}"
    return f"{node.trial.title} has no log yet: it {answer.sentence}"


def _no_log(asked: Asked, node: Node, pod: str, error: ApiError) -> str:
    said = " ".join(str(error).split())[:200]
    return f"the log of pod {pod} cannot be read: {said}. {_record(asked, node)}"


def _record(asked: Asked, node: Node) -> str:
    """Say where the record of a trial is when its pods are not."""
    tracking = asked.study.spec.tracking
    server = f"MLflow at {tracking}" if tracking else "the installation's MLflow server"
    return (
        f"The record is in {server}: experiment {asked.study.name!r}, run {node.trial.title!r}, "
        f"tag taskonomy.digest {node.digest[:12]}…"
    )


def _has_begun(pod: Object) -> bool:
    return pod["status"].get("phase") in ("Running", "Succeeded", "Failed")


def _is_over(job: Object) -> bool:
    conditions = job.get("status", {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
