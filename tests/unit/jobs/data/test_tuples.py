from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_data import TinyData

from taskonomy_jobs.data.cameras import Cameras
from taskonomy_jobs.data.index import Index
from taskonomy_jobs.data.tuples import (
    PARTNERS,
    PER_POINT,
    fixated,
    fraction,
    matches,
    overlapping,
    singles,
)

GREY = np.zeros((4, 4), np.uint8)


def index_of(root: Path, views: dict[str, dict[int, int]]) -> Index:
    tiny = TinyData(root)
    for building, points in views.items():
        for point, count in points.items():
            for view in range(count):
                tiny.png(building, point, view, "rgb", GREY)
    return Index(root, "taskonomy")


def named(index: Index, rows: np.ndarray) -> set[tuple[str, ...]]:
    return {tuple(index.name(row) for row in one) for one in rows}


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return index_of(tmp_path, {"a": {0: 3, 1: 1, 7: 2}, "b": {0: 4, 1: 2}})


def test_fixated_pairs_and_triplets_are_all_those_of_a_point(index: Index) -> None:
    rows = np.arange(len(index))
    for count in (2, 3):
        found = fixated(index, rows, count)
        expected = Counter((index.building[row], index.point[row]) for row in range(len(index)))
        from math import comb

        assert len(found.ids) == sum(comb(n, count) for n in expected.values())
        for one in found.views:
            assert len({(index.building[r], index.point[r]) for r in one}) == 1
            assert list(one) == sorted(set(one.tolist()))
        assert len(set(found.ids.tolist())) == len(found.ids)


def test_tuples_are_formed_within_the_rows_given(index: Index) -> None:
    rows = np.array([0, 2, 6, 7])  # two views of a's point 0, two of b's
    found = fixated(index, rows, 2)
    assert found.views.tolist() == [[0, 2], [6, 7]]
    assert len(fixated(index, rows, 3).ids) == 0
    assert singles(index, rows).views.tolist() == [[0], [2], [6], [7]]


def test_a_point_with_many_views_gives_a_stated_number_of_pairs(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"a": {0: 12}})  # 66 pairs, 220 triplets
    rows = np.arange(12)
    for count in (2, 3):
        found = fixated(index, rows, count)
        assert len(found.ids) == PER_POINT
        assert named(index, found.views) == named(index, fixated(index, rows, count).views)


def test_matches_are_balanced_and_opposites_are_of_another_point(index: Index) -> None:
    rows = np.arange(len(index))
    found = matches(index, rows)
    assert found.matched is not None
    assert found.matched.tolist() == [True, False] * (len(found.ids) // 2)
    assert len(found.ids) == 2 * len(fixated(index, rows, 2).ids)
    assert len(set(found.ids.tolist())) == len(found.ids)
    for (first, second), matched in zip(found.views, found.matched, strict=True):
        assert index.building[first] == index.building[second]
        assert (index.point[first] == index.point[second]) == matched
    assert np.array_equal(found.views, matches(index, rows).views)


def test_a_building_with_one_point_has_no_matches(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"a": {0: 5}, "b": {0: 2, 1: 1}})
    found = matches(index, np.arange(len(index)))
    assert {index.buildings[b] for b in index.building[found.views].reshape(-1)} == {"b"}


def test_non_fixated_pairs_are_of_views_that_see_the_point(tmp_path: Path) -> None:
    tiny = TinyData(tmp_path)
    seen = {0: [(1, 0), (1, 1), (2, 0), (9, 9)], 1: [(0, 1)], 2: []}
    for point, count in {0: 2, 1: 2, 2: 1}.items():
        for view in range(count):
            tiny.png("a", point, view, "rgb", GREY)
    for point, views in seen.items():
        tiny.matches("a", point, views)
    index = Index(tmp_path, "taskonomy")
    rows = np.arange(len(index))

    found = overlapping(index, Cameras(index), rows)

    possible = set()
    for point, views in seen.items():
        for own in (row for row in rows if index.point[row] == point):
            for other in (index.row("a", *one) for one in views):
                if other is not None:
                    possible.add(tuple(sorted((int(own), other))))
    assert {tuple(pair) for pair in found.views.tolist()} <= possible
    assert all(index.point[a] != index.point[b] for a, b in found.views)
    # Each view of point 0 has 3 candidates and keeps 2; each of point 1 has 1.
    starts = Counter(int(row) for row in found.views[:, 0])
    assert max(starts.values()) <= PARTNERS + 1  # and one that starts from its partner
    assert len(set(found.ids.tolist())) == len(found.ids) == len(found.views)


def test_a_damaged_list_of_matches_lists_none(tmp_path: Path) -> None:
    tiny = TinyData(tmp_path)
    for point in (0, 1):
        tiny.png("a", point, 0, "rgb", GREY)
    tiny.matches("a", 0, [(1, 0)])
    tiny.path("a", 1, "all", "nonfixated_matches", "json").write_text("{")
    index = Index(tmp_path, "taskonomy")
    assert overlapping(index, Cameras(index), np.arange(2)).views.tolist() == [[0, 1]]


def test_fractions_are_nested_and_hold_whole_points(tmp_path: Path) -> None:
    index = index_of(tmp_path, {b: dict.fromkeys(range(10), 2) for b in "abcd"})
    rows = np.arange(len(index))
    last: set[int] = set()
    for share in (0.01, 0.1, 0.3, 0.5, 0.9, 1.0):
        chosen = fraction(index, rows, share, 0)
        assert len(chosen) == 2 * int(np.ceil(share * 40))
        assert last <= set(chosen.tolist())
        assert len(fixated(index, chosen, 2).ids) == len(chosen) // 2
        last = set(chosen.tolist())
    assert fraction(index, rows, 0.3, 0).tolist() != fraction(index, rows, 0.3, 1).tolist()


def test_the_fraction_is_the_same_wherever_the_data_set_lies(tmp_path: Path) -> None:
    chosen = []
    for place in ("here", "there"):
        index = index_of(tmp_path / place, {b: dict.fromkeys(range(10), 1) for b in "ab"})
        rows = fraction(index, np.arange(len(index)), 0.25, 3)
        chosen.append({index.name(row) for row in rows})
    assert chosen[0] == chosen[1]
