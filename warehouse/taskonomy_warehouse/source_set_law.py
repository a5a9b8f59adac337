"""A law over sets of sources that is easy to draw from, to propose whole new sets by.

Random taxonomies (`random_taxonomies`) need source sets in proportion to the taxonomies that each
carries, which cannot be drawn outright. This law is fitted to where the chains are: it comes close.
"""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class ProductLaw:
    """A law over source sets, q(S) ∝ |S|^c · Π_{s∈S} w_s for |S| ≤ some most: easy to draw from.

    Elementary symmetric polynomials of the weights count the sets of each size, so that a set is
    drawn source by source (conditional Poisson sampling; Chen, Dempster and Liu 1994).
    """

    def __init__(self, log_weight: Floats, exponent: float, most: int) -> None:
        self._log_weight = log_weight
        count = len(log_weight)
        weight = np.exp(log_weight)
        ways = np.zeros((count + 1, count + 2))
        ways[count, 0] = 1.0
        for source in reversed(range(count)):
            ways[source] = ways[source + 1]
            ways[source, 1:] += weight[source] * ways[source + 1, :-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            self._take = np.nan_to_num(weight[:, None] * ways[1:, :-1] / ways[:-1, 1:])
        """sources × (still to take - 1): the probability of taking the source."""
        sizes = np.arange(count + 1)
        self._log_size = exponent * np.log(np.maximum(sizes, 0.5))
        by_size = np.log(ways[0, : count + 1]) + self._log_size
        by_size[most + 1 :] = -np.inf
        self._size = np.exp(by_size - by_size.max())
        self._size /= self._size.sum()

    @classmethod
    def fitted(cls, sets: Bools, log_count: Floats, most: int) -> "ProductLaw":
        """Fit to the log counts of some sets by ridge regression."""
        served = np.isfinite(log_count)
        sets, log_count = sets[served], log_count[served]
        size = np.log(np.maximum(sets.sum(axis=1), 0.5))
        features = np.column_stack([sets, size])
        features = features - features.mean(axis=0)
        gram = features.T @ features + np.eye(features.shape[1])
        fit = np.linalg.solve(gram, features.T @ (log_count - log_count.mean()))
        weights = fit[:-1] - np.median(fit[:-1])
        return cls(np.clip(weights, -6, 6), float(fit[-1]), most)

    def draw(self, draws: int, rng: np.random.Generator) -> Bools:
        """Draw source sets: draws × sources."""
        left = rng.choice(len(self._size), size=draws, p=self._size)
        uniform = rng.random((len(self._take), draws))
        sets = np.zeros((len(self._take), draws), dtype=bool)
        for source, take in enumerate(self._take):
            sets[source] = (left > 0) & (uniform[source] < take[left - 1])
            left = left - sets[source]
        return sets.T

    def log_density(self, sets: Bools) -> Floats:
        """Return log q of sets within the most, up to a constant."""
        return np.asarray(sets @ self._log_weight + self._log_size[sets.sum(axis=1)])
