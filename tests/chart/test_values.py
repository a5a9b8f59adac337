"""Values: linted, closed, documented; a mistake is refused before anything is sent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import helm
import pytest
import yaml

DOCUMENT = yaml.safe_load((helm.CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((helm.CHART / "values.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("values", ["", *helm.named_cases()])
def test_lint_finds_nothing(values: str) -> None:
    files = [f"--values={helm.VALUES / values}.yaml"] if values else []
    helm.run("lint", "--strict", "--quiet", "--kube-version=1.34.4", str(helm.CHART), *files)


def test_the_chart_itself_lacks_nothing_that_is_recommended() -> None:
    assert "[INFO]" not in helm.run("lint", "--kube-version=1.34.4", str(helm.CHART))


def test_what_follows_from_other_files_is_up_to_date() -> None:
    program = Path(helm.CHART.parent / "generate.py")
    done = subprocess.run([sys.executable, str(program), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_definition_is_what_taskonomyctl_prints() -> None:
    command = [sys.executable, "-m", "taskonomyctl", "crd"]
    packages = [
        str(helm.CHART.parents[1] / name) for name in ("catalogue", "operator", "warehouse", "cli")
    ]
    said = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(packages)}
    ).stdout
    assert (helm.CHART / "files" / "crd.yaml").read_text(encoding="utf-8") == said
    rendered = helm.one(helm.objects(), "CustomResourceDefinition", "studies.taskonomy.dev")
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == yaml.safe_load(said)


# --- the schema ---------------------------------------------------------------------------------


def _maps(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return every map whose keys are ours to name, with its path."""
    found = []
    if "properties" in schema:
        found.append((path, schema))
        for name, inner in schema["properties"].items():
            found += _maps(inner, f"{path}.{name}")
    return found


def test_every_map_of_ours_is_closed() -> None:
    maps = _maps(SCHEMA)
    for name, definition in SCHEMA["definitions"].items():
        maps += _maps(definition, name) + _maps(definition.get("items", {}), name)
    assert len(maps) > 40
    assert [path for path, schema in maps if schema.get("additionalProperties") is not False] == []


def test_the_schema_names_every_value_and_no_other() -> None:
    for path, schema in _maps(SCHEMA):
        inside = DOCUMENT
        for name in filter(None, path.split(".")):
            inside = inside[name]
        assert set(schema["properties"]) - {"global"} == set(inside), path


REFUSED = {
    "a key misspelt at the top": ("operators.replicas=3", "operators"),
    "a key misspelt below": ("operator.replica=3", "replica"),
    "a key misspelt three below": ("mlflow.backend.exisingSecret=a", "exisingSecret"),
    "a key misspelt in a list": ("operator.tolerations[0].kee=a", "kee"),
    "a key misspelt in a profile": ("jobs.profiles.a.nodeselector.b=c", "nodeselector"),
    "a key misspelt in resources": ("operator.resources.request.cpu=1", "request"),
    "a number that is none": ("operator.replicas=two", "replicas"),
    "a number below zero": ("operator.replicas=-1", "replicas"),
    "a switch that is none": ("crds.keep=perhaps", "keep"),
    "a place that is none": ("artifacts.source=nfs", "source"),
    "a mode that is none": ("artifacts.accessModes={ReadWriteAll}", "accessModes"),
    "a level that is none": ("operator.logLevel=loud", "logLevel"),
    "a path that does not begin at the root": ("data.path=data", "path"),
    "a tracking URI that is none": ("mlflow.externalTracking=mlflow", "externalTracking"),
    "a bucket that is none": ("mlflow.artifacts.s3Uri=bucket", "s3Uri"),
    "a snapshot of another kind": ("warehouse.snapshot.uri=gs://a", "uri"),
    "a grace of none": ("jobs.graceSeconds=0", "graceSeconds"),
    "an effect that is none": ("operator.tolerations[0].effect=Never", "effect"),
    "a privileged port": ("operator.port=80", "port"),
    "a secret misspelt": ("imagePullSecrets[0].nam=a", "imagePullSecrets"),
    "a name that is too long": (f"fullnameOverride={'a' * 41}", "fullnameOverride"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_in_a_value_is_named(case: str) -> None:
    setting, named = REFUSED[case]
    with pytest.raises(helm.Refused, match="don't meet the specifications") as refusal:
        helm.render(f"--set={setting}")
    assert named in str(refusal.value)


CONTRADICTIONS = {
    "several servers on one SQLite": ("mlflow.replicas=2", "mlflow.replicas"),
    "Postgres without its URI": ("mlflow.backend.store=postgres", "backend.existingSecret"),
    "a bucket without its name": ("mlflow.artifacts.store=s3", "artifacts.s3Uri"),
    "a claim without its name": ("artifacts.source=existingClaim", "artifacts.existingClaim"),
    "data in a bucket without its name": ("data.source=s3", "data.s3.bucket"),
    "an explorer without an image": ("explorer.enabled=true", "explorer.image.repository"),
    "a queue without what it draws on": (
        "kueue.localQueue.name=a",
        "kueue.localQueue.clusterQueue",
    ),
    "an ingress without a host": ("mlflow.ingress.enabled=true", "mlflow.ingress.host"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_values_that_contradict_one_another_are_named(case: str) -> None:
    setting, named = CONTRADICTIONS[case]
    with pytest.raises(helm.Refused) as refusal:
        helm.render(f"--set={setting}")
    assert named in str(refusal.value)


def test_a_cluster_that_is_too_old_is_refused() -> None:
    with pytest.raises(helm.Refused, match="kubeVersion"):
        helm.render(kubernetes="1.30.9")


def test_a_parent_chart_may_share_values_and_switch_it_off() -> None:
    assert helm.render("--set=global.a=b,enabled=true") == helm.render()
