"""Who takes part in a study: the `tasks` of its spec, resolved against the task dictionary.

`Tasks.chosen` is the dictionary V = S ∪ T of the study, each task with the role it plays there;
`Tasks.rules` says, name by name, what does not fit.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel

from taskonomy_catalogue.errors import SettingRefused, UnknownTask
from taskonomy_catalogue.refusals import Problem, SpecModel
from taskonomy_catalogue.study_parts import DictionaryName, TaskNames, Weights
from taskonomy_catalogue.tasks import MAX_TASKS, Role, Task, TaskDictionary, paper_dictionary


class Tasks(SpecModel):
    """Which tasks take part and the part each plays.

    A task may be named as we do (`normals`), as the published results do (`rgb2sfnorm`) or by its
    data folder where only one task reads that.
    """

    dictionary: DictionaryName = "paper"
    """The task dictionary: `paper` (the 26 tasks of the paper), `inline` (only the tasks under
    `custom`), or the path or URI of a tasks file (.toml), which submitting writes into `custom`."""
    custom: Annotated[tuple[Task, ...], Field(max_length=MAX_TASKS)] = ()
    """Tasks of your own, after those of the dictionary."""
    subset: TaskNames = ()
    """The tasks that take part; empty: all but those with the role `unused`."""
    source_only: TaskNames = ()
    """Tasks that are transferred from and never solved, whatever role the dictionary gives."""
    target_only: TaskNames = ()
    """Tasks that are solved and never transferred from, whatever role the dictionary gives."""
    both: TaskNames = ()
    """Tasks that are sources and targets, whatever role the dictionary gives."""
    importance: Weights = Field(default={})
    """Importance r of single targets, by task name; 1 where not given."""
    label_cost: Weights = Field(default={})
    """Cost ℓ of labelling and training a source, by task name; 1 where not given."""

    @property
    def is_unread(self) -> bool:
        """Whether the dictionary is still a file's name, so that tasks cannot be told apart."""
        return self.dictionary not in ("paper", "inline")

    @cached_property
    def vocabulary(self) -> TaskDictionary:
        """Every task that may be named, taking part or not, with the dictionary's own roles."""
        if self.is_unread:
            raise SettingRefused(f"tasks.dictionary {self.dictionary!r} has not been read")
        base = paper_dictionary().task if self.dictionary == "paper" else ()
        return TaskDictionary(task=(*base, *self.custom))

    @cached_property
    def chosen(self) -> TaskDictionary:
        """The tasks that take part, each with its role in this study."""
        return TaskDictionary(task=self._chosen())

    def _chosen(self) -> tuple[Task, ...]:
        subset = self._ids(self.subset)
        return tuple(
            task.model_copy(update={"role": self._role(task)})
            for task in self.vocabulary
            if (task.id in subset if subset else task.role != "unused")
        )

    def _role(self, task: Task) -> Role:
        for role, names in self._roles().items():
            if task.id in self._ids(names):
                return role
        if task.role != "unused":
            return task.role
        return "both" if task.is_trained else "source-only"  # a subset named it

    def _roles(self) -> dict[Role, tuple[str, ...]]:
        return {"source-only": self.source_only, "target-only": self.target_only, "both": self.both}

    def _ids(self, names: Iterable[str]) -> set[str]:
        return {self.vocabulary.resolve(name).id for name in names}

    def by_id(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a mapping from task names as one from ids, without tasks unknown to the study."""
        known = [name for name in given if not list(self.unknown(name, ""))]
        return {self.vocabulary.resolve(name).id: given[name] for name in known}

    def given_twice(self, given: Mapping[str, Any], field: str) -> Iterator[Problem]:
        """Yield each name of a mapping that means the same task as one before it."""
        seen: dict[str, str] = {}
        for name in given:
            if not list(self.unknown(name, "")):
                task = self.vocabulary.resolve(name).id
                if seen.setdefault(task, name) != name:
                    reason = (
                        f"task {task!r} is already given as {seen[task]!r}; keep one of the two"
                    )
                    yield Problem(f"{field}.{name}", reason)

    def unknown(self, name: str, field: str) -> Iterator[Problem]:
        """Yield a problem if no task answers to the name, or several do."""
        try:
            self.vocabulary.resolve(name)
        except UnknownTask as error:
            yield Problem(field, str(error))

    def rules(self) -> Iterator[Problem]:
        """Yield the rules between fields; each next kind makes sense once the last holds."""
        if self.is_unread:
            return
        for kind in (
            self._is_a_dictionary,
            self._names_are_known,
            self._lists_agree,
            self._roles_fit,
        ):
            broken = list(kind())
            yield from broken
            if broken:
                return

    def _is_a_dictionary(self) -> Iterator[Problem]:
        if self.dictionary == "inline" and not self.custom:
            yield Problem("custom", "the dictionary is inline, so write at least one task here")
            return
        try:
            count = len(self.vocabulary)
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"]
            yield Problem("custom", message.removeprefix("Value error, "))
        else:
            if count > MAX_TASKS:
                yield Problem("custom", f"{count} tasks; a dictionary holds at most {MAX_TASKS}")

    def _names_are_known(self) -> Iterator[Problem]:
        """Dictionary rule: every name given anywhere is some task's."""
        for field in ("subset", "source_only", "target_only", "both"):
            for index, name in enumerate(getattr(self, field)):
                yield from self.unknown(name, f"{to_camel(field)}[{index}]")
        for field in ("importance", "label_cost"):
            for name in getattr(self, field):
                yield from self.unknown(name, f"{to_camel(field)}.{name}")

    def _lists_agree(self) -> Iterator[Problem]:
        """Dictionary rule: no task is listed twice, none has two roles, each takes part."""
        yield from self._listed_once("subset", {})
        seen: dict[str, str] = {}
        for field in ("source_only", "target_only", "both"):
            yield from self._listed_once(field, seen)
            for index, name in enumerate(getattr(self, field)):
                if self.subset and not self._ids([name]) <= self._ids(self.subset):
                    reason = f"task {name!r} does not take part; add it to tasks.subset"
                    yield Problem(f"{to_camel(field)}[{index}]", reason)

    def _listed_once(self, field: str, seen: dict[str, str]) -> Iterator[Problem]:
        """Yield each task of a list that a list before it, or this one, already holds."""
        for index, name in enumerate(getattr(self, field)):
            task = self.vocabulary.resolve(name).id
            before = seen.setdefault(task, f"{to_camel(field)}[{index}]")
            if before != f"{to_camel(field)}[{index}]":
                reason = f"task {task!r} is already in {before}; keep one of the two"
                yield Problem(f"{to_camel(field)}[{index}]", reason)

    def _roles_fit(self) -> Iterator[Problem]:
        """Dictionary rule: sources and targets exist, and what is never trained is no target."""
        chosen = self._chosen()
        sources = {task.id for task in chosen if task.may_be_source}
        targets = {task.id for task in chosen if task.may_be_target}
        if not sources:
            yield Problem("", "no task is a source; give one the role both or source-only")
        if not targets:
            yield Problem("", "no task is a target; give one the role both or target-only")
        for task in chosen:
            if task.may_be_target and not task.is_trained:
                reason = (
                    f"task {task.id!r} has no loss and is never trained, so it cannot be a "
                    "target; put it in sourceOnly"
                )
                yield Problem("", reason)
        yield from self._weighs(targets, "importance", "target")
        yield from self._weighs(sources, "label_cost", "source")

    def _weighs(self, allowed: set[str], field: str, part: str) -> Iterator[Problem]:
        given, path = getattr(self, field), to_camel(field)
        for name in given:
            task = self.vocabulary.resolve(name).id
            if task not in allowed:
                yield Problem(
                    f"{path}.{name}", f"task {task!r} is no {part} of this study; remove it"
                )
        yield from self.given_twice(given, path)
