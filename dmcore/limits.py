"""The two limits: compute above which data movement wastes GPUs, and above which no run can end.

Both come from composing the bottlenecks and solving for the training compute T. Their exponent is
1 / (1 - 2 alpha), since parameters and tokens each grow as the root of compute.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from dmcore import critical_batch, latency, memory_bandwidth, network
from dmcore.checks import check_not_negative, check_positive
from dmcore.derivation import Derivation, Step
from dmcore.expressions import evaluate
from dmcore.hardware import GPU, get_gpu
from dmcore.symbols import FLOP_PER_MAC, symbols

__all__ = [
    "QUARTER_S",
    "TOKENS_PER_PARAMETER",
    "critical_compute",
    "critical_derivation",
    "critical_macs",
    "latency_derivation",
    "latency_limit",
    "latency_macs",
    "node_rates",
    "nodes_needed",
    "parameters",
    "training_macs",
]

#: Training tokens for each parameter (the Chinchilla rule, as the paper takes it).
TOKENS_PER_PARAMETER = 20
#: A quarter of a Julian year, seconds.
QUARTER_S = 365.25 * 86400 / 4


@cache
def training_macs() -> sp.Expr:
    """T, MAC: each parameter meets each token once forward and twice backward."""
    P, D = symbols("P D")
    return network.PASSES * P * D


@cache
def parameters() -> sp.Expr:
    """P: two d x f matrices in each layer, with d_ff = 4 d_model."""
    d, L = symbols("d L")
    return network.MATRICES_PER_LAYER * d * (network.FF_RATIO * d) * L


@cache
def nodes_needed() -> sp.Expr:
    """N: nodes that, always busy, do T MAC in the time t."""
    T, C, t = symbols("T C t")
    return T / (C * t)


@cache
def largest_cluster() -> sp.Expr:
    """N: nodes that tensor, data and pipeline parallelism can keep busy together."""
    return network.largest_tensor_parallelism() * critical_batch.largest_batch_slicing()


@cache
def _scaled(expr: sp.Expr) -> sp.Expr:
    """An expression in d, b, L, P, D as one in T, b / L and r, by the scaling laws."""
    P, D, T, d, b, L, r = symbols("P D T d b L r")
    (tokens,) = sp.solve(sp.Eq(P * r, D), D)
    (params,) = sp.solve(sp.Eq(training_macs().subs(D, tokens), T), P)
    (width,) = sp.solve(sp.Eq(parameters(), P), d)
    expr = expr.subs(d, width).subs(D, tokens).subs(P, params)
    return sp.powsimp(sp.simplify(expr.subs(b, L * critical_batch.batch_per_layer())), force=True)


@cache
def _solve_for_compute(equation: sp.Eq) -> sp.Expr:
    """T from an equation of two powers of T, which is linear in their logarithms."""
    T, alpha = symbols("T alpha")
    log_T = sp.Dummy("log_T", real=True)
    difference = sp.expand_log(sp.log(equation.lhs) - sp.log(equation.rhs), force=True)
    linear = sp.expand(difference.subs(sp.log(T), log_T))
    slope = linear.coeff(log_T, 1)
    # Doubled, and with the sign that makes it positive without batch growth, so that the answer is
    # the power 1 / (1 - 2 alpha) of a rational expression.
    double = 2 * sp.sign(slope.subs(alpha, 0))
    power = sp.expand(double * slope)
    base = sp.exp(sp.logcombine(sp.expand(-double * linear.coeff(log_T, 0)), force=True))
    return sp.powsimp(sp.simplify(base), force=True) ** (1 / power)


def _shown(expr: sp.Expr) -> sp.Expr:
    """The same power, with its square of symbols kept together for the page."""
    base, exponent = expr.as_base_exp()
    number, symbolic = base.as_coeff_Mul()
    (r,) = symbols("r")
    outside = number * r ** symbolic.as_powers_dict().get(r, 0)
    root = sp.powdenest(sp.sqrt(base / outside), force=True)
    square = sp.Pow(root, 2, evaluate=False)
    return sp.Pow(sp.Mul(outside, square, evaluate=False), exponent, evaluate=False)


@cache
def critical_macs() -> sp.Expr:
    """T, MAC, above which no cluster that does it in time t can be kept busy."""
    return _solve_for_compute(sp.Eq(_scaled(nodes_needed()), _scaled(largest_cluster())))


@cache
def latency_macs() -> sp.Expr:
    """T, MAC, above which no run ends in time t, however large the cluster."""
    (t,) = symbols("t")
    return _solve_for_compute(sp.Eq(t, _scaled(latency.least_run_time())))


@cache
def critical_derivation() -> Derivation:
    """The steps from the bottlenecks to the critical training compute."""
    T, P, N, D, r = symbols("T P N D r")
    return Derivation(
        "The critical training compute",
        (
            Step("eq-training-macs", sp.Eq(T, training_macs()), "the cost of training"),
            Step("eq-chinchilla", sp.Eq(D, r * P), "tokens in proportion to parameters"),
            Step("eq-parameters", sp.Eq(P, parameters()), "the shape of the model"),
            Step("eq-nodes-needed", sp.Eq(N, nodes_needed()), "nodes to end in time"),
            Step("eq-largest-cluster", sp.Le(N, largest_cluster()), "nodes that can be kept busy"),
            Step(
                "eq-critical-condition",
                sp.Le(_scaled(nodes_needed()), _scaled(largest_cluster())),
                "all in terms of T",
            ),
            Step("eq-critical-general", sp.Le(T, _shown(critical_macs())), "solved for T"),
            Step(
                "eq-critical",
                sp.Le(T, _shown(critical_macs().subs(r, TOKENS_PER_PARAMETER))),
                "20 tokens for each parameter",
                numbers_put_in=True,
            ),
        ),
    )


@cache
def latency_derivation() -> Derivation:
    """The steps from the least time of a run to the latency limit."""
    T, t, r = symbols("T t r")
    return Derivation(
        "The latency limit",
        (
            Step("eq-run-time-again", sp.Ge(t, latency.least_run_time()), "the least run time"),
            Step("eq-run-time-scaled", sp.Ge(t, _scaled(latency.least_run_time())), "in T"),
            Step("eq-latency-general", sp.Le(T, _shown(latency_macs())), "solved for T"),
            Step(
                "eq-latency",
                sp.Le(T, _shown(latency_macs().subs(r, TOKENS_PER_PARAMETER))),
                "20 tokens for each parameter",
                numbers_put_in=True,
            ),
        ),
    )


def node_rates(gpu: GPU | str, word_bytes: float = 2) -> dict[str, float]:
    """What the closed forms need of a node: C (MAC/s), n (tokens) and a (channels).

    Raises
    ------
    ValueError
        If the preset is unknown or ``word_bytes`` is not positive.
    """
    gpu = get_gpu(gpu)
    return {
        "C": float(
            evaluate(
                memory_bandwidth.arithmetic_rate(),
                G=gpu.node_size,
                F=gpu.peak_flop_per_s / FLOP_PER_MAC,
            )
        ),
        "n": memory_bandwidth.node_nanobatch_tokens(gpu, word_bytes),
        "a": network.shard_side_channels(gpu, word_bytes),
    }


def critical_compute(
    gpu: GPU | str,
    alpha: ArrayLike = 0.0,
    duration_s: ArrayLike = QUARTER_S,
    *,
    word_bytes: float = 2,
    reference_batch_tokens: ArrayLike = critical_batch.REFERENCE_BATCH_TOKENS,
    reference_layers: ArrayLike = critical_batch.REFERENCE_LAYERS,
    reference_compute: ArrayLike = critical_batch.REFERENCE_COMPUTE,
    tokens_per_parameter: ArrayLike = TOKENS_PER_PARAMETER,
) -> Any:
    """T_crit, FLOP: the training compute above which data movement lowers utilization.

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.GPU` or the name of a preset.
    alpha
        Exponent of batch growth less that of depth, in [0, 1/2). Scalar or array.
    duration_s
        Longest duration of the run, seconds. Arrays broadcast.
    word_bytes
        Bytes of one parameter or activation.
    reference_batch_tokens, reference_layers
        Batch (tokens) and layers at the reference compute.
    reference_compute
        Where batch and depth are anchored. A MAC count stands over it, as in the authors' code.
    tokens_per_parameter
        Training tokens for each parameter.

    Returns
    -------
    float or numpy.ndarray
        FLOP, of the broadcast shape of the arguments; infinite on an infinite network.

    Raises
    ------
    ValueError
        If the preset is unknown, alpha is outside [0, 1/2), or another argument is not positive.
    """
    _check_alpha(alpha)
    check_positive("duration_s", duration_s, finite=True)
    gpu = get_gpu(gpu)
    if np.isinf(gpu.inter_node_bytes_per_s):
        shape = np.broadcast_shapes(np.shape(alpha), np.shape(duration_s))
        return np.full(shape, np.inf) if shape else float("inf")
    return FLOP_PER_MAC * evaluate(
        critical_macs(),
        **node_rates(gpu, word_bytes),
        alpha=alpha,
        t=duration_s,
        b_0=reference_batch_tokens,
        L_0=reference_layers,
        T_0=reference_compute,
        r=tokens_per_parameter,
    )


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

    Parameters
    ----------
    alpha
        Exponent of batch growth less that of depth, in [0, 1/2). Scalar or array.
    duration_s
        Longest duration of the run, seconds. Arrays broadcast.
    latency_s
        Least time of one matrix product with its messages, seconds.
    reference_batch_tokens, reference_layers, reference_compute, tokens_per_parameter
        As in :func:`critical_compute`.

    Returns
    -------
    float or numpy.ndarray
        FLOP, of the broadcast shape of the arguments.

    Raises
    ------
    ValueError
        If alpha is outside [0, 1/2), or another argument is not positive.
    """
    _check_alpha(alpha)
    check_positive("duration_s", duration_s, finite=True)
    check_positive("latency_s", latency_s)
    return FLOP_PER_MAC * evaluate(
        latency_macs(),
        alpha=alpha,
        t=duration_s,
        ell=latency_s,
        b_0=reference_batch_tokens,
        L_0=reference_layers,
        T_0=reference_compute,
        r=tokens_per_parameter,
    )


def _check_alpha(alpha: ArrayLike) -> None:
    check_not_negative("alpha", alpha)
    if not np.all(np.asarray(alpha) < 0.5):
        raise ValueError(f"alpha must be below 1/2, where the limits go to infinity, got {alpha!r}")
