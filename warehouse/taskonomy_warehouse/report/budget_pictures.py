"""Pictures of what a budget buys: mean gain and quality, alone and against random taxonomies."""

from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.palette import LIGHT, order_colours
from taskonomy_warehouse.report.picture_parts import MUTED, two_plots
from taskonomy_warehouse.report.words import order_phrase


def curves(contents: Contents) -> Figure:
    """Draw mean gain and quality against the budget, one line per order limit."""
    figure, (left, right) = two_plots(10, 3.9)
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
    figure, (left, right) = two_plots(10, 3.9)
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


def _numbers(values: Iterable[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]
