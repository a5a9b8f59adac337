"""Rankings on a real API server: the Job that makes one is let in; targets keep their own."""

import copy

import pytest
from control_plane import ControlPlane
from kube import ApiError, Kube
from manifest_cases import RICH
from study_cases import document

from taskonomy_catalogue.rankings import RankedTarget, RankingFile, parse_ranking
from taskonomy_catalogue.study import parse_study
from taskonomy_operator.api_errors import Conflict
from taskonomy_operator.cluster import connect
from taskonomy_operator.manifests import Owner
from taskonomy_operator.publish_ranking import publish
from taskonomy_operator.ranking_job import KEY, ranking_job

pytestmark = pytest.mark.cluster


@pytest.fixture
def owner(kube: Kube, namespace: str) -> Owner:
    study = kube.create(document({"metadata.namespace": namespace}))
    return Owner(name="small", namespace=namespace, uid=study["metadata"]["uid"])


def ranking(**targets: str) -> RankingFile:
    """Return a ranking that gives each target one source."""
    ranked = {t: RankedTarget(sources=(source,), of="0" * 64) for t, source in targets.items()}
    return RankingFile(targets=ranked)


def published(kube: Kube, owner: Owner) -> dict[str, tuple[str, ...]]:
    found = kube.get(f"/api/v1/namespaces/{owner.namespace}/configmaps/small-ranking")
    assert found["metadata"]["ownerReferences"][0]["uid"] == owner.uid
    targets = parse_ranking(found["data"][KEY].encode(), "it").targets
    return {target: ranked.sources for target, ranked in targets.items()}


def test_the_job_and_its_pod_are_let_in_under_the_restricted_profile(
    kube: Kube, owner: Owner
) -> None:
    study = parse_study(document({"metadata.namespace": owner.namespace}), origin="it")
    job = ranking_job(study, owner, ("normals", "depth"), installation=RICH)
    kube.create(job, dryRun="All")
    template = copy.deepcopy(job["spec"]["template"])
    template["metadata"] |= {"name": "one", "namespace": owner.namespace}
    template["spec"]["serviceAccountName"] = "default"
    kube.create({"apiVersion": "v1", "kind": "Pod", **template}, dryRun="All")
    template["spec"]["initContainers"][0]["securityContext"]["runAsUser"] = 0
    with pytest.raises(ApiError, match="violates PodSecurity"):  # so the profile is in force
        kube.create({"apiVersion": "v1", "kind": "Pod", **template}, dryRun="All")


def test_targets_are_added_and_keep_what_they_were_ranked_by(
    kube: Kube, control_plane: ControlPlane, owner: Owner
) -> None:
    cluster = connect(kubeconfig=control_plane.kubeconfig)
    assert publish(cluster, owner, ranking(normals="depth")) == 1
    assert publish(cluster, owner, ranking(depth="normals")) == 2
    assert publish(cluster, owner, ranking(normals="curvature", curvature="depth")) == 3
    assert published(kube, owner) == {
        "normals": ("depth",),
        "depth": ("normals",),
        "curvature": ("depth",),
    }


def test_another_studys_ranking_is_left_alone(
    kube: Kube, control_plane: ControlPlane, owner: Owner
) -> None:
    """A study deleted and made again under the same name finds the old one's, for a while."""
    cluster = connect(kubeconfig=control_plane.kubeconfig)
    publish(cluster, owner, ranking(normals="depth"))
    again = Owner(name="small", namespace=owner.namespace, uid="another")
    with pytest.raises(Conflict, match="belongs to another study"):
        publish(cluster, again, ranking(normals="curvature"))
    assert published(kube, owner) == {"normals": ("depth",)}
