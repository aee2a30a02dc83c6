"""The bottlenecks put together: what a run needs and what can be kept busy, in terms of its compute T.

A training compute T fixes the parameters and tokens of a run, and with a depth the width of its model.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import critical_batch, latency, network
from dmcore.models import laws

__all__ = [
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
r, t, C, b, alpha = symbols("r t C b alpha")


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
