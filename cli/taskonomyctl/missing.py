"""Trials without a result as people are told of them: those that share a reason share a row."""

from collections.abc import Sequence

from taskonomy_operator.status import Missing


def grouped(missing: Sequence[Missing]) -> list[dict[str, str]]:
    """Return a row a reason, in the order met: trial (the first, and how many more), state, why.

    A trial that is blocked repeats why the one it needs failed; where that has a row of its own,
    "which failed" is enough.
    """
    failed = {each.why for each in missing if each.state == "failed"}
    groups: dict[tuple[str, str], list[str]] = {}
    for each in missing:
        groups.setdefault((each.state, _brief(each.why, failed)), []).append(each.title)
    return [
        {"trial": _named(titles), "state": state, "why": why}
        for (state, why), titles in groups.items()
    ]


def _brief(why: str, said: set[str]) -> str:
    """Return a reason without what another row says."""
    needs, which, reason = why.partition(", which ")
    return f"{needs}, which failed" if which and reason in said else why


def _named(titles: list[str]) -> str:
    more = f" and {len(titles) - 1:,} more" if len(titles) > 1 else ""
    return titles[0] + more
