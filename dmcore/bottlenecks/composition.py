"""The bottlenecks put together: what a run needs and what can be kept busy, in terms of its compute T.

A training compute T fixes the parameters and tokens of a run, and with a depth the width of its model.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive, check_real, check_together
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import critical_batch, latency, memory_bandwidth, network
from dmcore.models import laws

__all__ = [
    "check_arguments",
    "gradient_share",
    "gradient_share_of_stages",
    "gradients_derivation",
    "largest_cluster",
    "largest_cluster_of_compute",
    "least_run_time_of_compute",
    "model_width",
    "nodes_needed",
    "of_compute",
    "parameters",
    "training_macs",
    "training_tokens",
]

T, T_0, P, D, d, f, L, E = symbols("T T_0 P D d f L E")
r, t, C, b, alpha, n = symbols("r t C b alpha n")
N_DP, N_TP, N_PP, G, beta_net, w_P = symbols("N_DP N_TP N_PP G beta_net w_P")
x_gradients = symbols("x_gradients")[0]


def training_macs() -> sp.Expr:
    """T, MAC, of a dense model: :func:`dmcore.models.laws.training_macs` of one expert.

    Examples
    --------
    >>> training_macs()
    3*D*P
    """
    return laws.training_macs().subs(E, 1)


def parameters() -> sp.Expr:
    """P: two d x f matrices in each layer, with d_ff = 4 d_model.

    Examples
    --------
    >>> parameters()
    8*L*d**2
    """
    return laws.parameters().subs({f: laws.FF_RATIO * d, E: 1})


def nodes_needed() -> sp.Expr:
    """N: nodes that, always busy, do T MAC in the time t.

    Examples
    --------
    >>> nodes_needed()
    T/(C*t)
    """
    return T / (C * t)


def largest_cluster() -> sp.Expr:
    """N: nodes that tensor, data and pipeline parallelism can keep busy together.

    Examples
    --------
    >>> largest_cluster()
    2*b*d**2/(a**2*n)
    """
    return network.largest_tensor_parallelism() * critical_batch.largest_batch_slicing()


@checked
@cache
def of_compute(expr: sp.Expr) -> sp.Expr:
    """An expression in d, P and D as one in the compute T, the depth L and r tokens a parameter.

    Examples
    --------
    >>> of_compute(D * P)
    T/3
    """
    (width,) = sp.solve(sp.Eq(parameters(), P), d)
    (params,) = sp.solve(sp.Eq(training_macs().subs(D, r * P), T), P)
    return sp.powsimp(sp.simplify(expr.subs(d, width).subs(D, r * P).subs(P, params)), force=True)


@cache
def _grown(expr: sp.Expr) -> sp.Expr:
    """An expression in b / L, where that grows with compute."""
    return sp.powsimp(sp.simplify(expr.subs(b, L * critical_batch.batch_per_layer())), force=True)


def training_tokens() -> sp.Expr:
    """D, tokens, of a run of T MAC with r tokens for each parameter.

    Examples
    --------
    >>> training_tokens().subs(r, 3)
    sqrt(T)
    """
    return of_compute(D)


def model_width() -> sp.Expr:
    """D_model, channels, of a model of L layers that is trained with T MAC.

    Examples
    --------
    >>> sp.simplify(8 * L * model_width() ** 2)
    sqrt(3)*sqrt(T)/(3*sqrt(r))
    """
    return of_compute(d)


def largest_cluster_of_compute() -> sp.Expr:
    """N: :func:`largest_cluster` in terms of the training compute T, for the best shape of that run.

    Examples
    --------
    >>> sp.simplify(largest_cluster_of_compute() / largest_cluster_of_compute().subs(T, T_0))
    (T/T_0)**(alpha + 1/2)
    """
    return _grown(of_compute(largest_cluster()))


def least_run_time_of_compute() -> sp.Expr:
    """Seconds below which no run of T MAC ends, with as many tokens, layers and batch as it has.

    Examples
    --------
    >>> sp.simplify(least_run_time_of_compute().subs({alpha: 0, r: 3}))
    4*L_0*sqrt(T)*ell/b_0
    """
    return _grown(of_compute(latency.least_run_time()))


def gradient_share() -> sp.Expr:
    """Time in which replicas average their gradients, over the time of a step's arithmetic.

    Each node sends about two numbers for each weight that it holds, one to sum and one to share. The
    closed forms charge nothing for it.

    Examples
    --------
    >>> gradient_share()
    4*C*N_DP*w_P/(3*G*b*beta_net)
    """
    held, nodes = P / (N_TP * N_PP), N_DP * N_TP * N_PP
    averaging = 2 * held * w_P / (G * beta_net / 2)
    return averaging / (training_macs().subs(D, b) / (nodes * C))


@cache
def gradient_share_of_stages() -> sp.Expr:
    """:func:`gradient_share` where each stage has the fewest tokens, so that only stages help.

    Examples
    --------
    >>> gradient_share_of_stages()
    beta_hbm/(3*N_PP*beta_net)
    """
    (replicas,) = sp.solve(sp.Eq(N_DP * N_PP, critical_batch.largest_batch_slicing()), N_DP)
    rates = {C: memory_bandwidth.arithmetic_rate(), n: memory_bandwidth.nanobatch_of_hardware()}
    return gradient_share().subs(N_DP, replicas).subs(rates)


@cache
def gradients_derivation() -> Derivation:
    """The steps to what averaging gradients would add to a step.

    Examples
    --------
    >>> gradients_derivation().result
    beta_hbm/(3*N_PP*beta_net)
    """
    fewest = "at two nanobatches for each stage"
    return Derivation(
        "Averaging gradients",
        (
            Step.of("eq-gradients", x_gradients, gradient_share, "two numbers for each weight"),
            Step.of("eq-gradients-stages", x_gradients, gradient_share_of_stages, fewest),
        ),
    )


#: What callers call the figures of the laws.
_CALLED = {
    "b_0": "reference_batch_tokens",
    "L_0": "reference_layers",
    "T_0": "reference_compute",
    "r": "tokens_per_parameter",
}


@checked
def check_arguments(alpha: ArrayLike, **others: ArrayLike) -> None:
    """Refuse an ``alpha`` at which there is no limit, and other numbers that are not above zero.

    Figures of the laws come by their symbols and are named as a caller of the limits knows them.

    Examples
    --------
    >>> check_arguments(0.5)
    Traceback (most recent call last):
    ValueError: alpha must be below 1/2, where the limits go to infinity, got 0.5
    """
    check_real("alpha", alpha)
    if not np.all(np.asarray(alpha, dtype=float) < 0.5):
        raise ValueError(f"alpha must be below 1/2, where the limits go to infinity, got {alpha!r}")
    named = {_CALLED.get(name, name): value for name, value in others.items()}
    for name, value in named.items():
        check_positive(name, value, finite=True)
    check_together(alpha=alpha, **named)
