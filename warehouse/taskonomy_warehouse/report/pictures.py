"""The report's pictures as PNG and SVG files, for papers and slides.

Drawn on bare figures: no display, no global state. The same contents give the same bytes: SVG ids
are salted with a fixed word and no file carries a date.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator

from taskonomy_warehouse.report.contents import Contents, HeatCell
from taskonomy_warehouse.report.page import order_phrase, plain
from taskonomy_warehouse.report.palette import LIGHT, MARKS, ink_on, order_colours, shades
from taskonomy_warehouse.report.shapes import GraphRow, Node, dendrogram, graph_rows
from taskonomy_warehouse.selection.results import SolvedTaxonomy

INK, MUTED, RULE = "#1b2027", "#5d6673", "#d9dde3"
DPI = 160
MOST_PRINTED_CELLS = 2500
"""Heat maps of more cells go without figures in them."""
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


def draw_pictures(contents: Contents, folder: Path) -> list[str]:
    """Draw everything into a folder and return the file names, PNG and SVG of each.

    A picture with nothing to show (no first-order transfer, no feasible taxonomy) is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        return [
            file for name, figure in _pictures(contents) for file in _saved(figure, folder, name)
        ]


def _pictures(contents: Contents) -> Iterator[tuple[str, Figure]]:
    if contents.heat:
        yield "first-order-affinity", affinity(contents)
        yield "first-order-gain", gain(contents)
        yield "first-order-quality", quality(contents)
        yield "similarity-tree", similarity(contents)
    if contents.solved:
        yield "gain-and-quality-by-budget", curves(contents)
        yield "against-random-taxonomies", against_random(contents)
    for taxonomy in pictured_taxonomies(contents):
        name = f"taxonomy-budget-{plain(taxonomy.budget)}-order-{taxonomy.max_order}"
        yield name, taxonomy_graph(contents, taxonomy)


def pictured_taxonomies(contents: Contents) -> list[SolvedTaxonomy]:
    """Return the taxonomies that get a picture of their own: a few budgets of the widest order.

    The page draws every one; these, the headline's among them, are for print.
    """
    headline = contents.headline
    if headline is None:
        return []
    rows = [t for t in contents.solved if t.max_order == headline.max_order]
    places = {round(share * (len(rows) - 1)) for share in (0.05, 0.15, 0.3, 0.6)}
    wanted = [rows[i] for i in sorted(places)]
    return wanted if headline in wanted else sorted([*wanted, headline], key=lambda t: t.budget)


def affinity(contents: Contents) -> Figure:
    """Draw exp(-20 P1), targets by sources; the darker, the stronger."""
    ramp = LinearSegmentedColormap.from_list("strength", LIGHT.strength)
    return _heat_map(
        contents,
        lambda cell: cell.distance,
        ramp,
        "First-order affinity: exp(−20 P1), lower is better",
    )


def gain(contents: Contents) -> Figure:
    """Draw the win rate over scratch, targets by sources."""
    ramp = LinearSegmentedColormap.from_list("win_rate", LIGHT.win_rate)
    title = "First-order gain: win rate over a network trained from scratch"
    return _heat_map(contents, lambda cell: cell.gain, ramp, title)


def quality(contents: Contents) -> Figure:
    """Draw the win rate over the task-specific network, targets by sources."""
    ramp = LinearSegmentedColormap.from_list("win_rate", LIGHT.win_rate)
    title = "First-order quality: win rate over the fully supervised network"
    return _heat_map(contents, lambda cell: cell.quality, ramp, title)


def similarity(contents: Contents) -> Figure:
    """Draw the task similarity tree, leaves to the right."""
    tree = contents.tree
    figure, axes = _figure(7.2, 1.1 + 0.23 * len(tree.tasks))
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
    _group_legend(figure, contents)
    return figure


