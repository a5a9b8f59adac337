"""How fast taxonomies are solved, against the bare solver on the same models in the same run.

    python benchmarks/solve.py                the paper's sweep: 26 budgets × 5 order limits
    python benchmarks/solve.py --large        300 tasks, 20,000 transfers, 20 budgets, both solvers

Prints JSON. The baseline is CBC alone: every model of the sweep is written to an LP file once, and
the solver's executable is run on it with the same options; its time is the wall clock of that
process. The ratio is the whole sweep (building, writing, solving, reading, checking) over the sum.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, combinations
from pathlib import Path

import numpy as np

from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.importer import import_published, shipped_measurements
from taskonomy_warehouse.selection.data import Candidate, Problem, read_problem, undominated
from taskonomy_warehouse.selection.model import create_taxonomy_model, set_budget
from taskonomy_warehouse.selection.settings import Settings
from taskonomy_warehouse.selection.solve import solve_taxonomies
from taskonomy_warehouse.selection.solvers import SolverName, bundled_cbc
from taskonomy_warehouse.selection.taxonomy import order_limit
from taskonomy_warehouse.warehouse import reading, writing

BUDGETS = [float(budget) for budget in range(1, 27)]
ORDERS = ["1", "2", "3", "4", "all"]
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
SAME_OPTIONS = [
    "-increment",
    "1e-9",
    "-ratioGap",
    "0",
    "-allowableGap",
    "0",
    "-rowReductions",
    "off",
]


def main() -> None:
    """Run one of the two measurements and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--large", action="store_true", help="the synthetic dictionary instead")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the paper's sweep")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds a budget, --large")
    arguments = parser.parse_args()
    result = large(arguments.time_limit) if arguments.large else sweep(arguments.rounds)
    json.dump(result, sys.stdout, indent=2)
    print()


def sweep(rounds: int) -> dict[str, object]:
    """Measure the paper's sweep and the bare solver in turn, several rounds."""
    problem = paper_problem()
    bare, one, two = [], [], []
    for _ in range(rounds):
        bare.append(sum(bare_times(problem)))
        one.append(timed_sweep(problem, workers=1))
        two.append(timed_sweep(problem, workers=2))
    return {
        "models": len(BUDGETS) * len(ORDERS),
        "rounds": rounds,
        "bare_solver_s": statistics.median(bare),
        "sweep_one_worker_s": statistics.median(one),
        "sweep_two_workers_s": statistics.median(two),
        "ratio_one_worker": statistics.median(o / b for o, b in zip(one, bare, strict=True)),
        "ratio_two_workers": statistics.median(t / b for t, b in zip(two, bare, strict=True)),
        "bar": 1.5,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def paper_problem() -> Problem:
    """Return the paper's measurements as a problem, with the default settings."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        with writing(path) as connection:
            import_published(connection, shipped_measurements(), "paper", published_dictionary())
        with reading(path) as connection:
            return read_problem(connection, "paper", Settings())


def bare_times(problem: Problem) -> Iterator[float]:
    """Yield the wall-clock seconds of CBC alone on every model of the sweep."""
    with tempfile.TemporaryDirectory() as folder:
        for order in ORDERS:
            reduced = undominated(problem.up_to_order(order_limit(order)))
            model = create_taxonomy_model(reduced)
            for budget in BUDGETS:
                set_budget(model, reduced, budget)
                path = Path(folder) / "model.lp"
                model.write(str(path))
                command = [str(bundled_cbc()), str(path), *SAME_OPTIONS]
                command += ["-solve", "-solution", f"{path}.sol"]
                started = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, env=ONE_THREAD)
                yield time.perf_counter() - started


def timed_sweep(problem: Problem, workers: int) -> float:
    """Return the wall-clock seconds of the whole sweep; every solve must be proven optimal."""
    started = time.perf_counter()
    solved = solve_taxonomies(problem, BUDGETS, ORDERS, workers=workers)
    seconds = time.perf_counter() - started
    assert all(taxonomy.status == "optimal" for taxonomy in solved)
    return seconds


def large(time_limit: float) -> dict[str, object]:
    """Solve a synthetic dictionary far beyond the paper's, with both solvers."""
    problem = synthetic_problem(tasks=300, transfers=20_000, seed=0)
    reduced = undominated(problem)
    budgets = [float(budget) for budget in range(10, 210, 10)]
    result: dict[str, object] = {
        "tasks": len(problem.targets),
        "transfers": len(problem.candidates),
        "undominated": len(reduced.candidates),
        "budgets": budgets,
        "time_limit_s": time_limit,
    }
    solvers: tuple[SolverName, ...] = ("cbc", "highs")
    for solver in solvers:
        started = time.perf_counter()
        solved = solve_taxonomies(problem, budgets, ["all"], solver=solver, time_limit=time_limit)
        result[solver] = {
            "total_s": time.perf_counter() - started,
            "seconds": [round(taxonomy.seconds, 2) for taxonomy in solved],
            "status": [taxonomy.status for taxonomy in solved],
            "worst_gap": max(taxonomy.gap or 0.0 for taxonomy in solved),
            "objective": [round(taxonomy.objective or 0.0, 6) for taxonomy in solved],
        }
    result["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def synthetic_problem(*, tasks: int, transfers: int, seed: int) -> Problem:
    """Return a dictionary whose tasks lie in a latent space and help those near them.

    First-order affinity falls with the distance of the two tasks; a pair or triple of the five
    best does a little better than its best member, as the paper's do; affinities of a target sum
    to 1.
    """
    random = np.random.default_rng(seed)
    names = [f"task-{number:03d}" for number in range(tasks)]
    where = random.normal(size=(tasks, 6))
    per_target = transfers // tasks
    candidates: list[Candidate] = []
    for target, name in enumerate(names):
        near = np.exp(-np.linalg.norm(where - where[target], axis=1) / 2)
        helped = near * random.lognormal(sigma=0.3, size=tasks)
        helped[target] = 0
        best = [int(s) for s in np.argsort(-helped)]
        choices: list[tuple[tuple[int, ...], float]] = [((target,), 1.3)]
        choices += [((source,), float(helped[source])) for source in best[: per_target - 21]]
        choices += _combinations_of_the_best(best[:5], helped, random)
        total = sum(value for _, value in choices)
        for on, value in choices:
            candidates.append(
                Candidate(
                    transfer_id=len(candidates),
                    target=name,
                    sources=frozenset(names[s] for s in on),
                    value=(value / total) ** 0.5,
                    own_network=on == (target,),
                )
            )
    return Problem(
        targets=tuple(names),
        sources=tuple(names),
        label_cost=dict.fromkeys(names, 1.0),
        candidates=tuple(candidates),
    )


def _combinations_of_the_best(
    best: list[int], helped: np.ndarray, random: np.random.Generator
) -> Iterator[tuple[tuple[int, ...], float]]:
    for on in chain(combinations(best, 2), combinations(best, 3)):
        yield on, float(max(helped[s] for s in on) * (1 + 0.1 * len(on) * random.random()))


if __name__ == "__main__":
    main()
