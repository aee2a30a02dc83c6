"""Messages of attention (:mod:`dmcore.models.attention`), which the paper leaves out, in each layer.

The projections are split over a grid of m by q like the matrices of the MLP: m slices of the channels that
a layer passes on, q slices of the channels inside, by heads. With m = 1 that is the split of Megatron-LM
(Shoeybi et al. 2019).

Messages that replicas or microbatches would need which share one sequence are not counted.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks.network import all_reduce_words

__all__ = ["inside_all_reduced", "outside_all_reduced", "words_per_token"]


@cache
def inside_all_reduced() -> sp.Expr:
    """Channels, for a token and layer, that the m slices of the channels outside sum up in a step.

    Forward, in each of F times, the sums of query, key and value; backward, the gradient that enters
    the output projection.

    Examples
    --------
    >>> inside_all_reduced()
    d*(3*F_passes + 1)
    """
    d, F = symbols("d F_passes")
    return (3 * F + 1) * d


@cache
def outside_all_reduced() -> sp.Expr:
    """Channels, for a token and layer, that the q slices of the channels inside sum up in a step.

    Forward, in each of F times, the output; backward, the gradient that leaves the layer.

    Examples
    --------
    >>> outside_all_reduced()
    d*(F_passes + 1)
    """
    d, F = symbols("d F_passes")
    return (F + 1) * d


@cache
def words_per_token() -> sp.Expr:
    """Channels all-reduced for one token in one layer's attention over all peers, in a step.

    Examples
    --------
    >>> words_per_token()
    d*(F_passes + 1)*(2*q - 2) + d*(3*F_passes + 1)*(2*m - 2)
    """
    m, q = symbols("m q")
    return all_reduce_words(m, inside_all_reduced()) + all_reduce_words(q, outside_all_reduced())
