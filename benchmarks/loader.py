"""Rows per second of `taskonomyctl load` against a bare INSERT of the same Parquet, in one run.

    python benchmarks/loader.py [--targets 6] [--transfers 136] [--images 54514]

All fill the same table ``trial_loss`` of a new warehouse on disk, checkpoint included. The bare
INSERT runs as DuckDB is set by default; tuned, with the order of rows set free, as the loader does.
The ratio that is wanted is against the first; the one against the second says what checking costs.
Every file and row is checked, and what trials say of themselves is written. Prints JSON: rates by
the best of the repetitions, which alternate, and the ratio, wanted at 0.7 or more.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from trial_results import Artifacts, held_out, small_study, trials_of

from taskonomy_catalogue.study import Study
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_warehouse.files import as_list
from taskonomy_warehouse.load import loading
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.warehouse import writing

WANTED = 0.7


def main() -> None:
    """Make results, load them both ways, print the figures."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="loader-benchmark-") as folder:
        root = Path(folder) / "artifacts"
        root.mkdir()
        study = _study(options.targets)
        files = _make(root, study, options)
        seconds: dict[str, list[float]] = {"load": [], "insert": [], "tuned insert": []}
        for _ in range(options.repetitions):
            bare = Path(folder) / "bare.duckdb"
            seconds["insert"].append(_bare_insert(bare, files, keep_order=True))
            seconds["tuned insert"].append(_bare_insert(bare, files, keep_order=False))
            seconds["load"].append(_load(Path(folder) / "loaded.duckdb", study, root))
    rows = len(files) * options.images
    rate = {name: rows / min(each) for name, each in seconds.items()}
    ratio = rate["load"] / rate["insert"]
    figures = {
        "trials": len(files),
        "rows": rows,
        "rows_per_second": {name: round(each) for name, each in rate.items()},
        "seconds": {name: [round(s, 3) for s in each] for name, each in seconds.items()},
        "ratio": round(ratio, 3),
        "ratio_to_tuned": round(rate["load"] / rate["tuned insert"], 3),
        "wanted": WANTED,
        "met": ratio >= WANTED,
    }
    print(json.dumps(figures, indent=2))


def _options() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--targets", type=int, default=6)
    parser.add_argument("--transfers", type=int, default=136, help="networks of one target")
    parser.add_argument("--images", type=int, default=54_514)
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def _study(targets: int) -> Study:
    """Return a study with the paper's sources and that many targets."""
    tasks = [task.id for task in paper_dictionary()]
    both = [t.id for t in paper_dictionary() if t.role == "both"][:targets]
    only_sources = [task for task in tasks if task not in both]
    return small_study(
        tasks={"subset": tasks, "sourceOnly": only_sources},
        transfers={"orders": [1, 2], "candidates": "exhaustive"},
    )


def _make(root: Path, study: Study, options: Any) -> list[str]:
    """Leave results of `transfers` networks of every target; return the files of losses."""
    artifacts = Artifacts(root, images=options.images)
    draw = np.random.default_rng(0)
    left = dict.fromkeys((task.id for task in study.targets()), options.transfers)
    ids = {target: held_out(target, options.images) for target in left}
    files = []
    for trial in trials_of(study):
        target = trial.target.id
        if left.get(target, 0):
            left[target] -= 1
            losses = draw.gamma(2.0, 0.1, options.images).astype(np.float32)
            folder = artifacts.leave(trial, ids=ids[target], losses=losses)
            files.append(str(folder / "losses.parquet"))
    return files


def _bare_insert(path: Path, files: list[str], *, keep_order: bool) -> float:
    """Return the seconds of one INSERT … SELECT of everything."""
    path.unlink(missing_ok=True)
    with writing(path) as connection:
        connection.execute("SET preserve_insertion_order = ?", [keep_order])
        began = time.perf_counter()
        connection.execute(
            "INSERT INTO trial_loss SELECT file_index::INTEGER, image_id, loss "
            f"FROM read_parquet({as_list(files)})"
        )
        connection.execute("CHECKPOINT")
        return time.perf_counter() - began


def _load(path: Path, study: Study, root: Path) -> float:
    """Return the seconds of finding, checking and loading; win rates are another benchmark's."""
    path.unlink(missing_ok=True)
    without_win_rates = mock.patch.object(loading, "update_win_rates")
    with writing(path) as connection, without_win_rates:
        began = time.perf_counter()
        found = find_in_artifacts(connection, str(root))
        done = load(connection, study, found, origin="x", losses_stay=False)
        connection.execute("CHECKPOINT")
        seconds = time.perf_counter() - began
    if done.refusals:
        raise SystemExit(f"refused: {done.refusals[0]}")
    return seconds


if __name__ == "__main__":
    main()
