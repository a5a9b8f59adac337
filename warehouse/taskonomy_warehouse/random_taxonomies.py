"""Random feasible taxonomies: what the optimal one must beat to mean anything.

Zamir et al. 2018 ("Significance Test of the Structure") set their solved taxonomies against random
ones of the same budget and order. Here each point of the same integer
program, a pair (S, x) of supervised sources and one transfer per target standing on them, is
equally likely. Picking S at random and then transfers at random is not that: a set S carries
N(S) = Π_t n_t(S) taxonomies, n_t(S) being target t's transfers whose sources all lie in S, so S
must be drawn with probability proportional to N(S). Source sets are listed where they are few, and
walked over by many Metropolis chains, one per draw, where they are not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray

from taskonomy_warehouse.selection.data import Problem
from taskonomy_warehouse.selection.taxonomy import TOLERANCE
from taskonomy_warehouse.source_set_law import Bools, Floats, ProductLaw

Ints = NDArray[np.intp]

MOST_LISTED_SETS = 1 << 16
"""Up to so many affordable source sets are listed outright, and drawn from exactly."""
STEPS = 40
"""Metropolis steps from one budget to the next; every other one proposes a whole new set."""
BURN_IN = 400
"""Steps of chains that start from one known taxonomy."""
REFIT = 8
"""Steps after which the law of the new sets is fitted again to where the chains are."""
SHARE_OF_SWAPS = 0.6
"""Share of the small steps that swap a source; the others flip one, two or three."""
FEWEST_CHAINS = 256
"""Chains run for fewer draws too: the law of the new sets is fitted to all of them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTaxonomy:
    """A feasible taxonomy within a budget: where chains may start. The optimum will do."""

    budget: float
    sources: frozenset[str]
    """Supervised tasks."""
    transfers: frozenset[int]
    """`Candidate.transfer_id` of the transfer of each target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTaxonomies:
    """Taxonomies drawn within one budget."""

    budget: float
    supervised: Bools
    """draws × sources, in the order of `Problem.sources`."""
    chosen: Ints
    """draws × targets, in the order of `Problem.targets`: positions in `Problem.candidates`."""


def random_taxonomies(
    problem: Problem, known: Sequence[KnownTaxonomy], *, draws: int, seed: Sequence[int]
) -> Iterator[RandomTaxonomies]:
    """Yield uniform draws from the program's feasible points, budget by budget, lowest first.

    Args:
        problem: the integer program's data, already limited to the order in question.
        known: one feasible taxonomy per budget that is wanted.
        draws: how many per budget.
        seed: whole numbers; the same seed, problem and budgets give the same draws.
    """
    space = _Space(problem)
    rng = np.random.default_rng(list(seed))
    count = max(draws, FEWEST_CHAINS)
    chains: _Chains | None = None
    for start in sorted(known, key=lambda k: k.budget):
        if not space.has_transfer_costs and space.few_sets(start.budget):
            chains = _Chains(space, space.listed_draws(start.budget, count, rng), rng)
        elif chains is None:
            chains = _Chains.from_one(space, start, count, rng)
            chains.run(start.budget, BURN_IN)
        else:
            chains.run(start.budget, STEPS)
        yield chains.taxonomies(start.budget, draws)


@dataclass(frozen=True, slots=True)
class Significance:
    """One figure of the optimal taxonomy against the same figure of the random ones."""

    optimal: float
    quantiles: tuple[float, ...]
    """Of the random ones, at `QUANTILES`."""
    mean: float
    """Of the random ones."""
    p_value: float
    """(1 + random ones at least as good) / (1 + draws)."""


QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Points of the random distribution that are kept: range, 5–95 % and 25–75 % intervals, median."""


def significance(optimal: float | None, drawn: Floats) -> Significance | None:
    """Set an optimal figure against drawn ones; None where either has no value.

    Figures that differ by less than 1e-9 count as equal, hence as at least as good: the optimum
    itself may be drawn, and its sum come out in another order.
    """
    values = drawn[~np.isnan(drawn)]
    if optimal is None or not len(values):
        return None
    at_least = int(np.count_nonzero(values >= optimal - 1e-9))
    return Significance(
        optimal=optimal,
        quantiles=tuple(float(q) for q in np.quantile(values, QUANTILES)),
        mean=float(values.mean()),
        p_value=(1 + at_least) / (1 + len(values)),
    )


