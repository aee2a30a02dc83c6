"""Memory of what the forward pass keeps for the backward pass, which the paper leaves out.

Counted as Korthikanti et al. (2022) do: 34 d bytes for a token in a layer at 16 bit, of which 21 d are
the MLP's. Tensor parallelism divides all of it, as theirs does with sequence parallelism.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.symbols import symbols
from dmcore.models.attention import HEAD_CHANNELS

__all__ = [
    "MASK_BYTES",
    "attention_bytes",
    "boundary_bytes",
    "cluster_activations",
    "microbatches_in_flight",
    "mlp_bytes",
    "score_bytes",
    "token_bytes",
]

#: Bytes of one entry of a dropout mask, w_mask.
MASK_BYTES = 1


@cache
def mlp_bytes() -> sp.Expr:
    """Bytes for one token in one MLP: inputs of its norm, matrices and nonlinearity, a dropout mask.

    Examples
    --------
    >>> mlp_bytes()
    d*w_mask + 2*w_A*(d + f)
    """
    d, f, w_A, w_mask = symbols("d f w_A w_mask")
    return 2 * w_A * (d + f) + w_mask * d


@cache
def attention_bytes() -> sp.Expr:
    """Bytes for one token in one attention but its scores.

    Inputs of the norm, the projections and the output; queries, keys, values; a dropout mask.

    Examples
    --------
    >>> attention_bytes()
    6*d*w_A + d*w_mask
    """
    d, w_A, w_mask = symbols("d w_A w_mask")
    return 6 * w_A * d + w_mask * d


@cache
def score_bytes() -> sp.Expr:
    """Bytes of one token's scores in one layer, if kept: softmax, dropout and its mask, of each head.

    Examples
    --------
    >>> score_bytes()
    S*d*(2*w_A + w_mask)/128
    """
    d, S, w_A, w_mask = symbols("d S w_A w_mask")
    return (2 * w_A + w_mask) * S * d / HEAD_CHANNELS


@cache
def boundary_bytes() -> sp.Expr:
    """Bytes for one token between two layers: all that is kept if layers are computed again.

    Examples
    --------
    >>> boundary_bytes()
    d*w_A
    """
    d, w_A = symbols("d w_A")
    return w_A * d


@checked
@cache
def token_bytes(attention: bool, memory: str) -> tuple[sp.Expr, sp.Expr]:
    """Bytes of a token in a layer that are kept, and that come on top where it is computed again.

    ``memory`` is "full", "selective" or "recompute", as in :class:`~dmcore.models.model.Extras`.

    Examples
    --------
    >>> token_bytes(attention=False, memory="recompute")
    (d*w_A, d*w_mask + 2*w_A*(d + f))
    """
    layer = mlp_bytes()
    if attention:
        layer += attention_bytes()
        if memory == "full":
            layer += score_bytes()
    if memory == "recompute":
        return boundary_bytes(), layer
    return layer, sp.Integer(0)


@checked
@cache
def microbatches_in_flight(zero_bubble: bool) -> sp.Expr:
    """Microbatches that the first stage holds, the fullest, in layers' worth of the stage.

    One for each stage. With v > 1 blocks to a stage (N_PP - 1) / v more, as it starts further blocks
    early (Korthikanti et al. 2022); without a bubble N_PP - 1 more (Qi et al. 2023, their ZB-H2). Never
    more than there are.

    Examples
    --------
    >>> microbatches_in_flight(True)
    Min(K, 2*N_PP - 1)
    """
    N_PP, K, v = symbols("N_PP K v")
    more = sp.Integer(1) if zero_bubble else sp.sign(v - 1) / v
    return sp.Min(K, N_PP + more * (N_PP - 1))


@checked
@cache
def cluster_activations(zero_bubble: bool) -> sp.Expr:
    """Bytes of activations that a cluster must hold, if each of its stages held as much as the first.

    ``c_kept`` bytes for a token and layer are kept from the forward to the backward pass; ``c_again``
    come on top in the one layer that a stage computes again.

    Examples
    --------
    >>> sorted(symbol.name for symbol in cluster_activations(True).free_symbols)
    ['K', 'L', 'N_PP', 'b', 'c_again', 'c_kept']
    """
    b, L, N_PP, K, kept, again = symbols("b L N_PP K c_kept c_again")
    return (kept * L * microbatches_in_flight(zero_bubble) + again * N_PP) * b / K
