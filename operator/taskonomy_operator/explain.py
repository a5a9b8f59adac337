"""Why a trial or a study is where it is: one answer, with what to do about it. Pure: facts in.

What decides goes first, and one answer is given, not everything that is so:

| the trial                     | the answer                                                       |
|-------------------------------|------------------------------------------------------------------|
| has its result                | `Done`                                                           |
| is in a study not looked at   | `Refused`, `Unseen`                                              |
| is given up                   | `Failed`: exit code, reason, last lines                          |
| needs one that is             | `Blocked`: which, and why that failed                            |
| has a Job                     | what its pods say (`explain_pods`), else its queue or quota      |
| is in a study that waits      | `Suspended`, `GpuHoursUsed` and other reasons of the controller  |
| needs one that is under way   | `WaitsForEncoder`: which, and where that is                      |
| is of no stage asked for      | `NotAsked`                                                       |
| has no Job yet                | `WaitsForItsTurn`                                                |
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from taskonomy_operator.explain_pods import explain_pods
from taskonomy_operator.pod_facts import Answer, JobFacts
from taskonomy_operator.study_object import BLOCKED_BY, UNSEEN, StudyObject
from taskonomy_operator.study_status import Condition, Failure
from taskonomy_operator.words import counted

Told = Literal["open", "done", "failed"]
"""What a study's status says of a trial; open: neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A trial whose encoder another one needs, and which has no result yet."""

    title: str
    told: Told = "open"
    is_blocked: bool = False
    """Whether it will never have one, as one that it needs has failed."""
    why: str = ""
    """Where it is, or why it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """What is known of one trial."""

    study: StudyObject
    told: Told = "open"
    failure: Failure | None = None
    """What the study's status says of its failure."""
    encoders: Sequence[Encoder] = ()
    """Those it needs that have no result."""
    is_asked: bool = True
    """Whether the stage the study is to end with needs it."""
    job: JobFacts | None = None
    """Its Job; None: there is none."""


def explain_trial(facts: TrialFacts) -> Answer:
    """Return why a trial is where it is."""
    if facts.told == "done":
        return Answer(reason="Done", sentence="is done: it has its result")
    answer = _not_looked_at(facts.study) or _failed(facts) or _blocked(facts)
    if answer is not None:
        return answer
    if facts.job is not None:
        return explain_pods(facts.job)
    waits = facts.study.condition("Progressing")
    return (
        _suspended(facts.study)
        or _held_up(waits)
        or _not_asked(facts)
        or _waits_for_encoders(facts)
        or _waits_for_its_turn(facts.study)
    )


def explain_study(study: StudyObject, jobs: Sequence[Answer]) -> Answer:
    """Return why a study is where it is.

    Args:
        study: the study.
        jobs: what is to be said of each Job that has not ended.
    """
    answer = _not_looked_at(study)
    if answer is None and study.phase in ("Completed", "Degraded"):
        answer = _over(study)
    if answer is None and (suspended := _suspended(study)):
        answer = replace(suspended, sentence=f"is suspended: {_said(study, 'Suspended')}")
    if answer is None:
        answer = _most_common(jobs) or _held_up(study.condition("Progressing"))
    return answer or Answer(reason="Progressing", sentence=_counts(study))


# --- the study's own reasons -------------------------------------------------------------------


def _not_looked_at(study: StudyObject) -> Answer | None:
    accepted = study.condition("Accepted")
    if accepted is not None and accepted.status == "False":
        return Answer(
            reason="Refused",
            sentence=f"was not accepted: {accepted.message}",
            next="put the study right and submit it again",
        )
    if not study.status.conditions and not study.status.observed_generation:
        return Answer(reason="Unseen", sentence=f"waits: {UNSEEN}")
    return None


def _suspended(study: StudyObject) -> Answer | None:
    if not study.is_suspended:
        return None
    return Answer(
        reason="Suspended",
        sentence=f"waits: study {study.name!r} is suspended",
        next=f"`taskonomyctl resume {study.name}` goes on where it stopped",
    )


def _said(study: StudyObject, kind: str) -> str:
    found = study.condition(kind)
    return found.message if found is not None and found.message else "it starts nothing"


_NEXT = {
    "GpuHoursUsed": "raise spec.gpuHours and submit again",
    "QuotaExceeded": "`kubectl describe quota` shows what is used; end something or raise it",
    "JobsRefused": "the controller tries again; what refuses its Jobs says why in these words",
    "JobInTheWay": "`taskonomyctl why` one of its trials names the pod that does not end",
    "NameTaken": "remove or rename what has the name, or give the study another",
}


