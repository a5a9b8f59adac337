"""Make a data set of procedural rooms, from the command line.

    python -m taskonomy_jobs.rooms OUT --buildings 12 --views 125 --size 64 [--seed 0] [--workers 2]

Progress goes to the standard error, one line of JSON with the outcome to the standard output.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

# One thread a process, set before numpy starts its own: processes share the cores, and forking is
# only safe without threads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from taskonomy_catalogue.errors import NotFound, TaskonomyError  # noqa: E402
from taskonomy_jobs.rooms.make import make  # noqa: E402
from taskonomy_jobs.rooms.settings import RoomsSettings  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _options(arguments)
    start = time.monotonic()
    signal.signal(signal.SIGTERM, _stop)
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
        place = error.filename or options.out
        sys.stderr.write(f"Error: {place}: cannot be written: {error.strerror or error}\n")
        return NotFound.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The same command goes on where this one was.\n")
        return 130
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    seconds = round(time.monotonic() - start, 1)
    outcome = {"out": str(options.out), "made": made, "seconds": seconds}
    sys.stdout.write(json.dumps(outcome) + "\n")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m taskonomy_jobs.rooms", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write; a run that was cut off goes on")
    parser.add_argument("--buildings", type=int, required=True, help="3 or more")
    parser.add_argument(
        "--views", type=int, required=True, help="views of each building; 2 or more"
    )
    parser.add_argument("--size", type=int, default=64, help="64, 128 or 256 pixels")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another world")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes; the files do not depend",
    )
    return parser.parse_args(arguments)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


class _Line:
    """One line of progress that is written over and over, or now and then where lines are kept."""

    def __init__(self, start: float) -> None:
        self._start, self._first, self._shown = start, -1, -1e9
        self._is_terminal = sys.stderr.isatty()

    def show(self, done: int, total: int) -> None:
        """Show how far it is, how fast, and how long it will take."""
        if self._first < 0:
            self._first = done
        now = time.monotonic()
        if done < total and now - self._shown < (0.2 if self._is_terminal else 5.0):
            return
        self._shown = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        line = f"{done}/{total} views, {rate:.1f} a second{left}"
        sys.stderr.write(f"\r{line}   " if self._is_terminal else f"{line}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
