"""The paper's whole study on a real control plane: every trial there should be, and no other."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import comb
from pathlib import Path
from typing import Any

import pytest
from control_plane import ControlPlane
from kube import Kube, Object, eventually
from operator_process import OperatorProcess
from study_cases import document

from taskonomy_catalogue.rankings import FirstOrder, RankedTarget, RankingFile
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import transfer_trials
from taskonomy_catalogue.trials import digest
from taskonomy_operator import constants
from taskonomy_operator.asked import asked_trials
from taskonomy_operator.cluster import connect
from taskonomy_operator.manifests import Owner
from taskonomy_operator.publish_ranking import publish

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def order_of_merit(study: Study, target: str) -> tuple[str, ...]:
    """Return a target's sources as if the dictionary's order were their merit."""
    return tuple(trial.sources[0] for trial in FirstOrder(study).targets[target])


@contextmanager
def ranking_pods(control_plane: ControlPlane, study: Study, owner: Owner) -> Iterator[None]:
    """Do what pods of ranking Jobs do, which run on kwok's nodes and so do nothing."""
    stop, first = threading.Event(), FirstOrder(study)
    cluster, kube = connect(kubeconfig=control_plane.kubeconfig), control_plane.kube
    path = f"/apis/batch/v1/namespaces/{owner.namespace}/jobs"
    played: set[str] = set()

    def play() -> None:
        while not stop.wait(0.1):
            for job in kube.items(path, labelSelector=f"{constants.STAGE}=ranking"):
                if job["metadata"]["uid"] in played:
                    continue
                played.add(job["metadata"]["uid"])
                targets = job["metadata"]["annotations"][constants.DIGESTS].split(",")
                ranked = {
                    target: RankedTarget(
                        sources=order_of_merit(study, target), of=first.key(target)
                    )
                    for target in targets
                }
                publish(cluster, owner, RankingFile(targets=ranked))

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def asked_digests(jobs: list[Object]) -> Counter[str]:
    """Return how many Jobs each trial is in."""
    return Counter(
        name
        for job in jobs
        if job["metadata"]["labels"][constants.STAGE] != "ranking"
        for name in job["metadata"]["annotations"][constants.DIGESTS].split(",")
    )


def test_the_papers_study_is_exactly_its_trials_and_completes(
    kube: Kube, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    content = document(
        {
            "metadata.namespace": namespace,
            "metadata.labels": {"seconds.kwok.taskonomy.dev/ranking": "3"},
            "spec.transfers.orders": [1, 2, 3, 4],
            "spec.parallelism": 60,
        }
    )
    made = kube.create(content)
    study = parse_study(content, origin="study")
    owner = Owner(name="small", namespace=namespace, uid=made["metadata"]["uid"])
    flags: dict[str, Any] = {"installation": {"pack": 12}}
    with (
        ranking_pods(control_plane, study, owner),
        OperatorProcess(tmp_path, control_plane.kubeconfig, namespace, **flags) as operator,
    ):
        status = eventually(
            lambda: completed(kube, namespace),
            within=400,
            what=lambda: (kube.get(path(namespace)).get("status"), operator.log()[-2000:]),
        )
        sources, targets = 26, 22  # four tasks are sources alone (section 4)
        counts = {stage["name"]: stage["done"] for stage in status["stages"]}
        assert counts == {
            "task-specific": 25,  # random projections need no training
            "scratch": targets,
            "best-guess": targets,
            "first-order": sources * targets,
            # pairs and triples of the five best, quadruples of the six best (section 3.2)
            "higher-order": targets * (comb(5, 2) + comb(5, 3) + comb(6, 4)),
        }
        assert status["trials"]["done"] == status["trials"]["total"] == sum(counts.values())

        jobs = kube.items(f"/apis/batch/v1/namespaces/{namespace}/jobs")
        asked = asked_digests(jobs)
        assert set(asked) == expected(study)
        assert set(asked.values()) == {1}
        everything = [*jobs, kube.get(f"/api/v1/namespaces/{namespace}/configmaps/small-ranking")]
        owners = {thing["metadata"]["ownerReferences"][0]["uid"] for thing in everything}
        assert owners == {owner.uid}
        assert len(str(kube.get(path(namespace)))) < 64 * 1024

        kube.delete(made)
        eventually(lambda: leftovers(kube, namespace) == [], within=120, what="children stay")


def expected(study: Study) -> set[str]:
    """Return the digests of every trial, enumerated without the planner."""
    ranking = {task.id: order_of_merit(study, task.id) for task in study.targets()}
    found = {digest(trial) for trial in asked_trials(study)}
    for order in (2, 3, 4):
        found |= {digest(trial) for trial in transfer_trials(study, order, ranking)}
    return found


def leftovers(kube: Kube, namespace: str) -> list[str]:
    """Return what is left of a study."""
    selector = f"{constants.MANAGED_BY}={constants.MANAGER}"
    lists = ("/apis/batch/v1/namespaces/{}/jobs", "/api/v1/namespaces/{}/configmaps")
    return [
        thing["metadata"]["name"]
        for each in (*lists, "/api/v1/namespaces/{}/pods")
        for thing in kube.items(each.format(namespace), labelSelector=selector)
    ]


def path(namespace: str) -> str:
    return f"/apis/taskonomy.dev/v1alpha1/namespaces/{namespace}/studies/small"


def completed(kube: Kube, namespace: str) -> dict[str, Any] | None:
    status: dict[str, Any] = kube.get(path(namespace)).get("status") or {}
    return status if status.get("completionTime") else None
