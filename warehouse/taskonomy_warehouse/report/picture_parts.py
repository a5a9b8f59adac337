"""What the report's pictures share: their style, an empty figure, the legend of the groups.

Drawn on bare figures: no display, no global state.
"""

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.palette import LIGHT, MARKS

INK, MUTED, RULE = "#1b2027", "#5d6673", "#d9dde3"
MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "cross": "P"}
STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#eceff2",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "text.parse_math": False,  # a title with dollars in it is a title
    "svg.hashsalt": "taskonomy",
    "path.simplify": False,
}


def one_plot(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure of a width and height in inches, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def two_plots(width: float, height: float) -> tuple[Figure, tuple[Axes, Axes]]:
    """Return an empty figure of a width and height in inches, and two axes side by side."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, (figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2))


def group_legend(figure: Figure, contents: Contents, drawn: Iterable[str]) -> None:
    """Explain the mark and colour of every group that a picture shows.

    Args:
        figure: the picture.
        contents: what the report shows.
        drawn: ids of the tasks in it.
    """
    facts = {task.id: task for task in contents.tasks}
    titles = {facts[task].group: facts[task].group_title for task in drawn}
    shown = [group for group in MARKS if group in titles]
    axes = figure.axes[0]
    handles: list[PathCollection] = [
        axes.scatter([], [], s=26, marker=MARKERS[MARKS[g]], color=LIGHT.groups[g], label=titles[g])
        for g in shown
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=8)