def _held_up(progressing: Condition | None) -> Answer | None:
    """Tell why the controller starts nothing."""
    if progressing is None or progressing.status != "False" or progressing.reason not in _NEXT:
        return None
    return Answer(
        reason=progressing.reason,
        sentence=f"waits: {progressing.message}",
        next=_NEXT[progressing.reason],
    )


def _over(study: StudyObject) -> Answer:
    counts = study.status.trials
    if study.phase == "Completed":
        return Answer(reason="Completed", sentence=f"is done: {_trials(counts.done)} have results")
    causes = Counter(
        each.message or each.reason for each in study.status.failures if each.reason != BLOCKED_BY
    )
    said = f"; most often: {causes.most_common(1)[0][0]}" if causes else ""
    return Answer(
        reason="Degraded",
        sentence=f"ended without {_trials(counts.failed + counts.blocked)} of "
        f"{counts.total:,}: {counts.failed:,} failed, {counts.blocked:,} blocked{said}",
        next=f"`taskonomyctl status {study.name}` lists them; put the cause right, then "
        f"`taskonomyctl retry {study.name} --failed`",
    )


def _most_common(jobs: Sequence[Answer]) -> Answer | None:
    """Return what holds most Jobs up, unless some run."""
    waiting = [each for each in jobs if each.reason not in ("Running", "Ended", "Ending")]
    if not waiting:
        return None
    reason, number = Counter(each.reason for each in waiting).most_common(1)[0]
    alike = [each for each in waiting if each.reason == reason]
    sentence, _ = Counter(each.sentence for each in alike).most_common(1)[0]
    first = next(each for each in alike if each.sentence == sentence)
    rest = "" if number == len(jobs) else f" of {len(jobs):,}"
    held = "live Job held up; its trial" if len(jobs) == 1 else "live Jobs held up; a trial"
    return replace(first, sentence=f"has {number:,}{rest} {held} {sentence}")


def _counts(study: StudyObject) -> str:
    counts = study.status.trials
    parts = [f"{counts.done:,} of {_trials(counts.total)} done"]
    for state in ("running", "queued", "waiting", "failed", "blocked"):
        number = getattr(counts, state)
        parts += [f"{number:,} {state}"] if number else []
    note = f"; {study.note}" if study.note else ""
    return f"goes on: {', '.join(parts)}{note}"


def _trials(number: int) -> str:
    return counted(number, "trial")


# --- the trial's -------------------------------------------------------------------------------


def _failed(facts: TrialFacts) -> Answer | None:
    if facts.told != "failed":
        return None
    failure, job = facts.failure, facts.job
    from_pods = explain_pods(job) if job is not None else None
    said = failure.message or failure.reason if failure else ""
    if not said and from_pods is not None:
        said = from_pods.sentence
    code = failure.exit_code if failure else None
    known = f" with exit code {code}" if code is not None and str(code) not in said else ""
    return Answer(
        reason="Failed",
        sentence=f"failed for good{known}{f': {said}' if said else ''}",
        next=f"put the cause right, then `taskonomyctl retry {facts.study.name} --failed`",
        lines=from_pods.lines if from_pods else (),
    )


def _blocked(facts: TrialFacts) -> Answer | None:
    lost = [each for each in facts.encoders if each.told == "failed" or each.is_blocked]
    if not lost:
        return None
    culprit = next((each for each in lost if each.told == "failed"), lost[0])
    how = "failed" if culprit.told == "failed" else "is blocked itself"
    return Answer(
        reason="Blocked",
        sentence=f"is blocked by {culprit.title}, which {how}"
        f"{f': {culprit.why}' if culprit.why else ''}",
        next=f"put the cause right, then `taskonomyctl retry {facts.study.name} --failed`",
    )


def _not_asked(facts: TrialFacts) -> Answer | None:
    if facts.is_asked:
        return None
    stage = facts.study.spec.get("stage")
    return Answer(
        reason="NotAsked",
        sentence=f"is not asked for: the study ends with stage {stage!r}",
        next="submit the study without --stage and without spec.stage",
    )


def _waits_for_encoders(facts: TrialFacts) -> Answer | None:
    if not facts.encoders:
        return None
    titles = [each.title for each in facts.encoders]
    first = facts.encoders[0]
    where = f", which {first.why}" if first.why and len(titles) == 1 else ""
    noun = "encoder" if len(titles) == 1 else "encoders"
    return Answer(
        reason="WaitsForEncoder", sentence=f"waits for its {noun}: {', '.join(titles)}{where}"
    )


def _waits_for_its_turn(study: StudyObject) -> Answer:
    counts, most = study.status.trials, study.spec.get("parallelism", 50)
    live = counts.running + counts.queued
    return Answer(
        reason="WaitsForItsTurn",
        sentence=f"waits for its turn: {counted(live, 'trial')} are under way, and at most "
        f"{counted(most, 'Job')} at once (spec.parallelism)",
    )
