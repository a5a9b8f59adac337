"""The task dictionary: which tasks there are, what they are called, what part they play.

`paper_dictionary()` holds the 26 tasks of Zamir et al. (CVPR 2018); `load_dictionary(path)` reads a
user's own. Every task answers to our id, the published results' name, its title and, where it is
the only one that reads that folder, the data set's folder name; `TaskDictionary.resolve` knows all.
"""

import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from taskonomy_catalogue.errors import InputRefused, UnknownTask, did_you_mean

MAX_TASKS = 100
"""Largest dictionary a study may have: 100 tasks are 10,000 first-order transfers."""

RESERVED_NAMES = frozenset({"self", "pixels", "all"})
"""Words with a meaning of their own in measurement files and options (design: published data)."""

Group = Literal["2d", "3d", "low-dimensional", "semantic", "other"]
Role = Literal["both", "source-only", "target-only", "unused"]
OutputKind = Literal["image", "class-map", "embedding", "vector", "classes", "representation"]
Loss = Literal["l1", "l2", "cross-entropy", "metric-learning", "none"]
NameStyle = Literal["ours", "published", "title"]

TASK_ID_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
TaskId = Annotated[str, StringConstraints(pattern=TASK_ID_PATTERN)]
"""Lower-case letters, digits and inner hyphens, 40 at most: fits a file name and a label value."""


def plain_text(text: str) -> str:
    """Return the text as it is.

    Raises:
        ValueError: it holds control characters or line breaks: GraphML cannot carry them, and a
            terminal obeys them. Or it is not UTF-8.
    """
    wrong = [c for c in text if unicodedata.category(c) in _UNPRINTABLE or c in "\ufffe\uffff"]
    if wrong and unicodedata.category(wrong[0]) == "Cs":  # Python's way with bytes it cannot read
        raise ValueError("is not UTF-8 text; write it in UTF-8")
    if wrong:
        raise ValueError(f"holds the control character {wrong[0]!r}; remove it")
    return text


_UNPRINTABLE = frozenset({"Cc", "Cs"})
"""Unicode's categories of controls (line breaks among them) and lone surrogates."""

Name = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(plain_text)]
"""What people and other programs call a task."""

GROUP_TITLES: dict[Group, str] = {
    "2d": "2D",
    "3d": "3D",
    "low-dimensional": "Low-dimensional geometric",
    "semantic": "Semantic",
    "other": "Other",
}


class Output(BaseModel):
    """What a task's network returns for one example."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: OutputKind
    """image: H×W×C real values; class-map: H×W logits; embedding: H×W×C metric space;
    vector: C real values; classes: C logits; representation: the encoder's own output."""
    channels: int = Field(ge=1, le=100_000)
    """Channels, vector length or number of classes."""
    stride: int = Field(default=1, ge=1, le=64)
    """Input pixels per output pixel, for outputs that have pixels."""


class Task(BaseModel):
    """One vision task of a dictionary."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: TaskId
    """Our name for it, unique in the dictionary."""
    title: Name
    """What a reader sees."""
    published: Name | None = None
    """Its name in the published measurements, where it has one."""
    folder: Name | None = None
    """The data set folder (domain) its label is read from; None when it needs no label file."""
    group: Group = "other"
    """Family in the paper's similarity tree."""
    images: int = Field(default=1, ge=1, le=3)
    """Images in one example: 1, a pair or a triplet."""
    output: Output
    """What its network returns."""
    loss: Loss
    """What its task-specific network is trained with."""
    role: Role = "both"
    """The part it plays unless a study says otherwise."""

    @property
    def may_be_source(self) -> bool:
        """Whether transfers may start from this task's encoder."""
        return self.role in ("both", "source-only")

    @property
    def may_be_target(self) -> bool:
        """Whether the study wants this task solved."""
        return self.role in ("both", "target-only")

    @property
    def is_trained(self) -> bool:
        """Whether it has a network of its own; random projections, without a loss, never do."""
        return self.loss != "none"

    @property
    def predicts_image(self) -> bool:
        """Whether its network returns an image, which an adversary can look at."""
        return self.is_trained and self.output.kind == "image"

    def name(self, style: NameStyle) -> str:
        """Return the task's name in a style; a task with no published name keeps its id."""
        if style == "published":
            return self.published or self.id
        return self.title if style == "title" else self.id


