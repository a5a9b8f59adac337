"""``python -m taskonomy_jobs.tracking``: send what trials could not while the server was away."""

import argparse
import sys
from pathlib import Path

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.launch import Exit, local_path
from taskonomy_jobs.tracking.replay import replay


def main() -> int:
    """Replay the journals under an artifact root.

    Returns:
        0, or 75 if some are left.
    """
    parser = argparse.ArgumentParser(prog="python -m taskonomy_jobs.tracking", description=__doc__)
    parser.add_argument("--artifacts", required=True, help="where trials leave their folders")
    parser.add_argument("--tracking", required=True, help="MLflow tracking URI")
    given = parser.parse_args()
    try:
        folder: Path = local_path(given.artifacts)
    except InputRefused as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return Exit.BAD_TRIAL
    done = replay(given.tracking, folder)
    sys.stderr.write(f"{done.sent} runs caught up, {done.left} left for later\n")
    return Exit.TRY_AGAIN if done.left else Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
