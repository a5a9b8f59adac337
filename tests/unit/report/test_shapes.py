"""Where things go: the tree's brackets and the taxonomy graph's rows."""

import pytest

from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.shapes import Bracket, dendrogram, graph_rows
from taskonomy_warehouse.similarity import Merge, SimilarityTree


def test_brackets_of_a_small_tree() -> None:
    tree = SimilarityTree(
        tasks=("a", "b", "c"),
        titles=("A", "B", "C"),
        merges=(Merge(0, 2, 1.0), Merge(1, 3, 2.5)),
        leaves=("b", "a", "c"),
    )
    brackets, top = dendrogram(tree)
    assert top == 2.5
    assert brackets == [
        Bracket(left=1.0, right=2.0, left_height=0.0, right_height=0.0, height=1.0, leaves=(0, 2)),
        Bracket(
            left=0.0, right=1.5, left_height=0.0, right_height=1.0, height=2.5, leaves=(1, 0, 2)
        ),
    ]


def test_brackets_of_a_tree_without_merges() -> None:
    assert dendrogram(SimilarityTree(tasks=(), titles=(), merges=(), leaves=())) == ([], 0.0)
    one = SimilarityTree(tasks=("a",), titles=("A",), merges=(), leaves=("a",))
    assert dendrogram(one) == ([], 0.0)


def test_branches_never_cross(paper_contents: Contents) -> None:
    tree = paper_contents.tree
    brackets, _ = dendrogram(tree)
    seat = {task: i for i, task in enumerate(tree.leaves)}
    for bracket in brackets:
        assert bracket.height >= max(bracket.left_height, bracket.right_height)
        seats = [seat[tree.tasks[leaf]] for leaf in bracket.leaves]
        assert min(seats) <= min(bracket.left, bracket.right)
        assert max(bracket.left, bracket.right) <= max(seats)


@pytest.mark.parametrize("number", range(16))
def test_rows_are_the_taxonomys_choices(paper_contents: Contents, number: int) -> None:
    taxonomy = paper_contents.taxonomies[number]
    sources, rows = graph_rows(paper_contents, taxonomy)
    assert {node.task for node in sources} == set(taxonomy.sources)
    assert {(r.task, frozenset(n.task for n in r.sources), r.own_network) for r in rows} == {
        (c.target, frozenset(c.sources), c.kind == "task-specific") for c in taxonomy.choices
    }
    assert [row.task for row in rows] == list(paper_contents.targets)
    win_rates = {c.target: (c.gain, c.quality) for c in taxonomy.choices}
    for row in rows:
        gain, quality = win_rates[row.task]
        assert row.note == f"gain {gain:.3f}  quality {quality:.3f}"
    for places in ([n.place for n in sources], [r.place for r in rows]):
        assert places == sorted(places)
        assert 0 < places[0] <= places[-1] < 1