class TaskDictionary(BaseModel):
    """The dictionary V of a study, in the order that tables and pictures use."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    task: tuple[Task, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique_and_free(self) -> Self:
        owner: dict[str, int] = {}
        for index, task in enumerate(self.task):
            for name in (task.id, task.published):
                if name is None:
                    continue
                if name in RESERVED_NAMES:
                    raise ValueError(f"task {task.id!r}: the name {name!r} is reserved; rename it")
                if owner.setdefault(_folded(name), index) != index:
                    raise ValueError(f"the name {name!r} is given to two tasks; rename one")
        return self

    def __len__(self) -> int:
        return len(self.task)

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]
        return iter(self.task)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._by_id

    def __getitem__(self, task_id: str) -> Task:
        """Return the task with exactly this id, else KeyError. Users' words go to `resolve`."""
        return self._by_id[task_id]

    @cached_property
    def _by_id(self) -> dict[str, Task]:
        return {task.id: task for task in self.task}

    @cached_property
    def _by_word(self) -> dict[str, set[str]]:
        words: dict[str, set[str]] = {}
        for task in self.task:
            for name in (task.id, task.published, task.title, task.folder):
                if name:
                    words.setdefault(_folded(name), set()).add(task.id)
        for task in self.task:  # a proper name beats another task's folder of the same name
            for name in (task.id, task.published):
                if name:
                    words[_folded(name)] = {task.id}
        return words

    @property
    def words(self) -> list[str]:
        """Every name some task answers to, as written in the dictionary."""
        return sorted({n for t in self.task for n in (t.id, t.published, t.folder) if n})

    def resolve(self, name: str) -> Task:
        """Return the task a user means by a name of ours, the paper's or the data set's.

        Case, spaces, underscores and hyphens do not matter.

        Raises:
            UnknownTask: nothing answers to the name (near ones are suggested) or several tasks do.
        """
        found = self._by_word.get(_folded(name), set())
        if not found:
            hint = did_you_mean(name, self.words) or "; `taskonomyctl tasks` lists them"
            raise UnknownTask(f"unknown task {name!r}{hint}")
        if len(found) > 1:
            several = ", ".join(sorted(found))
            raise UnknownTask(
                f"{name!r} is the data folder of several tasks: name one of {several}"
            )
        return self._by_id[next(iter(found))]

    def with_tasks(self, more: "TaskDictionary") -> "TaskDictionary":
        """Return this dictionary followed by another's tasks, checked as one."""
        return TaskDictionary(task=(*self.task, *more.task))


def _folded(name: str) -> str:
    return name.strip().lower().replace("_", "").replace("-", "").replace(" ", "")


@cache
def paper_dictionary() -> TaskDictionary:
    """Return the 26 tasks of the paper, in the order of tasks.toml."""
    return _shipped("tasks.toml")


@cache
def published_dictionary() -> TaskDictionary:
    """Return every task the published measurements name: the 26 and those outside them."""
    return paper_dictionary().with_tasks(_shipped("published_extras.toml"))


def load_dictionary(path: Path) -> TaskDictionary:
    """Read a user's task dictionary: a TOML file of ``[[task]]`` tables like our own tasks.toml.

    Raises:
        InputRefused: the file is unreadable, is not TOML, or a task is wrong; the message names
            the task, the field and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputRefused(path, "not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error
    return _parsed(text, path)


def _shipped(name: str) -> TaskDictionary:
    file = resources.files("taskonomy_catalogue") / "data" / name
    return _parsed(file.read_text(encoding="utf-8"), Path(name))


def _parsed(text: str, path: Path) -> TaskDictionary:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of long integers, of deep nesting
        raise InputRefused(path, f"not valid TOML: {error}") from error
    try:
        dictionary = TaskDictionary.model_validate(content)
    except ValidationError as error:
        raise InputRefused(path, "; ".join(_task_problems(content, error))) from error
    if len(dictionary) > MAX_TASKS:
        raise InputRefused(path, f"{len(dictionary)} tasks; a dictionary holds at most {MAX_TASKS}")
    return dictionary


def _task_problems(content: dict[str, object], error: ValidationError) -> Iterator[str]:
    """Say each problem as ``task 'x', field f: what is wrong``."""
    tasks = content.get("task")
    for problem in error.errors(include_url=False):
        place = list(problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if place[:1] == ["task"] and len(place) > 1 and isinstance(tasks, list):
            index = int(place[1])
            entry = tasks[index] if index < len(tasks) else None
            label = entry.get("id", f"number {index + 1}") if isinstance(entry, dict) else index + 1
            field = ".".join(str(p) for p in place[2:]) or "entry"
            yield f"task {label!r}, field {field}: {message}"
        else:
            where = ".".join(str(p) for p in place)
            yield f"{where}: {message}" if where else message