class _Space:
    """The program's feasible points, laid out so that many source sets are judged at once.

    A batch of source sets is held as bits: row s, bit d says whether set d supervises source s.
    A transfer is on offer where the rows of all its sources are set, which takes one AND per
    source for 64 sets at a time.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        index = {source: i for i, source in enumerate(problem.sources)}
        self.labels = np.array([problem.label_cost[s] for s in problem.sources], dtype=float)
        self.slots = max((len(p) for p in problem.by_target.values()), default=0)
        shape = (len(problem.targets), self.slots)
        self.position = np.full(shape, -1, dtype=np.intp)
        """targets × slots: a candidate's position; -1 beyond a target's last."""
        members: dict[int, list[tuple[int, list[int]]]] = {}
        for row, target in enumerate(problem.targets):
            for slot, position in enumerate(problem.by_target[target]):
                self.position[row, slot] = position
                needed = sorted(index[s] for s in problem.candidates[position].sources)
                members.setdefault(len(needed), []).append((row * self.slots + slot, needed))
        self.members = [
            (np.array([at for at, _ in group]), np.array([needed for _, needed in group]))
            for _, group in sorted(members.items())
        ]
        """By order: where each candidate stands, and the sources it needs."""
        self.count_type = np.min_scalar_type(self.slots)
        self.transfer_cost = np.array([c.cost for c in problem.candidates], dtype=float)
        self.has_transfer_costs = bool(np.any(self.transfer_cost > 0))

    @cached_property
    def log(self) -> Floats:
        """Logarithms of whole numbers, -inf of 0: table look-up beats computing them."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.arange(self.slots + 1, dtype=float)))

    @cached_property
    def _barred(self) -> tuple[Ints, Ints]:
        """Where the transfers stand that a target may not use once supervised, and that target."""
        index = {source: i for i, source in enumerate(self.problem.sources)}
        barred = [
            (row * self.slots + slot, index[target])
            for row, target in enumerate(self.problem.targets)
            if target in index
            for slot, position in enumerate(self.problem.by_target[target])
            if not self.problem.candidates[position].own_network
        ]
        at, by = np.array(barred, dtype=np.intp).reshape(-1, 2).T
        return at, by

    def on_offer(self, supervised: Bools) -> NDArray[np.uint8]:
        """Return which transfers each source set offers: targets × slots × sets, 0 or 1.

        Args:
            supervised: sets × sources.
        """
        sets = len(supervised)
        words = -(-sets // 64)
        padded = np.zeros((supervised.shape[1], words * 64), dtype=bool)
        padded[:, :sets] = supervised.T
        bits = np.packbits(padded, axis=1).view(np.uint64)
        offered = np.zeros((self.position.size, words), dtype=np.uint64)
        for at, needed in self.members:
            together = bits[needed[:, 0]]
            for nth in range(1, needed.shape[1]):
                together &= bits[needed[:, nth]]
            offered[at] = together
        if self.problem.sources_serve_themselves:
            at, by = self._barred
            offered[at] &= ~bits[by]
        unpacked = np.unpackbits(offered.view(np.uint8), axis=1, count=sets)
        return unpacked.reshape(*self.position.shape, sets)

    def log_count(self, supervised: Bools) -> Floats:
        """Return log N(S) of each source set, -inf where some target cannot be served."""
        counts = self.on_offer(supervised).sum(axis=1, dtype=self.count_type)
        return np.asarray(self.log[counts].sum(axis=0))

    def most_sources(self, budget: float) -> int:
        """Return how many sources a budget pays for at most."""
        return int(np.count_nonzero(np.cumsum(np.sort(self.labels)) <= budget + TOLERANCE))

    def few_sets(self, budget: float) -> bool:
        """Return whether the affordable source sets are few enough to list."""
        most = self.most_sources(budget)
        return sum(comb(len(self.labels), k) for k in range(most + 1)) <= MOST_LISTED_SETS

    def listed_draws(self, budget: float, draws: int, rng: np.random.Generator) -> Bools:
        """Draw source sets with probability proportional to N(S), from a list of them all."""
        sets = self._affordable_sets(budget)
        weight = np.concatenate([self.log_count(part) for part in _in_parts(sets, 2048)])
        weight = np.exp(weight - weight.max())
        return sets[rng.choice(len(sets), size=draws, p=weight / weight.sum())]

    def _affordable_sets(self, budget: float) -> Bools:
        sets = np.zeros((1, len(self.labels)), dtype=bool)
        for source in range(len(self.labels)):
            more = sets.copy()
            more[:, source] = True
            sets = np.concatenate([sets, more[more @ self.labels <= budget + TOLERANCE]])
        return sets


class _Chains:
    """Metropolis chains over source sets, one per draw, all stepped together.

    Stationary law: uniform over the feasible pairs (S, x). Without transfer costs x is summed
    out and the chains walk over S alone with density N(S). With them a step proposes S', then x'
    uniformly among what S' offers, and is accepted with N(S')/N(S) if S' and x' together meet the
    budget: the proposal's 1/N(S') makes that the Metropolis ratio of the uniform law.
    """

    def __init__(self, space: _Space, supervised: Bools, rng: np.random.Generator) -> None:
        self._space, self._rng = space, rng
        self._supervised = supervised
        self._log_count = space.log_count(supervised)
        self._chosen: Ints | None = None

    @classmethod
    def from_one(
        cls, space: _Space, start: KnownTaxonomy, draws: int, rng: np.random.Generator
    ) -> "_Chains":
        """Start every chain at one known taxonomy."""
        row = np.array([s in start.sources for s in space.problem.sources])
        chains = cls(space, np.tile(row, (draws, 1)), rng)
        place = {c.transfer_id: i for i, c in enumerate(space.problem.candidates)}
        by_target = {space.problem.candidates[place[t]].target: place[t] for t in start.transfers}
        chosen = np.array([by_target[target] for target in space.problem.targets], dtype=np.intp)
        chains._chosen = np.tile(chosen, (draws, 1))
        return chains

    def run(self, budget: float, steps: int) -> None:
        """Take some steps within a budget that the chains' present states meet."""
        most = self._space.most_sources(budget)
        for step in range(steps):
            if step % REFIT == 0:
                law = self._fitted_law(most)
            if step % 2:
                self._try(self._nearby(), budget)
                continue
            proposed = law.draw(len(self._supervised), self._rng)
            towards_old = law.log_density(self._supervised) - law.log_density(proposed)
            self._try(proposed, budget, towards_old)

    def taxonomies(self, budget: float, draws: int) -> RandomTaxonomies:
        """Return one taxonomy from each of the first chains."""
        chosen = self._chosen
        if chosen is None or not self._space.has_transfer_costs:
            chosen = self._transfers(self._supervised)
        return RandomTaxonomies(
            budget=budget, supervised=self._supervised[:draws].copy(), chosen=chosen[:draws].copy()
        )

    def _try(self, proposed: Bools, budget: float, towards_old: Floats | float = 0.0) -> None:
        """Accept or refuse proposals; ``towards_old`` is log q(old) - log q(new) of their law q."""
        cost = proposed @ self._space.labels
        log_count = self._space.log_count(proposed)
        threshold = np.log(self._rng.random(len(cost)))
        accepted = threshold < log_count - self._log_count + towards_old
        chosen = None
        if self._space.has_transfer_costs:
            accepted &= np.isfinite(log_count)
            chosen = self._transfers(proposed)
            cost = cost + self._space.transfer_cost[chosen].sum(axis=1)
        accepted &= cost <= budget + TOLERANCE
        self._supervised[accepted] = proposed[accepted]
        self._log_count[accepted] = log_count[accepted]
        if chosen is not None and self._chosen is not None:
            self._chosen[accepted] = chosen[accepted]

    def _fitted_law(self, most: int) -> "ProductLaw":
        """Fit log N(S) ~ sum of the sources' weights + c·log|S| around where the chains are."""
        states = self._supervised
        flipped = states.copy()
        flipped[np.arange(len(states)), self._rng.integers(states.shape[1], size=len(states))] ^= (
            True
        )
        sets = np.concatenate([states, flipped])
        log_count = np.concatenate([self._log_count, self._space.log_count(flipped)])
        return ProductLaw.fitted(sets, log_count, most)

    def _nearby(self) -> Bools:
        """Propose to each chain a swap of two sources, or to flip one, two or three of them.

        Both are as likely as their way back. Swaps keep the number of sources, which a tight
        budget all but fixes; flips change it, and trade a dear source for several cheap ones.
        """
        sets, sources = self._supervised.shape
        chain = np.arange(sets)
        proposed = self._supervised.copy()
        swaps = self._rng.random(sets) < SHARE_OF_SWAPS
        key = self._rng.random((sets, sources), dtype=np.float32)
        inside = np.where(self._supervised, key, -1).argmax(axis=1)
        outside = np.where(self._supervised, -1, key).argmax(axis=1)
        possible = self._supervised[chain, inside] & ~self._supervised[chain, outside]
        moved = chain[swaps & possible]
        proposed[moved, inside[moved]] = False
        proposed[moved, outside[moved]] = True
        flips = np.where(swaps, 0, self._rng.integers(1, 4, size=sets))
        for nth in range(3):
            flipped = chain[flips > nth]
            proposed[flipped, self._rng.integers(sources, size=len(flipped))] ^= True
        return proposed

    def _transfers(self, supervised: Bools) -> Ints:
        """Draw for each set and target one of the transfers on offer, each as likely.

        A target that a set cannot serve gets any position; such sets are never accepted.
        """
        space = self._space
        offered = space.on_offer(supervised)
        running = np.cumsum(offered, axis=1, dtype=space.count_type)
        pick = (self._rng.random(running[:, -1].shape) * running[:, -1]).astype(space.count_type)
        slot = np.count_nonzero(running <= pick[:, None], axis=1)
        slot = np.minimum(slot, space.slots - 1)
        return np.asarray(space.position[np.arange(len(space.position))[:, None], slot].T)


def _in_parts(sets: Bools, size: int) -> Iterator[Bools]:
    for start in range(0, len(sets), size):
        yield sets[start : start + size]
