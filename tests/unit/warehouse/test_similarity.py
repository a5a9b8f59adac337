"""The similarity tree is Ward's, read off the measurements, whatever is missing from them."""

import re
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_warehouse.similarity import (
    Merge,
    SimilarityTree,
    pairwise_distances,
    similarity_tree,
    ward_tree,
)
from taskonomy_warehouse.warehouse import reading

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def tree(paper_warehouse: Path) -> SimilarityTree:
    with reading(paper_warehouse) as connection:
        return similarity_tree(connection, "paper")


def columns_of(path: Path) -> tuple[list[str], Floats]:
    """Columns of sqrt(P1), worked out from the file's rows without the views."""
    with reading(path) as connection:
        rows = connection.execute(
            "SELECT target, sources[1], affinity FROM measured_transfer "
            "WHERE study = 'paper' AND kind = 'transfer' AND transfer_order = 1"
        ).fetchall()
    sources = [task.id for task in paper_dictionary()]
    targets = sorted({target for target, _, _ in rows})
    affinity = np.zeros((len(sources), len(targets)))
    for target, source, value in rows:
        if source in sources:
            affinity[sources.index(source), targets.index(target)] = value
    return sources, np.sqrt(affinity / affinity.sum(axis=0))


def spread(points: Floats) -> float:
    return float(((points - points.mean(axis=0)) ** 2).sum())


def ward_by_definition(points: Floats) -> list[tuple[frozenset[int], float]]:
    """Join, again and again, the two clusters whose union adds the least spread."""
    clusters = [frozenset([i]) for i in range(len(points))]
    joined = []
    while len(clusters) > 1:
        rise, a, b = min(
            (
                (
                    spread(points[sorted(a | b)])
                    - spread(points[sorted(a)])
                    - spread(points[sorted(b)]),
                    a,
                    b,
                )
                for a, b in combinations(clusters, 2)
            ),
            key=lambda found: found[0],
        )
        clusters = [c for c in clusters if c not in (a, b)] + [a | b]
        joined.append((a | b, float(np.sqrt(2 * rise))))
    return joined


def clades(tree: SimilarityTree) -> dict[frozenset[str], float]:
    below = [frozenset([task]) for task in tree.tasks]
    found = {}
    for merge in tree.merges:
        below.append(below[merge.left] | below[merge.right])
        found[below[-1]] = merge.height
    return found


def test_every_joint_is_wards(tree: SimilarityTree, paper_warehouse: Path) -> None:
    sources, columns = columns_of(paper_warehouse)
    expected = {
        frozenset(sources[i] for i in members): height
        for members, height in ward_by_definition(columns)
    }
    found = clades(tree)
    assert found.keys() == expected.keys()
    for clade, height in expected.items():
        assert found[clade] == pytest.approx(height, rel=1e-9)


def test_the_papers_groups_are_branches(tree: SimilarityTree) -> None:
    three_d = {t.id for t in paper_dictionary() if t.group == "3d"}
    semantic = {t.id for t in paper_dictionary() if t.group == "semantic"}
    low_dimensional = {t.id for t in paper_dictionary() if t.group == "low-dimensional"} | {
        "random"
    }
    two_d = {t.id for t in paper_dictionary() if t.group == "2d"} - {"denoising", "edges-2d"}
    assert len(three_d) == 8
    for group in (three_d, semantic, low_dimensional, two_d):
        assert frozenset(group) in clades(tree)


def test_branches_stand_together_in_the_leaf_order(tree: SimilarityTree) -> None:
    assert sorted(tree.leaves) == sorted(tree.tasks)
    seat = {task: i for i, task in enumerate(tree.leaves)}
    for clade in clades(tree):
        seats = sorted(seat[task] for task in clade)
        assert seats == list(range(seats[0], seats[0] + len(seats)))


def test_the_same_study_gives_the_same_tree(tree: SimilarityTree, paper_warehouse: Path) -> None:
    with reading(paper_warehouse) as connection:
        assert similarity_tree(connection, "paper") == tree


def test_distances_are_those_of_the_view(paper_warehouse: Path) -> None:
    sources, columns = columns_of(paper_warehouse)
    with reading(paper_warehouse) as connection:
        rows = connection.execute(
            "SELECT source_a, source_b, distance FROM task_similarity WHERE study = 'paper'"
        ).fetchall()
    view = {frozenset((a, b)): distance for a, b, distance in rows}
    ours = pairwise_distances(columns)
    pairs = [frozenset(pair) for pair in combinations(sources, 2)]
    assert {p: pytest.approx(d) for p, d in zip(pairs, ours, strict=True)} == view


def test_a_hole_is_filled_up_in_proportion() -> None:
    points = np.array([[0.0, 0.0, np.nan], [3.0, 0.0, 1.0], [0.0, 4.0, 1.0], [np.nan, np.nan, 9.0]])
    scaled = np.sqrt(9 * 3 / 2), np.sqrt(16 * 3 / 2)
    unmet = max(5.0, *scaled, np.sqrt(64 * 3))
    assert pairwise_distances(points) == pytest.approx(
        [scaled[0], scaled[1], unmet, 5.0, np.sqrt(64 * 3), np.sqrt(64 * 3)]
    )


@pytest.mark.parametrize(
    ("points", "merges", "order"),
    [
        (np.empty((0, 0)), (), ()),
        (np.array([[1.0]]), (), (0,)),
        (np.array([[1.0], [4.0]]), (Merge(0, 1, 3.0),), (0, 1)),
        (np.full((2, 1), np.nan), (Merge(0, 1, 0.0),), (0, 1)),
    ],
    ids=["no task", "one task", "two tasks", "nothing measured"],
)
def test_small_trees(points: Floats, merges: tuple[Merge, ...], order: tuple[int, ...]) -> None:
    assert ward_tree(points) == (merges, order)


def test_a_study_without_transfers_has_an_empty_tree(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    tree = similarity_tree(connection, "nothing")
    assert (tree.tasks, tree.merges, tree.leaves, tree.newick()) == ((), (), (), ";")


def test_newick_carries_titles_and_heights() -> None:
    tree = SimilarityTree(
        tasks=("a", "b", "c"),
        titles=("Alpha", "O'Beta", "C, d"),
        merges=(Merge(0, 2, 1.0), Merge(1, 3, 2.5)),
        leaves=("b", "a", "c"),
    )
    assert tree.newick() == "('O''Beta':2.5,('Alpha':1,'C, d':1):1.5);"


def test_newick_of_the_paper_holds_every_title_once(tree: SimilarityTree) -> None:
    text = tree.newick()
    assert sorted(re.findall(r"'([^']+)':", text)) == sorted(tree.titles)
    assert text.count("(") == text.count(")") == len(tree.merges)
