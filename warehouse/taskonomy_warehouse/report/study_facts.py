"""Where a report's figures come from: the study, its tasks, what it was solved with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_catalogue.tasks import GROUP_TITLES, Group
from taskonomy_warehouse.selection.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """Where the figures come from."""

    name: str
    source_name: str
    source_sha256: str
    loaded_at: datetime
    scenario: str
    settings: tuple[tuple[str, str], ...]
    """Settings that differ from the defaults, in words: name, value."""
    exponent: float
    """γ of the objective's affinity^γ."""
    solved_at: datetime
    transfers: int
    """Networks measured, task-specific ones included."""
    highest_order: int
    """Most sources of any transfer measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """One task as the page names it."""

    id: str
    title: str
    group: Group

    @property
    def group_title(self) -> str:
        """Return the readable name of its group."""
        return GROUP_TITLES[self.group]


def read_study(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    settings: Settings,
    solved_at: datetime,
    tasks: tuple[TaskFacts, ...],
) -> StudyFacts:
    """Return where a study's figures come from.

    Args:
        connection: the warehouse.
        study: its name.
        scenario: which of its solves is reported.
        settings: what that was solved with.
        solved_at: when.
        tasks: of the study, for their titles.

    Raises:
        NotFound: no such study.
    """
    row = connection.execute(
        "SELECT source_name, source_sha256, loaded_at, count(transfer_id), "
        "coalesce(max(transfer_order), 0) "
        "FROM study LEFT JOIN transfer USING (study) WHERE study = ? GROUP BY ALL",
        [study],
    ).fetchone()
    if row is None:
        raise NotFound(f"no study {study!r} in this warehouse")
    source_name, sha256, loaded_at, transfers, highest_order = row
    return StudyFacts(
        name=study,
        source_name=source_name,
        source_sha256=sha256,
        loaded_at=loaded_at,
        scenario=scenario,
        settings=tuple(_settings_in_words(settings, {t.id: t.title for t in tasks})),
        exponent=settings.affinity_exponent,
        solved_at=solved_at,
        transfers=transfers,
        highest_order=highest_order,
    )


def read_tasks(connection: duckdb.DuckDBPyConnection, study: str) -> tuple[TaskFacts, ...]:
    """Return the study's tasks in the order of its dictionary."""
    rows = connection.execute(
        "SELECT task, title, task_group FROM task WHERE study = ? ORDER BY position", [study]
    ).fetchall()
    return tuple(TaskFacts(id=task, title=title, group=group) for task, title, group in rows)


def _settings_in_words(settings: Settings, title: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    default = Settings()
    for name, value in settings:
        if value == getattr(default, name):
            continue
        words = name.replace("_", " ")
        if isinstance(value, tuple):
            yield words, ", ".join(title.get(str(task), str(task)) for task in value)
        elif isinstance(value, dict):
            yield words, ", ".join(f"{title.get(k, k)} {v:g}" for k, v in value.items())
        elif isinstance(value, bool):
            yield words, "yes" if value else "no"
        elif isinstance(value, float):
            yield words, f"{value:g}"
        else:
            yield words, value.model_dump_json(exclude_defaults=True)
