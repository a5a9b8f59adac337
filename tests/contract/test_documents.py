"""What the documents show is run as it stands: every command, every line of output."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rooms import leave_rooms

ROOT = Path(__file__).parents[2]
ANYTHING = "…"
REWRITE = "REWRITE_DOCUMENTS" in os.environ
"""Run with this set, the test puts what is printed into the documents: read the difference."""


def console_blocks(document: Path) -> list[str]:
    return re.findall(r"^```console\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)


def commands(document: Path) -> list[tuple[str, list[str]]]:
    """Each `$ command` of the document with the lines shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(console_blocks(document)).splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line.rstrip())
    return found


@pytest.mark.parametrize(
    "document", ["README.md", pytest.param("docs/queries.md", marks=pytest.mark.slow)]
)
def test_commands_print_what_the_document_shows(
    tmp_path: Path, taskonomyctl: Any, document: str
) -> None:
    tour = commands(ROOT / document)
    assert len(tour) >= 6
    leave_rooms(tmp_path)
    printed_by: list[list[str]] = []
    for command, shown in tour:
        words = shlex.split(command)
        printed_by.append([])
        if words[0] == "printf":
            (tmp_path / words[-1]).write_text(words[1].replace("\\n", "\n"))
            continue
        assert words[0] == "taskonomyctl"
        code = 4 if "0.5" in words else 0
        ran = taskonomyctl(*words[1:], cwd=tmp_path, code=code)
        printed_by[-1] = [line.rstrip() for line in (ran.stderr + ran.stdout).splitlines()]
        if not REWRITE:
            printed = [line for line in printed_by[-1] if line]
            assert_shown([line for line in shown if line], printed, command)
    if REWRITE:
        rewrite(ROOT / document, [(c, p) for (c, _), p in zip(tour, printed_by, strict=True)])


def rewrite(document: Path, printed: list[tuple[str, list[str]]]) -> None:
    """Put what commands print into a document, but where an ellipsis stands in what it shows."""
    text = document.read_text(encoding="utf-8")
    for (command, lines), (_, shown) in zip(printed, commands(document), strict=True):
        before, after = f"$ {command}\n", "\n".join(lines)
        if ANYTHING not in shown and not command.startswith("printf"):
            at = text.index(before) + len(before)
            end = at + re.search(r"^(?:\$ |```)", text[at:], re.M).start()  # type: ignore[union-attr]
            text = text[:at] + after + "\n" + text[end:]
    document.write_text(text, encoding="utf-8")


def test_losses_in_files_are_queried_as_shown(tmp_path: Path, taskonomyctl: Any) -> None:
    leave_rooms(tmp_path)
    taskonomyctl("load", "-f", "places.yaml", "--losses-stay", "--no-publish", cwd=tmp_path)
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/queries.md").read_text(), re.DOTALL)
    with duckdb.connect(tmp_path / "warehouse.duckdb", read_only=True) as connection:
        rows = connection.execute(query).fetchall()
        means = connection.execute(
            "SELECT target, kind, sources, images, mean_loss FROM trial_result AS r "
            "JOIN transfer USING (study, transfer_id) ORDER BY ALL"
        ).fetchall()
    assert [row[:4] for row in rows] == [row[:4] for row in means]
    assert [row[4] for row in rows] == pytest.approx([row[4] for row in means], rel=1e-6)


def assert_shown(shown: list[str], printed: list[str], command: str) -> None:
    """Check the lines in order; an ellipsis skips lines, its absence skips none."""
    at, skipping = 0, False
    for line in shown:
        if line.strip() == ANYTHING:
            skipping = True
            continue
        while skipping and at < len(printed) and printed[at] != line:
            at += 1
        assert at < len(printed), f"{command}: {line!r} was not printed"
        assert printed[at] == line, f"{command}: printed {printed[at]!r}"
        at, skipping = at + 1, False
    assert skipping or at == len(printed), f"{command}: also printed {printed[at:]}"


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []
