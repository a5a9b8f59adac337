"""64-bit keys: names made into numbers, numbers into independent random choices.

`mixed` is the finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64-bit words
whose outputs look independent. It names views and tuples, picks fractions and partners, and seeds
every random choice, so that none of them depends on order, process or machine.
"""

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.random import Generator, Philox
from numpy.random.bit_generator import ISeedSequence

U64 = np.ndarray[Any, np.dtype[np.uint64]]


def name_key(name: str) -> int:
    """Return a 64-bit key of a name."""
    return int.from_bytes(blake2b(name.encode("utf-8"), digest_size=8).digest(), "little")


def mixed(values: U64) -> U64:
    """Return each 64-bit word scrambled, one to one."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def folded(*columns: U64) -> U64:
    """Return one key per row of several columns; the order of the columns matters."""
    key = mixed(columns[0])
    for column in columns[1:]:
        key = mixed(key ^ column)
    return key


def words(values: "np.ndarray[Any, Any] | list[int]") -> U64:
    """Return whole numbers as 64-bit words."""
    return np.asarray(values).astype(np.uint64)


class _Key(ISeedSequence):
    """Philox's key, given as a seed: beside `key=` it would ask the system for a seed unused."""

    def __init__(self, draw: int, key: int) -> None:
        self._words = np.array([draw & _MASK, key & _MASK], np.uint64)

    def generate_state(self, *_: Any) -> Any:
        """Return the key: two 64-bit words."""
        return self._words


_MASK = 0xFFFF_FFFF_FFFF_FFFF


def random_words(draw: int, key: int) -> Philox:
    """Return the source of the random 64-bit words of one draw of one thing."""
    seed: Any = _Key(draw, key)  # any ISeedSequence will do; numpy's stubs name but one
    return Philox(seed)


def generator(draw: int, key: int) -> Generator:
    """Return the source of the random choices of one draw of one thing."""
    return Generator(random_words(draw, key))
