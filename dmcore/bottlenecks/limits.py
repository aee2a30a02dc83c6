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

from dmcore.algebra.checks import check_positive
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import critical_batch, latency, memory_bandwidth, network
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models import laws
from dmcore.models.laws import TOKENS_PER_PARAMETER

__all__ = [
    "QUARTER_S",
    "TOKENS_PER_PARAMETER",
    "busy_matmul_time",
    "comparison",
    "cluster_at_limit",
    "critical_compute",
    "critical_derivation",
    "critical_macs",
    "critical_macs_of_hardware",
    "elasticity",
    "largest_cluster",
    "largest_cluster_of_compute",
    "latency_derivation",
    "latency_limit",
    "latency_macs",
    "model_width",
    "node_rates",
    "nodes_needed",
    "parameters",
    "training_macs",
    "training_tokens",
]

#: A quarter of a Julian year, seconds.
QUARTER_S = 365.25 * 86400 / 4

# The closed forms are of dense models: one expert, always active.
_DENSE = {symbols("E")[0]: 1}


@cache
def training_macs() -> sp.Expr:
    """T, MAC, of a dense model: :func:`dmcore.models.laws.training_macs` of one expert."""
    return laws.training_macs().subs(_DENSE)


@cache
def parameters() -> sp.Expr:
    """P: two d x f matrices in each layer, with d_ff = 4 d_model."""
    d, f = symbols("d f")
    return laws.parameters().subs({f: laws.FF_RATIO * d, **_DENSE})


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
def training_tokens() -> sp.Expr:
    """D, tokens, of a run of T MAC with r tokens for each parameter."""
    (D,) = symbols("D")
    return _scaled(D)


@cache
def model_width() -> sp.Expr:
    """D_model, channels, of a model of L layers that is trained with T MAC."""
    (d,) = symbols("d")
    return _scaled(d)


@cache
def largest_cluster_of_compute() -> sp.Expr:
    """N: :func:`largest_cluster` in terms of the training compute T, for the best shape of that run."""
    return _scaled(largest_cluster())


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
    return _solve_for_compute(sp.Eq(nodes_needed(), largest_cluster_of_compute()))


@cache
def critical_macs_of_hardware() -> sp.Expr:
    """:func:`critical_macs` in what a data sheet tells: G, F and the two bandwidths."""
    C, n, a = symbols("C n a")
    rates = {C: memory_bandwidth.arithmetic_rate(), n: memory_bandwidth.derivation().result}
    side = network.derivation()["eq-shard-side-hardware"].equation.rhs
    base, exponent = critical_macs().subs(rates).subs(a, side).as_base_exp()
    return sp.powsimp(sp.simplify(base), force=True) ** exponent


@cache
def elasticity(expr: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """Percent by which an expression grows when a symbol of it grows by one percent.

    That is the slope in logarithms, d log(expr) / d log(symbol); of a power it is the exponent.

    Raises
    ------
    ValueError
        If the expression does not depend on the symbol.
    """
    if symbol not in expr.free_symbols:
        known = ", ".join(sorted(free.name for free in expr.free_symbols))
        raise ValueError(f"symbol must be one of {known}, got {symbol.name!r}")
    logarithm = sp.expand_log(sp.log(expr), force=True)
    return sp.simplify(symbol * sp.diff(logarithm, symbol))


@cache
def latency_macs() -> sp.Expr:
    """T, MAC, above which no run ends in time t, however large the cluster."""
    (t,) = symbols("t")
    return _solve_for_compute(sp.Eq(t, _scaled(latency.least_run_time())))


@cache
def busy_matmul_time() -> sp.Expr:
    """The latency ell, seconds, at which both limits are one: what busy nodes take for one product.

    A node applies its block to a nanobatch in a^2 n / C seconds. It does so for two nanobatches and six
    products in each layer, and the latency counts four.
    """
    (ell,) = symbols("ell")
    (solution,) = sp.solve(sp.Eq(critical_macs().base, latency_macs().base), ell)
    return solution


@cache
def comparison() -> Derivation:
    """Both limits side by side: a node kept busy is a matrix product of this latency."""
    (ell,) = symbols("ell")
    return Derivation(
        "The limits compared",
        (Step("eq-busy-latency", sp.Eq(ell, busy_matmul_time()), "both limits are equal"),),
    )


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
                sp.Le(nodes_needed(), largest_cluster_of_compute()),
                "all in terms of T",
            ),
            Step("eq-critical-general", sp.Le(T, _shown(critical_macs())), "solved for T"),
            Step(
                "eq-critical-hardware",
                sp.Le(T, _shown(critical_macs_of_hardware())),
                "with the rates put in",
            ),
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


