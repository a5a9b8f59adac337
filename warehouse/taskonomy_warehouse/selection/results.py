"""Solved taxonomies in the warehouse: written together, read back as the contract prints them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.taxonomy import Taxonomy
from taskonomy_warehouse.warehouse import (
    insert_rows,
    require_study,
    study_version,
    transaction,
)


class StudyChanged(TaskonomyError):
    """The measurements a problem was read from are no longer there."""

    exit_code = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How a taxonomy serves one target."""

    target: str
    kind: str
    """``task-specific`` when by its own network, else ``transfer``."""
    sources: tuple[str, ...]
    affinity: float
    gain: float | None
    quality: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedTaxonomy:
    """A taxonomy as the warehouse keeps it; tasks in dictionary order."""

    scenario: str
    budget: float
    max_order: str
    status: str
    reason: str | None
    objective: float | None
    bound: float | None
    gap: float | None
    cost: float | None
    solver: str
    seconds: float
    mean_gain: float | None
    mean_quality: float | None
    sources: tuple[str, ...]
    choices: tuple[Choice, ...]


def read_taxonomies(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    *,
    budgets: Sequence[float] | None = None,
    max_orders: Sequence[str] | None = None,
) -> list[SolvedTaxonomy]:
    """Return the taxonomies of a scenario, by order limit and then budget; None means every one."""
    rows = connection.execute(
        "SELECT t.budget, t.max_order, t.status, t.reason, t.objective, t.bound, t.gap, t.cost, "
        "t.solver, t.seconds, c.mean_gain, c.mean_quality "
        "FROM taxonomy AS t "
        "LEFT JOIN taxonomy_curve AS c USING (study, scenario, budget, max_order) "
        "WHERE t.study = ? AND t.scenario = ? "
        "ORDER BY try_cast(t.max_order AS INTEGER) NULLS LAST, t.budget",
        [study, scenario],
    ).fetchall()
    sources = _sources(connection, study, scenario)
    choices = _choices(connection, study, scenario)
    return [
        SolvedTaxonomy(
            scenario=scenario,
            **dict(zip(_TAXONOMY_FIELDS, row, strict=True)),
            sources=tuple(sources.get((row[0], row[1]), [])),
            choices=tuple(choices.get((row[0], row[1]), [])),
        )
        for row in rows
        if (budgets is None or row[0] in budgets) and (max_orders is None or row[1] in max_orders)
    ]


def solved_taxonomy(
    taxonomy: Taxonomy, scenario: str, choices: Mapping[int, Choice]
) -> SolvedTaxonomy:
    """Return a taxonomy as it will be read back, with the figures that `read_choices` gave."""
    chosen = tuple(choices[candidate.transfer_id] for candidate in taxonomy.transfers)
    return SolvedTaxonomy(
        scenario=scenario,
        budget=taxonomy.budget,
        max_order=taxonomy.max_order,
        status=taxonomy.status,
        reason=taxonomy.reason,
        objective=taxonomy.objective,
        bound=taxonomy.bound,
        gap=taxonomy.gap,
        cost=taxonomy.cost,
        solver=taxonomy.solver,
        seconds=taxonomy.seconds,
        mean_gain=_mean(choice.gain for choice in chosen),
        mean_quality=_mean(choice.quality for choice in chosen),
        sources=taxonomy.sources,
        choices=chosen,
    )


def read_choices(connection: duckdb.DuckDBPyConnection, study: str) -> dict[int, Choice]:
    """Return every ranked transfer of a study by its number, with its figures."""
    rows = connection.execute(
        "SELECT transfer_id, target, kind, sources, affinity, gain, quality "
        "FROM transfer_mean WHERE study = ? AND affinity IS NOT NULL",
        [study],
    ).fetchall()
    return {row[0]: _choice(*row[1:]) for row in rows}


def check_scenario(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str, settings: Settings
) -> None:
    """Check that the scenario was not solved with other settings.

    Raises:
        SettingRefused: it was; taxonomies of different settings never stand under one name.
    """
    earlier = connection.execute(
        "SELECT settings FROM scenario WHERE study = ? AND scenario = ?", [study, scenario]
    ).fetchone()
    if earlier is not None and earlier[0] != settings.model_dump_json():
        raise SettingRefused(
            f"scenario {scenario!r} of study {study!r} was solved with other settings; "
            "choose another --scenario, or --replace its taxonomies"
        )


