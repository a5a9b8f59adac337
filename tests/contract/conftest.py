"""The command line run in this process, as a shell would run it."""

from collections.abc import Callable

import pytest
from command_line import Ran, run

Taskonomyctl = Callable[..., Ran]


@pytest.fixture(scope="session")
def taskonomyctl() -> Taskonomyctl:
    """The command line: ``taskonomyctl("solve", …, code=0, cwd=folder, env={})``."""
    return run
