"""Where a command acts, and what a server's refusal is called there."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command_line import run

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator.api_errors import error_of
from taskonomy_operator.kubeconfig import Reach
from taskonomyctl.main import cli
from taskonomyctl.places import Place, plain

THERE = Place(Reach("/k", "lab", "vision"), "vision")
NO_ANSWER = "https://10.0.0.1 does not answer: HTTPSConnectionPool(…): Connection refused"


@pytest.mark.parametrize(
    ("code", "reason", "message", "exit_code", "words"),
    [
        (404, "", "404 page not found", 6, "context 'lab' does not know what a Study is; `task"),
        (404, "NotFound", 'studies "x" not found', 6, 'studies "x" not found'),
        (401, "Unauthorized", "Unauthorized", 1, "does not know who you are: Unauthorized; log in"),
        (403, "Forbidden", 'cannot list "studies"', 1, 'not allowed: cannot list "studies"; ask'),
        (409, "Conflict", "was modified", 1, "changed it just now: was modified; do it again"),
        (422, "Invalid", "spec.x: no", 5, "the server refused it: spec.x: no"),
        (0, "NoAnswer", NO_ANSWER, 6, "is away: https://10.0.0.1 refuses connections; try again"),
        (503, "", "etcd is busy", 6, "is away: etcd is busy; try again later"),
    ],
)
def test_a_refusal_is_one_sentence(
    code: Any, reason: Any, message: Any, exit_code: int, words: str
) -> None:
    told = plain(error_of(code, reason, message), THERE)
    assert (told.exit_code, words in str(told)) == (exit_code, True), str(told)


HERE_ALOUD = "no cluster is configured: this machine; --local says so"


@pytest.mark.parametrize("verb", ["status", "watch", "list", "cancel", "why", "submit"])
def test_without_a_cluster_this_machine_is_meant_and_said(tmp_path: Path, verb: str) -> None:
    assert HERE_ALOUD in run(verb, code=None, cwd=tmp_path).stderr
    assert HERE_ALOUD not in run(verb, "--local", code=None, cwd=tmp_path).stderr


@pytest.mark.parametrize("verb", ["suspend", "resume", "retry", "delete"])
def test_what_needs_a_cluster_says_so_and_what_to_do_here(tmp_path: Path, verb: str) -> None:
    words = [verb, "rooms"]
    said = run(*words, code=6, cwd=tmp_path).stderr
    assert "no cluster is configured: set KUBECONFIG, or --kubeconfig; on this machine" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["list", "-n", "vision"], 6, "no cluster is configured"),
        (["list", "--kubeconfig", "gone"], 6, "there is no kubeconfig gone"),
        (["list", "--local", "-n", "x"], 2, "--local means this machine"),
    ],
)
def test_what_is_named_and_not_there(tmp_path: Path, words: Any, code: int, said: str) -> None:
    assert said in run(*words, code=code, cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["resume", "rooms"], "`taskonomyctl submit` goes on with a study"),
        (["suspend", "rooms"], "`taskonomyctl cancel` stops a study"),
        (["retry", "rooms", "--failed"], "`taskonomyctl submit --retry-failed` does"),
        (["delete", "rooms"], "a study is a folder of the artifact root"),
    ],
)
def test_what_is_about_clusters_says_what_does_it_here(words: list[str], instead: str) -> None:
    result = CliRunner().invoke(cli, [*words, "--local"])
    assert isinstance(result.exception, SettingRefused)
    assert str(result.exception) == (
        f"{words[0]} is about studies on a cluster; on this machine {instead}"
    )
    assert "--local" not in CliRunner().invoke(cli, [words[0], "--help"]).output
