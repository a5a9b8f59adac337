"""docs/install.md and the record of the chart: values render, rights are true, backups restore."""

import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import helm
import pytest
import yaml

ROOT = helm.CHART.parents[1]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
RECORD = (ROOT / "docs" / "decisions" / "0008-chart.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
OURS = "taskonomy"


def table(first: str, page: str = PAGE) -> list[dict[str, str]]:
    """Return the rows of the table whose heading begins so, by column."""
    rows = []
    lines = page.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    names = [cell.strip() for cell in lines[start].strip("|").split("|")]
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows.append(dict(zip(names, cells, strict=True)))
    return rows


# --- what a reader copies ----------------------------------------------------------------------


@pytest.mark.parametrize("block", BLOCKS)
def test_values_in_the_text_render(tmp_path: Path, block: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(block, encoding="utf-8")
    assert helm.objects(f"--values={file}")


def test_settings_in_the_text_are_taken() -> None:
    lines = [line.strip() for line in PAGE.splitlines() if line.startswith("    --set ")]
    assert len(lines) >= 3
    for line in lines:
        assert helm.objects(*shlex.split(line))


def test_names_of_values_in_the_text_are_values() -> None:
    document = yaml.safe_load((helm.CHART / "values.yaml").read_text(encoding="utf-8"))
    tops = "|".join(document)
    for name in set(re.findall(rf"`((?:{tops})(?:\.\w+)+)", PAGE)) - {"warehouse.duckdb"}:
        inside = document
        for part in name.split("."):
            assert part in inside, name
            inside = inside[part]


def test_the_image_of_jobs_past_one_machine_is_of_this_version() -> None:
    page = (ROOT / "docs" / "scale-out.md").read_text(encoding="utf-8")
    chart = yaml.safe_load((helm.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    named = re.findall(r"image: taskonomy/warehouse:(\S+)", page)
    assert named == [chart["appVersion"]]


# --- what a reader trusts ----------------------------------------------------------------------


def test_rights_in_the_text_are_the_charts() -> None:
    found = helm.objects()
    rules = {each["metadata"]["name"]: each["rules"] for each in found if "rules" in each}
    held: dict[str, dict[str, set[str]]] = {}
    for each in found:
        if each["kind"].endswith("Binding"):
            account = each["subjects"][0]["name"].removeprefix("demo-taskonomy-")
            for rule in rules[each["roleRef"]["name"]]:
                for resource in rule["resources"]:
                    held.setdefault(account, {}).setdefault(resource, set()).update(rule["verbs"])
    told = {row["account"]: _rights(row["rights"]) for row in table("| account ")}
    assert told.pop("training") == {}
    assert told.pop("mlflow, explorer") == {}
    assert told == held


def _rights(text: str) -> dict[str, set[str]]:
    """Read `Studies: get, list; their status: patch` into verbs by resource."""
    rights = {}
    for part in text.split(";") if text != "none" else []:
        resource, _, verbs = part.partition(":")
        name = resource.strip().partition(" of ")[0].lower()
        name = {"their status": "studies/status"}.get(name, name)
        rights[name] = {verb.strip() for verb in verbs.split(",")}
    return rights


def test_our_column_of_the_table_is_true() -> None:
    everything = helm.objects(
        "--set=monitoring.force=true,monitoring.serviceMonitor.enabled=true",
        "--set=monitoring.prometheusRule.enabled=true,monitoring.dashboard.enabled=true",
    )
    rows = table("| | taskonomy ", RECORD)
    ours = {row[""]: row[OURS] for row in rows}

    def count(kind: str) -> str:
        return f"yes, {sum(each['kind'] == kind for each in everything)}"

    alerts = helm.one(everything, "PrometheusRule", "taskonomy")["spec"]["groups"]
    assert ours["NetworkPolicy"] == count("NetworkPolicy")
    assert ours["PodDisruptionBudget"] == f"{count('PodDisruptionBudget')} by default"
    assert ours["monitor"] == count("ServiceMonitor")
    assert ours["alert rules with runbooks"] == f"yes, {sum(len(each['rules']) for each in alerts)}"
    files = len(list(Path(__file__).parent.glob("test_*.py")))
    assert ours["tests"].startswith(f"yes, {files} files, ")
    assert all(said.startswith("yes") for said in ours.values())
    assert (helm.CHART / "values.schema.json").exists()
    assert (helm.CHART / "templates" / "NOTES.txt").exists()
    assert helm.one(everything, "Job", "-test")
    assert helm.one(everything, "ConfigMap", "-dashboard")
    assert not (helm.CHART / "crds").exists()
    assert all((ROOT / row["held by"].strip("`")).is_file() for row in rows)
    assert all(cell for row in rows for name, cell in row.items() if name)


# --- what a reader hopes never to need ---------------------------------------------------------


def test_a_backup_of_runs_is_taken_while_they_are_written_and_restores(tmp_path: Path) -> None:
    (said,) = re.findall(r'python3 -c "(import sqlite3; [^"]+)"', PAGE)
    runs, backup = tmp_path / "runs.db", tmp_path / "backup.db"
    program = said.replace("/mlflow/runs.db", str(runs)).replace("/mlflow/backup.db", str(backup))
    writer = sqlite3.connect(runs)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE runs (name TEXT)")
    writer.execute("INSERT INTO runs VALUES ('kept')")
    writer.commit()
    writer.execute("INSERT INTO runs VALUES ('not committed')")
    subprocess.run([sys.executable, "-c", program], check=True)
    writer.rollback()
    writer.close()
    restored = sqlite3.connect(backup)
    assert restored.execute("SELECT name FROM runs").fetchall() == [("kept",)]
    assert restored.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    restored.close()
