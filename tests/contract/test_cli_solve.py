"""`taskonomyctl solve`, `show` and `export` as a user meets them, on a small published file."""

import csv
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import pytest

MEASURED = """\
target,order,sources,affinity,win_rate_vs_scratch,win_rate_vs_task_specific
rgb2depth,1,self,0.4,0.9,0.5
rgb2depth,1,rgb2sfnorm,0.3,0.8,0.4
rgb2depth,1,edge3d,0.1,0.6,0.2
rgb2depth,2,rgb2sfnorm+edge3d,0.15,0.85,0.45
rgb2depth,1,rgb2depth,0.05,0.7,0.3
rgb2sfnorm,1,self,0.6,0.95,0.5
rgb2sfnorm,1,rgb2depth,0.25,0.75,0.35
rgb2sfnorm,1,edge3d,0.15,0.55,0.15
edge3d,1,self,0.5,0.9,0.5
edge3d,1,rgb2sfnorm,0.3,0.85,0.45
edge3d,1,jigsaw,0.2,0.5,0.1
"""


EARLIER = Path(__file__).parents[1] / "unit/warehouse/data/schema_3.sql"
"""A warehouse as an earlier version left it."""
SHOW_ONE = ("show", "taxonomy", "--budget", "1", "--order", "1", "-o", "json")


class Study:
    """A folder with an imported study, and the command line run in it."""

    def __init__(self, folder: Path, taskonomyctl: Callable[..., Any]) -> None:
        self.folder = folder
        self.run = partial(taskonomyctl, cwd=folder)

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, code=code).stdout)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, taskonomyctl: Callable[..., Any]) -> Study:
    folder = tmp_path_factory.mktemp("study")
    (folder / "measured.csv").write_text(MEASURED)
    made = Study(folder, taskonomyctl)
    made.run("import", "published", "measured.csv", "--study", "small")
    return made


def test_solve_prints_the_contract(study: Study) -> None:
    printed = study.json(
        "solve", "--study", "small", "--budgets", "1-2", "--orders", "1,all", "-o", "json"
    )
    assert [(t["budget"], t["order"]) for t in printed] == [(1, 1), (2, 1), (1, "all"), (2, "all")]
    # By hand: normals alone serves all three; with depth too, both serve themselves.
    first = printed[0]
    assert first["sources"] == ["normals"]
    assert first["objective"] == pytest.approx(0.3**0.5 + 0.6**0.5 + 0.3**0.5)
    assert first["bound"] == pytest.approx(first["objective"])
    assert (first["study"], first["status"], first["gap"]) == ("small", "optimal", 0)
    assert first["solver"].startswith("cbc")
    assert first["seconds"] > 0
    assert first["mean_gain"] == pytest.approx((0.8 + 0.95 + 0.85) / 3)
    assert first["mean_quality"] == pytest.approx((0.4 + 0.5 + 0.45) / 3)
    assert first["edges"][0] == {
        "target": "depth",
        "sources": ["normals"],
        "affinity": 0.3,
        "gain": 0.8,
        "quality": 0.4,
    }
    own = [edge for edge in first["edges"] if edge["target"] == "normals"]
    assert own[0]["sources"] == ["normals"]


def test_a_budget_past_all_counting_is_printed_short(study: Study) -> None:
    words = ("solve", "--budgets", "1e308", "--orders", "1", "--scenario", "rich")
    table = study.run(*words).stdout
    assert "1e+308" in table
    assert max(map(len, table.splitlines())) < 120
    assert [t["budget"] for t in study.json(*words, "--replace", "-o", "json")] == [1e308]


def test_names_may_be_the_published_ones(study: Study) -> None:
    (printed,) = study.json(
        "solve", "--budgets", "1", "--orders", "1", "--names", "published", "-o", "json"
    )
    assert printed["sources"] == ["rgb2sfnorm"]
    assert {edge["target"] for edge in printed["edges"]} == {"rgb2depth", "rgb2sfnorm", "edge3d"}


def objective(study: Study, *options: str) -> float:
    (printed,) = study.json("solve", "--budgets", "1", "--orders", "all", "-o", "json", *options)
    assert printed["status"] == "optimal"
    return float(printed["objective"])


def test_options_change_the_question(study: Study) -> None:
    (study.folder / "importance.csv").write_text("task,value\ndepth,10\n")
    (study.folder / "cost.toml").write_text("rgb2sfnorm = 1.5\nedge3d = 0.25\n")
    (study.folder / "transfer.csv").write_text("target,sources,value\ndepth,normals,0.25\n")
    root = 0.5
    assert objective(study, "--affinity-exponent", "1") == pytest.approx(0.3 + 0.6 + 0.3)
    assert objective(study, "--importance", "importance.csv") == pytest.approx(
        10 * 0.3**root + 0.6**root + 0.3**root
    )
    # Normals now costs 1.5: occlusion edges at 0.25 is what budget 1 can pay.
    assert objective(study, "--label-cost", "cost.toml") == pytest.approx(
        0.1**root + 0.15**root + 0.5**root
    )
    assert objective(study, "--source-only", "edge_occlusion") == pytest.approx(
        0.3**root + 0.6**root
    )
    # With its own transfers allowed, a source may serve itself through a readout.
    assert objective(study, "--allow-own-transfer", "--exclude", "normals,edge3d") == pytest.approx(
        0.4**root
    )


