"""The compiled loops: losses counted against one another, as they are and resampled.

Compiled by numba when first called and kept on disk where there is a place for it. They let go of
Python's lock, so that plain threads share the work: see `win_rates`, which calls them. The figures
that chose them are in docs/decisions/0005-win-rate-kernel.md.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taskonomy_warehouse.loss_matrix import Counts, Losses

Words = NDArray[np.uint64]
"""Bits, 64 a word."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile a function on its first call; keep the result on disk where that is possible.

    numba keeps it beside this file or in the user's cache folder (NUMBA_CACHE_DIR names another).
    In a read-only image without a home there is neither: then each process compiles anew, 1 s.
    """
    try:
        compiled = njit(nogil=True, cache=True)(function)
    except RuntimeError:
        compiled = njit(nogil=True)(function)
    return compiled  # type: ignore[no-any-return]


@_compiled
def count_wins(mine: Losses, theirs: Losses, start: int, stop: int, wins: Counts) -> None:
    """Add to ``wins[i, j]`` the images in start..stop on which mine[i] is lower than theirs[j].

    Four images at a time, transfers innermost: their losses are copied side by side, so that one
    vector instruction compares a transfer with many, and a counter is touched once for four
    images. Comparisons with NaN are false, so an image that either lacks is no win.

    Args:
        mine: transfers × images.
        theirs: rivals × images.
        start: first image.
        stop: one past the last image.
        wins: transfers × rivals, added to.
    """
    rivals = theirs.shape[0]
    counts = np.zeros(wins.shape, np.int32)
    panel = np.empty((4, rivals), np.float32)
    whole = start + (stop - start) // 4 * 4
    for k in range(start, whole, 4):
        for j in range(rivals):
            for u in range(4):
                panel[u, j] = theirs[j, k + u]
        for i in range(mine.shape[0]):
            a, b, c, d = mine[i, k], mine[i, k + 1], mine[i, k + 2], mine[i, k + 3]
            for j in range(rivals):
                counts[i, j] += np.int32(
                    np.int32(a < panel[0, j])
                    + np.int32(b < panel[1, j])
                    + np.int32(c < panel[2, j])
                    + np.int32(d < panel[3, j])
                )
    for k in range(whole, stop):
        for i in range(mine.shape[0]):
            for j in range(rivals):
                counts[i, j] += np.int32(mine[i, k] < theirs[j, k])
    wins += counts


@_compiled
def count_resampled(
    losses: Losses, planes: Words, first: int, step: int, halves: Counts, both: Counts
) -> None:
    """Add one block of images to the win counts of every replicate, for some of the rows.

    A replicate gives every image a weight, how often it drew it. Its wins are Σ weight · outcome.
    Outcomes are bits, 64 images a word, and so is each binary digit of the weights: the sum is
    Σ 2^p · (ones in outcomes AND digit p), and processors count ones in a vector at a time.

    Args:
        losses: transfers × images, of the block.
        planes: replicates × binary digits × words.
        first: first row to count for.
        step: rows to the next one.
        halves: pairs × replicates, in the order of ``np.triu_indices``; added to: twice the images
            on which the pair's first is lower, and once those on which both are equal.
        both: the same; added to: images that both have. Empty: all have all, nothing is added.
    """
    transfers, words = losses.shape[0], planes.shape[2]
    wins = np.empty((transfers, words), np.uint64)
    ties = np.empty((transfers, words), np.uint64)
    common = np.empty((transfers, words), np.uint64)
    for i in range(first, transfers - 1, step):
        rivals = transfers - 1 - i
        pair = i * transfers - i * (i + 1) // 2
        any_tie = np.uint64(0)
        for j in range(rivals):
            any_tie |= _pack_outcomes(losses[i], losses[i + 1 + j], wins[j], ties[j])
        _add_weighted(wins[:rivals], planes, 2, halves[pair : pair + rivals])
        if any_tie:
            _add_weighted(ties[:rivals], planes, 1, halves[pair : pair + rivals])
        if both.shape[0]:
            for j in range(rivals):
                _pack_common(losses[i], losses[i + 1 + j], common[j])
            _add_weighted(common[:rivals], planes, 1, both[pair : pair + rivals])


@_compiled
def _pack_outcomes(mine: Losses, theirs: Losses, wins: Words, ties: Words) -> np.uint64:
    """Write which images are won and tied as bits; return whether any is tied, as not 0."""
    any_tie = np.uint64(0)
    whole = len(mine) // 64
    for w in range(whole):  # one question at a fixed length: so it becomes vector instructions
        win, tie = np.uint64(0), np.uint64(0)
        for u in range(64):
            win |= np.uint64(mine[64 * w + u] < theirs[64 * w + u]) << np.uint64(u)
        for u in range(64):
            tie |= np.uint64(mine[64 * w + u] == theirs[64 * w + u]) << np.uint64(u)
        wins[w], ties[w] = win, tie
        any_tie |= tie
    if whole < len(wins):
        win, tie = np.uint64(0), np.uint64(0)
        for u in range(len(mine) - 64 * whole):
            win |= np.uint64(mine[64 * whole + u] < theirs[64 * whole + u]) << np.uint64(u)
            tie |= np.uint64(mine[64 * whole + u] == theirs[64 * whole + u]) << np.uint64(u)
        wins[whole], ties[whole] = win, tie
        any_tie |= tie
    return any_tie


@_compiled
def _pack_common(mine: Losses, theirs: Losses, common: Words) -> None:
    common[:] = 0
    for k in range(len(mine)):
        both = np.uint64((mine[k] == mine[k]) & (theirs[k] == theirs[k]))
        common[k // 64] |= both << np.uint64(k % 64)


@_compiled
def _ones(word: np.uint64) -> np.uint64:
    """Count the ones of a word; LLVM knows these lines for what they are (Hacker's Delight 5-1)."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@_compiled
def _add_weighted(bits: Words, planes: Words, times: int, total: Counts) -> None:
    """Add times · Σ weight · bit to the totals: pairs × words, and pairs × replicates.

    Four pairs at a time, so that a plane is fetched once for the four; sixteen before the next
    plane, whose bits stay in the nearest cache.
    """
    pairs, words = bits.shape
    for tile in range(0, pairs, 16):
        whole = min(tile + 16, pairs // 4 * 4)
        for b in range(planes.shape[0]):
            for p in range(planes.shape[1]):
                scale = times << p
                for j in range(tile, whole, 4):
                    n0, n1, n2, n3 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
                    for w in range(words):
                        plane = planes[b, p, w]
                        n0 += _ones(bits[j, w] & plane)
                        n1 += _ones(bits[j + 1, w] & plane)
                        n2 += _ones(bits[j + 2, w] & plane)
                        n3 += _ones(bits[j + 3, w] & plane)
                    total[j, b] += scale * np.int64(n0)
                    total[j + 1, b] += scale * np.int64(n1)
                    total[j + 2, b] += scale * np.int64(n2)
                    total[j + 3, b] += scale * np.int64(n3)
                for j in range(max(tile, whole), min(tile + 16, pairs)):
                    ones = np.uint64(0)
                    for w in range(words):
                        ones += _ones(bits[j, w] & planes[b, p, w])
                    total[j, b] += scale * np.int64(ones)


@_compiled
def power_iteration(
    matrix: NDArray[np.float64], vector: NDArray[np.float64], most_steps: int
) -> bool:
    """Turn ``vector`` into the matrix's Perron eigenvector, summing to 1; False if it takes longer.

    Args:
        matrix: transfers × transfers, non-negative.
        vector: where to start from, summing to 1; written to.
        most_steps: after so many steps it is given up.
    """
    after = np.empty_like(vector)
    for _ in range(most_steps):
        total = 0.0
        for i in range(len(vector)):
            dot = 0.0
            for j in range(len(vector)):
                dot += matrix[i, j] * vector[j]
            after[i] = dot
            total += dot
        change = 0.0
        for i in range(len(vector)):
            after[i] /= total
            change += abs(after[i] - vector[i])
            vector[i] = after[i]
        if change < 1e-14:
            return True
    return False
