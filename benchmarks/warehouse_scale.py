"""The warehouse at the paper's scale: from Parquet to affinities, and what comes after.

    python benchmarks/warehouse_scale.py [--targets 22] [--transfers 136] [--images 54514] [--curve]

Makes a study's artifacts as trials leave them (one losses.parquet per network) and measures on a
fresh warehouse, each step in a process of its own so that peak memory is the step's own:

    build       `taskonomyctl load` of everything: find, check, insert, win rates, affinities
    in files    the same with `--losses-stay`: checked and compared, not inserted
    one more    a load that finds one new network, with losses in the warehouse and in their files
    kernel      one target's win counts, against numpy's ``(L[i] < L).sum(1)`` on one thread and
                against the plain-SQL self-join (on part of the images, by comparisons per second)
    bootstrap   200 replicates of every affinity, against one build
    query       ``select * from affinity_matrix``, warm
    curve       with --curve: time and memory of the win rates by images (to ten times) and by tasks
                (to 100), losses in the warehouse; about ten minutes more

Prints JSON: figures, the ratio to the baseline of the same run, what was wanted, whether it is met.
``seconds`` is wall-clock time; ``cpu_seconds`` beside it tells how much a busy machine took away.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from trial_results import Artifacts, held_out, small_study, trials_of

from taskonomy_catalogue.records import LOSSES_FILE, RESULT_FILE
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_warehouse import win_rates
from taskonomy_warehouse.bootstrap import bootstrap
from taskonomy_warehouse.load import loading
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.loss_matrix import loss_blocks, read_entrants
from taskonomy_warehouse.queries import run_query
from taskonomy_warehouse.warehouse import sql, writing

SQL_SHARE = 16
"""The self-join is timed on one image in so many."""
CURVE = {
    "images": [(2, 136, 54_514 * k) for k in (1, 2, 5, 10)],
    "tasks": [(10, 60, 5_000), (22, 136, 5_000), (50, 160, 5_000), (100, 250, 5_000)],
}
"""Targets, transfers of each, images."""

Figures = dict[str, Any]


def main() -> None:
    """Run every step, or the one that this process is for."""
    options = _options()
    if options.step:
        print(json.dumps(STEPS[options.step](options)))
        return
    with tempfile.TemporaryDirectory(prefix="warehouse-scale-", dir=options.folder) as folder:
        options.folder = folder
        print(json.dumps(_all_steps(options), indent=2))


def _all_steps(options: Any) -> Figures:
    _run("make", options)
    build = _run("build", options)
    in_files = _run("in-files", options)
    one_more = _run("one-more", options)
    one_more_in_files = _run("one-more-in-files", options)
    kernel = _run("kernel", options)
    resampled = _run("bootstrap", options)
    query = _run("query", options)
    curve = {
        name: [_run("curve", options, point) for point in points]
        for name, points in (CURVE if options.curve else {}).items()
    }
    # Peaks of memory count every process's own code and libraries, 0.3 GB, in.
    return {
        "processors": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "scale": {name: getattr(options, name) for name in ("targets", "transfers", "images")},
        "build": build
        | _judged("seconds", build["seconds"], "<=", 12)
        | {"memory": _judged("gigabytes", build["peak_gigabytes"], "<=", 2.5)},
        "build_in_files": in_files
        | _judged("seconds", in_files["seconds"], "<=", 12)
        | {"memory": _judged("gigabytes", in_files["peak_gigabytes"], "<=", 2.5)},
        "one_more": one_more
        | _judged("share_of_a_build", one_more["seconds"] / build["seconds"], "<=", 1 / 50),
        "one_more_in_files": one_more_in_files
        | _judged("share", one_more_in_files["seconds"] / in_files["seconds"], "<=", 1 / 50),
        "kernel": kernel
        | {"over_numpy": _judged("times", kernel["per_second"] / kernel["numpy"], ">=", 15)}
        | {"over_sql": _judged("times", kernel["per_second"] / kernel["self_join"], ">=", 200)},
        "bootstrap": resampled
        | _judged("builds", resampled["seconds"] / build["seconds"], "<=", 20),
        "query": query | _judged("seconds", query["seconds"], "<", 0.3),
        "curve": curve,
    }


def _judged(name: str, value: float, relation: str, wanted: float) -> Figures:
    met = value >= wanted if relation == ">=" else value <= wanted
    return {name: round(value, 4), "wanted": f"{relation} {wanted:g}", "met": met}


# --- steps -------------------------------------------------------------------------------------


def make(options: Any) -> Figures:
    """Leave results of `transfers` networks of every target; the very last one stays unfinished."""
    artifacts = Artifacts(_root(options), images=options.images)
    artifacts.root.mkdir()
    draw = np.random.default_rng(0)
    study = _study(options.targets)
    left = {task.id: options.transfers for task in study.targets()}
    ids = {target: held_out(target, options.images) for target in left}
    difficulty = {target: draw.normal(size=options.images) for target in left}
    for trial in trials_of(study):
        target = trial.target.id
        if left.get(target, 0):
            left[target] -= 1
            noise = draw.normal(size=options.images) + 0.3 * draw.normal()
            losses = np.exp((difficulty[target] + noise) / 2).astype(np.float32)
            folder = artifacts.leave(trial, ids=ids[target], losses=losses)
            _write_plain(folder / LOSSES_FILE)
    (folder / RESULT_FILE).rename(folder / "kept-for-one-more")
    return {}


def _write_plain(file: Path) -> None:
    """Write a file of losses as jobs do: random bits compress badly, as pages or as dictionary."""
    pq.write_table(pq.read_table(file), file, compression="none", use_dictionary=False)


def build(options: Any) -> Figures:
    """Load all of it into a new warehouse."""
    figures = _timed_load(options, losses_stay=False)
    with writing(_warehouse(options)) as connection:
        ((networks, losses, ranked),) = connection.execute(
            "SELECT (SELECT count(*) FROM trial), (SELECT sum(images) FROM trial), "
            "(SELECT count(*) FROM affinity)"
        ).fetchall()
    return figures | {"networks": networks, "losses": losses, "affinities": ranked}


def in_files(options: Any) -> Figures:
    """Check all of it and compute from the files, into a warehouse that holds no losses."""
    return _timed_load(options, losses_stay=True)


def one_more(options: Any) -> Figures:
    """Finish the last network and load again."""
    _finish_the_last(options)
    return _timed_load(options, losses_stay=False)


def one_more_in_files(options: Any) -> Figures:
    """Do the same where losses stay in their files."""
    _finish_the_last(options)
    return _timed_load(options, losses_stay=True)


def _finish_the_last(options: Any) -> None:
    for kept in _root(options).glob("*/kept-for-one-more"):
        kept.rename(kept.with_name(RESULT_FILE))


def kernel(options: Any) -> Figures:
    """Count one target's wins three ways; comparisons a second, of ordered pairs."""
    with writing(_warehouse(options)) as connection:
        study = _study(options.targets).name
        ((target,),) = connection.execute("SELECT min(target) FROM transfer").fetchall()
        entrants = read_entrants(connection, study, target)
        threads = os.cpu_count() or 1
        ((_, losses),) = loss_blocks(connection, entrants)
        n, images = losses.shape
        compared = n * n * images

        def ours(workers: int) -> win_rates.WinCounts:
            counts = win_rates.zero_counts(n, n)
            win_rates.count_wins_of(slice(None), losses, workers, counts)
            return counts

        def numpys() -> np.ndarray[Any, Any]:
            return np.array([(losses[i] < losses).sum(1) for i in range(n)])

        ours(threads)  # compiled, or read from the cache
        best = {"ours": _best(lambda: ours(threads), 5), "numpy": _best(numpys, 2)}
        best["ours_on_one_thread"] = _best(lambda: ours(1), 5)
        before = time.process_time()
        ours(threads)
        busy = time.process_time() - before
        assert (ours(threads).over == numpys()).all()
        part = images // SQL_SHARE
        connection.execute("BEGIN")
        connection.execute(
            "DELETE FROM heldout_image WHERE target <> ? OR image_id >= ?",
            [target, int(entrants.images[part])],
        )
        self_join = _best(lambda: connection.execute(sql("oracles", "win_rate")).fetchall(), 1)
        connection.execute("ROLLBACK")
    return {
        "per_second": round(compared / best["ours"]),
        "per_second_on_one_thread": round(compared / best["ours_on_one_thread"]),
        "per_processor_second": round(compared / busy),
        "numpy": round(compared / best["numpy"]),
        "self_join": round(n * n * part / self_join),
    }


