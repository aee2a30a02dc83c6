"""The two limits: compute above which data movement wastes GPUs, and above which no run can end.

Both come from composing the bottlenecks and solving for the training compute T at a fixed batch for each
layer, b / L. Both grow with the square of b / L, so that a batch which grows with compute stretches the
distance of a limit from the compute T_0 at which the growth starts (:func:`with_growth`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_scalar
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import critical_batch, latency, memory_bandwidth, network
from dmcore.bottlenecks.composition import (
    check_arguments,
    largest_cluster,
    largest_cluster_of_compute,
    least_run_time_of_compute,
    model_width,
    nodes_needed,
    of_compute,
    parameters,
    training_macs,
    training_tokens,
)
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import TOKENS_PER_PARAMETER
from dmcore.models.words import Words

__all__ = [
    "QUARTER_S",
    "TOKENS_PER_PARAMETER",
    "busy_matmul_time",
    "cluster_at_limit",
    "comparison",
    "critical_compute",
    "critical_derivation",
    "critical_macs",
    "critical_macs_fixed",
    "critical_macs_of_hardware",
    "elasticity",
    "largest_cluster",
    "largest_cluster_of_compute",
    "latency_derivation",
    "latency_limit",
    "latency_macs",
    "latency_macs_fixed",
    "least_run_time_of_compute",
    "model_width",
    "node_rates",
    "nodes_needed",
    "parameters",
    "piece_time",
    "training_macs",
    "training_tokens",
    "with_growth",
]

#: A quarter of a Julian year, seconds.
QUARTER_S = 365.25 * 86400 / 4

T, T_fixed, P, D, d, L, r, t = symbols("T T_fixed P D d L r t")
N, C, a, n, b, ell, ell_piece = symbols("N C a n b ell ell_piece")
T_0, b_0, L_0, alpha = symbols("T_0 b_0 L_0 alpha")


@cache
def critical_macs_fixed() -> sp.Expr:
    """T, MAC, at fixed b / L, above which no cluster that does it in time t can be kept busy.

    Examples
    --------
    >>> critical_macs_fixed().subs(r, 20)
    C**2*b**2*t**2/(960*L**2*a**4*n**2)
    """
    (limit,) = sp.solve(sp.Eq(nodes_needed(), of_compute(largest_cluster())), T)
    return limit


@cache
def latency_macs_fixed() -> sp.Expr:
    """T, MAC, at fixed b / L, above which no run ends in time t, however large the cluster.

    Examples
    --------
    >>> latency_macs_fixed().subs(r, 20)
    3*b**2*t**2/(320*L**2*ell**2)
    """
    (limit,) = sp.solve(sp.Eq(t, of_compute(latency.least_run_time())), T)
    return limit


@checked
@cache
def with_growth(limit: sp.Expr) -> sp.Expr:
    """A limit at fixed b / L, for b / L that grows with the power alpha of compute.

    The limit grows with the square of b / L, so that T / T_0 is at most (T / T_0)^(2 alpha) times the
    limit over T_0. On a logarithmic scale, its distance from T_0 is stretched by 1 / (1 - 2 alpha).

    Examples
    --------
    >>> with_growth(b**2 / L**2 * T / T_0)
    T_0*(T*b_0**2/(L_0**2*T_0**2))**(1/(1 - 2*alpha))
    """
    return T_0 * (_at_start(limit) / T_0) ** (1 / (1 - alpha * elasticity(limit, b)))


def _at_start(limit: sp.Expr) -> sp.Expr:
    return limit.subs(b, L * b_0 / L_0)


def critical_macs() -> sp.Expr:
    """T, MAC, above which no cluster that does it in time t can be kept busy.

    Examples
    --------
    >>> critical_macs().subs({alpha: 0, r: 20})
    C**2*b_0**2*t**2/(960*L_0**2*a**4*n**2)
    """
    return with_growth(critical_macs_fixed())


@cache
def critical_macs_of_hardware() -> sp.Expr:
    """:func:`critical_macs` in what a data sheet tells: G, F and the two bandwidths.

    Examples
    --------
    >>> sorted(symbol.name for symbol in critical_macs_of_hardware().free_symbols)[:4]
    ['F', 'G', 'L_0', 'T_0']
    """
    return with_growth(_of_hardware(critical_macs_fixed()))


def _of_hardware(expr: sp.Expr) -> sp.Expr:
    rates = {C: memory_bandwidth.arithmetic_rate(), n: memory_bandwidth.nanobatch_of_hardware()}
    return expr.subs({**rates, a: network.shard_side_of_hardware()})


def latency_macs() -> sp.Expr:
    """T, MAC, above which no run ends in time t, however large the cluster.

    Examples
    --------
    >>> latency_macs().subs({alpha: 0, r: 20})
    3*b_0**2*t**2/(320*L_0**2*ell**2)
    """
    return with_growth(latency_macs_fixed())


@checked
@cache
def elasticity(expr: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """Percent by which an expression grows when a symbol of it grows by one percent.

    That is the slope in logarithms, d log(expr) / d log(symbol); of a power it is the exponent.

    Examples
    --------
    >>> elasticity(critical_macs_fixed(), a)
    -4
    """
    if symbol not in expr.free_symbols:
        known = ", ".join(sorted(free.name for free in expr.free_symbols))
        raise ValueError(f"symbol must be one of {known}, got {symbol.name!r}")
    logarithm = sp.expand_log(sp.log(expr), force=True)
    return sp.simplify(symbol * sp.diff(logarithm, symbol))


def piece_time() -> sp.Expr:
    """ell_piece, seconds: what a node takes to apply its smallest shard to a nanobatch.

    No shorter piece of work hides its own data movement.

    Examples
    --------
    >>> evaluate(piece_time(), node_rates("H100 SXM"))  # doctest: +ELLIPSIS
    0.0001038...
    """
    return a**2 * n / C


@cache
def busy_matmul_time() -> sp.Expr:
    """The latency ell, seconds, at which both limits are one: three pieces of work.

    A node does six matmuls on two nanobatches in each layer, and the latency counts four.

    Examples
    --------
    >>> busy_matmul_time() / piece_time()
    3
    """
    (latency_s,) = sp.solve(sp.Eq(critical_macs_fixed(), latency_macs_fixed()), ell)
    return latency_s


def _square(limit: sp.Expr, over: sp.Expr = sp.S.One) -> sp.Expr:
    """A limit as the page shows it: a number over r (and more), times a square."""
    number = limit.as_coeff_Mul()[0] * r ** limit.as_powers_dict().get(r, 0)
    root = sp.powdenest(sp.sqrt(limit / number), force=True)
    return sp.Mul(number / over, sp.Pow(root, 2, evaluate=False), evaluate=False)


def _stretched(limit: sp.Expr) -> sp.Expr:
    """:func:`with_growth` as the page shows it."""
    exponent = 1 / (1 - alpha * elasticity(limit, b))
    power = sp.Pow(_square(_at_start(limit), T_0), exponent, evaluate=False)
    return sp.Mul(T_0, power, evaluate=False)


@cache
def comparison() -> Derivation:
    """Both limits side by side: a node kept busy is a matmul of this latency.

    Examples
    --------
    >>> comparison()["eq-busy-latency"].agrees(3 * a**2 * n / C)
    Eq(ell, 3*a**2*n/C)  [both limits are equal]
    """
    piece = "the shortest work that hides its own data movement"
    return Derivation(
        "The limits compared",
        (
            Step.of("eq-piece", ell_piece, piece_time, piece),
            Step.of("eq-busy-latency", ell, busy_matmul_time, "both limits are equal"),
        ),
    )


@cache
def critical_derivation() -> Derivation:
    """The steps from the bottlenecks to the critical training compute.

    Examples
    --------
    >>> critical_derivation()["eq-nodes-needed"].agrees(T / (C * t))
    Eq(N, T/(C*t))  [nodes to end in time]
    """
    fixed = critical_macs_fixed()
    condition = sp.Le(nodes_needed(), of_compute(largest_cluster()))
    stretch = sp.Le(T, with_growth(fixed).subs(_at_start(fixed), T_fixed))
    solved, grown, sheet, number = (
        sp.Le(T, shown, evaluate=False)
        for shown in (
            _square(fixed),
            _stretched(fixed),
            _stretched(_of_hardware(fixed)),
            _stretched(fixed.subs(r, TOKENS_PER_PARAMETER)),
        )
    )
    twenty = "20 tokens for each parameter"
    return Derivation(
        "The critical training compute",
        (
            Step.of("eq-training-macs", T, training_macs, "the cost of training"),
            Step("eq-chinchilla", sp.Eq(D, r * P), "tokens in proportion to parameters"),
            Step.of("eq-parameters", P, parameters, "the shape of the model"),
            Step.of("eq-nodes-needed", N, nodes_needed, "nodes to end in time"),
            Step.of("eq-largest-cluster", N, largest_cluster, "nodes that can be kept busy", sp.Le),
            Step("eq-critical-condition", condition, "all in terms of T", made_by=of_compute),
            Step("eq-critical-fixed", solved, "solved for T", made_by=critical_macs_fixed),
            Step("eq-stretch", stretch, "the batch grows", made_by=with_growth),
            Step("eq-critical-general", grown, "stretched", made_by=with_growth),
            Step("eq-critical-hardware", sheet, "with the rates put in", made_by=_of_hardware),
            Step("eq-critical", number, twenty, numbers_put_in=True),
        ),
    )


@cache
def latency_derivation() -> Derivation:
    """The steps from the least time of a run to the latency limit.

    Examples
    --------
    >>> latency_derivation()["eq-run-time-again"]
    t >= 4*D*L*ell/b  [the least run time]
    """
    fixed = latency_macs_fixed()
    scaled = sp.Ge(t, of_compute(latency.least_run_time()))
    twentyfold = _stretched(fixed.subs(r, TOKENS_PER_PARAMETER))
    shown = (_square(fixed), _stretched(fixed), twentyfold)
    solved, grown, number = (sp.Le(T, right, evaluate=False) for right in shown)
    twenty = "20 tokens for each parameter"
    return Derivation(
        "The latency limit",
        (
            Step.of("eq-run-time-again", t, latency.least_run_time, "the least run time", sp.Ge),
            Step("eq-run-time-scaled", scaled, "in T", made_by=of_compute),
            Step("eq-latency-fixed", solved, "solved for T", made_by=latency_macs_fixed),
            Step("eq-latency-general", grown, "stretched", made_by=with_growth),
            Step("eq-latency", number, twenty, numbers_put_in=True),
        ),
    )


@checked
def node_rates(gpu: GPU | str, word_bytes: float | Words | None = None) -> dict[str, float]:
    """What the closed forms need of a node: C (MAC/s), n (tokens) and a (channels).

    Examples
    --------
    >>> {name: round(value) for name, value in node_rates("H100 SXM").items()}
    {'C': 3957719040000000, 'n': 590, 'a': 26385}
    """
    gpu = get_gpu(gpu)
    peak = {"G": gpu.node_size, "F": gpu.peak_flop_per_s / FLOP_PER_MAC}
    return {
        "C": float(evaluate(memory_bandwidth.arithmetic_rate(), peak)),
        "n": memory_bandwidth.node_nanobatch_tokens(gpu, word_bytes),
        "a": network.shard_side_channels(gpu, word_bytes),
    }


@checked
def cluster_at_limit(gpu: GPU | str, duration_s: float = QUARTER_S) -> dict[str, float]:
    """The largest run without waste on a GPU with a finite network, with the reference batch and depth.

    ``T`` (MAC), ``P`` (parameters), ``D`` (tokens), ``d`` (channels), ``N`` (nodes), ``N_TP``, and
    ``slices``, the product of N_DP and N_PP; none of them rounded.

    Examples
    --------
    >>> round(cluster_at_limit("H100 SXM")["N_TP"])
    91
    """
    gpu = get_gpu(gpu)
    check_scalar("duration_s", duration_s)
    if not 1 <= duration_s <= 1e12:
        raise ValueError(f"duration_s must be from 1 to 1e12, got {duration_s!r}")
    if np.isinf(gpu.inter_node_bytes_per_s):
        raise ValueError(f"gpu must have a finite network, got {gpu.name!r}")
    known = {
        "T": critical_compute(gpu, duration_s=duration_s) / FLOP_PER_MAC,
        "r": TOKENS_PER_PARAMETER,
        "L": critical_batch.REFERENCE_LAYERS,
        "b": critical_batch.REFERENCE_BATCH_TOKENS,
        "t": duration_s,
        **node_rates(gpu),
    }
    found = {
        "T": T,
        "P": of_compute(P),
        "D": of_compute(D),
        "d": of_compute(d),
        "N": nodes_needed(),
        "N_TP": of_compute(network.largest_tensor_parallelism()),
        "slices": critical_batch.largest_batch_slicing(),
    }
    return {
        name: float(evaluate(expr, {free: known[free.name] for free in expr.free_symbols}))
        for name, expr in found.items()
    }


@checked
def critical_compute(
    gpu: GPU | str,
    alpha: ArrayLike = 0.0,
    duration_s: ArrayLike = QUARTER_S,
    *,
    word_bytes: float | Words | None = None,
    reference_batch_tokens: ArrayLike = critical_batch.REFERENCE_BATCH_TOKENS,
    reference_layers: ArrayLike = critical_batch.REFERENCE_LAYERS,
    reference_compute: ArrayLike = critical_batch.REFERENCE_COMPUTE,
    tokens_per_parameter: ArrayLike = TOKENS_PER_PARAMETER,
) -> Any:
    """T_crit, FLOP: the training compute above which data movement lowers utilization.

    Infinite on an infinite network. Numbers may be arrays, which broadcast.

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset.
    alpha
        Exponent of batch growth less that of depth, below 1/2; negative if depth grows faster.
    duration_s
        Longest duration of the run, seconds.
    word_bytes
        Bytes of a word, or by what the word is; those of the GPU's words by default.
    reference_batch_tokens, reference_layers, reference_compute
        Batch (tokens) and layers at the reference compute. A MAC count stands over that, as in the
        authors' code.
    tokens_per_parameter
        Training tokens for each parameter.

    Examples
    --------
    >>> f"{critical_compute('H100 SXM'):.2e}, {critical_compute('H100 SXM', alpha=0.2):.2e}"
    '1.92e+28, 1.94e+31'
    """
    laws = {
        "b_0": reference_batch_tokens,
        "L_0": reference_layers,
        "T_0": reference_compute,
        "r": tokens_per_parameter,
    }
    check_arguments(alpha, duration_s=duration_s, **laws)
    gpu = get_gpu(gpu)
    if np.isinf(gpu.inter_node_bytes_per_s):
        shape = np.broadcast_shapes(np.shape(alpha), np.shape(duration_s))
        return np.full(shape, np.inf) if shape else float("inf")
    rates = node_rates(gpu, word_bytes)
    return FLOP_PER_MAC * evaluate(critical_macs(), **rates, alpha=alpha, t=duration_s, **laws)


@checked
def latency_limit(
    alpha: ArrayLike = 0.0,
    duration_s: ArrayLike = QUARTER_S,
    latency_s: ArrayLike = latency.MATMUL_LATENCY_S,
    *,
    reference_batch_tokens: ArrayLike = critical_batch.REFERENCE_BATCH_TOKENS,
    reference_layers: ArrayLike = critical_batch.REFERENCE_LAYERS,
    reference_compute: ArrayLike = critical_batch.REFERENCE_COMPUTE,
    tokens_per_parameter: ArrayLike = TOKENS_PER_PARAMETER,
) -> Any:
    """T_limit, FLOP: the training compute above which no run ends in time, on any cluster.

    ``latency_s`` is the least time of one matmul with its messages, seconds. All other arguments are as
    in :func:`critical_compute`.

    Examples
    --------
    >>> f"{latency_limit():.1e}"
    '2.3e+31'
    """
    laws = {
        "b_0": reference_batch_tokens,
        "L_0": reference_layers,
        "T_0": reference_compute,
        "r": tokens_per_parameter,
    }
    check_arguments(alpha, duration_s=duration_s, latency_s=latency_s, **laws)
    return FLOP_PER_MAC * evaluate(latency_macs(), alpha=alpha, t=duration_s, ell=latency_s, **laws)
