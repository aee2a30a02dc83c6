"""Attention, which the paper leaves out: its parameters, arithmetic and messages, in each layer.

Four projections of d x d (query, key and value together, and output), and between them each token is
compared with those before it. The projections are split over a grid of m by q like the matrices of the
MLP: m slices of the channels that a layer passes on, q slices of the channels inside, by heads. With
m = 1 that is the split of Megatron-LM (Shoeybi et al. 2019). The two score products are one kernel that
keeps no score in memory (Dao et al. 2022), forward and backward.

Messages that replicas or microbatches would need which share one sequence are not counted.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks.network import all_reduce_words
from dmcore.models.laws import simulator_symbols

__all__ = [
    "FORWARD_PRODUCTS",
    "HEAD_CHANNELS",
    "MLP_FORWARD_PRODUCTS",
    "inside_all_reduced",
    "layer_macs",
    "layer_parameters",
    "outside_all_reduced",
    "score_macs",
    "words_per_token",
]

#: Channels of one head, the usual size (Brown et al. 2020).
HEAD_CHANNELS = 128
#: Products in sequence that attention puts before the MLP: query, key and value; scores; output.
FORWARD_PRODUCTS = 3
#: Those of the MLP.
MLP_FORWARD_PRODUCTS = 2


@cache
def layer_parameters() -> sp.Expr:
    """Parameters of one layer's attention: query, key, value and output, d x d each."""
    (d,) = symbols("d")
    return 4 * d**2


@cache
def score_macs() -> sp.Expr:
    """Forward MAC for one token in one layer to compare it with others and add up their values.

    A token meets the S / 2 tokens before it on average, for d MAC each time, twice. Some counts of
    model FLOP take all S (Chowdhery et al. 2022): that is twice as much.
    """
    (d,) = symbols("d")
    (S,) = simulator_symbols("S")
    return 2 * d * S / 2


@cache
def layer_macs() -> sp.Expr:
    """Forward MAC of one layer's attention for one token: projections and scores."""
    return layer_parameters() + score_macs()


@cache
def inside_all_reduced() -> sp.Expr:
    """Channels, for a token and layer, that the m slices of the channels outside sum up in a step.

    Forward, in each of F times, the sums of query, key and value; backward, the gradient that enters
    the output projection.
    """
    (d,) = symbols("d")
    (F,) = simulator_symbols("F_passes")
    return (3 * F + 1) * d


@cache
def outside_all_reduced() -> sp.Expr:
    """Channels, for a token and layer, that the q slices of the channels inside sum up in a step.

    Forward, in each of F times, the output; backward, the gradient that leaves the layer.
    """
    (d,) = symbols("d")
    (F,) = simulator_symbols("F_passes")
    return (F + 1) * d


@cache
def words_per_token() -> sp.Expr:
    """Channels all-reduced for one token in one layer's attention over all peers, in a step."""
    m, q = symbols("m q")
    return all_reduce_words(m, inside_all_reduced()) + all_reduce_words(q, outside_all_reduced())
