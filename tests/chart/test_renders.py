"""What is rendered, without a cluster: golden files, the installation, names, images, rights."""

import difflib
import os
from pathlib import Path

import helm
import pytest
import yaml

from taskonomy_operator.installation import Mount, Profile, Toleration, read_installation
from taskonomy_operator.rights import RIGHTS
from taskonomy_operator.settings import read_settings

GOLDEN = Path(__file__).parent / "golden"
CASES = helm.named_cases()


@pytest.mark.parametrize("values", ["default", "everything", "external-services"])
def test_renders_are_as_they_were(values: str) -> None:
    """TASKONOMY_GOLDEN=write writes them anew; read the difference before it is committed."""
    said = helm.render("--set=crds.enabled=false", values=values)
    file = GOLDEN / f"{values}.yaml"
    if os.environ.get("TASKONOMY_GOLDEN") == "write":
        file.write_text(said, encoding="utf-8")
    before = file.read_text(encoding="utf-8")
    difference = difflib.unified_diff(before.splitlines(), said.splitlines(), "golden", "now", n=2)
    assert said == before, "\n".join(difference)


@pytest.mark.parametrize("values", CASES)
def test_rendering_twice_changes_nothing(values: str) -> None:
    assert helm.render("--is-upgrade", values=values) == helm.render(values=values)


@pytest.mark.parametrize("values", CASES)
def test_every_object_is_named_once_and_says_whose_it_is(values: str) -> None:
    found = helm.objects(values=values)
    keys = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in found
    ]
    assert len(keys) == len(set(keys))
    for each in found:
        name = each["metadata"]["name"]
        assert len(name) <= 63 or each["kind"] in ("ClusterRole", "ClusterRoleBinding")
        if name != "demo-more" and each["kind"] != "CustomResourceDefinition":
            labels = each["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "taskonomy"
            assert labels["app.kubernetes.io/instance"] == "demo"


# --- the installation --------------------------------------------------------------------------


def installation_of(tmp_path: Path, *options: str, values: str = "") -> object:
    found = helm.one(helm.objects(*options, values=values), "ConfigMap", "-installation")
    file = tmp_path / "installation.yaml"
    file.write_text(found["data"]["installation.yaml"], encoding="utf-8")
    return read_installation(file)


@pytest.mark.parametrize("values", CASES)
def test_the_operator_can_read_its_installation(tmp_path: Path, values: str) -> None:
    installation_of(tmp_path, values=values)


def test_the_installation_says_what_the_values_say(tmp_path: Path) -> None:
    read = read_installation(_written(tmp_path, "everything"))
    assert read.image == "registry.example:5000/taskonomy/jobs:1.2.3"
    assert read.image_pull_policy == "Always"
    assert read.image_pull_secrets == ("registry",)
    assert read.operator_image.startswith("registry.example:5000/taskonomy/operator@sha256:aaaa")
    assert read.warehouse_image == "registry.example:5000/taskonomy/warehouse:1.2.3"
    assert read.service_account == "demo-taskonomy-training"
    assert read.ranking_service_account == "demo-taskonomy-ranking"
    toleration = Toleration(key="gpu", operator="Equal", value="a100", effect="NoSchedule")
    gpu = Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
    assert read.profiles == {
        "gpu": Profile(tolerations=(gpu,)),
        "a100": Profile(
            node_selector={"gpu": "a100"}, tolerations=(toleration,), runtime_class="nvidia"
        ),
    }
    assert read.mounts == (
        Mount(
            name="data", claim="demo-taskonomy-data", path="/data", sub_path="sets", read_only=True
        ),
        Mount(
            name="artifacts",
            claim="demo-taskonomy-artifacts",
            path="/artifacts",
            sub_path="results",
        ),
        Mount(name="scratch", claim="scratch", path="/scratch", sub_path="a"),
    )
    assert read.artifacts == "/artifacts"
    assert read.tracking == "http://demo-taskonomy-mlflow.vision.svc:5001"
    assert read.env == {"OMP_NUM_THREADS": "1"}
    assert read.env_from_secrets == ("s3",)
    assert (read.pack, read.grace_seconds, read.deadline_hours) == (16, 300, 12.5)


def _written(folder: Path, values: str) -> Path:
    found = helm.one(helm.objects(values=values), "ConfigMap", "-installation")
    file = folder / "installation.yaml"
    file.write_text(found["data"]["installation.yaml"], encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("options", "tracking"),
    [
        (["--set=mlflow.enabled=false"], ""),
        (["--set=mlflow.externalTracking=https://a:1"], "https://a:1"),
        ([], "http://demo-taskonomy-mlflow.vision.svc:5000"),
    ],
)
def test_runs_are_tracked_where_there_is_a_server(
    tmp_path: Path, options: list[str], tracking: str
) -> None:
    found = helm.objects(*options)
    file = tmp_path / "installation.yaml"
    file.write_text(helm.one(found, "ConfigMap", "-installation")["data"]["installation.yaml"])
    assert read_installation(file).tracking == tracking
    servers = [each for each in found if each["metadata"]["name"].endswith("-mlflow")]
    assert bool(servers) == tracking.endswith(".svc:5000")


def test_a_new_installation_restarts_the_operator_and_a_new_version_alone_does_not() -> None:
    def template(*options: str) -> object:
        return helm.one(helm.objects(*options), "Deployment", "-operator")["spec"]["template"]

    assert template() == template("--set=warehouse.schedule=1 * * * *")
    assert template() != template("--set=jobs.pack=9")


def test_the_operator_understands_how_it_is_started() -> None:
    found = helm.objects(
        "--set-json=operator.qps=12.5",
        "--set=operator.keepFinished=60",
        values="several-namespaces",
    )
    words = helm.one(found, "Deployment", "-operator")["spec"]["template"]["spec"]["containers"][0]
    assert words["command"] == ["python3", "-P", "-m", "taskonomy_operator"]
    read = read_settings(words["args"], {"POD_NAME": "one", "POD_NAMESPACE": "vision"})
    assert read.namespaces == ("vision", "vision-a", "vision-b")
    assert (read.lease_namespace, read.lease_name) == ("vision", "demo-taskonomy-operator")
    assert (read.qps, read.burst, read.workers, read.port) == (12.5, 100, 2, 8080)
    assert read.rhythm.keep_ended == 60
    everywhere = helm.one(helm.objects(values="cluster-wide"), "Deployment", "-operator")
    args = everywhere["spec"]["template"]["spec"]["containers"][0]["args"]
    assert read_settings(args, {"POD_NAMESPACE": "vision"}).namespaces == ("*",)


# --- images ------------------------------------------------------------------------------------


def images(*options: str, **given: str) -> set[str]:
    return {
        container["image"]
        for _, template in helm.pod_templates(helm.objects(*options, **given))
        for container in template["spec"]["containers"] + template["spec"].get("initContainers", [])
    }


def test_no_registry_is_named_unless_it_is_given() -> None:
    version = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())["appVersion"]
    parts = ("operator", "jobs", "mlflow", "warehouse")
    assert images() == {f"taskonomy/{part}:{version}" for part in parts}
    given = images("--set=image.registry=r.example:5000,image.tag=v9")
    assert given == {f"r.example:5000/taskonomy/{part}:v9" for part in parts}
    own = images("--set=image.registry=r.example,jobs.image.registry=other.example/")
    assert f"other.example/taskonomy/jobs:{version}" in own


