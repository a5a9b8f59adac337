"""`helm install`, `upgrade` and `uninstall` on a real control plane whose nodes kwok plays."""

import json
from pathlib import Path
from typing import Any

import helm
import pytest
import yaml
from control_plane import ControlPlane
from judged import Judge
from kube import ApiError, Kube, Object, eventually
from operator_process import OperatorProcess
from submitted import Submitted, outcome, submit

from taskonomy_operator.cluster import connect
from taskonomy_operator.rights import missing

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SPACE, FULL = "vision", "demo-taskonomy"


@pytest.fixture
def kube(own_control_plane: ControlPlane) -> Kube:
    """A control plane that has never heard of Studies, with volumes for whoever claims them."""
    client = own_control_plane.kube
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    client.create(_thing("v1", "Namespace", SPACE, labels=restricted))
    for name, size in (("a", "20Gi"), ("b", "50Gi"), ("c", "200Gi")):
        spec = {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/nowhere/{name}"},
        }
        client.create(_thing("v1", "PersistentVolume", name) | {"spec": spec})
    return client


def _thing(version: str, kind: str, name: str, **metadata: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}


def _helm(kube: Kube, verb: str, *words: str) -> str:
    chart = [str(helm.CHART)] if verb in ("install", "upgrade") else []
    place = [f"--namespace={SPACE}", f"--kubeconfig={kube.kubeconfig}"]
    return helm.run(verb, helm.RELEASE, *chart, *place, *words)


def test_a_release_from_installation_to_removal(kube: Kube, tmp_path: Path) -> None:
    told = _helm(kube, "install", "--wait", "--timeout=120s")
    _check_notes(told)
    _check_all_is_there(kube)
    _check_a_load_on_demand(kube)
    _check_the_test_leaves_nothing(kube)
    operator = _as_the_operator(kube, tmp_path)
    with operator:
        study = submit(kube, SPACE, {"metadata.labels": outcome("hang")})
        study.wait(lambda it: it.pods())
        before = _generations(kube)
        _helm(kube, "upgrade", "--set=warehouse.schedule=5 * * * *")
        assert before.items() <= _generations(kube).items()  # the operator may make more meanwhile
        study.wait(_goes_on)
        study.delete()
        operator.terminate()
    _check_removal(kube)


def _goes_on(study: Submitted) -> bool:
    """Let what runs succeed, and return whether the study is completed."""
    for pod in study.pods():
        study.tell(pod, "succeed")
    return study.condition("Completed")[0] == "True"


def _check_notes(told: str) -> None:
    lines = told.split("NOTES:")[1].splitlines()
    commands = [line.strip() for line in lines if line.startswith("       ")]
    assert commands == [
        f"kubectl -n {SPACE} rollout status deployment/{FULL}-operator && "
        f"helm -n {SPACE} test demo",
        f"taskonomyctl submit -f study.yaml -n {SPACE} --wait",
        f"kubectl -n {SPACE} port-forward service/{FULL}-mlflow 5000",
    ]


def _check_all_is_there(kube: Kube) -> None:
    judge = Judge(kube)
    wanted = [
        each
        for each in helm.objects(namespace=SPACE)
        if "helm.sh/hook" not in each["metadata"].get("annotations", {})
    ]
    for each in wanted:
        kube.get(judge.path(each))
    assert len(wanted) > 25
    for name in ("operator", "mlflow"):
        path = f"/apis/apps/v1/namespaces/{SPACE}/deployments/{FULL}-{name}"
        deployment = kube.get(path)
        assert deployment["status"]["availableReplicas"] == deployment["spec"]["replicas"]
    assert missing(connect(kubeconfig=_kubeconfig_of(kube, "operator")), SPACE, SPACE) == []


def _check_a_load_on_demand(kube: Kube) -> None:
    """What `kubectl create job load-now --from=cronjob/…` sends."""
    cronjob = kube.get(f"/apis/batch/v1/namespaces/{SPACE}/cronjobs/{FULL}-loader")
    template = cronjob["spec"]["jobTemplate"]
    job = _thing("batch/v1", "Job", "load-now", namespace=SPACE)
    job["metadata"]["annotations"] = {"cronjob.kubernetes.io/instantiate": "manual"}
    kube.create(job | {"spec": template["spec"]})
    path = f"/apis/batch/v1/namespaces/{SPACE}/jobs/load-now"
    eventually(lambda: kube.get(path)["status"].get("succeeded"), what=lambda: kube.get(path))
    kube.delete(job)


