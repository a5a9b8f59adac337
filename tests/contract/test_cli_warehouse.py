"""`taskonomyctl import`, `sql`, `tasks` and `completion` as a user meets them."""

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest

from taskonomyctl.main import cli
from taskonomyctl.output import MOST_ROWS, print_rows


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


REFUSED_IMPORTS = {
    "a bad file": (["bad.csv"], 5, "bad.csv, line 1, column sources: missing column"),
    "a bad dictionary": (["bad.csv", "--tasks", "bad.csv"], 5, "not valid TOML"),
    "empty name": (["--study", ""], 2, "1 to 100 characters"),
    "blank name": (["--study", "  "], 2, "1 to 100 characters"),
    "long name": (["--study", "n" * 101], 2, "1 to 100 characters"),
    "line break in the name": (["--study", "a\nb"], 2, "control character"),
    "escape in the name": (["--study", "a\x1b[31m"], 2, "control character"),
    "bytes in the name": (["--study", "\udcff\udcfe"], 2, "the name is not UTF-8 text"),
}


@pytest.mark.parametrize(
    ("words", "code", "message"), REFUSED_IMPORTS.values(), ids=REFUSED_IMPORTS
)
def test_a_refused_import_leaves_nothing_behind(
    run: Run, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    (tmp_path / "bad.csv").write_text("target,order\n")
    options = ("--study", "s", "--warehouse", "new/folder/w.duckdb")
    done = run("import", "published", *options, *words, code=code, cwd=tmp_path)
    assert message in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize("name", ["n" * 100, "größe 2", "a/b; DROP TABLE study", "[red]"])
def test_names_of_studies_are_free_otherwise(run: Run, tmp_path: Path, name: str) -> None:
    run("import", "published", "--study", name, cwd=tmp_path)
    printed = run("sql", "SELECT study FROM study", cwd=tmp_path).stdout
    assert name in printed.splitlines()[3].strip()


NOT_OPENED = {
    "JSON": ("s2.json", "not a DuckDB file"),
    "memory": (":memory:", "a warehouse is a file"),
    "below a file": ("s2.json/x.duckdb", "s2.json/x.duckdb"),
}


@pytest.mark.parametrize("command", [("import", "published", "--study", "s"), ("sql", "SELECT 1")])
@pytest.mark.parametrize(("name", "message"), NOT_OPENED.values(), ids=NOT_OPENED)
def test_what_is_no_warehouse_is_named(
    run: Run, tmp_path: Path, command: tuple[str, ...], name: str, message: str
) -> None:
    (tmp_path / "s2.json").write_text('[{"a": 1}]')
    done = run(*command, "--warehouse", name, code=6, cwd=tmp_path)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "s2.json").read_text() == '[{"a": 1}]'


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


BLANK = {
    "empty": ([""], "blank"),
    "blank": ([" \n"], "blank"),
    "tables as parquet": (["--tables", "--format", "parquet"], "no parquet"),
    "a query and tables": (["SELECT 1", "--tables"], "give a QUERY, or --tables"),
    "neither": ([], "give a QUERY, or --tables"),
    "one name twice as JSON": (["SELECT 1 AS a, 2 AS a", "--format", "json"], "with AS"),
}


@pytest.mark.parametrize(("words", "message"), BLANK.values(), ids=BLANK)
def test_sql_refuses_what_it_cannot_print(run: Run, words: list[str], message: str) -> None:
    assert message in run("sql", *words, code=2).stderr


def test_what_is_piped_into_sql_is_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = {b"SELECT '\xc3\xa9' AS e": (0, "é"), bytes(range(256)): (2, "not UTF-8 text")}
    for content, (code, words) in piped.items():
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        done = run("sql", "-", code=code)
        assert words in done.stdout + done.stderr


CELLS = {
    "one name twice": ("SELECT 1 AS a, 2 AS a", "a,a\n1,2\n", "a   a"),
    "words": ("SELECT ['a', 'b'] AS w", "w\na+b\n", "a, b"),
    "numbers": ("SELECT [1, 2] AS n", 'n\n"[1, 2]"\n', "[1, 2]"),
    "map": ("SELECT MAP {'k': 1} AS m", 'm\n"{""k"": 1}"\n', '{"k": 1}'),
    "struct": ("SELECT {'k': 'é'} AS s", 's\n"{""k"": ""é""}"\n', '{"k": "é"}'),
    "blob": (r"SELECT '\xAA'::BLOB AS b", "b\naa\n", "aa"),
    "markup": ("SELECT '[red]x[/red]' AS \"[b]\"", "[b]\n[red]x[/red]\n", "[red]x[/red]"),
    "backslash": (r"SELECT '\[/]' AS m", "m\n\\[/]\n", r"\[/]"),
    "emoji": ("SELECT ':smile:' AS e", "e\n:smile:\n", ":smile:"),
    "nothing": ("SELECT NULL AS z", 'z\n""\n', "z"),
}


