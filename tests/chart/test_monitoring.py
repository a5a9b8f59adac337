"""Alerts fire when they should and lead to a runbook; dashboard and rules ask for what there is."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import helm
import pytest
import yaml

from taskonomy_operator.cluster import Cluster
from taskonomy_operator.metrics import Metrics
from taskonomy_operator.study_status import Condition, StageStatus, StudyStatus

FORCED = ("--set=monitoring.force=true", "--set=monitoring.prometheusRule.enabled=true")
FOREIGN = {"kube_cronjob_status_last_successful_time"}
"""Of kube-state-metrics: without it the alert on the loader stays silent."""
API = "--api-versions=monitoring.coreos.com/v1"


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = helm.one(helm.objects(*FORCED), "PrometheusRule", "taskonomy")[
        "spec"
    ]["groups"]
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"]]


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups()}), encoding="utf-8")
    return path


def test_promtool_reads_the_rules(rule_file: Path) -> None:
    words = [helm.promtool(), "check", "rules", "--lint=all", "--lint-fatal", str(rule_file)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # promtool plays through days
def test_every_alert_fires_when_it_should_and_not_before(tmp_path: Path, rule_file: Path) -> None:
    asked = (Path(__file__).parent / "alerts.yaml").read_text(encoding="utf-8")
    tried = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts", asked))
    assert tried == {rule["alert"] for rule in rules()}
    file = tmp_path / "alerts.yaml"
    file.write_text(asked.replace("[FILE]", f"[{rule_file}]"), encoding="utf-8")
    words = [helm.promtool(), "test", "rules", str(file)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    page = (helm.CHART.parents[1] / "docs" / "runbooks.md").read_text(encoding="utf-8")
    sections = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert sections == [rule["alert"] for rule in rules()]
    for rule in rules():
        anchor = rule["annotations"]["runbook_url"]
        assert anchor == f"docs/runbooks.md#{rule['alert'].lower()}"


def test_runbooks_may_lie_elsewhere_and_alerts_bear_labels() -> None:
    settings = "monitoring.prometheusRule.runbooks=https://runbooks.example/t,monitoring.prometheusRule.alertLabels.team=a"
    found = helm.objects(*FORCED, f"--set={settings}")
    rule = helm.one(found, "PrometheusRule", "taskonomy")["spec"]["groups"][0]["rules"][0]
    assert rule["annotations"]["runbook_url"].startswith("https://runbooks.example/t#taskonomy")
    assert rule["labels"] == {"severity": "critical", "team": "a"}


# --- what is asked for is what there is --------------------------------------------------------


class NoServer(Cluster):
    """Requests that were counted, without a server."""

    def __init__(self) -> None:
        self.requests = {("GET", 200): 1}  # type: ignore[assignment]


@cache
def exported() -> dict[str, set[str]]:
    """Return every metric the operator exports, with its labels."""
    metrics = Metrics()
    condition = Condition.model_validate(
        {
            "type": "Accepted",
            "status": "True",
            "reason": "Valid",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    )
    status = StudyStatus.model_validate(
        {
            "eta": "2026-01-01T00:00:00Z",
            "stages": [StageStatus(name="scratch")],
            "conditions": [condition],
        }
    )
    metrics.saw_study("team", "rooms", status)
    metrics.watch_source("jobs", lambda: 1.0)
    metrics.queue_of(lambda: 1)
    metrics.leads(lambda: True)
    metrics.requests_of(NoServer())
    return {
        sample.name: set(sample.labels)
        for family in metrics.registry.collect()
        for sample in family.samples
    }


TARGET_LABELS = {"namespace", "instance", "pod"}
"""What Prometheus adds to every series of a target."""


def check(expression: str) -> None:
    """Assert that an expression asks for metrics there are, by labels they have."""
    known = exported()
    asked = re.findall(r"\b((?:taskonomy|process|kube)_[a-z_]+)(?:\{([^}]*)\})?", expression)
    assert asked, expression
    for name, selector in asked:
        if name in FOREIGN:
            continue
        assert name in known, f"{name} is not exported"
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert labels <= known[name] | TARGET_LABELS, f"{name} has no {labels}"


def test_rules_ask_for_metrics_there_are() -> None:
    for rule in rules():
        check(rule["expr"])


def test_the_dashboard_asks_for_metrics_there_are_and_lies_on_its_grid() -> None:
    found = helm.objects("--set=monitoring.dashboard.enabled=true")
    carried = helm.one(found, "ConfigMap", "-dashboard")
    assert carried["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(carried["data"]["taskonomy.json"])
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not places & cells, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        places |= cells
        for target in panel.get("targets", []):
            check(target["expr"])
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__all"}
    assert used == variables


def test_the_dashboards_expressions_are_promql(tmp_path: Path) -> None:
    text = (helm.CHART / "files" / "dashboard.json").read_text(encoding="utf-8")
    asked = [
        target["expr"].replace("$namespace", ".*").replace("$study", ".*")
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", [])
    ]
    made = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))
    done = subprocess.run(
        [helm.promtool(), "check", "rules", str(file)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- only where somebody reads them ------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], set()),
        ([API], {"ServiceMonitor", "PrometheusRule"}),
        (["--set=monitoring.force=true"], {"ServiceMonitor", "PrometheusRule"}),
    ],
)
def test_monitors_are_made_where_the_cluster_knows_them(
    options: list[str], expected: set[str]
) -> None:
    on = "--set=monitoring.serviceMonitor.enabled=true,monitoring.prometheusRule.enabled=true"
    kinds = {each["kind"] for each in helm.objects(on, *options)}
    assert kinds & {"ServiceMonitor", "PrometheusRule"} == expected


def test_the_monitor_finds_the_service_and_its_port() -> None:
    found = helm.objects(API, "--set=monitoring.serviceMonitor.enabled=true")
    monitor = helm.one(found, "ServiceMonitor", "-operator")["spec"]
    service = helm.one(found, "Service", "-operator")
    wanted = monitor["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items()
    chosen = [
        each["metadata"]["name"]
        for each in found
        if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()
    ]
    assert chosen == ["demo-taskonomy-operator"]
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["honorLabels"] is True  # a study's namespace, not the operator's
