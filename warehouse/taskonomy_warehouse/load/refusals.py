"""Why a result is not loaded: the reasons there are, and the row of ``quarantine`` each becomes."""

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "not-a-result",
    "not-a-trial",
    "digest-disagrees",
    "unknown-trial",
    "not-parquet",
    "wrong-columns",
    "not-finite",
    "duplicate-image",
    "other-images",
    "figures-disagree",
]
"""Codes that a script can go by; the sentence beside each says the rest.

- not-a-result, not-a-trial: `result.json`, `trial.json` is missing, no JSON, or breaks its format
- digest-disagrees: folder, trial, result and losses do not name the same trial
- unknown-trial: trained for this study, which does not ask for such a trial
- not-parquet: `losses.parquet` is missing, truncated or something else
- wrong-columns: its columns are not image_id UBIGINT and loss FLOAT
- not-finite: a loss is NaN, infinite or absent
- duplicate-image: an image is there twice
- other-images: its images are not those that its target's networks are judged on
- figures-disagree: `result.json` counts other images or has another mean than the losses
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A finished trial that is not loaded until somebody puts it right."""

    digest: str
    """As its folder, or the tag of its run, names it."""
    folder: str
    """Path or URI of its folder."""
    reason: Reason
    """The code."""
    detail: str
    """What is wrong, where, and how to put it right."""
