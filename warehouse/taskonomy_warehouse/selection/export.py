"""One taxonomy as a graph other tools read: GraphML, DOT, JSON or CSV.

Nodes are tasks, with their group and whether they are supervised, labelled by the names asked for;
several tasks may have one title, so that under titles the nodes themselves go by id. An edge runs
from each source to the target it serves and carries the transfer's figures. A target served by its
own network has a loop.
"""

import csv
import io
import json
from collections.abc import Callable
from typing import Any, Literal

import networkx as nx

from taskonomy_catalogue.tasks import NameStyle, TaskDictionary
from taskonomy_warehouse.selection.results import SolvedTaxonomy

ExportFormat = Literal["graphml", "dot", "json", "csv"]


def taxonomy_text(
    taxonomy: SolvedTaxonomy, dictionary: TaskDictionary, style: NameStyle, form: ExportFormat
) -> str:
    """Return the taxonomy in a format, tasks called by the style's names."""
    return _WRITERS[form](taxonomy_graph(taxonomy, dictionary, style))


def taxonomy_graph(
    taxonomy: SolvedTaxonomy, dictionary: TaskDictionary, style: NameStyle
) -> "nx.DiGraph[str]":
    """Return the taxonomy as a directed graph, attributes plain text and numbers."""

    def node(task_id: str) -> str:
        return task_id if style == "title" else dictionary[task_id].name(style)

    graph: nx.DiGraph[str] = nx.DiGraph(budget=taxonomy.budget, order=taxonomy.max_order)
    targets = {choice.target for choice in taxonomy.choices}
    for task in dictionary:
        if task.id in targets or task.id in taxonomy.sources:
            graph.add_node(
                node(task.id),
                label=task.name(style),
                title=task.title,
                group=task.group,
                supervised=task.id in taxonomy.sources,
                target=task.id in targets,
            )
    for choice in taxonomy.choices:
        figures = {"affinity": choice.affinity, "gain": choice.gain, "quality": choice.quality}
        known: dict[str, Any] = {k: value for k, value in figures.items() if value is not None}
        for source in choice.sources:
            ends = node(source), node(choice.target)
            graph.add_edge(*ends, order=len(choice.sources), kind=choice.kind, **known)
    return graph


def _graphml(graph: "nx.DiGraph[str]") -> str:
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def _dot(graph: "nx.DiGraph[str]") -> str:
    lines = ["digraph taxonomy {", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for node, data in graph.nodes(data=True):
        look = ", penwidth=2" if data["supervised"] else ""
        lines.append(f"  {_quoted(node)} [label={_quoted(data['label'])}{look}];")
    for source, target, data in graph.edges(data=True):
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [label={_quoted(_gain(data))}];")
    return "\n".join([*lines, "}", ""])


def _json(graph: "nx.DiGraph[str]") -> str:
    return json.dumps(nx.node_link_data(graph, edges="edges"), indent=2, ensure_ascii=False) + "\n"


def _csv(graph: "nx.DiGraph[str]") -> str:
    text = io.StringIO()
    columns = ("source", "target", "order", "kind", "affinity", "gain", "quality")
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    labels = nx.get_node_attributes(graph, "label")
    for source, target, data in graph.edges(data=True):
        ends = {"source": labels[source], "target": labels[target]}
        writer.writerow({**ends, **data})
    return text.getvalue()


def _gain(data: dict[str, float]) -> str:
    return f"{100 * data['gain']:.1f} %" if "gain" in data else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


_WRITERS: dict[ExportFormat, Callable[["nx.DiGraph[str]"], str]] = {
    "graphml": _graphml,
    "dot": _dot,
    "json": _json,
    "csv": _csv,
}
