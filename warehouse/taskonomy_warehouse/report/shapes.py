"""Where things go in the pictures: plain geometry, tested without drawing anything."""

from dataclasses import dataclass

from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.words import win_rate
from taskonomy_warehouse.selection.results import SolvedTaxonomy
from taskonomy_warehouse.similarity import SimilarityTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One merge of a dendrogram: two branches, each from its own height, joined at one."""

    left: float
    right: float
    """Places of the branches among the leaves, 0 the first leaf."""
    left_height: float
    right_height: float
    height: float
    leaves: tuple[int, ...]
    """Positions in `SimilarityTree.tasks` of all the leaves below."""


@dataclass(frozen=True, slots=True)
class Node:
    """A task in a column of the taxonomy graph; ``place`` runs from 0 (top) to 1."""

    task: str
    place: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRow:
    """A target of the taxonomy graph, with the sources that serve it."""

    task: str
    place: float
    sources: tuple[Node, ...]
    own_network: bool
    note: str
    """Its gain and quality, in print."""


def dendrogram(tree: SimilarityTree) -> tuple[list[Bracket], float]:
    """Return the brackets of a tree, lowest first, and the height of its root."""
    count = len(tree.tasks)
    place = {leaf: float(i) for i, leaf in enumerate(tree.leaves)}
    at = [place[task] for task in tree.tasks]
    height = [0.0] * count
    below: list[tuple[int, ...]] = [(i,) for i in range(count)]
    brackets = []
    for merge in tree.merges:
        leaves = below[merge.left] + below[merge.right]
        brackets.append(
            Bracket(
                left=at[merge.left],
                right=at[merge.right],
                left_height=height[merge.left],
                right_height=height[merge.right],
                height=merge.height,
                leaves=leaves,
            )
        )
        at.append((at[merge.left] + at[merge.right]) / 2)
        height.append(merge.height)
        below.append(leaves)
    return brackets, height[-1] if height else 0.0


def graph_rows(
    contents: Contents, taxonomy: SolvedTaxonomy
) -> tuple[tuple[Node, ...], tuple[GraphRow, ...]]:
    """Return a taxonomy's sources and targets, both in the order of the similarity tree."""
    supervised = [s for s in contents.supervisable if s in taxonomy.sources]
    nodes = {s: Node(s, p) for s, p in zip(supervised, _spread(len(supervised)), strict=True)}
    choices = {choice.target: choice for choice in taxonomy.choices}
    targets = [t for t in contents.targets if t in choices]
    rows = tuple(
        GraphRow(
            task=target,
            place=place,
            sources=tuple(nodes[s] for s in choices[target].sources),
            own_network=choices[target].kind == "task-specific",
            note=_note(choices[target].gain, choices[target].quality),
        )
        for target, place in zip(targets, _spread(len(targets)), strict=True)
    )
    return tuple(nodes.values()), rows


def _spread(count: int) -> list[float]:
    """Return places spread evenly over [0, 1], each in the middle of its share."""
    return [(i + 0.5) / count for i in range(count)]


def _note(gain: float | None, quality: float | None) -> str:
    parts = [("gain", gain), ("quality", quality)]
    return "  ".join(f"{name} {win_rate(value)}" for name, value in parts if value is not None)
