"""``python -m taskonomy_jobs.tracking``: send what trials could not while the server was away."""

import sys
from collections.abc import Sequence

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import Exit, ReplayLaunch, local_path
from taskonomy_jobs.tracking.replay import replay


def main(words: Sequence[str] | None = None) -> int:
    """Replay the journals under an artifact root.

    Returns:
        0, or 75 if some are left and that is not what was asked for.
    """
    launch = ReplayLaunch.parse(words)
    try:
        done = replay(launch.tracking, local_path(launch.artifacts))
    except TaskonomyError as error:
        sys.stderr.write(f"error: {error}\n")
        return Exit.BAD_TRIAL
    if done.sent or done.left:
        sys.stderr.write(f"tracking: {done.sent} runs caught up, {done.left} left for later\n")
    return Exit.TRY_AGAIN if done.left and not launch.leave else Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