def test_transfer_costs_count_against_the_budget(study: Study) -> None:
    words = ("solve", "--orders", "1", "-o", "json", "--transfer-cost", "0.25")
    short, enough = study.json(*words, "--budgets", "1.25,1.5", code=4)
    assert (short["status"], enough["status"]) == ("infeasible", "optimal")
    assert "smallest budget that serves every target is 1.5" in short["reason"]
    assert enough["sources"] == ["normals"]


def test_an_unserved_target_is_named_and_the_exit_code_says_so(study: Study) -> None:
    done = study.run(
        "solve", "--budgets", "1,2", "--orders", "1", "--exclude", "normals,edge3d,depth",
        code=2,
    )  # fmt: skip
    assert "exclude fewer tasks" in done.stderr
    done = study.run("solve", "--budgets", "1", "--orders", "1", "--target-only",
                     "depth,normals,edge3d", "-o", "json", code=4)  # fmt: skip
    (printed,) = json.loads(done.stdout)
    assert printed["status"] == "infeasible"
    assert "'normals' cannot be served" in printed["reason"]
    assert "may not be a source" in printed["reason"]
    assert printed["edges"] == []


def test_scenarios_stand_side_by_side(study: Study) -> None:
    study.run("solve", "--budgets", "1", "--orders", "1", "--scenario", "plain")
    study.run(
        "solve", "--budgets", "1", "--orders", "1", "--scenario", "linear",
        "--affinity-exponent", "1",
    )  # fmt: skip
    plain, linear = (study.json(*SHOW_ONE, "--scenario", s) for s in ("plain", "linear"))
    assert linear[0]["objective"] == pytest.approx(1.2)
    assert plain[0]["objective"] != pytest.approx(1.2)
    latest = study.json("show", "taxonomy", "--budget", "1", "--order", "1", "-o", "json")
    assert latest == linear


REFUSED = {
    "unknown task": (["--exclude", "dept"], 2, "did you mean 'depth'"),
    "ambiguous folder": (["--exclude", "rgb"], 2, "several tasks"),
    "two roles": (["--exclude", "depth", "--source-only", "depth"], 2, "keep one"),
    "budget in words": (["--budgets", "many"], 2, "--budgets 'many'"),
    "negative budget": (["--budgets=-1"], 2, "numbers from 0 up"),
    "falling range": (["--budgets", "8-2"], 2, "a range rises"),
    "order zero": (["--orders", "0"], 2, "order '0'"),
    "order of 5000 digits": (["--orders", "9" * 5000], 2, "allowed is 1, 2, 3"),
    "budget with an underscore": (["--budgets", "1_0"], 2, "--budgets '1_0'"),
    "range of 400 digits": (["--budgets", f"1-{'9' * 400}"], 2, "--budgets"),
    "too many budgets": (["--budgets", "1-900,901-1800"], 2, "at most 1000"),
    "order in words": (["--orders", "any"], 2, "order 'any'"),
    "exponent of zero": (["--affinity-exponent", "0"], 2, "--affinity-exponent"),
    "exponent NaN": (["--affinity-exponent", "nan"], 2, "--affinity-exponent"),
    "no such file": (["--importance", "nowhere.csv"], 5, "nowhere.csv: cannot be read"),
    "neither number nor file": (["--transfer-cost", "cheap"], 5, "cheap: cannot be read"),
    "negative cost": (["--transfer-cost=-1"], 2, "--transfer-cost '-1'"),
    "cost NaN": (["--transfer-cost", "nan"], 2, "--transfer-cost 'nan'"),
    "cost with an underscore": (["--transfer-cost", "1_0"], 5, "1_0: cannot be read"),
    "cost blank": (["--transfer-cost", " "], 2, "give a number or a file"),
    "no file name": (["--importance", ""], 5, "cannot be read"),
    "unknown study": (["--study", "smal"], 6, "did you mean 'small'"),
    "no such solver": (["--solver-executable", "nowhere"], 6, "no solver at nowhere"),
}


