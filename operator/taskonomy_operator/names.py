"""What jobs are called: functions of the study's name and of the trials' digests, nothing else.

The same trials always make the same name, so that asking twice for a job is asking for one.
"""

import hashlib
from collections.abc import Sequence

DIGITS = 10
"""Hex digits that tell jobs of a study apart: 40 bits; `MAX_NAME` leaves room for them."""


def job_name(study: str, digests: Sequence[str]) -> str:
    """Return the name of the job that trains these trials: ``<study>-<10 hex digits>``.

    A job of one trial ends in the beginning of its digest, a pack in that of its digests' sha256.
    """
    if len(digests) == 1:
        return f"{study}-{digests[0][:DIGITS]}"
    together = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    return f"{study}-{together[:DIGITS]}"


def ranking_name(study: str) -> str:
    """Return what a study's ranking is called: on a cluster its ConfigMap, here its job."""
    return f"{study}-ranking"
