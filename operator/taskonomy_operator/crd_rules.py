"""Rules between the fields of a Study, as the API server checks them: CEL.

Each table entry states a rule that a part's `rules` method states in Python, in the same words.
`SPEC_RULES` is by the name of the part's class. `ROOT_RULES` see the whole object: its name, and
what may no longer change once its trials run. What needs the task dictionary (aliases, roles,
how many transfers there are) no API server can check; `taskonomyctl submit` and the controller do.

Only functions that Kubernetes 1.29 knows are used: a newer one would have the whole definition
refused by an older server.
"""

from typing import Any, NamedTuple

from taskonomy_catalogue.study_parts import MAX_NAME, MEANINGS
from taskonomy_catalogue.tasks import MAX_TASKS, RESERVED_NAMES, paper_dictionary


class Rule(NamedTuple):
    """One rule: what must hold, the field that is blamed, and the words."""

    holds: str
    """CEL expression that is true of a good object."""
    field: str
    """Field blamed, from this part down (``.steps``); empty: the part itself."""
    message: str
    """What is wrong and what to write instead."""
    said: str = ""
    """CEL expression that makes the message where it quotes values; empty: `message` stands."""

    def schema(self) -> dict[str, Any]:
        """Return the rule as an entry of ``x-kubernetes-validations``."""
        rule = {"rule": self.holds, "message": self.message}
        if self.said:
            rule["messageExpression"] = self.said
        if self.field:
            rule["fieldPath"] = self.field
        return rule


def pattern_rule(pattern: str) -> Rule:
    """Return the rule that a text matches a pattern of the spec, in the pattern's own words.

    A schema's ``pattern`` would be refused as "should match '^([a-z]…'", which helps nobody.
    """
    meaning = MEANINGS[pattern]
    said = f'"\'" + self + "\' is not " + {_text(meaning)}'
    return Rule(f"self.matches({_raw(pattern)})", "", f"is not {meaning}", said)


def _text(words: str) -> str:
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _raw(pattern: str) -> str:
    if "'" in pattern:
        raise ValueError(f"a pattern with a quote is not written raw: {pattern}")
    return f"r'{pattern}'"


def _each_once(field: str) -> str:
    return f"self.{field}.all(v, self.{field}.indexOf(v) == self.{field}.lastIndexOf(v))"


# --- within the spec ---------------------------------------------------------------------------

_TRAINING = (
    Rule(
        "!(has(self.steps) && has(self.epochs))",
        ".steps",
        "give steps or epochs, not both; remove one",
    ),
    Rule(
        _each_once("seeds"),
        ".seeds",
        "a seed is given twice; the same trial runs once, so remove it",
    ),
)

_PAPER = len(paper_dictionary())
_TAKEN = ", ".join(
    f"'{name}'" for task in paper_dictionary() for name in (task.id, task.published) if name
)
_RESERVED = ", ".join(f"'{name}'" for name in sorted(RESERVED_NAMES))
_READ_HERE = "self.dictionary in ['paper', 'inline']"


def _disjoint(field: str, other: str) -> Rule:
    return Rule(
        f"self.{field}.all(name, !(name in self.{other}))",
        f".{field}",
        f"a task is already in {other}; keep one of the two",
        f'"task \'" + self.{field}.filter(name, name in self.{other})[0] + '
        f'"\' is already in {other}; keep one of the two"',
    )


def _plain(field: str, *, optional: bool) -> Rule:
    unless = f"!has(self.{field}) || " if optional else ""
    return Rule(
        unless + rf"!self.{field}.matches(r'[\x00-\x1f\x7f-\x9f\x{{fffe}}\x{{ffff}}]')",
        f".{field}",
        "holds a control character; remove it",
    )