def node_rates(gpu: GPU | str, word_bytes: float | None = None) -> dict[str, float]:
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


def cluster_at_limit(gpu: GPU | str, duration_s: float = QUARTER_S) -> dict[str, float]:
    """The largest run without waste on a GPU, if batch and depth do not grow (alpha_b = alpha_L = 0).

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset, with a finite network.
    duration_s
        Duration of the run, seconds.

    Returns
    -------
    dict of str to float
        ``T`` (MAC), ``P`` (parameters), ``D`` (tokens), ``d`` (channels), ``N`` (nodes), ``N_TP``, and
        ``slices``, the product of N_DP and N_PP; none of them rounded.

    Raises
    ------
    ValueError
        If the preset is unknown, its network infinite, or the duration not positive.
    """
    gpu = get_gpu(gpu)
    if np.isinf(gpu.inter_node_bytes_per_s):
        raise ValueError(f"gpu must have a finite network, got {gpu.name!r}")
    rates = node_rates(gpu)
    known = {
        "T": critical_compute(gpu, duration_s=duration_s) / FLOP_PER_MAC,
        "r": TOKENS_PER_PARAMETER,
        "L": critical_batch.REFERENCE_LAYERS,
        "b": critical_batch.REFERENCE_BATCH_TOKENS,
        "t": duration_s,
        **rates,
    }

    def value(expr: sp.Expr) -> float:
        return float(evaluate(expr, {free.name: known[free.name] for free in expr.free_symbols}))

    P, D, d = symbols("P D d")
    for name, expr in (("P", _scaled(P)), ("D", _scaled(D)), ("d", _scaled(d))):
        known[name] = value(expr)
    known["N"] = value(nodes_needed())
    known["N_TP"] = value(network.largest_tensor_parallelism())
    known["slices"] = value(critical_batch.largest_batch_slicing())
    return {name: known[name] for name in ("T", "P", "D", "d", "N", "N_TP", "slices")}


def critical_compute(
    gpu: GPU | str,
    alpha: ArrayLike = 0.0,
    duration_s: ArrayLike = QUARTER_S,
    *,
    word_bytes: float | None = None,
    reference_batch_tokens: ArrayLike = critical_batch.REFERENCE_BATCH_TOKENS,
    reference_layers: ArrayLike = critical_batch.REFERENCE_LAYERS,
    reference_compute: ArrayLike = critical_batch.REFERENCE_COMPUTE,
    tokens_per_parameter: ArrayLike = TOKENS_PER_PARAMETER,
) -> Any:
    """T_crit, FLOP: the training compute above which data movement lowers utilization.

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset.
    alpha
        Exponent of batch growth less that of depth, below 1/2; negative if depth grows faster than the
        batch. Scalar or array.
    duration_s
        Longest duration of the run, seconds. Arrays broadcast.
    word_bytes
        Bytes of one parameter or activation; those of the GPU's words by default.
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
        If the preset is unknown, alpha is not below 1/2, or another argument is not positive.
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
        Exponent of batch growth less that of depth, below 1/2; negative if depth grows faster than the
        batch. Scalar or array.
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
        If alpha is not below 1/2, or another argument is not positive.
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
    if not np.all(np.asarray(alpha, dtype=float) < 0.5):
        raise ValueError(f"alpha must be below 1/2, where the limits go to infinity, got {alpha!r}")