def curves(contents: Contents) -> Figure:
    """Draw mean gain and quality against the budget, one line per order limit."""
    figure, (left, right) = _figure_of_two(10, 3.9)
    colours = order_colours(LIGHT, len(contents.orders))
    for max_order, colour in zip(contents.orders, colours, strict=True):
        rows = [t for t in contents.solved if t.max_order == max_order]
        budgets = [t.budget for t in rows]
        for axes, means in (
            (left, _numbers(t.mean_gain for t in rows)),
            (right, _numbers(t.mean_quality for t in rows)),
        ):
            axes.plot(
                budgets,
                means,
                label=order_phrase(max_order),
                color=colour,
                marker="o",
                markersize=2.6,
                linewidth=1.5,
            )
    for axes, title in ((left, "Gain"), (right, "Quality")):
        axes.set_title(title)
        axes.set_xlabel("supervision budget")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel("mean win rate over the targets")
    right.legend(loc="lower right")
    return figure


def against_random(contents: Contents) -> Figure:
    """Draw the optimal taxonomies over the spread of the random ones, widest order limit."""
    figure, (left, right) = _figure_of_two(10, 3.9)
    headline = contents.headline
    max_order = headline.max_order if headline else contents.orders[-1]
    rows = [a for a in contents.against_random if a.max_order == max_order]
    for axes, metric in ((left, "gain"), (right, "quality")):
        found = [(a.budget, s) for a in rows if (s := getattr(a, metric)) is not None]
        budgets = [budget for budget, _ in found]
        spread = np.array([s.quantiles for _, s in found]).reshape(-1, 7)
        axes.fill_between(budgets, spread[:, 1], spread[:, 5], color="#dfe3e8", label="5–95 %")
        axes.fill_between(budgets, spread[:, 2], spread[:, 4], color="#c3cad3", label="25–75 %")
        axes.plot(budgets, spread[:, 3], color=MUTED, linewidth=1, label="median, random")
        optimal = [s.optimal for _, s in found]
        axes.plot(budgets, optimal, color=LIGHT.groups["2d"], linewidth=1.8, label="optimal")
        axes.set_title(metric.capitalize())
        axes.set_xlabel("supervision budget")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel("mean win rate over the targets")
    right.legend(loc="center right")
    figure.suptitle(
        f"Optimal against {contents.draws:,} random taxonomies, {order_phrase(max_order)}",
        x=0.01,
        ha="left",
    )
    return figure


def taxonomy_graph(contents: Contents, taxonomy: SolvedTaxonomy) -> Figure:
    """Draw what a taxonomy supervises (left) and what serves each target (right).

    The sources of one transfer meet in a dot before its target. Dashed: the target's own network.
    """
    sources, rows = graph_rows(contents, taxonomy)
    height = 0.25 * max(len(rows), len(sources))
    figure, axes = _figure(9.4, 1.3 + height)
    group = {t.id: t.group for t in contents.tasks}
    shade: dict[str, str] = {}
    for family in LIGHT.groups:
        members = [source.task for source in sources if group[source.task] == family]
        shade |= shades(members, LIGHT.groups[family])
    for row in rows:
        for source in row.sources:
            axes.add_patch(_strand(source, row, shade[source.task]))
        axes.plot([0.66, 0.7], [row.place, row.place], color="#7d8794", linewidth=1.1)
        axes.plot(0.66, row.place, ".", color="#4a525e", markersize=4)
        _node(axes, contents, row.task, 0.705, row.place, side="left")
        axes.text(1.06, row.place, row.note, ha="right", va="center", color=MUTED, fontsize=7.5)
    for source in sources:
        _node(
            axes, contents, source.task, 0.24, source.place, side="right", colour=shade[source.task]
        )
    axes.set(xlim=(0, 1.06), ylim=(1.03, -0.03))
    axes.axis("off")
    axes.set_title(_graph_title(taxonomy), pad=8)
    _group_legend(figure, contents)
    return figure