def test_a_digest_stands_instead_of_a_tag() -> None:
    digest = f"sha256:{'b' * 64}"
    assert f"taskonomy/mlflow@{digest}" in images(f"--set=mlflow.image.digest={digest}")


# --- rights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", CASES)
def test_no_role_has_a_wildcard_or_reads_secrets(values: str) -> None:
    for each in helm.objects(values=values):
        for rule in each.get("rules", []) if each["kind"].endswith("Role") else []:
            assert not any("*" in word for words in rule.values() for word in words), rule
            assert not any(word.startswith("secrets") for word in rule["resources"])
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


def granted(rules: list[helm.Manifest]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def needed(scope: str) -> set[tuple[str, str, str]]:
    return {
        (right.group, right.rule_resource, verb)
        for right in RIGHTS
        if right.scope == scope
        for verb in right.verbs
    }


@pytest.mark.parametrize(
    ("values", "kind"),
    [("default", "Role"), ("several-namespaces", "Role"), ("cluster-wide", "ClusterRole")],
)
def test_the_operator_may_do_what_it_has_to_and_nothing_else(values: str, kind: str) -> None:
    found = helm.objects(values=values)
    roles = [
        each
        for each in found
        if each["kind"].endswith("Role") and each["metadata"]["name"].endswith("-operator")
    ]
    assert {each["kind"] for each in roles} == {kind}
    for role in roles:
        assert granted(role["rules"]) == needed("namespace")
    assert granted(helm.one(found, "Role", "-lease")["rules"]) == needed("lease")
    namespaces = {role["metadata"].get("namespace") for role in roles}
    expected = {
        "default": {"vision"},
        "several-namespaces": {"vision", "vision-a", "vision-b"},
        "cluster-wide": {None},
    }
    assert namespaces == expected[values]


def test_who_holds_what_is_what_the_threat_model_says() -> None:
    """docs/install.md tells every account's rights: here is every binding there is."""
    found = helm.objects()
    rules = {each["metadata"]["name"]: granted(each["rules"]) for each in found if "rules" in each}
    held = {
        subject["name"].removeprefix("demo-taskonomy-"): rules[each["roleRef"]["name"]]
        for each in found
        if each["kind"].endswith("Binding") and not each["metadata"]["name"].endswith("-lease")
        for subject in each["subjects"]
    }
    assert set(held) == {"operator", "ranking", "loader", "test"}
    assert held["ranking"] == {("", "configmaps", verb) for verb in ("get", "create", "update")}
    assert held["loader"] == {("taskonomy.dev", "studies", verb) for verb in ("get", "list")}
    studies = {("taskonomy.dev", "studies", verb) for verb in ("get", "create", "delete")}
    assert held["test"] == studies | {("", "events", "list")}
    accounts = [each for each in found if each["kind"] == "ServiceAccount"]
    assert all(each["automountServiceAccountToken"] is False for each in accounts)
    with_token = {
        who
        for who, template in helm.pod_templates(found)
        if template["spec"]["automountServiceAccountToken"] is not False
    }
    assert with_token == {
        "Deployment demo-taskonomy-operator",
        "CronJob demo-taskonomy-loader",
        "Job demo-taskonomy-test",
    }


# --- what must not be forgotten ----------------------------------------------------------------


@pytest.mark.parametrize("values", CASES)
def test_no_container_has_a_shell_a_password_or_no_limit(values: str) -> None:
    for who, template in helm.pod_templates(helm.objects(values=values)):
        for container in template["spec"]["containers"]:
            words = " ".join(container.get("command", []) + container.get("args", []))
            assert not {"sh", "bash", "-c", "/bin/sh"} & set(words.split()), who
            assert "postgresql://" not in words, who
            assert container["resources"]["limits"]["memory"], who
            assert container["resources"]["requests"]["cpu"], who


def test_hooks_are_the_tests_alone_and_go_when_it_succeeds() -> None:
    hooks = {
        each["metadata"]["name"]: each["metadata"]["annotations"]
        for each in helm.objects()
        if "helm.sh/hook" in each["metadata"].get("annotations", {})
    }
    assert set(hooks) == {"demo-taskonomy-test"}
    assert {said["helm.sh/hook"] for said in hooks.values()} == {"test"}
    policies = {said["helm.sh/hook-delete-policy"] for said in hooks.values()}
    assert policies == {"before-hook-creation,hook-succeeded"}


@pytest.mark.parametrize(("setting", "keeps"), [("true", True), ("false", False)])
def test_the_definition_and_volumes_stay_if_they_are_to(setting: str, keeps: bool) -> None:
    parts = ("crds", "artifacts", "data", "mlflow.persistence", "warehouse.persistence")
    settings = ",".join(f"{part}.keep={setting}" for part in parts)
    found = helm.objects(f"--set={settings},data.source=newClaim")
    kept = [
        each
        for each in found
        if each["kind"] in ("CustomResourceDefinition", "PersistentVolumeClaim")
    ]
    assert len(kept) == 5
    for each in kept:
        annotations = each["metadata"].get("annotations", {})
        assert (annotations.get("helm.sh/resource-policy") == "keep") == keeps


def test_one_writer_of_the_warehouse() -> None:
    loader = helm.one(helm.objects(), "CronJob", "-loader")["spec"]
    assert loader["concurrencyPolicy"] == "Forbid"
    claims = [
        (who, volume["persistentVolumeClaim"].get("readOnly", False))
        for who, template in helm.pod_templates(helm.objects(values="everything"))
        for volume in template["spec"]["volumes"]
        if volume.get("persistentVolumeClaim", {}).get("claimName") == "demo-taskonomy-warehouse"
    ]
    assert claims == [
        ("Deployment demo-taskonomy-explorer", True),
        ("CronJob demo-taskonomy-loader", False),
    ]
