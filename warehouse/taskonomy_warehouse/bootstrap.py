"""Error bars: what affinities, gains and qualities would be on other held-out images.

The bootstrap over images (Efron): a replicate draws as many images as there are, with replacement,
and does all over again: win rates, eigenvectors, and on demand the taxonomy. All targets see the
same draw, as their networks saw the same images. It assumes that images are independent draws of
what matters; images of one building are not quite, so intervals are, if anything, too narrow. It
says nothing of training noise: a network trained again is another network.

A replicate is a weight per image, how often it was drawn, and its win counts are Σ weight · outcome
over the images. Outcomes and the binary digits of the weights are kept as bits, so that one vector
instruction settles hundreds of images (`kernels.count_resampled`): 200 replicates cost a build or
two, and they are exact, the very counts that a rebuild on the drawn images would give.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from taskonomy_catalogue.errors import NotFound, SettingRefused
from taskonomy_warehouse.kernels import Words, count_resampled, power_iteration
from taskonomy_warehouse.loss_matrix import Counts, Entrants, Losses, loss_blocks, read_entrants
from taskonomy_warehouse.warehouse import require_study, transaction
from taskonomy_warehouse.win_rates import OnTarget, forget_error_bars

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Weights = NDArray[np.uint8]
"""images × replicates: how often each replicate drew each image."""

IMAGES_AT_A_TIME = 8192
"""Images whose weights stay in a processor's cache: 200 replicates of 4 digits take 800 KB."""
MOST_STEPS = 2000
"""Steps of power iteration before numpy's eigenvectors take over, as for near-cyclic win rates."""
MOST_REPLICATES = 10_000
"""Replicates at most: they are all in memory at once, 16 bytes for each pair of transfers."""
MOST_SEED = 2**63 - 1
"""What a column of the warehouse holds."""
MOST_DRAWS = 255
"""How often one image can be drawn; beyond 20 never happens but for a handful of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """What a target's transfers are to be ranked by and compared with, by position."""

    ranked: Bools
    """Whether a transfer has an affinity."""
    compared: Bools
    """transfers × transfers: whether the AHP takes the pair as compared."""
    scratch: Bools
    """Whether a transfer is a network trained from scratch."""
    task_specific: Bools
    """Whether a transfer is the target's own network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """Figures of a target's transfers in every replicate: replicates × transfers, NaN for none."""

    affinity: Floats
    gain: Floats
    quality: Floats


def bootstrap(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    *,
    replicates: int = 200,
    seed: int = 0,
    threads: int | None = None,
    on_target: OnTarget = lambda _: None,
) -> None:
    """Compute a study's error bars and keep them, in place of earlier ones (view affinity_ci).

    Args:
        connection: the warehouse, open to write, win rates up to date.
        study: a trained study.
        replicates: how often to resample.
        seed: the same seed, study and number give the same replicates.
        threads: threads that count; one per processor unless given.
        on_target: told every target after it is done.

    Raises:
        NotFound: there is no such study, or it has no losses: published figures have none.
        SettingRefused: fewer than 2 replicates, or more than `MOST_REPLICATES`; a seed below 0 or
            above `MOST_SEED`.
        InputRefused, Unreachable: losses that stayed in their files cannot be read (`loss_blocks`).
    """
    require_study(connection, study)
    images = _all_images(connection, study)
    _check(study, len(images), replicates, seed)
    weights = draw_weights(len(images), replicates, seed)
    threads = threads or os.cpu_count() or 1
    with transaction(connection):
        forget_error_bars(connection, study)
        for target in _ranked_targets(connection, study):
            entrants = read_entrants(connection, study, target)
            drawn = weights[np.searchsorted(images, entrants.images)]
            blocks = loss_blocks(connection, entrants)
            wins, both = resampled_counts(
                ((losses, drawn[block]) for block, losses in blocks),
                len(entrants.transfers),
                replicates,
                threads,
            )
            found = figures(wins, both, _read_baselines(connection, entrants), threads)
            _insert(connection, entrants, found)
            on_target(target)
        connection.execute(
            "INSERT INTO bootstrap VALUES (?, ?, ?, ?, now() AT TIME ZONE 'UTC')",
            [study, seed, replicates, len(images)],
        )


def draw_weights(images: int, replicates: int, seed: int) -> Weights:
    """Return how often each image is drawn, images × replicates; a column sums to ``images``.

    Replicate b has a random stream of its own: the first replicates of two runs are the same,
    however many follow.
    """
    weights = np.empty((images, replicates), np.uint8)
    for b in range(replicates):
        draws = np.random.default_rng([seed, b]).integers(0, images, images)
        weights[:, b] = np.minimum(np.bincount(draws, minlength=images), MOST_DRAWS)
    return weights


def resampled_counts(
    blocks: Iterable[tuple[Losses, Weights]], transfers: int, replicates: int, threads: int
) -> tuple[Counts, Counts]:
    """Return wins in halves (a tie is one) and common images in every replicate.

    Args:
        blocks: losses (transfers × images) and the weights of these images.
        transfers: how many transfers.
        replicates: how many replicates.
        threads: threads that share the transfers.

    Returns:
        Twice pairs × replicates, in the order of ``np.triu_indices``: half wins of the first over
        the second, and images that both have.
    """
    pairs = transfers * (transfers - 1) // 2
    halves, both = np.zeros((2, pairs, replicates), np.int64)
    with ThreadPoolExecutor(threads) as pool:
        for losses, weights in blocks:
            some_missing = bool(np.isnan(losses).any())
            if not some_missing:
                both += weights.sum(axis=0, dtype=np.int64)
            for start in range(0, losses.shape[1], IMAGES_AT_A_TIME):
                part = slice(start, start + IMAGES_AT_A_TIME)
                planes = weight_planes(weights[part])
                counted = (np.ascontiguousarray(losses[:, part]), planes)
                total = (halves, both if some_missing else both[:0])
                shares = [
                    pool.submit(count_resampled, *counted, first, threads, *total)
                    for first in range(threads)
                ]
                for share in shares:
                    share.result()
    return halves, both


