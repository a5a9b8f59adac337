"""Which tasks are alike, judged by what they give to the others: the task similarity tree.

Each source is the vector of sqrt(P1) over the targets, P1 being its share of a target's first-order
affinities; Ward linkage on these vectors is the tree (Zamir et al. 2018, "Task Similarity Tree").
Neighbouring leaves are as alike as the tree allows, so the
leaf order is also the order in which heat maps are best read.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Merge:
    """One inner node: two branches joined at a height."""

    left: int
    right: int
    """Branches: a number below the task count is that task, ``count + k`` is merge ``k``."""
    height: float
    """Ward distance at which the branches join; never below that of its own branches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityTree:
    """A binary tree over the sources of a study."""

    tasks: tuple[str, ...]
    """Task ids in dictionary order; `merges` counts in this order."""
    titles: tuple[str, ...]
    """Readable names, one per task."""
    merges: tuple[Merge, ...]
    """``len(tasks) - 1`` merges, lowest first."""
    leaves: tuple[str, ...]
    """Task ids as the leaves stand, from one end of the tree to the other."""

    def newick(self) -> str:
        """Return the tree in Newick form, titles quoted, branch lengths in Ward distance."""
        if not self.tasks:
            return ";"
        text = [_newick_label(title) for title in self.titles]
        height = [0.0] * len(self.tasks)
        for merge in self.merges:
            branches = (
                f"{text[node]}:{merge.height - height[node]:.6g}"
                for node in (merge.left, merge.right)
            )
            text.append(f"({','.join(branches)})")
            height.append(merge.height)
        return f"{text[-1]};"


def similarity_tree(connection: duckdb.DuckDBPyConnection, study: str) -> SimilarityTree:
    """Return the similarity tree of a study's sources; the same study gives the same tree.

    Works on whatever is measured: a pair of sources is compared on the targets that both reached.
    """
    tasks = connection.execute(
        "SELECT task, title FROM task WHERE study = ? AND task IN "
        "(SELECT source FROM affinity_matrix WHERE study = ?) ORDER BY position",
        [study, study],
    ).fetchall()
    ids = [task for task, _ in tasks]
    merges, order = ward_tree(_columns(connection, study, ids))
    return SimilarityTree(
        tasks=tuple(ids),
        titles=tuple(title for _, title in tasks),
        merges=merges,
        leaves=tuple(ids[leaf] for leaf in order),
    )


def ward_tree(columns: Matrix) -> tuple[tuple[Merge, ...], tuple[int, ...]]:
    """Return Ward's merges of some vectors, and the order of the leaves.

    Args:
        columns: sources × targets; NaN where nothing was measured.
    """
    count = len(columns)
    if count < 2:
        return (), tuple(range(count))
    linkage = hierarchy.linkage(pairwise_distances(columns), "ward", optimal_ordering=True)
    merges = tuple(Merge(int(left), int(right), float(h)) for left, right, h, _ in linkage)
    return merges, tuple(int(leaf) for leaf in hierarchy.leaves_list(linkage))


def pairwise_distances(columns: Matrix) -> Matrix:
    """Return the condensed Euclidean distances between rows, fair to rows with holes.

    A distance over the targets that both rows have is scaled up to all targets; two rows that
    share none are put as far apart as the farthest that do.

    Args:
        columns: sources × targets; NaN where nothing was measured.
    """
    first, second = np.triu_indices(len(columns), k=1)
    difference = columns[first] - columns[second]
    shared = np.count_nonzero(~np.isnan(difference), axis=1)
    squares = np.nansum(difference**2, axis=1)
    distance = np.full(len(shared), np.nan)
    met = shared > 0
    distance[met] = np.sqrt(squares[met] * columns.shape[1] / shared[met])
    farthest = distance[met].max() if met.any() else 0.0
    return np.where(met, distance, farthest)


def _columns(connection: duckdb.DuckDBPyConnection, study: str, sources: list[str]) -> Matrix:
    rows = connection.execute(
        "SELECT source, target, sqrt(share) FROM affinity_matrix "
        "WHERE study = ? AND share IS NOT NULL AND NOT isnan(share) ORDER BY target, source",
        [study],
    ).fetchall()
    row = {source: index for index, source in enumerate(sources)}
    column = {target: index for index, target in enumerate(dict.fromkeys(r[1] for r in rows))}
    columns = np.full((len(sources), len(column)), np.nan)
    for source, target, value in rows:
        columns[row[source], column[target]] = value
    return columns


def _newick_label(title: str) -> str:
    return "'" + title.replace("'", "''") + "'"