def write_taxonomies(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    settings: Settings,
    taxonomies: Sequence[Taxonomy],
    *,
    version: str | None = None,
    replace: bool = False,
) -> None:
    """Keep the taxonomies of a scenario; those of the same budget and order are replaced.

    Args:
        connection: the warehouse, open to write.
        study: the study that was solved.
        scenario: the name to keep them under.
        settings: what was asked.
        taxonomies: the answers.
        version: `Problem.version`; None keeps them whatever the study holds now.
        replace: drop what the scenario holds, if it was solved with other settings.

    Raises:
        StudyChanged: the study's measurements were replaced since the problem was read.
        SettingRefused: see `check_scenario`; not with ``replace``.
    """
    with transaction(connection):
        if version is not None and version != study_version(connection, study):
            raise StudyChanged(
                f"study {study!r} was replaced while it was being solved; nothing of it is kept: "
                "solve it again"
            )
        try:
            check_scenario(connection, study, scenario, settings)
        except SettingRefused:
            if not replace:
                raise
            _forget(connection, study, scenario)
            _forget_stability(connection, study, scenario)
        _forget(connection, study, scenario, taxonomies)
        connection.execute(
            "INSERT OR REPLACE INTO scenario VALUES (?, ?, ?, now() AT TIME ZONE 'UTC')",
            [study, scenario, settings.model_dump_json()],
        )
        _insert(connection, study, scenario, taxonomies)


def latest_scenario(connection: duckdb.DuckDBPyConnection, study: str) -> str:
    """Return the scenario solved last.

    Raises:
        NotFound: the study is not there, or was never solved.
    """
    require_study(connection, study)
    row = connection.execute(
        "SELECT scenario FROM scenario WHERE study = ? ORDER BY solved_at DESC, scenario LIMIT 1",
        [study],
    ).fetchone()
    if row is None:
        raise NotFound(
            f"study {study!r} has no taxonomy yet; run `taskonomyctl solve --study {study}`"
        )
    return str(row[0])


_TAXONOMY_FIELDS = (
    "budget",
    "max_order",
    "status",
    "reason",
    "objective",
    "bound",
    "gap",
    "cost",
    "solver",
    "seconds",
    "mean_gain",
    "mean_quality",
)

_Key = tuple[float, str]
"""Budget and order limit."""


def _sources(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str
) -> dict[_Key, list[str]]:
    found: dict[_Key, list[str]] = {}
    rows = connection.execute(
        "SELECT s.budget, s.max_order, s.source FROM taxonomy_source AS s "
        "JOIN task AS t ON t.study = s.study AND t.task = s.source "
        "WHERE s.study = ? AND s.scenario = ? ORDER BY t.position",
        [study, scenario],
    ).fetchall()
    for budget, max_order, source in rows:
        found.setdefault((budget, max_order), []).append(source)
    return found


def _choices(
    connection: duckdb.DuckDBPyConnection, study: str, scenario: str
) -> dict[_Key, list[Choice]]:
    found: dict[_Key, list[Choice]] = {}
    rows = connection.execute(
        "SELECT c.budget, c.max_order, c.target, c.kind, c.sources, c.affinity, c.gain, c.quality "
        "FROM taxonomy_choice AS c "
        "JOIN task AS t ON t.study = c.study AND t.task = c.target "
        "WHERE c.study = ? AND c.scenario = ? ORDER BY t.position",
        [study, scenario],
    ).fetchall()
    for budget, max_order, target, kind, sources, affinity, gain, quality in rows:
        choice = _choice(target, kind, sources, affinity, gain, quality)
        found.setdefault((budget, max_order), []).append(choice)
    return found


def _choice(
    target: str,
    kind: str,
    sources: list[str],
    affinity: float,
    gain: float | None,
    quality: float | None,
) -> Choice:
    return Choice(
        target=target,
        kind=kind,
        sources=tuple(sources),
        affinity=affinity,
        gain=gain,
        quality=quality,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is known, None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _forget(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    replaced: Sequence[Taxonomy] | None = None,
) -> None:
    """Delete the taxonomies that are about to be replaced; all of the scenario's when not given."""
    condition = "study = ? AND scenario = ?"
    values: list[object] = [study, scenario]
    if replaced is not None:
        condition += (
            " AND (budget, max_order) IN (SELECT unnest(?::DOUBLE[]), unnest(?::VARCHAR[]))"
        )
        values += [[t.budget for t in replaced], [t.max_order for t in replaced]]
    for table in ("taxonomy_edge", "taxonomy_source", "taxonomy"):
        connection.execute(f"DELETE FROM {table} WHERE {condition}", values)


def _forget_stability(connection: duckdb.DuckDBPyConnection, study: str, scenario: str) -> None:
    """Delete how often choices were made: under other settings, others would have been."""
    for table in ("edge_stability", "source_stability"):
        connection.execute(
            f"DELETE FROM {table} WHERE study = ? AND scenario = ?", [study, scenario]
        )


def _insert(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    scenario: str,
    taxonomies: Sequence[Taxonomy],
) -> None:
    keyed = [((study, scenario, t.budget, t.max_order), t) for t in taxonomies]
    insert_rows(
        connection,
        "taxonomy",
        [
            (
                *key,
                t.status,
                t.reason,
                t.objective,
                t.bound,
                t.gap,
                t.cost,
                t.solver,
                t.seconds,
            )
            for key, t in keyed
        ],
    )
    insert_rows(
        connection, "taxonomy_source", [(*key, source) for key, t in keyed for source in t.sources]
    )
    insert_rows(
        connection,
        "taxonomy_edge",
        [(*key, c.target, c.transfer_id) for key, t in keyed for c in t.transfers],
    )