def resample(options: Any) -> Figures:
    """Compute 200 replicates of every affinity, gain and quality."""
    with writing(_warehouse(options)) as connection, _measured() as figures:
        bootstrap(connection, _study(options.targets).name, replicates=200)
    return figures


def query(options: Any) -> Figures:
    """Read the whole affinity matrix as `taskonomyctl sql` does, once warm."""
    select = "SELECT * FROM affinity_matrix"
    rows = len(run_query(_warehouse(options), select).rows)
    return {"seconds": _best(lambda: run_query(_warehouse(options), select), 3), "rows": rows}


def curve(options: Any) -> Figures:
    """Compute all win rates and affinities of a study made up in SQL."""
    path = Path(options.folder) / "curve.duckdb"
    path.unlink(missing_ok=True)
    targets, transfers, images = options.targets, options.transfers, options.images
    with writing(path) as connection:
        connection.execute(
            "INSERT INTO study VALUES ('curve', 'trained', '', '', TIMESTAMP '2026-01-01')"
        )
        connection.execute(
            "INSERT INTO trial SELECT i, 'd' || i, ?, TIMESTAMP '2026-01-01' FROM range(?) AS r(i)",
            [images, targets * transfers],
        )
        connection.execute(
            "INSERT INTO transfer SELECT 'curve', trial_id, 't' || trial_id // ?, 'transfer', 1, "
            "['x' || trial_id], digest FROM trial",
            [transfers],
        )
        connection.execute(
            "INSERT INTO heldout_image SELECT 'curve', 't' || t, i "
            "FROM range(?) AS r(t), range(?) AS s(i)",
            [targets, images],
        )
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            "INSERT INTO trial_loss SELECT n // $1, n % $1, random()::FLOAT + n // $1 % 7 / 70 "
            "FROM range($2) AS r(n)",
            [images, targets * transfers * images],
        )
    # A process of its own for the win rates alone: making the losses takes memory too.
    return _run("curve-win-rates", options, (targets, transfers, images))


