"""A study and its settings -> a `Problem`: plain numbers, no database and no solver.

Everything that leaves a transfer out of the integer program happens here, with its reason, so that
an infeasible request can be explained.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import duckdb

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import TaskDictionary
from taskonomy_warehouse.dictionary import read_dictionary
from taskonomy_warehouse.selection.settings import Settings, TransferCost
from taskonomy_warehouse.warehouse import study_version

WIDEST_COSTS = 100_000
"""Largest cost over smallest: beyond it the small one is within the solver's tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One transfer the program may choose."""

    transfer_id: int
    target: str
    sources: frozenset[str]
    """Tasks that must be supervised for it; the target itself for its own network."""
    value: float
    """r_t · A^γ: what choosing it adds to the objective."""
    cost: float = 0.0
    """τ: what choosing it adds to the cost."""
    own_network: bool = False
    """The edge t→t: the target served by its own task-specific network."""

    @property
    def order(self) -> int:
        """Return the number of sources."""
        return len(self.sources)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The integer program's data, for every budget. Tasks are in dictionary order."""

    targets: tuple[str, ...]
    sources: tuple[str, ...]
    label_cost: Mapping[str, float]
    """ℓ_s for every source."""
    candidates: tuple[Candidate, ...]
    sources_serve_themselves: bool = False
    left_out: Mapping[str, Counter[str]] = field(default_factory=dict)
    """Per target, how many of its transfers were left out, by reason."""
    version: str = ""
    """The study's `study_version` when it was read."""
    notes: tuple[str, ...] = ()
    """What a person asked for that has no effect, a sentence each."""

    def up_to_order(self, max_order: int | None) -> "Problem":
        """Return the problem with transfers of at most this many sources; None keeps all."""
        if max_order is None:
            return self
        kept = tuple(c for c in self.candidates if c.order <= max_order)
        left_out = {target: Counter(reasons) for target, reasons in self.left_out.items()}
        for candidate in self.candidates:
            if candidate.order > max_order:
                reasons = left_out.setdefault(candidate.target, Counter())
                reasons[f"of an order above {max_order}"] += 1
        return replace(self, candidates=kept, left_out=left_out)

    def sources_and_cost(self, chosen: Iterable[Candidate]) -> tuple[tuple[str, ...], float]:
        """Return the sources that these transfers stand on, and what all of it costs."""
        transfers = list(chosen)
        needed = frozenset[str]().union(*(c.sources for c in transfers))
        sources = tuple(s for s in self.sources if s in needed)
        labels = sum(self.label_cost[s] for s in sources)
        return sources, labels + sum(c.cost for c in transfers)

    @cached_property
    def value_scale(self) -> float:
        """A power of two near the largest value: solvers' tolerances are absolute, around 1."""
        return _power_of_two(max((c.value for c in self.candidates), default=0.0))

    @cached_property
    def cost_scale(self) -> float:
        """A power of two near the largest cost, for the same reason."""
        transfers = max((c.cost for c in self.candidates), default=0.0)
        return _power_of_two(max(transfers, *self.label_cost.values()))

    @cached_property
    def total_cost(self) -> float:
        """What everything together costs: no budget buys more."""
        return sum(self.label_cost.values()) + sum(c.cost for c in self.candidates)

    @cached_property
    def by_target(self) -> dict[str, list[int]]:
        """Return the positions of each target's candidates."""
        positions: dict[str, list[int]] = {target: [] for target in self.targets}
        for position, candidate in enumerate(self.candidates):
            positions[candidate.target].append(position)
        return positions


def best_on_the_same_sources(problem: Problem, chosen: Sequence[Candidate]) -> list[Candidate]:
    """Return the choice with each target's transfer replaced by its best at no more cost.

    A solver cannot tell values apart that differ by less than its tolerance of the largest; here
    every target is looked at alone, among the transfers that stand on the sources already chosen.
    """
    supervised = frozenset[str]().union(*(c.sources for c in chosen))
    improved = []
    for current in chosen:
        must_be_own = problem.sources_serve_themselves and current.target in supervised
        rivals = [
            candidate
            for candidate in map(problem.candidates.__getitem__, problem.by_target[current.target])
            if candidate.sources <= supervised
            and candidate.cost <= current.cost
            and candidate.own_network >= must_be_own
        ]
        improved.append(max([current, *rivals], key=lambda candidate: candidate.value))
    return improved


def undominated(problem: Problem) -> Problem:
    """Drop every transfer that another beats outright: on some of its sources, as good, as cheap.

    Some optimum never uses a dominated transfer, so the optimal objective is unchanged; the
    program shrinks by two fifths on the paper's set. A target's own network is kept: it is what
    ``sources_serve_themselves`` speaks of.
    """
    kept: list[Candidate] = []
    for target in problem.targets:
        rivals = [problem.candidates[position] for position in problem.by_target[target]]
        rivals.sort(key=lambda c: (-c.value, len(c.sources), c.cost, sorted(c.sources)))
        survivors: list[Candidate] = []
        for candidate in rivals:
            beaten = any(
                s.sources <= candidate.sources and s.cost <= candidate.cost for s in survivors
            )
            if candidate.own_network or not beaten:
                survivors.append(candidate)
        kept.extend(survivors)
    return replace(problem, candidates=tuple(kept))


