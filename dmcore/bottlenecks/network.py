"""Network bandwidth: how finely a layer can be sliced before its messages outlast its arithmetic.

Two-dimensional tensor parallelism puts a block of each d x f weight matrix on each of N_TP = m q nodes:
m slices along d_model, q along d_ff.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks.memory_bandwidth import arithmetic_rate
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import FF_RATIO, MATRICES_PER_LAYER, PASSES
from dmcore.models.words import Words

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
    "shard_side_of_hardware",
    "time_ratio",
    "time_ratio_exact",
    "words_per_token",
    "words_per_token_exact",
]

G, beta_net, w_A, C, W = symbols("G beta_net w_A C W")
d, f, a, m, q, N_TP = symbols("d f a m q N_TP")
# The usual layer, and how many slices of d_ff are left to a number of slices of d_model.
_USUAL = {f: FF_RATIO * d}
_REST = {q: N_TP / m}


def network_rate() -> sp.Expr:
    """W, activations/s: what the G GPUs of a node send out, in one direction.

    Examples
    --------
    >>> network_rate()
    G*beta_net/(2*w_A)
    """
    return G * beta_net / 2 / w_A


@checked
def all_reduce_words(peers: sp.Expr | float, words: sp.Expr | float) -> sp.Expr:
    """Words that all peers together send to sum a vector of that many words.

    Each word goes round all peers but one to be summed, and again to be shared.

    Examples
    --------
    >>> all_reduce_words(m, f)
    f*(2*m - 2)
    """
    return 2 * (peers - 1) * words


def words_per_token_exact() -> sp.Expr:
    """Channels all-reduced for one token in one layer, forward and backward, over all nodes.

    Forward, the first matrix leaves d_ff sums spread over m nodes, the second d_model sums over q.
    Backward, the gradients take the same two roads in the other direction.

    Examples
    --------
    >>> words_per_token_exact().subs({m: 2, q: 8})
    28*d + 4*f
    """
    return 2 * (all_reduce_words(m, f) + all_reduce_words(q, d))


@cache
def words_per_token() -> sp.Expr:
    """The leading terms of :func:`words_per_token_exact`, an upper bound close for many slices.

    Examples
    --------
    >>> words_per_token()
    4*d*q + 4*f*m
    """
    terms = sp.expand(words_per_token_exact()).args
    return sum(term for term in terms if term.has(m) or term.has(q))


def layer_macs() -> sp.Expr:
    """MAC of one layer for one token, forward and backward.

    Examples
    --------
    >>> layer_macs()
    6*d*f
    """
    return PASSES * MATRICES_PER_LAYER * d * f


def network_time() -> sp.Expr:
    """Seconds for each token and layer that N_TP nodes spend on all-reduces.

    Examples
    --------
    >>> network_time()
    (4*d*q + 4*f*m)/(N_TP*W)
    """
    return words_per_token() / (N_TP * W)


def arithmetic_time() -> sp.Expr:
    """Seconds for each token and layer that N_TP nodes spend on arithmetic.

    Examples
    --------
    >>> arithmetic_time()
    6*d*f/(C*N_TP)
    """
    return layer_macs() / (N_TP * C)


@cache
def best_q() -> sp.Expr:
    """The q that moves the fewest words, as a function of m, when d_ff is 4 d_model.

    With N_TP fixed, q = N_TP / m; the words are least where their slope in m is zero.

    Examples
    --------
    >>> best_q()
    4*m
    """
    slope = sp.diff(words_per_token().subs(_USUAL).subs(_REST), m)
    (fewest,) = sp.solve(slope, N_TP)
    return sp.simplify(fewest / m)


@cache
def block_time_ratio() -> sp.Expr:
    """Network time over arithmetic time of a grid of square blocks, as a function of their side a.

    The matrix cancels: a block sends as many words as its edges are long, and computes its area.

    Examples
    --------
    >>> block_time_ratio()
    4*C/(3*W*a)
    """
    return sp.simplify((network_time() / arithmetic_time()).subs({m: d / a, q: f / a}))


@cache
def shard_side() -> sp.Expr:
    """a, channels: the side of the smallest square weight block that the network keeps up with.

    Solves network time = arithmetic time at the best q, with m = d / a blocks along d.

    Examples
    --------
    >>> shard_side()
    4*C/(3*W)
    """
    grid = {q: best_q().subs(m, d / a), m: d / a, **_USUAL}
    (side,) = sp.solve(sp.Eq(network_time().subs(grid), arithmetic_time().subs(grid)), a)
    return side


def shard_side_of_hardware() -> sp.Expr:
    """:func:`shard_side` in what a data sheet tells; the GPUs of a node cancel.

    Examples
    --------
    >>> shard_side_of_hardware()
    8*F*w_A/(3*beta_net)
    """
    return shard_side().subs({C: arithmetic_rate(), W: network_rate()})


def largest_tensor_parallelism() -> sp.Expr:
    """N_TP at which blocks are a x a: beyond it the network is the slower.

    Examples
    --------
    >>> largest_tensor_parallelism()
    4*d**2/a**2
    """
    return (m * best_q()).subs(m, d / a)


@cache
def _time_ratio(words: sp.Expr) -> sp.Expr:
    """Network time over arithmetic time of those words, on the best grid of N_TP blocks."""
    (slices,) = sp.solve(sp.Eq(m * best_q(), N_TP), m)
    ratio = words / (N_TP * W) / arithmetic_time()
    return sp.expand(ratio.subs(_USUAL).subs({m: slices, q: best_q().subs(m, slices)}))


def time_ratio() -> sp.Expr:
    """Network time over arithmetic time of the best grid of N_TP blocks; at most 1 is affordable.

    Examples
    --------
    >>> time_ratio()
    2*C*sqrt(N_TP)/(3*W*d)
    """
    return _time_ratio(words_per_token())


def time_ratio_exact() -> sp.Expr:
    """:func:`time_ratio` with every word counted. Meant for 4 blocks and more, where m is 1 and more.

    Examples
    --------
    >>> time_ratio_exact()
    2*C*sqrt(N_TP)/(3*W*d) - 5*C/(6*W*d)
    """
    return _time_ratio(words_per_token_exact())


@cache
def largest_tensor_parallelism_exact() -> sp.Expr:
    """N_TP at which network and arithmetic take equally long, with every word counted.

    Larger than :func:`largest_tensor_parallelism` by the 5 a / 8 that it adds to d.

    Examples
    --------
    >>> largest_tensor_parallelism_exact()
    (5/4 + 2*d/a)**2
    """
    (rate,) = sp.solve(sp.Eq(a, shard_side()), C)
    (root,) = sp.solve(sp.Eq(time_ratio_exact().subs(C, rate), 1), sp.sqrt(N_TP))
    return sp.expand(root) ** 2


@cache
def derivation() -> Derivation:
    """The steps from all-reduced words to the largest tensor-parallel degree, which is the last one.

    Examples
    --------
    >>> derivation()["eq-best-q"].agrees(4 * m)
    Eq(q, 4*m)  [the grid that sends the fewest numbers]
    """
    exact, leading = sp.factor_terms(words_per_token_exact()), words_per_token()
    words = sp.Le(exact, leading, evaluate=False)
    in_time = sp.Le(network_time(), arithmetic_time())
    both = (network_time, arithmetic_time)
    bound = "the leading terms are an upper bound, close for many slices"
    token = "messages last no longer than arithmetic, token by token"
    most = largest_tensor_parallelism
    cancel = "with the rates put in, the GPUs in a node cancel"
    all_words = largest_tensor_parallelism_exact
    return Derivation(
        "The largest tensor parallelism",
        (
            Step.of("eq-network-rate", W, network_rate, "bytes become activations"),
            Step("eq-all-reduced-words", words, bound, made_by=words_per_token_exact),
            Step("eq-network-condition", in_time, token, made_by=both),
            Step.of("eq-best-q", q, best_q, "the grid that sends the fewest numbers"),
            Step.of("eq-shard-side", a, shard_side, "the two times are equal"),
            Step.of("eq-shard-side-hardware", a, shard_side_of_hardware, cancel),
            Step.of("eq-largest-tensor-exact", N_TP, all_words, "with every number counted", sp.Le),
            Step.of("eq-largest-tensor", N_TP, most, "as many blocks as fit in the matrix", sp.Le),
        ),
    )


@checked
def shard_side_channels(gpu: GPU | str, word_bytes: float | Words | None = None) -> float:
    """Side of the smallest weight block of a node that the network keeps up with, in channels.

    An activation has the bytes of the GPU's word by default.

    Examples
    --------
    >>> round(shard_side_channels("H100 SXM"))
    26385
    """
    gpu = get_gpu(gpu)
    values = {
        "F": gpu.peak_flop_per_s / FLOP_PER_MAC,
        "beta_net": gpu.inter_node_bytes_per_s,
        "w_A": Words.of(gpu.word_bytes if word_bytes is None else word_bytes).activations,
    }
    return float(evaluate(shard_side_of_hardware(), values))
