"""What finished trials say of themselves, checked: `trial.json`, `result.json`, and whose they are.

A result has to be the trial that its folder is named after, and one that the study asks for. An
artifact root may be shared by studies: what was trained for another study, and is not asked for
here, is passed over; what was trained for this one, and is not asked for, is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.records import (
    RESULT_FILE,
    TRIAL_FILE,
    AskedRecords,
    BestGuess,
    Result,
    parse_result,
    parse_trial,
)
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_warehouse.files import read_files
from taskonomy_warehouse.load.find import Finished
from taskonomy_warehouse.load.refusals import Reason, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A finished trial of the study whose losses are still to be checked."""

    digest: str
    """Of the trial."""
    folder: str
    """Path or URI of its folder."""
    trial: Trial | BestGuess
    """What was trained."""
    result: Result
    """What it says came out."""

    @property
    def target(self) -> str:
        """Id of the target."""
        return self.trial.target.id

    def refused(self, reason: Reason, detail: str) -> Refusal:
        """Return this candidate as a refusal."""
        return Refusal(digest=self.digest, folder=self.folder, reason=reason, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """Finished trials, sorted by what is to become of them."""

    candidates: tuple[Candidate, ...]
    """To be loaded if their losses are sound, by target and digest."""
    refusals: tuple[Refusal, ...]
    """Not to be loaded."""
    others: int
    """How many were trained for other studies and are not asked for by this one."""


def sift(
    connection: duckdb.DuckDBPyConnection, study: Study, finished: Sequence[Finished]
) -> Sifted:
    """Read what finished trials say of themselves and sort them.

    Raises:
        Unreachable: the artifacts' server does not answer.
    """
    paths = [f"{each.folder}/{name}" for each in finished for name in (TRIAL_FILE, RESULT_FILE)]
    content = read_files(connection, paths)
    asked = AskedRecords(study)
    candidates: list[Candidate] = []
    refusals: list[Refusal] = []
    others = 0
    for each in finished:
        read = _read(each, content)
        if isinstance(read, Refusal):
            refusals.append(read)
        elif read.trial in asked:
            candidates.append(read)
        elif read.result.study == study.name:
            refusals.append(_unknown(read, study))
        else:
            others += 1
    return Sifted(
        candidates=tuple(sorted(candidates, key=lambda c: (c.target, c.digest))),
        refusals=tuple(refusals),
        others=others,
    )


def _read(finished: Finished, content: dict[str, bytes]) -> Candidate | Refusal:
    def refused(reason: Reason, detail: str) -> Refusal:
        return Refusal(digest=finished.digest, folder=finished.folder, reason=reason, detail=detail)

    result_file = f"{finished.folder}/{RESULT_FILE}"
    trial_file = f"{finished.folder}/{TRIAL_FILE}"
    try:
        result = parse_result(content.get(result_file, b""), result_file)
    except InputRefused as error:
        return refused("not-a-result", f"{RESULT_FILE}: {error.reason}; train it again")
    try:
        trial = parse_trial(content.get(trial_file, b""), trial_file)
    except InputRefused as error:
        return refused("not-a-trial", f"{TRIAL_FILE}: {error.reason}; train it again")
    candidate = Candidate(
        digest=finished.digest, folder=finished.folder, trial=trial, result=result
    )
    return _digests_disagree(candidate) or candidate


def _digests_disagree(candidate: Candidate) -> Refusal | None:
    named = candidate.digest
    by_content = digest(candidate.trial)
    if by_content != named:
        detail = (
            f"{TRIAL_FILE} is trial {by_content}, the folder is named {named}; "
            "put it into the folder of its own name"
        )
    elif candidate.result.digest != named:
        detail = f"{RESULT_FILE} is of trial {candidate.result.digest}; train it again"
    elif candidate.result.kind != candidate.trial.kind:
        detail = (
            f"{RESULT_FILE} says {candidate.result.kind}, {TRIAL_FILE} {candidate.trial.kind}; "
            "train it again"
        )
    else:
        return None
    return candidate.refused("digest-disagrees", detail)


def _unknown(candidate: Candidate, study: Study) -> Refusal:
    detail = (
        f"trained for study {study.name!r}, which asks for no such trial "
        f"({candidate.trial.title}, seed {candidate.trial.seed}); load it with the study file it "
        f"was trained from, or remove the folder. If that is this file, it was trained by another "
        f"taskonomy ({candidate.result.versions.get('taskonomy', 'of unknown version')}), to which "
        "this was another trial: load it with that one, or train it again"
    )
    return candidate.refused("unknown-trial", detail)
