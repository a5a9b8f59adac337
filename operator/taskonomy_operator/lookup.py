"""Which trial a person means: by digest, or by target and sources.

| words                                                        | mean                           |
|--------------------------------------------------------------|--------------------------------|
| `3fa9c1` (4 digits or more)                                  | the trial of that digest       |
| `curvature/normals+reshading`, `normals+reshading->curvature`| the transfer                   |
| `scratch/curvature`, `task-specific curvature`               | the network (or best guess)    |
"""

import re
from collections.abc import Sequence

from taskonomy_catalogue.errors import NotFound, UnknownTask, did_you_mean
from taskonomy_catalogue.study import Study
from taskonomy_operator.asked import Measured
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import Node

_DIGEST = re.compile(r"[0-9a-f]{4,64}")
_ARROW = re.compile(r"\s*(?:->|→)\s*")
MOST_NAMED = 4
"""Networks of a task that are named to choose from."""
_KINDS = ("task-specific", "scratch", "best-guess")


def short_name(trial: Measured) -> str:
    """Return a trial's name in one word that no shell takes apart: ``curvature/normals``."""
    if trial.sources:
        return f"{trial.target.id}/{'+'.join(trial.sources)}"
    return f"{trial.kind}/{trial.target.id}"


def find_trials(plan: Plan, words: str) -> list[Node]:
    """Return the trials that words mean: one, or one a seed.

    Raises:
        NotFound: the study has no such trial, or several begin with the digest; names are
            suggested.
        UnknownTask: a task is named that does not exist.
    """
    text = words.strip()
    if _DIGEST.fullmatch(text):
        return _by_digest(plan, text)
    _say_if_task(plan, text)
    target, sources, kind = _meant(plan.study, text)
    found = [node for node in plan.nodes() if _is(node.trial, target, sources, kind)]
    if not found:
        _say_if_unranked(plan, target, sources)
        known = [short_name(node.trial) for node in plan.nodes()]
        name = f"{target}/{'+'.join(sources)}" if sources else f"{kind}/{target}"
        raise NotFound(f"study {plan.study.name!r} has no trial {name}{did_you_mean(name, known)}")
    return found


def _say_if_task(plan: Plan, text: str) -> None:
    try:
        task = _task(plan.study, text)
    except UnknownTask:
        return
    named = [short_name(node.trial) for node in plan.nodes() if node.trial.target.id == task]
    if named:
        several = ", ".join(named[:MOST_NAMED]) + (", …" if len(named) > MOST_NAMED else "")
        raise NotFound(f"{text!r} names no trial but a task; its networks are {several}")


def _say_if_unranked(plan: Plan, target: str, sources: tuple[str, ...]) -> None:
    if len(sources) > 1 and target in plan.unranked():
        raise NotFound(
            f"transfers of higher orders to {target} are not chosen yet: they follow from its "
            f"ranking, which is made when all first-order transfers to {target} are there"
        )


def _by_digest(plan: Plan, beginning: str) -> list[Node]:
    found = [node for node in plan.nodes() if node.digest.startswith(beginning)]
    if len(found) == 1:
        return found
    if not found:
        raise NotFound(f"no trial of study {plan.study.name!r} has a digest like {beginning}")
    several = ", ".join(f"{node.digest[:12]} ({node.trial.title})" for node in found[:4])
    raise NotFound(f"{len(found)} trials begin with {beginning}: {several}; give more digits")


def _meant(study: Study, text: str) -> tuple[str, tuple[str, ...], str]:
    """Return the target, the sources and the kind that words name."""
    if _ARROW.search(text):
        sources, _, target = (part.strip() for part in _ARROW.sub("\0", text).partition("\0"))
        sources = sources.removeprefix("transfer ")
        return _task(study, target), _tasks(study, sources.split("+")), "transfer"
    first, _, rest = re.sub(r"\s*[/: ]\s*", "/", text, count=1).partition("/")
    if not rest:
        raise NotFound(
            f"{text!r} names no trial: give a digest, target/source+source as in "
            "curvature/normals, or a kind and a task as in scratch/curvature"
        )
    if first in _KINDS:
        return _task(study, rest), (), first
    return _task(study, first), _tasks(study, rest.split("+")), "transfer"


def _task(study: Study, name: str) -> str:
    return study.dictionary().resolve(name).id


def _tasks(study: Study, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(_task(study, name) for name in names))


def _is(trial: Measured, target: str, sources: tuple[str, ...], kind: str) -> bool:
    return (trial.target.id, trial.sources, trial.kind) == (target, sources, kind)