@pytest.mark.parametrize(("options", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_one_message(study: Study, options: list[str], code: int, words: str) -> None:
    said = study.run("solve", *options, code=code).stderr
    assert words in said


COST_FILES = {
    "unknown task": ("task,value\ndept,1\n", "line 2, column task: unknown task 'dept'"),
    "word for a number": ("task,value\ndepth,dear\n", "line 2, column value: 'dear'"),
    "negative": ("task,value\ndepth,-1\n", "line 2, column value: '-1'"),
    "underscore": ("task,value\ndepth,1_0\n", "line 2, column value: '1_0'"),
    "a cell without end": ("task,value\ndepth," + "1" * 131_073, "line 2: not valid CSV"),
    "an open quote": ('task,value\ndepth,"1\n', "not valid CSV"),
    "infinite": ("task,value\ndepth,inf\n", "line 2, column value"),
    "twice": (
        "task,value\ndepth,1\nrgb2depth,2\n",
        "line 3, column value: task 'rgb2depth'",
    ),
    "no header": ("depth,1\n", "column task: missing column"),
    "a cell too many": ("task,value\ndepth,1,2\n", "line 2: not as many cells"),
}


@pytest.mark.parametrize(("content", "words"), COST_FILES.values(), ids=COST_FILES)
def test_a_cost_file_is_refused_by_place(study: Study, content: str, words: str) -> None:
    (study.folder / "bad.csv").write_text(content)
    said = study.run("solve", "--label-cost", "bad.csv", code=5).stderr
    assert words in said


COST_TOMLS = {
    "too large": (f"depth = 1{'0' * 400}", "column depth: too large a number"),
    "5000 digits": ("depth = 1" + "0" * 5000, "not valid TOML"),
    "5000 hexadecimal digits": ("depth = 0x1" + "0" * 5000, "column depth: too large a number"),
    "nested without end": ("depth = " + "[" * 5000, "not valid TOML"),
    "truth": ("depth = true", "column depth: True is not a number"),
    "date": ("depth = 2018-06-18", "is not a number"),
}


@pytest.mark.parametrize(("content", "words"), COST_TOMLS.values(), ids=COST_TOMLS)
def test_a_cost_file_of_toml_is_refused_by_place(study: Study, content: str, words: str) -> None:
    (study.folder / "bad.toml").write_text(content)
    said = study.run("solve", "--label-cost", "bad.toml", code=5).stderr
    assert words in said
    assert len(said) < 300


HEADERS = {
    "plain": "target,sources,value",
    "spaces": "target , sources , value",
    "quoted": '"target","sources","value"',
    "a byte order mark": "\ufefftarget,sources,value",
    "a blank line before": "\ntarget,sources,value",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_the_header_says_what_a_cost_file_prices(study: Study, header: str) -> None:
    (study.folder / "cost.csv").write_text(f"{header}\ndepth,normals,0.25\nedge3d,normals,0.25\n")
    words = ("solve", "--orders", "1", "--budgets", "1.5", "-o", "json")
    (printed,) = study.json(*words, "--transfer-cost", "cost.csv")
    assert (printed["sources"], printed["cost"]) == (["normals"], pytest.approx(1.5))


def test_orders_and_budgets_are_kept_under_one_name(study: Study) -> None:
    words = ("--scenario", "named", "-o", "json")
    once = study.json("solve", "--budgets", "1,1.0,01", "--orders", "1,01, 1,All,all", *words)
    assert [(t["budget"], t["order"]) for t in once] == [(1, 1), (1, "all")]
    for order, expected in {"ALL": "all", " all": "all", "01": 1, "1": 1}.items():
        (shown,) = study.json("show", "taxonomy", "--budget", "1", "--order", order, *words)
        assert (shown["budget"], shown["order"]) == (1, expected)
    (zero,) = study.json("solve", "--budgets=-0", "--orders", "1", *words, code=4)
    assert json.dumps(zero["budget"]) == "0"


def test_a_warehouse_of_an_earlier_version_is_brought_up_to_date(
    tmp_path: Path, taskonomyctl: Callable[..., Any]
) -> None:
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute(EARLIER.read_text())
    show = ("show", "taxonomy", "--study", "old", "--budget", "1")
    said = taskonomyctl(*show, cwd=tmp_path, code=None).stderr
    assert "older schema; `taskonomyctl solve --study NAME` brings it up to date" in said
    said = taskonomyctl("solve", "--study", "old", cwd=tmp_path, code=6).stderr
    assert "no study 'old' in this warehouse" in said
    assert "older schema" not in taskonomyctl(*show, cwd=tmp_path, code=6).stderr


def test_show_names_what_was_solved(study: Study) -> None:
    study.run("solve", "--budgets", "1-3", "--orders", "1", "--scenario", "shown")
    said = study.run("show", "taxonomy", "--budget", "9", "--scenario", "shown", code=6).stderr
    assert "budgets 1 to 3 of orders 1" in said
    tree = study.run("show", "taxonomy", "--budget", "1", "--order", "1", "--scenario", "shown")
    assert "Surface normals" in tree.stdout
    assert "its own network" in tree.stdout


def test_without_an_order_the_highest_solved_for_that_budget_is_meant(study: Study) -> None:
    named = ("--scenario", "highest")
    shown = ("show", "taxonomy", *named, "-o", "json", "--budget")
    study.run("solve", "--budgets", "1-2", "--orders", "2,1", *named)
    study.run("solve", "--budgets", "2", "--orders", "all", *named)
    assert [study.json(*shown, budget)[0]["order"] for budget in ("1", "2")] == [2, "all"]
    drawn = ("export", "--budget", "1", *named, "--format", "csv")
    assert study.run(*drawn).stdout == study.run(*drawn, "--order", "2").stdout


def test_exports_are_the_same_graph(study: Study) -> None:
    study.run("solve", "--budgets", "2", "--orders", "2", "--scenario", "graph")
    words = ("export", "--budget", "2", "--order", "2", "--scenario", "graph", "--format")
    printed = study.json("show", "taxonomy", "--budget", "2", "--order", "2",
                         "--scenario", "graph", "-o", "json")  # fmt: skip
    expected = {
        (source, edge["target"]) for edge in printed[0]["edges"] for source in edge["sources"]
    }
    graphml = nx.parse_graphml(study.run(*words, "graphml").stdout)
    assert set(graphml.edges()) == expected
    supervised = {node for node, data in graphml.nodes(data=True) if data["supervised"]}
    assert supervised == set(printed[0]["sources"])
    linked = json.loads(study.run(*words, "json").stdout)
    assert {(e["source"], e["target"]) for e in linked["edges"]} == expected
    rows = csv.DictReader(io.StringIO(study.run(*words, "csv").stdout))
    assert {(r["source"], r["target"]) for r in rows} == expected
    dot = study.run(*words, "dot").stdout
    assert all(f'"{source}" -> "{target}"' in dot for source, target in expected)


ONE_TITLE = """\
[[task]]
id = "a"
title = "Twin"
published = "pa"
loss = "l1"
output = { kind = "image", channels = 1 }
[[task]]
id = "b"
title = "Twin"
loss = "l1"
output = { kind = "image", channels = 1 }
"""
NODES_AND_LABELS = {
    "ours": {"a": "a", "b": "b"},
    "published": {"pa": "pa", "b": "b"},
    "title": {"a": "Twin", "b": "Twin"},
}


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory, taskonomyctl: Callable[..., Any]) -> Study:
    made = Study(tmp_path_factory.mktemp("twins"), taskonomyctl)
    (made.folder / "tasks.toml").write_text(ONE_TITLE)
    header = MEASURED.splitlines()[0]
    (made.folder / "twins.csv").write_text(f"{header}\na,1,self,.9,.9,.5\nb,1,a,.9,.9,.5\n")
    made.run("import", "published", "twins.csv", "--study", "twins", "--tasks", "tasks.toml")
    made.run("solve", "--budgets", "1", "--orders", "1")
    return made


@pytest.mark.parametrize("names", NODES_AND_LABELS)
def test_tasks_of_one_title_stay_two_nodes(twins: Study, names: str) -> None:
    words = ("export", "--budget", "1", "--order", "1", "--names", names, "--format")
    expected = NODES_AND_LABELS[names]
    graph = nx.parse_graphml(twins.run(*words, "graphml").stdout)
    assert nx.get_node_attributes(graph, "label") == expected
    assert all(f'"{node}" [label="{label}"' in twins.run(*words, "dot").stdout
               for node, label in expected.items())  # fmt: skip
    first, second = expected.values()
    rows = csv.DictReader(io.StringIO(twins.run(*words, "csv").stdout))
    assert [(r["source"], r["target"]) for r in rows] == [(first, first), (first, second)]


def test_an_export_is_a_file_or_one_message(twins: Study) -> None:
    words = ("export", "--budget", "1", "--order", "ALL", "--format", "csv", "--out")
    twins.run("solve", "--budgets", "1", "--orders", "all")
    (twins.folder / "folder").mkdir()
    assert "'folder' is a directory" in twins.run(*words, "folder", code=2).stderr
    assert "no/where.csv cannot be written" in twins.run(*words, "no/where.csv", code=1).stderr
    twins.run(*words, "edges.csv")
    assert (twins.folder / "edges.csv").read_text() == twins.run(*words, "-").stdout


def test_results_go_to_stdout_and_nothing_else(study: Study) -> None:
    done = study.run("solve", "--budgets", "1", "--orders", "1", "-o", "csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["budget"], row["sources"]) == ("1", "normals")
    assert "Traceback" not in done.stderr
    assert all(line.startswith("taskonomyctl: note: ") for line in done.stderr.splitlines())
