"""A task that nobody has labels for but a few: how well the others can serve it.

Zamir et al. 2018, section 5.2 and figure 10. Every target is taken as new in turn: it is no source,
so what serves it is the transfer with the largest affinity among those of at most k sources that do
not contain it; its own network and networks from scratch are what it is judged by, not candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from taskonomy_catalogue.errors import NotFound
from taskonomy_warehouse.selection.taxonomy import order_limit
from taskonomy_warehouse.warehouse import require_study

ORDERS = ("1", "2", "3", "4")
"""Order limits of the paper's figure 10."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The best transfer to a new task."""

    target: str
    max_order: str
    """Most sources it may have."""
    sources: tuple[str, ...]
    affinity: float
    gain: float | None
    """Win rate over the network trained from scratch on the few labels."""
    quality: float | None
    """Win rate over the network trained with all the labels the task does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """Mean figures over the targets that have them."""

    max_order: str
    targets: int
    """Targets served."""
    gain: float | None
    quality: float | None


def novel_task(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    *,
    max_orders: Sequence[str] = ORDERS,
    targets: Sequence[str] = (),
) -> list[Service]:
    """Return what serves each target best if it is new, per order limit.

    Args:
        connection: the warehouse.
        study: trained or published.
        max_orders: order limits, ``"1"``, ``"2"``, … or ``"all"``.
        targets: task ids; every target of the study unless given.

    Returns:
        By order limit as given, then target in dictionary order. Targets that nothing serves
        within a limit are left out.

    Raises:
        NotFound: no such study, or nothing in it serves a target asked for.
        SettingRefused: an order limit is neither a number nor ``all``.
    """
    require_study(connection, study)
    found = [
        service
        for max_order in max_orders
        for service in _best(connection, study, max_order)
        if not targets or service.target in targets
    ]
    unserved = set(targets) - {service.target for service in found}
    if unserved or not found:
        named = ", ".join(sorted(unserved)) or "any target"
        raise NotFound(f"study {study!r} has no ranked transfer to {named} from other tasks")
    return found


def means(services: Sequence[Service]) -> list[Mean]:
    """Return mean gain and quality per order limit, in the order of the services."""
    limits = dict.fromkeys(service.max_order for service in services)
    return [_mean([s for s in services if s.max_order == limit]) for limit in limits]


def _best(connection: duckdb.DuckDBPyConnection, study: str, max_order: str) -> list[Service]:
    limit = order_limit(max_order)
    rows = connection.execute(
        """
        SELECT target, sources, affinity, gain, quality
        FROM transfer_mean AS m
        JOIN task AS t ON t.study = m.study AND t.task = m.target
        WHERE m.study = ? AND kind = 'transfer' AND NOT from_own_encoder AND affinity IS NOT NULL
          AND transfer_order <= ? AND t.role IN ('both', 'target-only')
          AND NOT list_has_any(
              sources,
              (SELECT coalesce(list(task), []) FROM task
               WHERE study = m.study AND role IN ('unused', 'target-only')))
        QUALIFY row_number() OVER (PARTITION BY target ORDER BY affinity DESC, transfer_id) = 1
        ORDER BY t.position
        """,
        [study, limit if limit is not None else 2**31 - 1],
    ).fetchall()
    return [
        Service(
            target=target,
            max_order=max_order,
            sources=tuple(sources),
            affinity=affinity,
            gain=gain,
            quality=quality,
        )
        for target, sources, affinity, gain, quality in rows
    ]


def _mean(services: Sequence[Service]) -> Mean:
    gains = [s.gain for s in services if s.gain is not None]
    qualities = [s.quality for s in services if s.quality is not None]
    return Mean(
        max_order=services[0].max_order,
        targets=len(services),
        gain=sum(gains) / len(gains) if gains else None,
        quality=sum(qualities) / len(qualities) if qualities else None,
    )
