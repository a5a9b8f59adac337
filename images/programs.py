"""Other programs, as the images' scripts run them: quiet, unless they fail."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

TREE = Path(__file__).resolve().parents[1]
"""The tree that images are made of; every program runs in it."""


def run(*command: str) -> None:
    """Run a program.

    Raises:
        SystemExit: it failed; what it said is shown.
    """
    done = ran(*command)
    if done.returncode:
        leave(f"{done.stdout}{done.stderr}\n{' '.join(command[:4])} … failed")


def said(*command: str, default: str) -> str:
    """Return what a program says, or the default if it fails."""
    done = ran(*command)
    return done.stdout.strip() if done.returncode == 0 else default


def ran(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a program and return how it ended."""
    # Recipes mount folders while they build: docker's older builder cannot.
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    return subprocess.run(
        command, cwd=TREE, env=environment, check=False, capture_output=True, text=True
    )


def leave(message: str) -> NoReturn:
    """End, with a message for a person."""
    print(message, file=sys.stderr)
    sys.exit(1)