def _check_the_test_leaves_nothing(kube: Kube) -> None:
    """What it does is played by kwok here; that it is let in, and goes, is real."""
    assert "Phase:          Succeeded" in _helm(kube, "test", "--timeout=120s")
    jobs = f"/apis/batch/v1/namespaces/{SPACE}/jobs"
    eventually(lambda: kube.items(jobs) == [], what=lambda: kube.items(jobs))
    accounts = kube.items(f"/api/v1/namespaces/{SPACE}/serviceaccounts")
    assert f"{FULL}-test" not in {each["metadata"]["name"] for each in accounts}


def _kubeconfig_of(kube: Kube, account: str) -> Path:
    """Return a kubeconfig with a token of one of the chart's accounts."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{SPACE}/serviceaccounts/{FULL}-{account}/token"
    token = kube.request("POST", path, request)["status"]["token"]
    config = yaml.safe_load(kube.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": token}
    file = kube.kubeconfig.with_name(f"{account}.kubeconfig")
    file.write_text(json.dumps(config), encoding="utf-8")
    file.chmod(0o600)
    return file


def _as_the_operator(kube: Kube, folder: Path) -> OperatorProcess:
    """Return the operator as the chart installs it: its account, its installation, its lease."""
    found = kube.get(f"/api/v1/namespaces/{SPACE}/configmaps/{FULL}-installation")
    installation = yaml.safe_load(found["data"]["installation.yaml"])
    account = _kubeconfig_of(kube, "operator")
    return OperatorProcess(
        folder, account, SPACE, installation=installation, lease_name=f"{FULL}-operator"
    )


def _generations(kube: Kube) -> dict[str, tuple[str, int]]:
    """Return uid and generation of every Job and Deployment."""
    paths = (
        f"/apis/batch/v1/namespaces/{SPACE}/jobs",
        f"/apis/apps/v1/namespaces/{SPACE}/deployments",
    )
    return {
        each["metadata"]["name"]: (each["metadata"]["uid"], each["metadata"]["generation"])
        for path in paths
        for each in kube.items(path)
    }


def _check_removal(kube: Kube) -> None:
    _helm(kube, "uninstall", "--wait")
    claims = kube.items(f"/api/v1/namespaces/{SPACE}/persistentvolumeclaims")
    kept = {each["metadata"]["name"] for each in claims}
    assert kept == {f"{FULL}-{part}" for part in ("artifacts", "mlflow", "warehouse")}
    assert (
        kube.get("/apis/taskonomy.dev/v1alpha1/studies")["items"] == []
    )  # the kind is known still
    eventually(lambda: _left(kube) == [], what=lambda: _left(kube))  # garbage takes a while
    _helm(kube, "install", "--set=crds.keep=false")  # takes what was kept for its own again
    _helm(kube, "uninstall", "--wait")
    gone = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/studies.taskonomy.dev"
    eventually(lambda: _is_gone(kube, gone), what="the definition stays")
    kube.delete(_thing("v1", "Namespace", SPACE))
    eventually(lambda: _is_gone(kube, f"/api/v1/namespaces/{SPACE}"), what="the namespace stays")


def _left(kube: Kube) -> list[str]:
    """Return what bears the chart's labels after it is gone, claims aside."""
    inside = f"namespaces/{SPACE}"
    paths = (
        f"/apis/apps/v1/{inside}/deployments",
        f"/apis/batch/v1/{inside}/cronjobs",
        f"/apis/batch/v1/{inside}/jobs",
        f"/apis/policy/v1/{inside}/poddisruptionbudgets",
        f"/apis/networking.k8s.io/v1/{inside}/networkpolicies",
        f"/apis/rbac.authorization.k8s.io/v1/{inside}/roles",
        f"/apis/rbac.authorization.k8s.io/v1/{inside}/rolebindings",
        f"/api/v1/{inside}/services",
        f"/api/v1/{inside}/configmaps",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    )
    selector = "app.kubernetes.io/part-of=taskonomy"
    return [
        f"{path}/{each['metadata']['name']}"
        for path in paths
        for each in kube.items(path, labelSelector=selector)
    ]


def _is_gone(kube: Kube, path: str) -> bool:
    try:
        kube.get(path)
    except ApiError as error:
        return error.code == 404
    return False
