"""Which images make one example: single views, pairs and triplets.

Formed among the views that a part of a split has (of a fraction, its own), always the same:

- fixated pairs and triplets: views of one point, in the order of their numbers;
- non-fixated pairs: a view and one of another point that sees its centre point
  (`nonfixated_matches`), at most `PARTNERS` for each view;
- matches: every fixated pair, and for each a pair of its first view with a view of another point
  of the building, so that both answers are equally frequent.

Where there are more than a stated number to choose from, those with the smallest keys are taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from taskonomy_jobs.data.cameras import Cameras
from taskonomy_jobs.data.index import Index, view_key
from taskonomy_jobs.data.keys import U64, folded

Array = np.ndarray[Any, Any]

PER_POINT = 32
"""Most pairs, and most triplets, of one point: some points have dozens of views."""
PARTNERS = 2
"""Most non-fixated pairs that start from one view."""


@dataclass(frozen=True, slots=True)
class Tuples:
    """Examples as rows of the table of views."""

    views: Array
    """int64 (N, n)."""
    ids: U64
    """uint64 (N,): keys of the views' names."""
    matched: Array | None = None
    """bool (N,), of point matching: whether both views look at one point."""


def singles(index: Index, rows: Array) -> Tuples:
    """Return each view alone."""
    return Tuples(rows[:, None], index.ids[rows])


def fixated(index: Index, rows: Array, count: int) -> Tuples:
    """Return the pairs (count 2) or triplets (3) of views of one point."""
    found = [np.zeros((0, count), np.int64)]
    for groups in _by_size(index.point_ids[rows], rows):
        if groups.shape[1] < count:
            continue
        choices = np.array(list(combinations(range(groups.shape[1]), count)))
        every = groups[:, choices]
        found.append(_fewest(index, every).reshape(-1, count))
    return _named(index, np.concatenate(found))


def overlapping(index: Index, cameras: Cameras, rows: Array) -> Tuples:
    """Return the non-fixated pairs, the smaller row first."""
    found = [np.zeros((0, 2), np.int64)]
    for b in np.unique(index.building[rows]):
        here = rows[index.building[rows] == b]
        found.append(_overlapping_in(index, cameras.matches(int(b)), here))
    return _named(index, np.unique(np.sort(np.concatenate(found), axis=1), axis=0))


def matches(index: Index, rows: Array) -> Tuples:
    """Return matched and unmatched pairs, as many of each, a matched one before its opposite."""
    same = fixated(index, rows, 2)
    key = folded(same.ids, index.ids[same.views[:, 0]])
    other = _of_another_point(index, rows, same.views[:, 0], key)
    kept = other >= 0  # a building with one point offers no opposite
    different = np.stack([same.views[kept, 0], other[kept]], axis=1)
    ids = np.stack([same.ids[kept], folded(key[kept], index.ids[other[kept]])], axis=1)
    views = np.stack([same.views[kept], different], axis=1)
    matched = np.tile([True, False], int(kept.sum()))
    return Tuples(views.reshape(-1, 2), ids.reshape(-1), matched)


def fraction(index: Index, rows: Array, share: float, seed: int) -> Array:
    """Return the rows that a fraction of the points has: whole points, the same ones every time.

    A smaller share's points are among a larger one's of the same seed.
    """
    if share >= 1:
        return rows
    points, inverse = np.unique(index.point_ids[rows], return_inverse=True)
    keys = folded(points, np.full(len(points), seed, np.uint64))
    count = int(np.ceil(share * len(points)))
    chosen = np.zeros(len(points), bool)
    chosen[np.argsort(keys, kind="stable")[:count]] = True
    return np.asarray(rows[chosen[inverse]])


def _named(index: Index, views: Array) -> Tuples:
    views = views[np.lexsort(views.T[::-1])]
    return Tuples(views, folded(*(index.ids[column] for column in views.T)))


def _by_size(groups: U64, rows: Array) -> Iterator[Array]:
    """Yield, for every group size, the rows of the groups of that size: (groups, size)."""
    order = np.lexsort((rows, groups))
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    for size in np.unique(counts):
        places = starts[counts == size][:, None] + np.arange(size)
        yield rows[order][places]


def _fewest(index: Index, tuples: Array) -> Array:
    """Return (G, K, n) tuples cut to the `PER_POINT` with the smallest keys in every group."""
    if tuples.shape[1] <= PER_POINT:
        return tuples
    keys = folded(*(index.ids[tuples[:, :, i]] for i in range(tuples.shape[2])))
    few = np.argsort(keys, axis=1, kind="stable")[:, :PER_POINT]
    return np.asarray(np.take_along_axis(tuples, few[:, :, None], axis=1))


def _overlapping_in(index: Index, seen: Array, rows: Array) -> Array:
    """Return (P, 2): views of one building, each with at most `PARTNERS` that see its point."""
    keys = view_key(index.point[rows], index.view[rows])  # sorted, as rows are
    seeing = view_key(seen[:, 1], seen[:, 2])
    place = np.minimum(np.searchsorted(keys, seeing), max(len(keys) - 1, 0))
    usable = (seen[:, 0] != seen[:, 1]) & (keys[place] == seeing if len(keys) else False)
    points, partners = seen[usable, 0], rows[place[usable]]
    order = np.argsort(points, kind="stable")
    points, partners = points[order], partners[order]
    first = np.searchsorted(points, index.point[rows])
    count = np.searchsorted(points, index.point[rows], side="right") - first
    views = np.repeat(rows, count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    others = partners[np.repeat(first, count) + offset]
    drawn = np.lexsort((folded(index.ids[views], index.ids[others]), views))
    views, others = views[drawn], others[drawn]
    return np.asarray(np.stack([views, others], axis=1)[offset < PARTNERS])


def _of_another_point(index: Index, rows: Array, firsts: Array, key: U64) -> Array:
    """Return for every row a row of another point of its building, −1 where there is none."""
    other = np.full(len(firsts), -1, np.int64)
    for b in np.unique(index.building[firsts]):
        here = rows[index.building[rows] == b]
        asked = np.flatnonzero(index.building[firsts] == b)
        points = index.point[here]
        own = index.point[firsts[asked]]
        start, end = (np.searchsorted(points, own, side=s) for s in ("left", "right"))
        left = len(here) - (end - start)
        # A place among the rows that are left when the point's own are taken out.
        place = (key[asked] % np.maximum(left, 1).astype(np.uint64)).astype(np.int64)
        place = np.where(place >= start, place + (end - start), place)
        other[asked] = np.where(left > 0, here[np.minimum(place, len(here) - 1)], -1)
    return other
