"""`taskonomyctl import`, `sql`, `tasks` and `completion` as a user meets them."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest


@pytest.fixture
def run(taskonomyctl: Callable[..., Any], paper_warehouse: Path) -> Callable[..., Any]:
    """The command line on the paper's warehouse, or in a folder of its own."""

    def runner(*words: str, code: int = 0, cwd: Path | None = None) -> Any:
        env = {} if cwd else {"TASKONOMY_WAREHOUSE": str(paper_warehouse)}
        return taskonomyctl(*words, code=code, cwd=cwd, env=env)

    return runner


Run = Callable[..., Any]


def test_import_without_a_file_brings_the_papers_own(run: Run, tmp_path: Path) -> None:
    done = run("import", "published", "--study", "paper", cwd=tmp_path)
    assert "imported 1762 transfers to 22 targets" in done.stderr
    assert "unchanged" in run("import", "published", "--study", "paper", cwd=tmp_path).stderr
    assert (tmp_path / "warehouse.duckdb").is_file()


def test_a_refused_file_leaves_no_warehouse_row(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("target,order\n")
    done = run("import", "published", "bad.csv", "--study", "s", code=5, cwd=tmp_path)
    assert "bad.csv, line 1, column sources: missing column" in done.stderr
    assert "no study" in run("show", "taxonomy", "--budget", "1", code=6, cwd=tmp_path).stderr


def test_a_users_own_dictionary(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_text(
        '[[task]]\nid = "wetness"\ntitle = "Wetness"\nloss = "l1"\n'
        'output = { kind = "image", channels = 1 }\n'
        '[[task]]\nid = "rust"\ntitle = "Rust"\nloss = "l1"\n'
        'output = { kind = "image", channels = 1 }\n'
    )
    (tmp_path / "measured.csv").write_text(
        "target,order,sources,affinity,win_rate_vs_scratch,win_rate_vs_task_specific\n"
        "wetness,1,rust,0.5,0.5,0.5\nrust,1,self,0.5,0.9,0.5\n"
    )
    words = "import published measured.csv --study mine --tasks tasks.toml"
    run(*words.split(), cwd=tmp_path)
    printed = run("solve", "--budgets", "1", "--orders", "1", "-o", "json", cwd=tmp_path).stdout
    assert json.loads(printed)[0]["sources"] == ["rust"]


BAD_DICTIONARIES = {
    "not TOML": ("[[task]\n", "not valid TOML"),
    "no loss": ('[[task]]\nid = "a"\ntitle = "A"\noutput = {kind="image",channels=1}\n', "loss"),
    "capital id": (
        '[[task]]\nid = "A"\ntitle = "A"\nloss="l1"\noutput = {kind="image",channels=1}\n',
        "task 'A', field id",
    ),
    "unknown field": (
        '[[task]]\nid = "a"\ntitle = "A"\nloss="l1"\ncolour=1\n'
        'output = {kind="image",channels=1}\n',
        "task 'a', field colour",
    ),
}


@pytest.mark.parametrize(("content", "words"), BAD_DICTIONARIES.values(), ids=BAD_DICTIONARIES)
def test_a_bad_dictionary_is_refused(run: Run, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "tasks.toml").write_text(content)
    assert words in run("tasks", "--tasks", "tasks.toml", code=5, cwd=tmp_path).stderr


def test_tasks_lists_the_dictionary(run: Run) -> None:
    rows = json.loads(run("tasks", "-o", "json").stdout)
    assert len(rows) == 27
    assert {r["task"] for r in rows if r["role"] == "source-only"} == {
        "colorization",
        "jigsaw",
        "in-painting",
        "random",
    }


QUERY = "SELECT target, sources, affinity FROM measured_transfer ORDER BY affinity DESC LIMIT 3"


def test_sql_prints_the_same_rows_in_every_format(
    run: Run, paper_warehouse: Path, tmp_path: Path
) -> None:
    with duckdb.connect(paper_warehouse, read_only=True) as connection:
        expected = connection.execute(QUERY).fetchall()
    as_json = json.loads(run("sql", QUERY, "--format", "json").stdout)
    assert [(r["target"], r["sources"], r["affinity"]) for r in as_json] == expected
    printed = run("sql", QUERY, "--format", "csv").stdout
    rows = list(csv.reader(io.StringIO(printed)))
    assert rows[0] == ["target", "sources", "affinity"]
    assert [(t, s.split("+"), float(a)) for t, s, a in rows[1:]] == expected
    table = run("sql", QUERY).stdout
    assert all(target in table for target, _, _ in expected)
    raw = subprocess.run(
        [sys.executable, "-m", "taskonomyctl", "sql", QUERY, "--format", "parquet",
         "--warehouse", str(paper_warehouse)],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    (tmp_path / "rows.parquet").write_bytes(raw)
    assert duckdb.sql(f"FROM '{tmp_path}/rows.parquet'").fetchall() == expected


FORBIDDEN = {
    "write": ("DELETE FROM study", "opened to read"),
    "two statements": ("SELECT 1; SELECT 2", "one SELECT"),
    "copy out": ("COPY study TO 'out.csv'", "opened to read"),
    "attach": ("ATTACH 'other.duckdb'", "opened to read"),
    "another file": ("FROM read_csv('/etc/hostname')", "disabled by configuration"),
    "syntax": ("SELEC 1", "syntax error"),
    "unknown view": ("FROM afinity", "afinity does not exist"),
    "setting": ("SET enable_external_access = true", "opened to read"),
}


@pytest.mark.parametrize(("query", "words"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_sql_only_reads(run: Run, query: str, words: str) -> None:
    assert words in run("sql", query, code=2).stderr


def test_sql_shows_tables_and_views_with_comments(run: Run) -> None:
    rows = json.loads(run("sql", "--tables", "--format", "json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert by_name["affinity_matrix"]["kind"] == "view"
    assert "targets by sources" in by_name["affinity_matrix"]["comment"]
    assert "sources" in by_name["transfer"]["columns"]


def test_a_missing_warehouse_says_what_to_do(run: Run, tmp_path: Path) -> None:
    said = run("sql", "SELECT 1", code=6, cwd=tmp_path).stderr
    assert "taskonomyctl import published" in said
    assert not (tmp_path / "warehouse.duckdb").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_back(run: Run, shell: str) -> None:
    assert "_TASKONOMYCTL_COMPLETE" in run("completion", shell).stdout


def completions(words: str, warehouse: Path) -> list[str]:
    environment = {
        **os.environ,
        "_TASKONOMYCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "TASKONOMY_WAREHOUSE": str(warehouse),
    }
    code = "from taskonomyctl.main import cli; cli.main(prog_name='taskonomyctl')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_tasks_and_studies_complete(paper_warehouse: Path) -> None:
    assert completions("taskonomyctl solve --exclude norm", paper_warehouse) == ["normals"]
    assert completions("taskonomyctl solve --study pa", paper_warehouse) == ["paper"]


@pytest.mark.parametrize("command", [[], ["solve"], ["import", "published"], ["sql"], ["report"]])
def test_help_teaches(run: Run, command: list[str]) -> None:
    assert "Usage: taskonomyctl" in run(*command, "--help").stdout


def test_the_root_help_documents_exit_codes(run: Run) -> None:
    said = run("--help").stdout
    assert "Exit codes:" in said
    assert all(f"  {code}  " in said for code in (0, 1, 2, 4, 5, 6))
