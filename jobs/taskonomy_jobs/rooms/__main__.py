"""Make a data set of procedural rooms, from the command line.

    python -m taskonomy_jobs.rooms OUT --buildings 12 --views 125 --size 64 [--seed 0] [--workers 2]

Progress goes to the standard error, one line of JSON with the outcome to the standard output.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

# One thread a process, set before numpy starts its own: processes share the cores, and forking is
# only safe without threads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from taskonomy_catalogue.errors import TaskonomyError  # noqa: E402
from taskonomy_jobs.rooms.make import make  # noqa: E402
from taskonomy_jobs.rooms.settings import RoomsSettings  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _options(arguments)
    start = time.monotonic()
    try:
        settings = RoomsSettings(
            buildings=options.buildings,
            views=options.views,
            size=options.size,
            seed=options.seed,
        )
        made = make(options.out, settings, max(options.workers, 1), _Line(start).show)
    except TaskonomyError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"Error: {options.out}: {error.strerror or error}\n")
        return 1
    sys.stderr.write("\n")
    seconds = round(time.monotonic() - start, 1)
    outcome = {"out": str(options.out), "made": made, "seconds": seconds}
    sys.stdout.write(json.dumps(outcome) + "\n")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m taskonomy_jobs.rooms", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write; a run that was cut off goes on")
    parser.add_argument("--buildings", type=int, required=True, help="3 or more")
    parser.add_argument("--views", type=int, required=True, help="views of each building")
    parser.add_argument("--size", type=int, default=64, help="64, 128 or 256 pixels")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another world")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes; the files do not depend",
    )
    return parser.parse_args(arguments)


class _Line:
    """One line of progress that is written over and over, or line by line where it is kept."""

    def __init__(self, start: float) -> None:
        self._start, self._first = start, -1
        self._end = "" if sys.stderr.isatty() else "\n"

    def show(self, done: int, total: int) -> None:
        """Show how far it is, how fast, and how long it will take."""
        if self._first < 0:
            self._first = done
        seconds = time.monotonic() - self._start
        rate = (done - self._first) / seconds if seconds > 0 else 0.0
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
        start = "\r" if not self._end else ""
        sys.stderr.write(f"{start}{done}/{total} views, {rate:.1f} a second{left}   {self._end}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
