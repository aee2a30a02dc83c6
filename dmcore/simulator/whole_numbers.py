"""Whole numbers: divisors, and the ways to share primes out, which the search goes through."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

__all__ = [
    "divisors",
    "exponents",
    "frozen",
    "ordered_factorizations",
    "tables",
]

Ints = NDArray[np.int64]


def exponents(numbers: Ints, prime: int) -> Ints:
    """How often a prime divides each of some numbers.

    Examples
    --------
    >>> exponents(np.array([8, 12, 5]), 2).tolist()
    [3, 2, 0]
    """
    counts, left = np.zeros_like(numbers), numbers.copy()
    while (divides := left % prime == 0).any():
        counts += divides
        left[divides] //= prime
    return counts


@lru_cache(maxsize=4096)
def divisors(n: int) -> Ints:
    """Divisors of n in ascending order.

    Examples
    --------
    >>> divisors(12).tolist()
    [1, 2, 3, 4, 6, 12]
    """
    return frozen(np.array(sympy.divisors(n), dtype=np.int64))


@cache
def ordered_factorizations(n: int, parts: int) -> Ints:
    """All ways to write n as an ordered product, one a row of shape (ways, parts).

    Examples
    --------
    >>> ordered_factorizations(4, 2).tolist()
    [[1, 4], [2, 2], [4, 1]]
    """
    if parts == 1:
        return frozen(np.array([[n]]))
    rows = [
        np.insert(ordered_factorizations(n // int(first), parts - 1), 0, first, axis=1)
        for first in divisors(n)
    ]
    return frozen(np.concatenate(rows))


@lru_cache(maxsize=2**16)
def tables(rows: tuple[int, ...], columns: tuple[int, ...]) -> int:
    """How many tables of whole numbers from zero have these sums of rows, and of columns.

    Examples
    --------
    >>> tables((1, 1), (1, 1))
    2
    """
    head, *rest = columns
    if not rest:
        return 1
    return sum(tables(tuple(sorted(left)), tuple(rest)) for left in _after(rows, head))


def _after(rows: tuple[int, ...], taken: int) -> Iterator[tuple[int, ...]]:
    """What is left of rows once so much is taken, in every way."""
    if len(rows) == 1:
        if taken <= rows[0]:
            yield (rows[0] - taken,)
        return
    for part in range(min(rows[0], taken) + 1):
        for rest in _after(rows[1:], taken - part):
            yield (rows[0] - part, *rest)


def frozen(array: Any) -> Any:
    """An array that nobody can write to, since it is shared through a cache.

    Examples
    --------
    >>> frozen(np.array([1])).flags.writeable
    False
    """
    array.flags.writeable = False
    return array
