"""The picture of the task similarity tree."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.palette import LIGHT, MARKS
from taskonomy_warehouse.report.picture_parts import INK, MARKERS, group_legend, one_plot
from taskonomy_warehouse.report.shapes import dendrogram


def similarity_tree(contents: Contents) -> Figure:
    """Draw the task similarity tree, leaves to the right."""
    tree = contents.tree
    figure, axes = one_plot(7.2, 1.1 + 0.23 * len(tree.tasks))
    brackets, top = dendrogram(tree)
    group = {t.id: t.group for t in contents.tasks}
    colour = {None: "#8b94a1"} | dict(LIGHT.groups)
    for bracket in brackets:
        groups = {group[tree.tasks[leaf]] for leaf in bracket.leaves}
        axes.plot(
            [bracket.left_height, bracket.height, bracket.height, bracket.right_height],
            [bracket.left, bracket.left, bracket.right, bracket.right],
            color=colour[groups.pop() if len(groups) == 1 else None],
            linewidth=1.4,
            solid_joinstyle="round",
        )
    _leaf_labels(axes, contents, tree.leaves)
    axes.set_xlim(top * 1.03 or 1.0, 0)
    axes.set_xlabel("Ward distance between columns of sqrt(P1)")
    axes.set_title("Task similarity tree", pad=10)
    group_legend(figure, contents, tree.tasks)
    return figure


def _leaf_labels(axes: Axes, contents: Contents, leaves: Sequence[str]) -> None:
    facts = {t.id: t for t in contents.tasks}
    axes.set_yticks(range(len(leaves)), [facts[leaf].title for leaf in leaves])
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0, pad=14, labelcolor=INK)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(leaves) - 0.4, -0.6)
    for place, leaf in enumerate(leaves):
        axes.plot(
            1.014,
            place,
            MARKERS[MARKS[facts[leaf].group]],
            color=LIGHT.groups[facts[leaf].group],
            markersize=5,
            clip_on=False,
            transform=axes.get_yaxis_transform(),
        )
