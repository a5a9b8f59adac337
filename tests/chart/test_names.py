"""Names, places and notes: awkward releases, another namespace, what a person is told."""

import json
import shutil
from pathlib import Path
from typing import Any

import helm
import pytest
import yaml

from taskonomy_operator.installation import read_installation


def words_of(thing: Any) -> list[str]:
    """Return every text in a manifest."""
    if isinstance(thing, dict):
        return [word for each in thing.values() for word in words_of(each)]
    if isinstance(thing, list):
        return [word for each in thing for word in words_of(each)]
    return [thing] if isinstance(thing, str) else []


# --- releases ----------------------------------------------------------------------------------


def test_a_long_release_leaves_room_for_what_is_appended() -> None:
    """A Job's name appends eleven characters to its CronJob's, a pod's more to a Deployment's."""
    most = {"CronJob": 52, "Deployment": 52}
    for each in helm.objects(release="r" * 53):
        assert len(each["metadata"]["name"]) <= most.get(each["kind"], 63)


def test_a_release_may_have_dots_though_a_service_may_not() -> None:
    found = helm.objects(release="v1.2")
    names = {each["metadata"]["name"] for each in found if each["kind"] == "Service"}
    assert names == {"v1-2-taskonomy-operator", "v1-2-taskonomy-mlflow"}
    servers = {word for word in words_of(found) if word.startswith("--tracking=")}
    assert servers == {"--tracking=http://v1-2-taskonomy-mlflow.vision.svc:5000"}


def test_a_release_that_no_service_can_be_named_after_says_what_to_do() -> None:
    with pytest.raises(helm.Refused, match="fullnameOverride: a Service's name begins with a let"):
        helm.render(release="2fast")
    assert helm.objects("--set=fullnameOverride=fast", release="2fast")


def test_a_release_is_named_once_in_its_objects() -> None:
    services = [each for each in helm.objects(release="my-taskonomy") if each["kind"] == "Service"]
    assert {each["metadata"]["name"].rpartition("-")[0] for each in services} == {"my-taskonomy"}


@pytest.mark.parametrize("key", ["nameOverride", "fullnameOverride", "namespaceOverride"])
def test_a_name_that_a_server_refuses_is_refused_before_anything_is_sent(key: str) -> None:
    with pytest.raises(helm.Refused, match=key):
        helm.render(f"--set={key}=My_App")


# --- namespaces --------------------------------------------------------------------------------


@pytest.mark.parametrize("values", ["default", "everything", "several-namespaces", "cluster-wide"])
def test_everything_goes_to_the_namespace_that_is_given(values: str) -> None:
    words = "--set=extraObjects=null"  # those are the installer's own
    moved = helm.objects("--set=namespaceOverride=elsewhere", words, values=values)
    there = helm.objects(words, values=values, namespace="elsewhere")
    assert moved == there
    assert not any("vision." in word for word in words_of(moved))


# --- what nodes need ---------------------------------------------------------------------------


@pytest.mark.parametrize("secrets", ["{a,b}", '[{"name":"a"},{"name":"b"}]', '["a",{"name":"b"}]'])
def test_secrets_that_fetch_images_are_named_either_way(tmp_path: Path, secrets: str) -> None:
    words = f"--set=imagePullSecrets={secrets}"
    if secrets.startswith("["):
        words = words.replace("--set", "--set-json", 1)
    found = helm.objects(words)
    for who, template in helm.pod_templates(found):
        assert template["spec"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}], who
    file = tmp_path / "installation.yaml"
    file.write_text(helm.one(found, "ConfigMap", "-installation")["data"]["installation.yaml"])
    assert read_installation(file).image_pull_secrets == ("a", "b")


@pytest.mark.parametrize("part", ["operator", "mlflow", "warehouse", "explorer"])
def test_every_part_is_placed_as_it_is_told(part: str) -> None:
    """What people set on any chart's pods, set on each part's, where volumes say nothing of it."""
    wanted: dict[str, Any] = {
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"a": []}},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.2"]},
        "priorityClassName": "a",
        "runtimeClassName": "b",
        "terminationGracePeriodSeconds": 7,
    }
    shown = "" if part != "explorer" else ",explorer.enabled=true,explorer.image.repository=a"
    anywhere = f"--set=artifacts.oneNode=false,warehouse.persistence.oneNode=false{shown}"
    found = helm.objects(f"--set-json={part}={json.dumps(wanted)}", anywhere)
    component = {"warehouse": "-loader"}.get(part, f"-{part}")
    templates = dict(helm.pod_templates(found))
    (spec,) = (each["spec"] for who, each in templates.items() if who.endswith(component))
    assert {key: spec[key] for key in wanted} == wanted


