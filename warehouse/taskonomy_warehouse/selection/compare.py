"""Two solved taxonomies side by side: which sources and which transfers they do not share."""

from dataclasses import dataclass

from taskonomy_warehouse.selection.results import Choice, SolvedTaxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTarget:
    """A target that the two serve differently, or that one of them does not serve."""

    target: str
    before: Choice | None
    after: Choice | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changes from one taxonomy to another; tasks in dictionary order."""

    kept: tuple[str, ...]
    """Sources that both supervise."""
    dropped: tuple[str, ...]
    """Sources that only the first supervises."""
    added: tuple[str, ...]
    """Sources that only the second supervises."""
    unchanged: int
    """Targets that both serve in the same way."""
    changed: tuple[ChangedTarget, ...]
    """The other targets."""


def compare(before: SolvedTaxonomy, after: SolvedTaxonomy) -> Comparison:
    """Compare two taxonomies, of one study or of two that share task ids.

    A target is served in the same way when kind and set of sources are the same, whatever the
    figures: between studies these always differ.
    """
    first = {choice.target: choice for choice in before.choices}
    second = {choice.target: choice for choice in after.choices}
    targets = list(dict.fromkeys([*first, *second]))
    changed = tuple(
        ChangedTarget(target=target, before=first.get(target), after=second.get(target))
        for target in targets
        if _way(first.get(target)) != _way(second.get(target))
    )
    return Comparison(
        kept=tuple(s for s in before.sources if s in after.sources),
        dropped=tuple(s for s in before.sources if s not in after.sources),
        added=tuple(s for s in after.sources if s not in before.sources),
        unchanged=len(targets) - len(changed),
        changed=changed,
    )


def _way(choice: Choice | None) -> tuple[str, frozenset[str]] | None:
    return None if choice is None else (choice.kind, frozenset(choice.sources))
