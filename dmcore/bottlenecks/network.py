"""Network bandwidth: how finely a layer can be sliced before its messages outlast its arithmetic.

Two-dimensional tensor parallelism puts a block of each d x f weight matrix on each of N_TP = m q nodes:
m slices along d_model, q along d_ff.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import FF_RATIO, MATRICES_PER_LAYER, PASSES

__all__ = [
    "FF_RATIO",
    "MATRICES_PER_LAYER",
    "PASSES",
    "all_reduce_words",
    "arithmetic_time",
    "best_q",
    "block_time_ratio",
    "derivation",
    "layer_macs",
    "largest_tensor_parallelism",
    "largest_tensor_parallelism_exact",
    "network_rate",
    "network_time",
    "shard_side",
    "shard_side_channels",
    "time_ratio",
    "time_ratio_exact",
    "words_per_token",
    "words_per_token_exact",
]


@cache
def network_rate() -> sp.Expr:
    """W, activations/s: what the G GPUs of a node send out, in one direction."""
    G, beta, w_A = symbols("G beta_net w_A")
    return G * beta / (2 * w_A)


@cache
def all_reduce_words(peers: sp.Expr, words: sp.Expr) -> sp.Expr:
    """Words that all peers together send to sum a vector of that many words.

    Each word goes round all peers but one to be summed, and again to be shared.
    """
    return 2 * (peers - 1) * words


@cache
def words_per_token_exact() -> sp.Expr:
    """Channels all-reduced for one token in one layer, forward and backward, over all nodes.

    Forward, the first matrix leaves d_ff sums spread over m nodes, the second d_model sums over q.
    Backward, the gradients take the same two roads in the other direction.
    """
    d, f, m, q = symbols("d f m q")
    return 2 * (all_reduce_words(m, f) + all_reduce_words(q, d))


@cache
def words_per_token() -> sp.Expr:
    """The leading terms of :func:`words_per_token_exact`, an upper bound close for many slices."""
    m, q = symbols("m q")
    return sum(
        term for term in sp.expand(words_per_token_exact()).args if term.has(m) or term.has(q)
    )


@cache
def layer_macs() -> sp.Expr:
    """MAC of one layer for one token, forward and backward."""
    d, f = symbols("d f")
    return PASSES * MATRICES_PER_LAYER * d * f


@cache
def network_time() -> sp.Expr:
    """Seconds for each token and layer that N_TP nodes spend on all-reduces."""
    N_TP, W = symbols("N_TP W")
    return words_per_token() / (N_TP * W)


@cache
def arithmetic_time() -> sp.Expr:
    """Seconds for each token and layer that N_TP nodes spend on arithmetic."""
    N_TP, C = symbols("N_TP C")
    return layer_macs() / (N_TP * C)


@cache
def _words_slope() -> sp.Eq:
    """Where the words of a grid of N_TP = m q blocks have no slope in m, when d_ff is 4 d_model.

    The two sides are what one more slice of d_model adds, and what the fewer slices of d_ff save.
    """
    d, f, m, q, N_TP = symbols("d f m q N_TP")
    slope = sp.diff(words_per_token().subs({f: FF_RATIO * d, q: N_TP / m}), m)
    added, saved = slope.as_independent(N_TP)
    return sp.Eq(added, -saved)


@cache
def best_q() -> sp.Expr:
    """The q that moves the fewest words, as a function of m, when d_ff is 4 d_model.

    With N_TP fixed, q = N_TP / m; the words are least where their slope in m is zero.
    """
    m, N_TP = symbols("m N_TP")
    (fewest,) = sp.solve(_words_slope(), N_TP)
    return sp.simplify(fewest / m)


@cache
def block_time_ratio() -> sp.Expr:
    """Network time over arithmetic time of a grid of square blocks, as a function of their side a.

    The matrix cancels: a block sends as many words as its edges are long, and computes its area.
    """
    d, f, m, q, a = symbols("d f m q a")
    return sp.simplify((network_time() / arithmetic_time()).subs({m: d / a, q: f / a}))


@cache
def shard_side() -> sp.Expr:
    """a, channels: the side of the smallest square weight block that the network keeps up with.

    Solves network time = arithmetic time for d, at the best q, with m = d / a blocks along d.
    """
    d, f, m, q, a = symbols("d f m q a")
    sliced = {f: FF_RATIO * d, q: best_q().subs(m, d / a), m: d / a}
    equation = sp.Eq(network_time().subs(sliced), arithmetic_time().subs(sliced))
    (solution,) = sp.solve(equation, a)
    return solution


@cache
def largest_tensor_parallelism() -> sp.Expr:
    """N_TP at which blocks are a x a: beyond it the network is the slower."""
    d, a, m = symbols("d a m")
    return (m * best_q()).subs(m, d / a)


@cache
def _best_grid() -> tuple[sp.Expr, sp.Expr]:
    """M and q of the best grid of N_TP blocks."""
    m, N_TP = symbols("m N_TP")
    (slices,) = sp.solve(sp.Eq(m * best_q(), N_TP), m)
    return slices, best_q().subs(m, slices)


@cache
def _time_ratio(words: sp.Expr) -> sp.Expr:
    d, f, m, q, N_TP, W = symbols("d f m q N_TP W")
    slices_d, slices_f = _best_grid()
    ratio = words / (N_TP * W) / arithmetic_time()
    return sp.expand(ratio.subs({f: FF_RATIO * d, m: slices_d, q: slices_f}))


@cache
def time_ratio() -> sp.Expr:
    """Network time over arithmetic time of the best grid of N_TP blocks; at most 1 is affordable."""
    return _time_ratio(words_per_token())


@cache
def time_ratio_exact() -> sp.Expr:
    """:func:`time_ratio` with every word counted. Meant for 4 blocks and more, where m is 1 and more."""
    return _time_ratio(words_per_token_exact())


@cache
def largest_tensor_parallelism_exact() -> sp.Expr:
    """N_TP at which network and arithmetic take equally long, with every word counted.

    Larger than :func:`largest_tensor_parallelism` by the 5 a / 8 that it adds to d.
    """
    a, C, N_TP = symbols("a C N_TP")
    (rate,) = sp.solve(sp.Eq(a, shard_side()), C)
    (blocks,) = sp.solve(sp.Eq(time_ratio_exact().subs(C, rate), 1), N_TP)
    return sp.factor(blocks)


@cache
def derivation() -> Derivation:
    """The steps from all-reduced words to the largest tensor-parallel degree."""
    m, q, a, N_TP, W, C, F, G = symbols("m q a N_TP W C F G")
    return Derivation(
        "The largest tensor parallelism",
        (
            Step("eq-network-rate", sp.Eq(W, network_rate()), "bytes become activations"),
            Step("eq-tensor-degree", sp.Eq(N_TP, m * q), "a grid of m by q blocks"),
            Step(
                "eq-all-reduced-words",
                sp.Le(sp.factor_terms(words_per_token_exact()), words_per_token(), evaluate=False),
                "the leading terms are an upper bound, close for many slices",
            ),
            Step(
                "eq-network-condition",
                sp.Le(network_time(), arithmetic_time()),
                "messages last no longer than arithmetic, token by token",
            ),
            Step("eq-words-slope", _words_slope(), "the words have no slope in m"),
            Step("eq-best-q", sp.Eq(q, best_q()), "the grid that moves the fewest words"),
            Step(
                "eq-block-condition", sp.Le(block_time_ratio(), 1), "in terms of the block's side"
            ),
            Step("eq-shard-side", sp.Eq(a, shard_side()), "the two times are equal"),
            Step(
                "eq-shard-side-hardware",
                sp.Eq(a, shard_side().subs({C: G * F, W: network_rate()})),
                "with the rates put in, the GPUs in a node cancel",
            ),
            Step(
                "eq-largest-tensor",
                sp.Le(N_TP, largest_tensor_parallelism()),
                "as many blocks as fit in the matrix",
            ),
        ),
    )


def shard_side_channels(gpu: GPU | str, word_bytes: float | None = None) -> float:
    """Side of the smallest weight block of a node that the network keeps up with, in channels.

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset.
    word_bytes
        Bytes of one activation; the GPU's word by default.

    Raises
    ------
    ValueError
        If the preset is unknown or ``word_bytes`` is not positive.
    """
    gpu = get_gpu(gpu)
    return float(
        evaluate(
            derivation()["eq-shard-side-hardware"].equation.rhs,
            F=gpu.peak_flop_per_s / FLOP_PER_MAC,
            beta_net=gpu.inter_node_bytes_per_s,
            w_A=gpu.word_bytes if word_bytes is None else word_bytes,
        )
    )