def _graph_title(taxonomy: SolvedTaxonomy) -> str:
    figures = [
        f"{name} {value:.3f}"
        for name, value in (("gain", taxonomy.mean_gain), ("quality", taxonomy.mean_quality))
        if value is not None
    ]
    asked = f"Budget {plain(taxonomy.budget)}, {order_phrase(taxonomy.max_order)}"
    return ": mean ".join([asked, ", ".join(figures)]) if figures else asked


def _strand(source: Node, row: GraphRow, colour: str) -> PathPatch:
    points = [(0.25, source.place), (0.45, source.place), (0.46, row.place), (0.66, row.place)]
    codes = [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4]
    return PathPatch(
        Outline(points, codes),
        facecolor="none",
        edgecolor=colour,
        linewidth=1.2,
        alpha=0.75,
        linestyle="--" if row.own_network else "-",
    )


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


def _heat_map(
    contents: Contents,
    value: Callable[[HeatCell], float | None],
    ramp: LinearSegmentedColormap,
    title: str,
) -> Figure:
    targets = {t: i for i, t in enumerate(contents.heat_targets)}
    sources = {s: i for i, s in enumerate(contents.heat_sources)}
    values = np.full((len(targets), len(sources)), np.nan)
    for cell in contents.heat:
        found = value(cell)
        if found is not None:
            values[targets[cell.target], sources[cell.source]] = found
    titles = {t.id: t.title for t in contents.tasks}
    room = 0.4 + 0.075 * max(len(titles[task]) for task in (*targets, *sources))
    figure, axes = _figure(
        room * 1.7 + 0.9 + 0.33 * len(sources), room * 0.7 + 1.3 + 0.25 * len(targets)
    )
    image = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=ramp, vmin=0, vmax=1, edgecolors="white", linewidth=0.6
    )
    for (row, column), number in np.ndenumerate(values):
        if np.isfinite(number) and values.size <= MOST_PRINTED_CELLS:
            ink = ink_on(mpl.colors.to_hex(ramp(number)))
            text = f"{number:.2f}".removeprefix("0") if number < 0.995 else "1"
            figures = axes.text(column + 0.5, row + 0.52, text, color=ink, fontsize=5.6)
            figures.set(ha="center", va="center", in_layout=False)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(
        np.arange(len(sources)) + 0.5,
        [titles[s] for s in sources],
        rotation=45,
        ha="left",
        rotation_mode="anchor",
    )
    axes.xaxis.tick_top()
    axes.set_yticks(np.arange(len(targets)) + 0.5, [titles[t] for t in targets])
    _colour_labels(axes, contents, list(targets), list(sources))
    axes.set_xlabel("Columns: sources. Rows: targets. Neighbours are alike (similarity tree).")
    figure.colorbar(image, ax=axes, fraction=0.022, pad=0.015).outline.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    return figure


def _colour_labels(
    axes: Axes, contents: Contents, targets: Sequence[str], sources: Sequence[str]
) -> None:
    group = {t.id: t.group for t in contents.tasks}
    for labels, tasks in ((axes.get_yticklabels(), targets), (axes.get_xticklabels(), sources)):
        for label, task in zip(labels, tasks, strict=True):
            label.set_color(LIGHT.groups[group[task]])


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


def _group_legend(figure: Figure, contents: Contents) -> None:
    present = {t.group for t in contents.tasks}
    shown = [group for group in MARKS if group in present]
    titles = {t.group: t.group_title for t in contents.tasks}
    axes = figure.axes[0]
    handles: list[PathCollection] = [
        axes.scatter([], [], s=26, marker=MARKERS[MARKS[g]], color=LIGHT.groups[g], label=titles[g])
        for g in shown
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=8)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _figure_of_two(width: float, height: float) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, (figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2))


def _saved(figure: Figure, folder: Path, name: str) -> tuple[str, str]:
    figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": "taskonomy"})
    return f"{name}.png", f"{name}.svg"


def _numbers(values: Iterable[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]