@pytest.mark.parametrize(("query", "as_csv", "in_table"), CELLS.values(), ids=CELLS)
def test_cells_are_printed_as_they_are(run: Run, query: str, as_csv: str, in_table: str) -> None:
    assert run("sql", query, "--format", "csv").stdout == as_csv
    assert in_table in run("sql", query).stdout


def test_a_piped_table_is_as_wide_as_its_cells(run: Run) -> None:
    lines = run("sql", "SELECT repeat('x', 5000) AS x, 1 AS n").stdout.splitlines()
    assert any("x" * 5000 + "   1" in line for line in lines)
    assert max(map(len, lines)) < 5050


LONG = f"FROM range({MOST_ROWS + 1234})"


def test_a_table_ends_and_says_how_many_rows_follow(run: Run) -> None:
    lines = run("sql", LONG).stdout.splitlines()
    shown = [int(line) for line in lines if line.strip().isdigit()]
    assert shown == list(range(MOST_ROWS))
    assert lines[-1] == "… 1,234 more rows: -o csv"
    assert run("sql", LONG, "-o", "csv").stdout.count("\n") == MOST_ROWS + 1234 + 1
    assert len(json.loads(run("sql", LONG, "-o", "json").stdout)) == MOST_ROWS + 1234
    assert "more row" not in run("sql", f"FROM range({MOST_ROWS})").stdout
    assert "… 1 more row: -o csv" in run("sql", f"FROM range({MOST_ROWS + 1})").stdout


def test_a_long_table_of_many_rows_keeps_their_order(run: Run) -> None:
    lines = run("sql", "FROM range(3000000) ORDER BY range DESC -- the last first").stdout
    shown = [int(line) for line in lines.splitlines() if line.strip().isdigit()]
    assert shown == list(range(2999999, 2999999 - MOST_ROWS, -1))
    assert f"… {3_000_000 - MOST_ROWS:,} more rows" in lines


def test_rows_that_are_there_already_are_cut_too(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"n": n} for n in range(MOST_ROWS + 5)]
    with click.Context(cli.commands["tasks"]):
        print_rows(rows, ("n",), "table")
    assert capsys.readouterr().out.splitlines()[-1] == "… 5 more rows: -o csv"
    with click.Context(cli.commands["list"]):
        print_rows(rows, ("n",), "table")
    assert capsys.readouterr().out.splitlines()[-1] == "… 5 more rows: -o json"
    with click.Context(cli.commands["gc"]):  # it has no other form to ask for
        print_rows(rows, ("n",), "table")
    assert str(MOST_ROWS + 4) in capsys.readouterr().out


def on_a_terminal(columns: int, *words: str, **environment: str) -> str:
    """What a terminal this wide shows."""
    shown, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    given = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "taskonomyctl", *words],
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
        env={**given, "TERM": "xterm", **environment},
    )
    os.close(terminal)
    read = b""
    with contextlib.suppress(OSError):  # how a pseudo-terminal says that it ended
        while part := os.read(shown, 4096):
            read += part
    os.close(shown)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m|\r", "", read.decode())


NARROW = (
    "SELECT 8 AS budget, 'optimal' AS status, 5.343930 AS objective, "
    "['autoencoding', 'occlusion-edges'] AS sources"
)


@pytest.mark.slow
def test_a_terminal_too_narrow_for_a_table_gets_a_block_a_row(paper_warehouse: Path) -> None:
    warehouse = {"TASKONOMY_WAREHOUSE": str(paper_warehouse)}
    wide = on_a_terminal(100, "sql", NARROW, **warehouse)
    assert re.search(r"budget +status +objective +sources", wide)
    assert "autoencoding, occlusion-edges" in wide
    narrow = on_a_terminal(36, "sql", NARROW, **warehouse)
    assert [line.rstrip() for line in narrow.splitlines() if line.strip()] == [
        "budget     8",
        "status     optimal",
        "objective  5.343930",
        "sources    autoencoding,",
        "           occlusion-edges",
    ]


def in_a_shell(
    script: str, warehouse: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    script = script.replace("taskonomyctl", f"{sys.executable} -m taskonomyctl")
    return subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "TASKONOMY_WAREHOUSE": str(warehouse), **environment},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