def curve_win_rates(options: Any) -> Figures:
    """Compute the win rates of what `curve` made."""
    with writing(Path(options.folder) / "curve.duckdb") as connection, _measured() as figures:
        win_rates.update_win_rates(connection, "curve")
    scale = {name: getattr(options, name) for name in ("targets", "transfers", "images")}
    losses = options.targets * options.transfers * options.images
    return scale | {"losses": losses} | figures


STEPS: dict[str, Callable[[Any], Figures]] = {
    "make": make,
    "build": build,
    "in-files": in_files,
    "one-more": one_more,
    "one-more-in-files": one_more_in_files,
    "kernel": kernel,
    "bootstrap": resample,
    "query": query,
    "curve": curve,
    "curve-win-rates": curve_win_rates,
}


# --- how it is measured ------------------------------------------------------------------------


def _run(step: str, options: Any, point: tuple[int, int, int] | None = None) -> Figures:
    """Run a step in a process of its own, BLAS set up as it would be on a user's machine.

    What the step before left to be written is written first: on two cores the system's writing of
    gigabytes takes one of them, and the kernel's second thread had none (1.07 times one thread, and
    its processor-seconds the same).
    """
    os.sync()
    targets, transfers, images = point or (options.targets, options.transfers, options.images)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    }
    command = [sys.executable, __file__, "--step", step, "--folder", str(options.folder)]
    for name, value in (("targets", targets), ("transfers", transfers), ("images", images)):
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    print(f"{step} {point or ''}: {done.stdout.strip()}", file=sys.stderr)
    figures: Figures = json.loads(done.stdout)
    return figures


@contextmanager
def _measured() -> Iterator[Figures]:
    """Fill in wall-clock and processor seconds of the block, and the process's peak memory."""
    figures: Figures = {}
    began, cpu = time.perf_counter(), time.process_time()
    yield figures
    figures["seconds"] = round(time.perf_counter() - began, 3)
    figures["cpu_seconds"] = round(time.process_time() - cpu, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures["peak_gigabytes"] = round(peak / 1e9, 3)


@contextmanager
def _timed(module: Any, name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Take the time of a function that the loader calls."""
    function = getattr(module, name)

    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            seconds[name] = time.perf_counter() - began

    setattr(loading, name, timed)
    try:
        yield
    finally:
        setattr(loading, name, function)


def _best(function: Callable[[], object], times: int) -> float:
    def once() -> float:
        began = time.perf_counter()
        function()
        return time.perf_counter() - began

    return min(once() for _ in range(times))


# --- the study ---------------------------------------------------------------------------------


def _study(targets: int) -> Study:
    """Return a study with the paper's sources and that many targets."""
    tasks = [task.id for task in paper_dictionary()]
    both = [t.id for t in paper_dictionary() if t.role == "both"][:targets]
    return small_study(
        tasks={"subset": tasks, "sourceOnly": [task for task in tasks if task not in both]},
        transfers={"orders": [1, 2], "candidates": "exhaustive"},
    )


def _timed_load(options: Any, *, losses_stay: bool) -> Figures:
    parts: dict[str, float] = {}
    path, study = _warehouse(options, losses_stay=losses_stay), _study(options.targets)
    timed = _timed(win_rates, "update_win_rates", parts)
    with timed, _measured() as figures, writing(path) as connection:
        found = find_in_artifacts(connection, str(_root(options)))
        done = loading.load(connection, study, found, origin="x.yaml", losses_stay=losses_stay)
    if done.refusals:
        raise SystemExit(f"refused: {done.refusals[0]}")
    of_win_rates = round(parts["update_win_rates"], 3)
    return figures | {"trials": done.trials, "seconds_of_win_rates": of_win_rates}


def _root(options: Any) -> Path:
    return Path(options.folder) / "artifacts"


def _warehouse(options: Any, *, losses_stay: bool = False) -> Path:
    return Path(options.folder) / ("in-files.duckdb" if losses_stay else "warehouse.duckdb")


def _options() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--targets", type=int, default=22)
    parser.add_argument("--transfers", type=int, default=136, help="networks of one target")
    parser.add_argument("--images", type=int, default=54_514)
    parser.add_argument("--folder", help="where to work; 5 GB at the paper's scale")
    parser.add_argument("--curve", action="store_true", help="measure how it grows, too")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