def read_problem(connection: duckdb.DuckDBPyConnection, study: str, settings: Settings) -> Problem:
    """Build the problem of a study under settings.

    The targets are the tasks whose role asks for it and that some transfer was measured to; one
    that ``target_only`` names is a target either way, and a task that ``use`` takes in is always a
    source.

    Raises:
        SettingRefused: the settings leave no target or no source, take in a task that is not
            unused, or name costs too far apart for any solver.
    """
    dictionary = read_dictionary(connection, study)
    _check_use(dictionary, settings)
    role = {task.id: settings.role(task.id, task.role) for task in dictionary}
    rows = connection.execute(
        "SELECT transfer_id, target, kind, sources, from_own_encoder, affinity "
        "FROM transfer_mean WHERE study = ? ORDER BY transfer_id",
        [study],
    ).fetchall()
    measured = {row[1] for row in rows} | set(settings.target_only)
    wanted = tuple(t.id for t in dictionary if role[t.id] in ("both", "target-only"))
    targets = tuple(task for task in wanted if task in measured)
    sources = tuple(t.id for t in dictionary if role[t.id] in ("both", "source-only"))
    if not targets or not sources:
        raise SettingRefused(
            f"study {study!r} is left with {len(targets)} targets and {len(sources)} sources; "
            "exclude fewer tasks"
        )
    candidates: list[Candidate] = []
    left_out: dict[str, Counter[str]] = {target: Counter() for target in targets}
    for transfer_id, target, kind, on, from_own_encoder, affinity in rows:
        if target not in left_out:
            continue
        reason = _reason_to_leave_out(
            kind, set(on) - set(sources), from_own_encoder, affinity, settings
        )
        if reason:
            left_out[target][reason] += 1
            continue
        own_network = kind == "task-specific"
        candidates.append(
            Candidate(
                transfer_id=transfer_id,
                target=target,
                sources=frozenset(on),
                value=settings.importance.get(target, 1.0) * affinity**settings.affinity_exponent,
                cost=0.0 if own_network else settings.transfer_cost.of(target, on),
                own_network=own_network,
            )
        )
    problem = Problem(
        targets=targets,
        sources=sources,
        label_cost={source: settings.label_cost.get(source, 1.0) for source in sources},
        candidates=tuple(candidates),
        sources_serve_themselves=settings.sources_serve_themselves,
        left_out=left_out,
        version=study_version(connection, study),
        notes=tuple(_notes(settings, wanted, targets, sources, rows)),
    )
    _check_costs(problem)
    return problem


def _check_use(dictionary: TaskDictionary, settings: Settings) -> None:
    for task in settings.use:
        if dictionary[task].role != "unused":
            raise SettingRefused(
                f"--use {task}: the study already uses it, as {dictionary[task].role}; "
                "--use takes in tasks it leaves unused"
            )


def _check_costs(problem: Problem) -> None:
    """Refuse costs so far apart that the small ones vanish in the solver's tolerance."""
    costs = [*problem.label_cost.values(), *(c.cost for c in problem.candidates)]
    positive = [cost for cost in costs if cost > 0]
    if positive and max(positive) > WIDEST_COSTS * min(positive):
        raise SettingRefused(
            f"costs from {min(positive):g} to {max(positive):g} are too far apart to be compared; "
            f"keep the largest within {WIDEST_COSTS:,} times the smallest, exclude what is "
            "unaffordable, or set the smallest to 0"
        )


def _notes(
    settings: Settings,
    wanted: tuple[str, ...],
    targets: tuple[str, ...],
    sources: tuple[str, ...],
    rows: list[tuple[Any, ...]],
) -> Iterator[str]:
    unmeasured = [task for task in wanted if task not in targets and task not in settings.use]
    if unmeasured:
        named = ", ".join(unmeasured[:3]) + (", …" if len(unmeasured) > 3 else "")
        yield f"tasks no transfer was measured to are no targets: {len(unmeasured)} ({named})"
    for task in settings.importance:
        if task not in targets:
            yield f"--importance of {task} has no effect: it is no target here"
    for task in settings.label_cost:
        if task not in sources:
            yield f"--label-cost of {task} has no effect: it is no source here"
    measured = {TransferCost.key(row[1], row[3]) for row in rows}
    for key in settings.transfer_cost.by_transfer:
        if key not in measured:
            yield f"--transfer-cost of {key} has no effect: no such transfer was measured"


def _power_of_two(largest: float) -> float:
    """Return the nearest power of two, 1 for 0: scaling by it loses no digit."""
    return 2.0 ** round(math.log2(largest)) if largest > 0 else 1.0


def _reason_to_leave_out(
    kind: str,
    barred: set[str],
    from_own_encoder: bool,
    affinity: float | None,
    settings: Settings,
) -> str | None:
    if kind == "scratch":
        return "trained from scratch"
    if affinity is None:
        return "measured and not ranked"
    if from_own_encoder and not settings.allow_own_transfer:
        return "from the target's own encoder"
    if barred:
        return f"on a task that may not be a source ({', '.join(sorted(barred))})"
    return None