SHELLS = {
    "head goes away": (
        "sql 'FROM range(200000)' --format csv | head -1; exit ${PIPESTATUS[0]}",
        141,
        "",
    ),
    "a table that head leaves": (
        "sql \"SELECT repeat('x', 100) FROM range(2000)\" | head -1; exit ${PIPESTATUS[0]}",
        141,
        "",
    ),
    "a small table nobody reads": ("tasks | true; exit ${PIPESTATUS[0]}", 141, ""),
    "a full disk": ("sql 'SELECT 1' > /dev/full", 1, "No space left"),
    "a full disk within": ("sql 'FROM range(200000)' --format csv > /dev/full", 1, "No space left"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("script", "code", "message"), SHELLS.values(), ids=SHELLS)
def test_output_that_goes_nowhere(
    paper_warehouse: Path, script: str, code: int, message: str
) -> None:
    done = in_a_shell(f"taskonomyctl {script}", paper_warehouse)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.count("\n") == bool(message)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_of_few_letters_gets_question_marks(
    paper_warehouse: Path, encoding: str
) -> None:
    script = "taskonomyctl sql \"SELECT 'a≤b' AS x\""
    done = in_a_shell(script, paper_warehouse, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert "a?b" in done.stdout


ENDINGS = {"SIGTERM": (signal.SIGTERM, 143), "Ctrl-C": (signal.SIGINT, 130)}


@pytest.mark.parametrize(("number", "code"), ENDINGS.values(), ids=ENDINGS)
def test_being_ended_unwinds(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    unwound = []

    def ended(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(number)
        finally:
            unwound.append(number)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("taskonomyctl.commands.sql.run_query", ended)
    assert "interrupted" in run("sql", "SELECT 1", code=code).stderr
    assert unwound == [number]
    assert signal.getsignal(signal.SIGTERM) is before


def test_how_to_print_has_one_name_everywhere() -> None:
    printing = [
        option
        for _, command in TREE.values()
        for option in command.params
        if {"--output", "--format", "-o"} & set(option.opts)
    ]
    assert len(printing) > 12
    assert [option.opts for option in printing if not {"--output", "-o"} <= set(option.opts)] == []


def test_older_names_of_output_still_work(run: Run) -> None:
    said = {
        run("sql", "FROM range(2)", name, "csv").stdout for name in ("-o", "--output", "--format")
    }
    assert said == {"range\n0\n1\n"}


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
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.slow
def test_tasks_complete_from_the_study_at_hand(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_text(
        '[[task]]\nid = "wetness"\ntitle = "Wetness"\nloss = "l1"\n'
        'output = { kind = "image", channels = 1 }\n'
    )
    (tmp_path / "measured.csv").write_text(
        "target,order,sources,affinity,win_rate_vs_scratch,win_rate_vs_task_specific\n"
        "wetness,1,self,0.5,0.5,0.5\n"
    )
    words = "import published measured.csv --study mine --tasks tasks.toml"
    warehouse = tmp_path / "warehouse.duckdb"
    assert completions("taskonomyctl solve --exclude wet", warehouse) == []
    run(*words.split(), cwd=tmp_path)
    assert completions("taskonomyctl solve --exclude wet", warehouse) == ["wetness"]
    assert completions("taskonomyctl solve --exclude norm", warehouse) == []
    run("import", "published", "--study", "paper", cwd=tmp_path)
    named = "taskonomyctl solve --study {} --exclude {}"
    assert completions(named.format("mine", "wet"), warehouse) == ["wetness"]
    assert completions(named.format("paper", "norm"), warehouse) == ["normals"]
    assert completions("taskonomyctl solve --exclude norm", warehouse) == ["normals"]


@pytest.mark.slow
def test_tasks_and_studies_complete(paper_warehouse: Path) -> None:
    assert completions("taskonomyctl solve --exclude norm", paper_warehouse) == ["normals"]
    assert completions("taskonomyctl solve --study pa", paper_warehouse) == ["paper"]


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command of the tree, with the words that lead to it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, *path, name)


TREE = {" ".join(path) or "taskonomyctl": (path, command) for path, command in commands(cli)}


@pytest.mark.parametrize(("path", "command"), TREE.values(), ids=TREE)
def test_help_teaches(run: Run, path: tuple[str, ...], command: click.Command) -> None:
    assert "Usage: taskonomyctl" in run(*path, "--help").stdout
    assert command.help
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_root_help_documents_exit_codes(run: Run) -> None:
    said = run("--help").stdout
    assert "Exit codes:" in said
    assert all(f"  {code}  " in said for code in (0, 1, 2, 4, 5, 6, 130, 141))
