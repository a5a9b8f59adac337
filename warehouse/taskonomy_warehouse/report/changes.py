"""What changes from one taxonomy to the next: with a larger budget, and with higher orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from taskonomy_warehouse.selection.compare import Comparison, compare
from taskonomy_warehouse.selection.results import SolvedTaxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Two taxonomies and what tells them apart."""

    before: SolvedTaxonomy
    after: SolvedTaxonomy
    comparison: Comparison

    @property
    def gain(self) -> float | None:
        """Change of the mean gain."""
        return _difference(self.before.mean_gain, self.after.mean_gain)

    @property
    def quality(self) -> float | None:
        """Change of the mean quality."""
        return _difference(self.before.mean_quality, self.after.mean_quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a report says of a scenario's taxonomies, two at a time."""

    budgets: tuple[Change, ...]
    """From each budget to the next, at the widest order limit."""
    orders: tuple[Change, ...]
    """From the narrowest order limit to the widest, budget by budget."""
    in_full: Change | None
    """The one of these that is shown target by target: at the headline's budget."""


def changes_of(taxonomies: Sequence[SolvedTaxonomy], headline: SolvedTaxonomy | None) -> Changes:
    """Compare solved taxonomies with their neighbours; infeasible ones are passed over.

    Args:
        taxonomies: of one scenario, by order limit, narrowest first, then budget.
        headline: one of them.
    """
    solved = [taxonomy for taxonomy in taxonomies if taxonomy.choices]
    limits = list(dict.fromkeys(taxonomy.max_order for taxonomy in solved))
    if not limits:
        return Changes(budgets=(), orders=(), in_full=None)
    narrow = {t.budget: t for t in solved if t.max_order == limits[0]}
    wide = {t.budget: t for t in solved if t.max_order == limits[-1]}
    orders = tuple(
        _change(narrow[budget], wide[budget])
        for budget in wide
        if len(limits) > 1 and budget in narrow
    )
    return Changes(
        budgets=tuple(_change(a, b) for a, b in pairwise(wide.values())),
        orders=orders,
        in_full=next((c for c in orders if headline and c.after.budget == headline.budget), None),
    )


def _change(before: SolvedTaxonomy, after: SolvedTaxonomy) -> Change:
    return Change(before=before, after=after, comparison=compare(before, after))


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