def weight_planes(weights: Weights) -> Words:
    """Return the binary digits of weights as bits: replicates × digits × words of 64 images."""
    images, replicates = weights.shape
    digits = max(1, int(weights.max(initial=0)).bit_length())
    padded = np.zeros((replicates, -(-images // 64) * 64), np.uint8)
    padded[:, :images] = weights.T
    planes = [np.packbits(padded >> p & 1, axis=1, bitorder="little") for p in range(digits)]
    return np.ascontiguousarray(np.stack(planes, axis=1)).view(np.uint64)


def figures(halves: Counts, both: Counts, baselines: Baselines, threads: int = 1) -> Replicates:
    """Return affinity, gain and quality in every replicate, from its counts.

    Args:
        halves: pairs × replicates, wins in halves, as `resampled_counts` returns them.
        both: pairs × replicates, common images.
        baselines: who is ranked, and against whom all are measured.
        threads: threads that share the replicates.
    """
    wins, images = _square(halves / 2, both - halves / 2), _square(both, both)
    affinity = np.full(wins.shape[:2], np.nan)
    ranked = np.flatnonzero(baselines.ranked)
    if len(ranked):
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = np.where(images > 0, wins / images, 0.5)[:, ranked[:, None], ranked]
        compared = baselines.compared[ranked[:, None], ranked]
        affinity[:, ranked] = affinities(rate, compared, threads)
    return Replicates(
        affinity=affinity,
        gain=_rate_over(wins, images, baselines.scratch),
        quality=_rate_over(wins, images, baselines.task_specific),
    )


def affinities(win_rate: Floats, compared: Bools, threads: int = 1) -> Floats:
    """Return the AHP's eigenvectors, as macro ahp does; replicates × transfers.

    Args:
        win_rate: replicates × transfers × transfers.
        compared: transfers × transfers, which pairs count; the diagonal does not matter.
        threads: threads that share the replicates.
    """
    n = len(compared)
    compared = compared & ~np.eye(n, dtype=bool)
    missing = n - compared.sum(axis=1)  # itself among them: the 1 of the diagonal

    def ranked(rates: Floats) -> Floats:
        clipped = rates.clip(0.001, 0.999)
        ratio = np.where(compared, clipped / (1 - clipped), 0.0)
        np.fill_diagonal(ratio, missing)
        return principal_eigenvector(ratio)

    with ThreadPoolExecutor(threads) as pool:
        return np.array(list(pool.map(ranked, win_rate)))


def principal_eigenvector(matrix: Floats) -> Floats:
    """Return the Perron eigenvector of a non-negative matrix, summing to 1."""
    vector = np.full(len(matrix), 1 / len(matrix))
    if power_iteration(matrix, vector, MOST_STEPS):
        return vector
    values, vectors = np.linalg.eig(matrix)
    vector = vectors[:, np.argmax(values.real)].real
    return np.asarray(vector / vector.sum())


def _all_images(connection: duckdb.DuckDBPyConnection, study: str) -> NDArray[np.uint64]:
    rows = connection.execute(
        "SELECT DISTINCT image_id FROM heldout_image WHERE study = ? ORDER BY image_id", [study]
    ).fetchnumpy()
    return np.asarray(rows["image_id"])


def _check(study: str, images: int, replicates: int, seed: int) -> None:
    if not images:
        raise NotFound(
            f"study {study!r} has no losses to resample: error bars need a trained study, loaded "
            "with `taskonomyctl load`"
        )
    if replicates < 2:
        raise SettingRefused(f"{replicates} replicates give no interval; take 200, or 2 at least")
    if replicates > MOST_REPLICATES:
        raise SettingRefused(f"{replicates} replicates; take 200, or {MOST_REPLICATES:,} at most")
    if not 0 <= seed <= MOST_SEED:
        raise SettingRefused(f"seed {seed}: take a whole number from 0 to {MOST_SEED}")


def _ranked_targets(connection: duckdb.DuckDBPyConnection, study: str) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT target FROM computed_affinity WHERE study = ? ORDER BY target", [study]
    ).fetchall()
    return [str(target) for (target,) in rows]


def _read_baselines(connection: duckdb.DuckDBPyConnection, entrants: Entrants) -> Baselines:
    """Take over who was ranked and compared on all images: a replicate changes no rule."""
    position = {int(transfer): k for k, transfer in enumerate(entrants.transfers)}
    ranked, scratch, task_specific = np.zeros((3, len(position)), bool)
    compared = np.zeros((len(position), len(position)), bool)
    rows = connection.execute(
        "SELECT t.transfer_id, t.kind, a.affinity IS NOT NULL FROM transfer AS t "
        "LEFT JOIN computed_affinity AS a USING (study, transfer_id) "
        "WHERE t.study = ? AND t.target = ?",
        [entrants.study, entrants.target],
    ).fetchall()
    for transfer, kind, has_affinity in rows:
        if transfer in position:
            k = position[transfer]
            ranked[k] = has_affinity
            scratch[k] = kind == "scratch"
            task_specific[k] = kind == "task-specific"
    pairs = connection.execute(
        "SELECT transfer_id, rival_id FROM win_ratio WHERE study = ? AND target = ?",
        [entrants.study, entrants.target],
    ).fetchnumpy()
    order = np.argsort(entrants.transfers)
    one, other = (
        order[np.searchsorted(entrants.transfers, np.asarray(pairs[name]), sorter=order)]
        for name in ("transfer_id", "rival_id")
    )
    compared[one, other] = True
    return Baselines(ranked=ranked, compared=compared, scratch=scratch, task_specific=task_specific)


def _square(above: NDArray[np.generic], below: NDArray[np.generic]) -> Floats:
    """Return replicates × transfers × transfers from pairs × replicates; the diagonal is 0."""
    pairs, replicates = above.shape
    transfers = round((1 + (1 + 8 * pairs) ** 0.5) / 2)
    i, j = np.triu_indices(transfers, k=1)
    square = np.zeros((replicates, transfers, transfers))
    square[:, i, j] = above.T
    square[:, j, i] = below.T
    return square


def _rate_over(wins: Floats, both: Floats, baseline: Bools) -> Floats:
    """Return replicates × transfers: win rate over the baselines together, theirs being 0.5."""
    over = wins[:, :, baseline].sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = over / both[:, :, baseline].sum(axis=2)
    rate[:, baseline] = 0.5
    return np.asarray(rate)


def _insert(
    connection: duckdb.DuckDBPyConnection, entrants: Entrants, replicates: Replicates
) -> None:
    """Insert one row per transfer; a figure that some replicate lacks is no figure."""
    count = len(replicates.affinity)
    columns = {
        "transfer_id": np.tile(entrants.transfers, count),
        "replicate": np.repeat(np.arange(count, dtype=np.int32), len(entrants.transfers)),
        "affinity": replicates.affinity.ravel(),
        "gain": replicates.gain.ravel(),
        "quality": replicates.quality.ravel(),
    }
    lists = ", ".join(
        f"CASE WHEN NOT bool_or(isnan({name})) THEN list({name} ORDER BY replicate) END"
        for name in ("affinity", "gain", "quality")
    )
    connection.register("resampled", columns)
    try:
        connection.execute(
            f"INSERT INTO replicate SELECT ?, ?, transfer_id, {lists} FROM resampled "
            "GROUP BY transfer_id",
            [entrants.study, entrants.target],
        )
    finally:
        connection.unregister("resampled")
