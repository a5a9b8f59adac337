"""Pictures of all first-order transfers: targets by sources, a cell for each."""

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.first_order import HeatCell
from taskonomy_warehouse.report.palette import LIGHT, ink_on
from taskonomy_warehouse.report.picture_parts import one_plot
from taskonomy_warehouse.report.words import in_a_cell

MOST_PRINTED_CELLS = 2500
"""Heat maps of more cells go without figures in them."""


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
    figure, axes = one_plot(
        room * 1.7 + 0.9 + 0.33 * len(sources), room * 0.7 + 1.3 + 0.25 * len(targets)
    )
    image = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=ramp, vmin=0, vmax=1, edgecolors="white", linewidth=0.6
    )
    for (row, column), number in np.ndenumerate(values):
        if np.isfinite(number) and values.size <= MOST_PRINTED_CELLS:
            ink = ink_on(mpl.colors.to_hex(ramp(number)))
            figures = axes.text(
                column + 0.5, row + 0.52, in_a_cell(number), color=ink, fontsize=6.4
            )
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
