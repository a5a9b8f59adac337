"""The picture of one taxonomy: sources left, targets right, a transfer to each."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.palette import LIGHT, MARKS, shades
from taskonomy_warehouse.report.picture_parts import MARKERS, MUTED, group_legend, one_plot
from taskonomy_warehouse.report.shapes import GraphRow, Node, graph_rows
from taskonomy_warehouse.report.words import order_phrase, plain, win_rate
from taskonomy_warehouse.selection.results import SolvedTaxonomy


def taxonomy_graph(contents: Contents, taxonomy: SolvedTaxonomy) -> Figure:
    """Draw what a taxonomy supervises (left) and what serves each target (right).

    Several sources of one transfer meet in a dot before its target. Dashed: its own network.
    """
    sources, rows = graph_rows(contents, taxonomy)
    height = 0.25 * max(len(rows), len(sources))
    figure, axes = one_plot(9.4, 1.3 + height)
    group = {t.id: t.group for t in contents.tasks}
    shade: dict[str, str] = {}
    for family in LIGHT.groups:
        members = [source.task for source in sources if group[source.task] == family]
        shade |= shades(members, LIGHT.groups[family])
    for row in rows:
        for source in row.sources:
            axes.add_patch(_strand(source, row, shade[source.task]))
        if len(row.sources) > 1:
            _joint(axes, row.place)
        _node(axes, contents, row.task, 0.705, row.place, side="left")
        axes.text(1.06, row.place, row.note, ha="right", va="center", color=MUTED, fontsize=7.5)
    for source in sources:
        _node(
            axes, contents, source.task, 0.24, source.place, side="right", colour=shade[source.task]
        )
    axes.set(xlim=(0, 1.06), ylim=(1.03, -0.03))
    axes.axis("off")
    axes.set_title(_graph_title(taxonomy), pad=8)
    group_legend(figure, contents, [*(s.task for s in sources), *(r.task for r in rows)])
    return figure


def _graph_title(taxonomy: SolvedTaxonomy) -> str:
    figures = [
        f"{name} {win_rate(value)}"
        for name, value in (("gain", taxonomy.mean_gain), ("quality", taxonomy.mean_quality))
        if value is not None
    ]
    asked = f"Budget {plain(taxonomy.budget)}, {order_phrase(taxonomy.max_order)}"
    return ": mean ".join([asked, ", ".join(figures)]) if figures else asked


def _strand(source: Node, row: GraphRow, colour: str) -> PathPatch:
    points = [(0.25, source.place), (0.45, source.place), (0.46, row.place), (0.66, row.place)]
    codes = [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4]
    if len(row.sources) == 1:
        points, codes = [*points, (0.7, row.place)], [*codes, Outline.LINETO]
    return PathPatch(
        Outline(points, codes),
        facecolor="none",
        edgecolor=colour,
        linewidth=1.2,
        alpha=0.75,
        linestyle="--" if row.own_network else "-",
    )


def _joint(axes: Axes, place: float) -> None:
    """Draw the dot in which several strands meet, and the line from there to their target."""
    axes.plot([0.66, 0.7], [place, place], color="#7d8794", linewidth=1.1)
    axes.plot(0.66, place, ".", color="#4a525e", markersize=5)


def _node(
    axes: Axes,
    contents: Contents,
    task: str,
    x: float,
    y: float,
    *,
    side: str,
    colour: str | None = None,
) -> None:
    facts = next(t for t in contents.tasks if t.id == task)
    away = 0.012 if side == "left" else -0.012
    marker = MARKERS[MARKS[facts.group]]
    axes.plot(x, y, marker, color=colour or LIGHT.groups[facts.group], markersize=5.5)
    axes.text(x + away, y, _clipped(facts.title), ha=side, va="center")


def _clipped(title: str) -> str:
    """Return a title that leaves room for what stands beside it."""
    return title if len(title) <= 32 else title[:31].rstrip() + "…"
