"""What the documents show is run as it stands: every command, every line of output."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ANYTHING = "…"


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


@pytest.mark.parametrize("document", ["README.md", "docs/queries.md"])
def test_commands_print_what_the_document_shows(
    tmp_path: Path, taskonomyctl: Any, document: str
) -> None:
    tour = commands(ROOT / document)
    assert len(tour) >= 6
    for command, shown in tour:
        words = shlex.split(command)
        if words[0] == "printf":
            (tmp_path / words[-1]).write_text(words[1].replace("\\n", "\n"))
            continue
        assert words[0] == "taskonomyctl"
        code = 4 if "0.5" in words else 0
        ran = taskonomyctl(*words[1:], cwd=tmp_path, code=code)
        printed = [line.rstrip() for line in (ran.stderr + ran.stdout).splitlines() if line.strip()]
        assert_shown([line for line in shown if line], printed, command)


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
