"""Attention, which the paper leaves out: its parameters and arithmetic, in each layer.

Four projections of d x d (query, key and value together, and output), and between them each token is
compared with those before it. The two score products are one kernel that keeps no score in memory
(Dao et al. 2022), forward and backward.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.symbols import symbols

__all__ = [
    "HEAD_CHANNELS",
    "layer_macs",
    "layer_parameters",
    "score_macs",
]

#: Channels of one head, the usual size (Brown et al. 2020).
HEAD_CHANNELS = 128


@cache
def layer_parameters() -> sp.Expr:
    """Parameters of one layer's attention: query, key, value and output, d x d each.

    Examples
    --------
    >>> layer_parameters()
    4*d**2
    """
    (d,) = symbols("d")
    return 4 * d**2


@cache
def score_macs() -> sp.Expr:
    """Forward MAC for one token in one layer to compare it with others and add up their values.

    A token meets the S / 2 tokens before it on average, for d MAC each time, twice. Some counts of
    model FLOP take all S (Chowdhery et al. 2022): that is twice as much.

    Examples
    --------
    >>> score_macs()
    S*d
    """
    d, S = symbols("d S")
    return 2 * d * S / 2


@cache
def layer_macs() -> sp.Expr:
    """Forward MAC of one layer's attention for one token: projections and scores.

    Examples
    --------
    >>> layer_macs()
    S*d + 4*d**2
    """
    return layer_parameters() + score_macs()