SPEC_RULES: dict[str, tuple[Rule, ...]] = {
    "StageTraining": _TRAINING,
    "TaskSpecificTraining": (
        *_TRAINING,
        Rule(
            "!has(self.steps) || !has(self.adversarial) || self.adversarial.fromStep < self.steps",
            ".adversarial.fromStep",
            "the term is added once training has ended; lower it, or remove adversarial",
            '"the term is added from step %d on and training ends after %d; lower it, or remove '
            'adversarial".format([self.adversarial.fromStep, self.steps])',
        ),
    ),
    "TransferTraining": _TRAINING,
    "Transfers": (
        Rule(
            f"self.orders.isSorted() && {_each_once('orders')}",
            ".orders",
            "must ascend without repetition",
        ),
        Rule(
            "1 in self.orders || self.candidates == 'exhaustive'",
            ".orders",
            "higher orders are chosen from the first-order results; add 1",
        ),
        Rule(
            "(self.candidates == 'beam') == has(self.beamWidth)",
            ".beamWidth",
            "goes with candidates: beam, and beam needs it; give both or neither",
        ),
    ),
    "Nodes": (
        Rule(
            "self.min <= self.max",
            ".min",
            "min is above max; lower it or raise max",
            '"%d is above max %d; lower it or raise max".format([self.min, self.max])',
        ),
    ),
    "Taxonomy": tuple(
        Rule(_each_once(field), f".{field}", "a value is given twice; remove it")
        for field in ("budgets", "orders")
    ),
    "StudySpec": (
        Rule(
            "self.taxonomy.orders.all(o, o <= self.transfers.orders.max())",
            ".taxonomy.orders",
            "no transfer above the highest of transfers.orders is measured; raise transfers.orders",
            '"no transfer above order %d is measured; raise transfers.orders"'
            ".format([self.transfers.orders.max()])",
        ),
    ),
    "Tasks": (
        Rule(
            _READ_HERE,
            ".dictionary",
            "is a file and cannot be read here; submit with taskonomyctl, or write its tasks "
            "under tasks.custom with dictionary: inline",
            '"\'" + self.dictionary + "\' is a file and cannot be read here; submit with '
            'taskonomyctl, or write its tasks under tasks.custom with dictionary: inline"',
        ),
        Rule(
            "self.dictionary != 'inline' || self.custom.size() > 0",
            ".custom",
            "the dictionary is inline, so write at least one task here",
        ),
        Rule(
            f"self.dictionary != 'paper' || self.custom.size() <= {MAX_TASKS - _PAPER}",
            ".custom",
            f"a dictionary holds at most {MAX_TASKS} tasks, the paper's {_PAPER} among them",
            f'"%d tasks; a dictionary holds at most {MAX_TASKS}"'
            f".format([self.custom.size() + {_PAPER}])",
        ),
        Rule(
            f"self.dictionary != 'paper' || self.custom.all(task, !(task.id in [{_TAKEN}]))",
            ".custom",
            "the name of one of the paper's tasks is given to two tasks; rename one",
        ),
        _disjoint("targetOnly", "sourceOnly"),
        _disjoint("both", "sourceOnly"),
        _disjoint("both", "targetOnly"),
    ),
    "Task": (
        Rule(
            f"!(self.id in [{_RESERVED}])",
            ".id",
            "the name is reserved; rename it",
            '"the name \'" + self.id + "\' is reserved; rename it"',
        ),
        _plain("title", optional=False),
        _plain("published", optional=True),
        _plain("folder", optional=True),
    ),
}
"""Rules between the fields of a part, by the name of its class."""

# --- the whole object --------------------------------------------------------------------------

_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_STARTED = "has(oldSelf.status) && has(oldSelf.status.startTime)"


def _fixed(part: str, *, same: str = "") -> Rule:
    """Return the rule that a part of the spec stays as it is once the study has started."""
    same = same or f"self.spec.{part} == oldSelf.spec.{part}"
    return Rule(
        f"!({_STARTED}) || ({same})",
        f".spec.{part}",
        f"{part} cannot change once trials run, as their digests are made of it; put it back, "
        "or submit the change as a study of another name (what is alike is not trained again)",
    )


def _same_if_given(part: str) -> str:
    new, old = f"self.spec.{part}", f"oldSelf.spec.{part}"
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"


ROOT_RULES: tuple[Rule, ...] = (
    Rule(
        f"self.metadata.name.size() <= {MAX_NAME}",
        "",
        f"metadata.name: its Jobs' names append a digest and end at 63; use at most {MAX_NAME} "
        "characters",
        "\"metadata.name: %d characters are too many: its Jobs' names append a digest and end at "
        f'63; use at most {MAX_NAME}".format([self.metadata.name.size()])',
    ),
    Rule(
        f"self.metadata.name.matches({_raw(_NAME)})",
        "",
        f"metadata.name: is not {MEANINGS[_NAME]}",
        f'"metadata.name: \'" + self.metadata.name + "\' is not " + {_text(MEANINGS[_NAME])}',
    ),
    *(
        _fixed(f"tasks.{part}")
        for part in ("dictionary", "custom", "subset", "sourceOnly", "targetOnly", "both")
    ),
    _fixed(
        "data.dataset",
        same="self.spec.data.identity != '' || self.spec.data.dataset == oldSelf.spec.data.dataset",
    ),
    *(_fixed(f"data.{part}") for part in ("identity", "layout", "splits", "transferFraction")),
    _fixed("model"),
    *(_fixed(f"training.{part}") for part in ("taskSpecific", "scratch", "transfer")),
    Rule(
        f"!({_STARTED}) || (oldSelf.spec.transfers.orders.all(o, o in self.spec.transfers.orders)"
        " && self.spec.transfers.orders.all(o, o in oldSelf.spec.transfers.orders"
        " || o > oldSelf.spec.transfers.orders.max()))",
        ".spec.transfers.orders",
        "once trials run, only orders above the highest may be added; put the others back",
    ),
    *(_fixed(f"transfers.{part}") for part in ("candidates", "ownEncoder")),
    _fixed("transfers.beamWidth", same=_same_if_given("transfers.beamWidth")),
    Rule(
        f"!({_STARTED}) || self.spec.artifacts == oldSelf.spec.artifacts",
        ".spec.artifacts",
        "artifacts cannot change once trials run, as their results lie there; put it back",
    ),
)
"""Rules on a Study's name, and transition rules: what is fixed once ``status.startTime`` is set."""
