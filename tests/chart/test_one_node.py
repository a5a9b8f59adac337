"""Volumes that one node has at a time: who is put beside whom, and what a person says of it."""

import json
from pathlib import Path
from typing import Any

import helm
import pytest

from taskonomy_operator.constants import ONE_NODE
from taskonomy_operator.installation import OneNode, read_installation

ARTIFACTS, DATA, WAREHOUSE = (f"demo-taskonomy-{n}" for n in ("artifacts", "data", "warehouse"))
EXPLORER = "--set=explorer.enabled=true,explorer.image.repository=a"
SHARED = "--set=artifacts.accessModes={ReadWriteMany}"


def jobs(folder: Path, found: list[helm.Manifest]) -> OneNode | None:
    """Return what the operator is told."""
    file = folder / "installation.yaml"
    file.write_text(helm.one(found, "ConfigMap", "-installation")["data"]["installation.yaml"])
    return read_installation(file).one_node


def terms(template: dict[str, Any]) -> list[dict[str, Any]]:
    pods = template["spec"].get("affinity", {}).get("podAffinity", {})
    return list(pods.get("requiredDuringSchedulingIgnoredDuringExecution", []))


def marks(found: list[helm.Manifest]) -> dict[str, str]:
    """Return which claim each of the chart's pods is marked with; its own term has to fit it."""
    said = {}
    for who, template in helm.pod_templates(found):
        claim = template["metadata"]["labels"].get(ONE_NODE)
        selected = {"matchLabels": {ONE_NODE: claim}}
        wanted = {"labelSelector": selected, "topologyKey": "kubernetes.io/hostname"}
        assert terms(template) == ([wanted] if claim else []), who
        if claim:
            said[who.rpartition("-")[2]] = claim
    return said


CASES: dict[str, tuple[list[str], str, str, dict[str, str]]] = {
    "by default": ([], "", ARTIFACTS, {"loader": ARTIFACTS, "test": ARTIFACTS}),
    "one pod alone": (
        ["--set=artifacts.accessModes={ReadWriteOncePod}"],
        "",
        ARTIFACTS,
        {"loader": ARTIFACTS, "test": ARTIFACTS},
    ),
    "shared": ([SHARED], "", "", {}),
    "one mode that can is enough": (
        ["--set=artifacts.accessModes={ReadWriteOnce,ReadWriteMany}"],
        "",
        "",
        {},
    ),
    "buckets": ([], "buckets", "", {}),
    "a class that shares whatever it says": (["--set=artifacts.oneNode=false"], "", "", {}),
    "a claim that is there": ([], "existing-claims", "", {}),
    "a claim that is there, and a person who knows it": (
        ["--set=artifacts.oneNode=true"],
        "existing-claims",
        "results",
        {"loader": "results", "test": "results"},
    ),
    "with an explorer": (
        [EXPLORER],
        "",
        ARTIFACTS,
        {"loader": ARTIFACTS, "test": ARTIFACTS, "explorer": ARTIFACTS},
    ),
    "an explorer alone shares": (
        [EXPLORER, SHARED],
        "",
        "",
        {"loader": WAREHOUSE, "explorer": WAREHOUSE},
    ),
    "data of one node": ([SHARED, "--set=data.source=newClaim"], "", DATA, {}),
    "data that are only read": (
        [SHARED, "--set=data.source=newClaim,data.accessModes={ReadOnlyMany}"],
        "",
        "",
        {},
    ),
    "artifacts and data": (
        ["--set=data.source=newClaim"],
        "",
        ARTIFACTS,
        {"loader": ARTIFACTS, "test": ARTIFACTS},
    ),
    "a claim whose name is too long for a label": (
        [f"--set=artifacts.existingClaim={'a' * 62}-b,artifacts.oneNode=true"],
        "existing-claims",
        "a" * 62,
        {"loader": "a" * 62, "test": "a" * 62},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_kept_together(tmp_path: Path, case: str) -> None:
    options, values, told, marked = CASES[case]
    found = helm.objects(*options, values=values)
    one_node = jobs(tmp_path, found)
    assert (one_node.claim if one_node else "") == told
    assert marks(found) == marked


def test_every_pod_that_mounts_a_claim_of_one_node_is_marked_with_it() -> None:
    for who, template in helm.pod_templates(helm.objects(EXPLORER)):
        claims = {
            volume.get("persistentVolumeClaim", {}).get("claimName")
            for volume in template["spec"].get("volumes", [])
        }
        shared = {ARTIFACTS, WAREHOUSE} & claims
        assert (template["metadata"]["labels"].get(ONE_NODE) == ARTIFACTS) == bool(shared), who


def test_what_a_person_says_of_affinity_and_taints_holds_too() -> None:
    own = {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "zone"}
    node: dict[str, Any] = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}
    }
    loader = helm.one(
        helm.objects(
            "--set-json=warehouse.affinity.podAffinity="
            f'{{"requiredDuringSchedulingIgnoredDuringExecution":[{json.dumps(own)}]}}',
            f"--set-json=warehouse.affinity.nodeAffinity={json.dumps(node)}",
            '--set-json=warehouse.tolerations=[{"key":"a"}]',
        ),
        "CronJob",
        "-loader",
    )["spec"]["jobTemplate"]["spec"]["template"]
    assert loader["spec"]["affinity"]["nodeAffinity"] == node
    assert terms(loader)[0] == own
    assert terms(loader)[1]["labelSelector"]["matchLabels"] == {ONE_NODE: ARTIFACTS}
    gpu = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert loader["spec"]["tolerations"] == [{"key": "a"}, gpu]


def test_beside_no_training_pod_nobody_bears_the_taints_of_their_nodes() -> None:
    for options in ([SHARED], [SHARED, EXPLORER]):
        for who, template in helm.pod_templates(helm.objects(*options)):
            assert "tolerations" not in template["spec"], who


def test_namespaces_with_claims_of_one_volume_are_one_group(tmp_path: Path) -> None:
    found = helm.objects("--set=artifacts.oneNode=true", values="several-namespaces")
    everywhere = ["vision", "vision-a", "vision-b"]
    assert jobs(tmp_path, found) == OneNode(claim="results", namespaces=tuple(everywhere))
    loader = helm.one(found, "CronJob", "-loader")["spec"]["jobTemplate"]["spec"]["template"]
    assert [term["namespaces"] for term in terms(loader)] == [everywhere]


@pytest.mark.parametrize("wrong", ["yes", "1", "Auto"])
def test_nothing_else_can_be_said(wrong: str) -> None:
    with pytest.raises(helm.Refused, match="oneNode"):
        helm.render(f"--set-string=artifacts.oneNode={wrong}")