def test_budgets_let_a_node_be_drained() -> None:
    several = (
        "--set=mlflow.replicas=2,mlflow.backend.store=postgres,mlflow.backend.existingSecret=a",
        "--set=mlflow.artifacts.store=s3,mlflow.artifacts.s3Uri=s3://a/b",
    )
    budgets = {
        each["metadata"]["name"]: each["spec"]
        for each in helm.objects(*several)
        if each["kind"] == "PodDisruptionBudget"
    }
    assert set(budgets) == {"demo-taskonomy-operator", "demo-taskonomy-mlflow"}
    for spec in budgets.values():
        assert spec["maxUnavailable"] == 1
        assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    alone = [each for each in helm.objects() if each["kind"] == "PodDisruptionBudget"]
    assert [each["metadata"]["name"] for each in alone] == ["demo-taskonomy-operator"]


def test_dns_is_reached_where_it_listens() -> None:
    policies = [
        each
        for each in helm.objects("--set=networkPolicy.dnsPorts={53,5353}", values="everything")
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] != "demo-more"
    ]
    ports = [{"port": p, "protocol": kind} for p in (53, 5353) for kind in ("UDP", "TCP")]
    assert len(policies) == 6
    for each in policies:
        assert {"ports": ports} in each["spec"]["egress"], each["metadata"]["name"]


def test_an_installation_without_rights_of_its_own_makes_none() -> None:
    found = helm.objects("--set=rbac.create=false")
    assert not [each for each in found if each["apiVersion"].startswith("rbac.")]


# --- what a person is told ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def chart_that_notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the chart that renders its notes too: helm shows them once it has installed."""
    copy = tmp_path_factory.mktemp("chart") / "taskonomy"
    shutil.copytree(helm.CHART, copy)
    notes = copy / "templates" / "NOTES.txt"
    (copy / "templates" / "_notes.tpl").write_text(
        f'{{{{- define "notes" -}}}}\n{notes.read_text(encoding="utf-8")}{{{{- end }}}}',
        encoding="utf-8",
    )
    (copy / "templates" / "notes.yaml").write_text('said: {{ include "notes" . | toJson }}\n')
    return copy


NOTES = {
    "nothing": ("", [], ["NOTE: the volume of claim demo-taskonomy-artifacts is on"]),
    "another port": (
        "mlflow.service.port=80",
        ["port-forward service/demo-taskonomy-mlflow 5000:80"],
        ["NOTE: the volume"],
    ),
    "an ingress that the policy shuts": (
        "mlflow.ingress.enabled=true,mlflow.ingress.host=mlflow.example",
        ["Compare its runs at http://mlflow.example"],
        ["NOTE: the volume", "NOTE: MLflow is shown outside"],
    ),
    "a server of one's own": (
        "mlflow.externalTracking=https://a:1",
        ["create job load-now --from=cronjob/demo-taskonomy-loader"],
        ["NOTE: the volume"],
    ),
    "volumes for many nodes": ("artifacts.accessModes={ReadWriteMany}", [], []),
    "data that one node has": (
        "artifacts.source=s3,artifacts.s3.bucket=a,artifacts.s3.driver=b,data.source=newClaim",
        ["data.accessModes={ReadWriteMany} and", "data.oneNode=false"],
        ["NOTE: the volume of claim demo-taskonomy-data"],
    ),
    "an explorer beside": (
        "explorer.enabled=true,explorer.image.repository=a",
        ["artifacts.oneNode=false", "choose by explorer.nodeSelector"],
        ["NOTE: the volume"],
    ),
    "no rights": ("rbac.create=false", [], ["NOTE: the volume", "NOTE: this release brings no r"]),
    "no definition": (
        "crds.enabled=false",
        [],
        ["NOTE: the volume", "NOTE: this release brings no"],
    ),
    "no Prometheus": (
        "monitoring.serviceMonitor.enabled=true",
        [],
        ["NOTE: the volume", "NOTE: this cluster does not know monitoring"],
    ),
    "another namespace": (
        "namespaceOverride=elsewhere",
        ["-n elsewhere rollout status", "helm -n vision test demo"],
        ["NOTE: the volume"],
    ),
}


@pytest.mark.parametrize("case", NOTES)
def test_notes_say_what_to_do_next(chart_that_notes: Path, case: str) -> None:
    setting, told, notes = NOTES[case]
    words = [f"--set={setting}"] if setting else []
    place = ["--namespace=vision", "--kube-version=1.34.4", "--show-only=templates/notes.yaml"]
    rendered = helm.run("template", "demo", str(chart_that_notes), *place, *words)
    said = yaml.safe_load(rendered)["said"]
    assert [line[:5] for line in said.splitlines() if line[:4] in ("  1.", "  2.", "  3.")] == [
        "  1. ",
        "  2. ",
        "  3. ",
    ]
    assert all(each in said for each in told), said
    begun = [line for line in said.splitlines() if line.startswith("NOTE:")]
    assert len(begun) == len(notes)
    assert all(line.startswith(note) for line, note in zip(begun, notes, strict=True)), begun
