"""The command line run in this process, as a shell would run it: a tenth of a start's price."""

import contextlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from taskonomyctl.main import main


@dataclass(frozen=True)
class Ran:
    """What a shell would have seen."""

    returncode: int
    stdout: str
    stderr: str


def run(
    *words: str, code: int | None = 0, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Ran:
    """Run `taskonomyctl` with these words and check its exit code; None: whatever it is.

    No cluster is configured, whatever the developer's own machine knows, unless `env` says so.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in "oe")
    with (
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.dict(os.environ, {"KUBECONFIG": "", **(env or {})}),
        mock.patch("taskonomy_operator.kubeconfig.HOME_FILE", "~/.no-such-kube-config"),
        mock.patch("sys.argv", ["taskonomyctl", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        main()
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    ran = Ran(left.value.code if isinstance(left.value.code, int) else 1, *said)
    assert code in (None, ran.returncode), ran.stderr
    return ran
