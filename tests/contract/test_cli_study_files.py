"""Study files that are not what they seem, as `taskonomyctl plan` answers them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STUDY = """\
apiVersion: taskonomy.dev/v1alpha1
kind: Study
metadata:
  name: rooms
spec:
  data:
    dataset: /data/rooms
"""

REFUSED = {
    "a name given twice": (
        STUDY.replace("  name: rooms\n", "  name: rooms\n  name: other\n"),
        "study.yaml, line 5: not valid YAML: 'name' is given twice, first in line 4; keep one",
    ),
    "two files in one": (STUDY + STUDY, "line 8: not valid YAML: 'apiVersion' is given twice"),
    "JSON": (
        '{"kind": "Study",\n "kind": "Study"}',
        "line 2: not valid YAML: 'kind' is given twice",
    ),
    "an empty file": ("", "study.yaml: the file is empty"),
    "comments alone": ("# to be written\n", "study.yaml: the file is empty"),
    "a number that is no number of YAML": (
        f"{STUDY}  training:\n    transfer:\n      epochs: 1e400\n",
        "spec.training.transfer.epochs: '1e400' is not a whole number; write all its digits",
    ),
    "a number in quotes": (
        f"{STUDY}  training:\n    transfer:\n      epochs: '4'\n",
        "spec.training.transfer.epochs: '4' is text; write it as a whole number without quotes",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_study_file_is_refused_with_the_place(
    taskonomyctl: Callable[..., Any], tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "study.yaml").write_text(text)
    done = taskonomyctl("plan", "-f", "study.yaml", code=5, cwd=tmp_path)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_study_file_of_another_encoding_is_named(
    taskonomyctl: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_bytes(STUDY.replace("rooms", "caf\xe9").encode("latin-1"))
    done = taskonomyctl("plan", "-f", "study.yaml", code=5, cwd=tmp_path)
    assert "study.yaml, line 4: not UTF-8 text; save the file as UTF-8" in done.stderr


def test_a_key_that_a_merge_brings_may_be_given_again(
    taskonomyctl: Callable[..., Any], tmp_path: Path
) -> None:
    text = STUDY.replace(
        "metadata:\n  name: rooms\n",
        "metadata:\n  labels: &given {team: a, floor: '1'}\n"
        "  annotations:\n    <<: *given\n    team: b\n  name: rooms\n",
    )
    (tmp_path / "study.yaml").write_text(text)
    done = taskonomyctl("plan", "-f", "study.yaml", "-o", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["study"] == "rooms"


def test_what_a_plan_does_not_know_is_named(
    taskonomyctl: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    words = ("plan", "-f", "study.yaml", "--estimate", "scratch=1", "--estimate", "first-order=1")
    said = taskonomyctl(*words, "--estimate", "task-specific=2", cwd=tmp_path).stderr
    assert "GPU hours of higher-order are not known" in said
    assert "--estimate higher-order=HOURS" in said
    assert "scratch" not in said
