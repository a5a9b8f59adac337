"""torchrun whose exit code is its workers': ``python -m taskonomy_jobs.elastic`` in its place.

torchrun ends with 1 however its workers failed. Who started the job has to tell a bad trial (64)
from one to be tried again (75), so the first failed worker's code is passed on. A worker killed by
a signal stays a crash, 1.
"""

import sys
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main as torchrun

from taskonomy_catalogue.launch import Exit


def main(words: Sequence[str] | None = None) -> int:
    """Run torchrun with these arguments; return the exit code."""
    try:
        torchrun(list(sys.argv[1:] if words is None else words))
    except ChildFailedError as error:
        return worst({failure.exitcode for failure in error.failures.values()})
    except SignalException:
        return Exit.TRY_AGAIN
    return Exit.DONE


def worst(codes: set[int]) -> int:
    """Return the one code that stands for the workers'.

    A trial that is bad ends in all workers alike, or in one while the others lose their peer and
    would try again: 64 beats 75, and both beat a crash that followed from them.
    """
    known = [code for code in (Exit.BAD_TRIAL, Exit.TRY_AGAIN) if code in codes]
    return known[0] if known else 1


if __name__ == "__main__":
    sys.exit(main())
