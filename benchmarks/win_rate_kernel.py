"""Ways of counting wins, side by side: what docs/decisions/0005-win-rate-kernel.md rests on.

    python benchmarks/win_rate_kernel.py [--transfers 136] [--images 54514]

Each way counts, for one target, on how many images each network's loss is lower than each other's,
and must agree with the others to the last image. Prints JSON: comparisons of ordered pairs per
second, best of the repetitions. The DuckDB ways are timed on one image in sixteen.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.stats import rankdata

from taskonomy_warehouse.win_rates import count_wins_of, zero_counts

Losses = NDArray[np.float32]
Counts = NDArray[np.int64]


def main() -> None:
    """Time every way and print the figures."""
    options = _options()
    losses = _losses(options.transfers, options.images)
    few = np.ascontiguousarray(losses[:, : options.images // 16])
    threads = os.cpu_count() or 1
    ways: dict[str, tuple[Callable[[Losses], Counts], Losses]] = {
        "numpy, a row against all": (numpy_rows, losses),
        "numpy on ranks of bytes": (numpy_on_ranks, losses),
        "numba, image by image": (image_by_image, losses),
        "numba, pair by pair": (pair_by_pair, losses),
        "numba, four images at a time": (lambda matrix: kernel(matrix, 1), losses),
        f"the same on {threads} threads": (lambda matrix: kernel(matrix, threads), losses),
        "DuckDB, self-join on the image": (duckdb_self_join, few),
        "DuckDB, one sum per pair of columns": (duckdb_columns, few),
    }
    expected = {id(matrix): numpy_rows(matrix) for matrix in (losses, few)}
    rates = {}
    for name, (way, matrix) in ways.items():
        counts = way(matrix)  # the first time compiles
        assert (counts == expected[id(matrix)]).all(), name
        repetitions = 1 if matrix is few else options.repetitions
        seconds = min(_seconds(way, matrix) for _ in range(repetitions))
        rates[name] = round(len(matrix) * matrix.size / seconds)
    figures = {"processors": threads, "load_average": os.getloadavg()[0], "per_second": rates}
    print(json.dumps(figures, indent=2))


def numpy_rows(losses: Losses) -> Counts:
    """One network against all, network by network."""
    return np.array([(mine < losses).sum(1) for mine in losses])


def numpy_on_ranks(losses: Losses) -> Counts:
    """The same on ranks within the image, a byte each: four times as many to a vector."""
    ranks = rankdata(losses, method="dense", axis=0).astype(np.uint8)
    return np.array([(mine < ranks).sum(1) for mine in ranks])


def image_by_image(losses: Losses) -> Counts:
    """Images outside, networks innermost; a counter is touched for every comparison."""
    wins = np.zeros((len(losses), len(losses)), np.int32)
    _image_by_image(np.ascontiguousarray(losses.T), wins)
    return wins.astype(np.int64)


def pair_by_pair(losses: Losses) -> Counts:
    """Pairs outside, images innermost; the counter stays in a register."""
    wins = np.zeros((len(losses), len(losses)), np.int64)
    _pair_by_pair(losses, wins)
    return wins


def kernel(losses: Losses, threads: int) -> Counts:
    """What the warehouse runs."""
    counts = zero_counts(len(losses), len(losses))
    count_wins_of(slice(None), losses, threads, counts)
    return counts.over


def duckdb_self_join(losses: Losses) -> Counts:
    """Rows (network, image, loss), joined with themselves on the image."""
    network, image = np.indices(losses.shape).reshape(2, -1)
    with duckdb.connect() as connection:
        connection.register("rows", {"i": network, "image": image, "loss": losses.ravel()})
        connection.execute("CREATE TABLE lost AS FROM rows")
        found = connection.execute(
            "SELECT a.i, b.i AS j, count(*) FILTER (a.loss < b.loss) AS wins "
            "FROM lost AS a JOIN lost AS b USING (image) GROUP BY ALL"
        ).fetchnumpy()
    wins = np.zeros((len(losses), len(losses)), np.int64)
    wins[found["i"], found["j"]] = found["wins"]
    return wins


def duckdb_columns(losses: Losses) -> Counts:
    """A column per network, a row per image; one aggregate per pair, some thousands at a time."""
    n = len(losses)
    with duckdb.connect() as connection:
        connection.register("columns", {f"x{i}": losses[i] for i in range(n)})
        connection.execute("CREATE TABLE wide AS FROM columns")
        rows = [
            connection.execute(
                f"SELECT {', '.join(f'count_if(x{i} < x{j})' for j in range(n))} FROM wide"
            ).fetchone()
            for i in range(n)
        ]
    return np.array(rows, np.int64)


@njit  # type: ignore[untyped-decorator]
def _image_by_image(losses: Losses, wins: NDArray[np.int32]) -> None:
    for k in range(losses.shape[0]):
        for i in range(losses.shape[1]):
            mine = losses[k, i]
            for j in range(losses.shape[1]):
                wins[i, j] += np.int32(mine < losses[k, j])


@njit  # type: ignore[untyped-decorator]
def _pair_by_pair(losses: Losses, wins: Counts) -> None:
    for i in range(losses.shape[0]):
        for j in range(losses.shape[0]):
            count = 0
            for k in range(losses.shape[1]):
                count += losses[i, k] < losses[j, k]
            wins[i, j] = count


def _losses(transfers: int, images: int) -> Losses:
    draw = np.random.default_rng(0)
    skill = 0.3 * draw.normal(size=(transfers, 1))
    noise = draw.normal(size=(transfers, images)) + draw.normal(size=images)
    return np.exp((skill + noise) / 2).astype(np.float32)


def _seconds(way: Callable[[Losses], Counts], losses: Losses) -> float:
    began = time.perf_counter()
    way(losses)
    return time.perf_counter() - began


def _options() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--transfers", type=int, default=136)
    parser.add_argument("--images", type=int, default=54_514)
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
