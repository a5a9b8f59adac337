"""The compiled loops: losses put in their place, and counted against one another.

Compiled by numba when first called and kept on disk where there is a place for it. They let go of
Python's lock, so that plain threads share the work: see `win_rates`, which calls them. The figures
that chose them are in docs/decisions/0005-win-rate-kernel.md.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

Losses = NDArray[np.float32]
"""transfers × images; NaN where a transfer has no loss for an image."""
Counts = NDArray[np.int64]

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
def place_losses(
    trials: NDArray[np.int32],
    images: NDArray[np.uint64],
    values: NDArray[np.float32],
    row_trials: NDArray[np.int32],
    column_images: NDArray[np.uint64],
    losses: Losses,
) -> None:
    """Write rows (trial, image, loss) into the matrix; rows of other trials or images are left out.

    Rows mostly come trial by trial in image order, where the next row belongs one cell further;
    only where that guess fails is its place looked up. Any order gives the same matrix.

    Args:
        trials: trial of each row.
        images: image of each row.
        values: loss of each row.
        row_trials: trials of the matrix's rows, rising.
        column_images: images of the matrix's columns, rising.
        losses: trials × images, written to.
    """
    row, column = 0, -1
    for k in range(len(trials)):
        if row >= len(row_trials) or row_trials[row] != trials[k]:
            row = np.searchsorted(row_trials, trials[k])
            if row == len(row_trials) or row_trials[row] != trials[k]:
                continue
        column += 1
        if column >= len(column_images) or column_images[column] != images[k]:
            column = np.searchsorted(column_images, images[k])
            if column == len(column_images) or column_images[column] != images[k]:
                continue
        losses[row, column] = values[k]
