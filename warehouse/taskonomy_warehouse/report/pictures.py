"""Which pictures a report has, each as a PNG and an SVG file, for papers and slides.

The same contents give the same bytes: SVG ids are salted with a fixed word and no file carries a
date.
"""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from taskonomy_warehouse.report import budget_pictures, heat_map_pictures
from taskonomy_warehouse.report.contents import Contents
from taskonomy_warehouse.report.picture_parts import STYLE
from taskonomy_warehouse.report.taxonomy_picture import taxonomy_graph
from taskonomy_warehouse.report.tree_picture import similarity_tree
from taskonomy_warehouse.report.words import plain
from taskonomy_warehouse.selection.results import SolvedTaxonomy

DPI = 160


def draw_pictures(contents: Contents, folder: Path) -> list[str]:
    """Draw everything into a folder and return the file names, PNG and SVG of each.

    A picture with nothing to show (no first-order transfer, no feasible taxonomy) is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        return [
            file for name, figure in _pictures(contents) for file in _saved(figure, folder, name)
        ]


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


def _pictures(contents: Contents) -> Iterator[tuple[str, Figure]]:
    if contents.heat:
        yield "first-order-affinity", heat_map_pictures.affinity(contents)
        yield "first-order-gain", heat_map_pictures.gain(contents)
        yield "first-order-quality", heat_map_pictures.quality(contents)
        yield "similarity-tree", similarity_tree(contents)
    if contents.solved:
        yield "gain-and-quality-by-budget", budget_pictures.curves(contents)
        yield "against-random-taxonomies", budget_pictures.against_random(contents)
    for taxonomy in pictured_taxonomies(contents):
        name = f"taxonomy-budget-{plain(taxonomy.budget)}-order-{taxonomy.max_order}"
        yield name, taxonomy_graph(contents, taxonomy)


def _saved(figure: Figure, folder: Path, name: str) -> tuple[str, str]:
    figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": "taskonomy"})
    return f"{name}.png", f"{name}.svg"
