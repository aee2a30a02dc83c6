"""Experts: what many of them in a layer, one for each token, change in the two limits.

At equal depth nothing, if the batch grows with the root of their number, as the paper assumes: that pays
for the further tokens of the further parameters, and no more.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import composition, critical_batch, latency, network
from dmcore.models import laws

__all__ = [
    "batch",
    "critical_macs_fixed",
    "derivation",
    "largest_cluster",
    "largest_cluster_of_compute",
    "latency_macs_fixed",
    "least_run_time_of_compute",
    "model_width",
    "training_tokens",
]

T, P, D, d, f, L, E, r, t = symbols("T P D d f L E r t")
N, b, b_dense = symbols("N b b_dense")


@cache
def training_tokens() -> sp.Expr:
    """D, tokens, of a run of T MAC: more than of a dense model, as there are more parameters.

    Examples
    --------
    >>> training_tokens().subs(r, 3)
    sqrt(E)*sqrt(T)
    """
    (tokens,) = sp.solve(sp.Eq(laws.training_macs().subs(P, D / r), T), D)
    return sp.powsimp(tokens)


@cache
def model_width() -> sp.Expr:
    """D_model, channels, of a model of L layers that is trained with T MAC: less than a dense one's.

    Examples
    --------
    >>> sp.simplify(8 * L * model_width() ** 2).subs(r, 3)
    sqrt(T)/(3*sqrt(E))
    """
    params = laws.parameters().subs(f, laws.FF_RATIO * d)
    (width,) = sp.solve(sp.Eq(params, training_tokens() / r), d)
    return width


@cache
def largest_cluster() -> sp.Expr:
    """N: nodes that can be kept busy. E experts are sliced, and each gets its share of the batch.

    Examples
    --------
    >>> largest_cluster()
    2*b*d**2/(a**2*n)
    """
    share = critical_batch.largest_batch_slicing().subs(b, b / E)
    return E * network.largest_tensor_parallelism() * share


@cache
def largest_cluster_of_compute() -> sp.Expr:
    """N: :func:`largest_cluster` of a run of T MAC; experts make the matrices smaller.

    Examples
    --------
    >>> largest_cluster_of_compute().subs(r, 3)
    sqrt(T)*b/(12*sqrt(E)*L*a**2*n)
    """
    return sp.powsimp(sp.simplify(largest_cluster().subs(d, model_width())), force=True)


@cache
def least_run_time_of_compute() -> sp.Expr:
    """Seconds below which no run of T MAC ends: experts ask for more tokens, and so for more steps.

    Examples
    --------
    >>> least_run_time_of_compute().subs(r, 3)
    4*sqrt(E)*L*sqrt(T)*ell/b
    """
    return sp.simplify(latency.least_run_time().subs(D, training_tokens()))


def batch() -> sp.Expr:
    """b, tokens: of a dense model of equal compute, times the root of the experts (assumed).

    Examples
    --------
    >>> batch()
    sqrt(E)*b_dense
    """
    return sp.sqrt(E) * b_dense


@cache
def critical_macs_fixed() -> sp.Expr:
    """T, MAC, at fixed batch and depth, above which no cluster can be kept busy. E has cancelled.

    Examples
    --------
    >>> critical_macs_fixed().subs(r, 20)
    C**2*b_dense**2*t**2/(960*L**2*a**4*n**2)
    """
    busy = largest_cluster_of_compute().subs(b, batch())
    (limit,) = sp.solve(sp.Eq(composition.nodes_needed(), busy), T)
    return limit


@cache
def latency_macs_fixed() -> sp.Expr:
    """T, MAC, at fixed batch and depth, above which no run ends in time t. E has cancelled.

    Examples
    --------
    >>> latency_macs_fixed().subs(r, 20).has(E)
    False
    """
    (limit,) = sp.solve(sp.Eq(t, least_run_time_of_compute().subs(b, batch())), T)
    return limit


def _with_root(expr: sp.Expr, under: sp.Expr, power: int = 2) -> sp.Expr:
    """The expression as the page shows it: a factor times one root, which SymPy would take apart."""
    root = sp.Pow(under, sp.Rational(1, power), evaluate=False)
    factor = sp.simplify(expr / under ** sp.Rational(1, power))
    return root if factor == 1 else sp.Mul(factor, root, evaluate=False)


@cache
def derivation() -> Derivation:
    """The steps from experts to two limits that do not know how many there are.

    Examples
    --------
    >>> derivation()["eq-expert-batch"]
    Eq(b, sqrt(E)*b_dense)  [assumed by the paper]
    """
    busy, lasts = largest_cluster_of_compute, least_run_time_of_compute
    tokens = sp.Eq(D, _with_root(training_tokens(), E * T * r / 3))
    width = sp.Eq(d, _with_root(model_width(), T / (192 * r * E * L**2), 4))
    fed = sp.Le(N, _with_root(busy(), T / (3 * E * r)), evaluate=False)
    long = sp.Ge(t, _with_root(lasts(), E * T * r / 3), evaluate=False)
    gone = "the experts cancel, the layers stay"
    return Derivation(
        "The limits of sparse models",
        (
            Step(
                "eq-expert-tokens", tokens, "r tokens for each parameter", made_by=training_tokens
            ),
            Step("eq-expert-width", width, "compute and depth are given", made_by=model_width),
            Step.of("eq-expert-cluster", N, largest_cluster, "a share for each expert", sp.Le),
            Step("eq-expert-cluster-compute", fed, "narrower matrices", made_by=busy),
            Step("eq-expert-run-time", long, "more tokens", made_by=lasts),
            Step.of("eq-expert-batch", b, batch, "assumed by the paper"),
            Step.of("eq-expert-critical", T, critical_macs_fixed, gone, sp.Le),
            Step.of("eq-expert-latency", T, latency_macs_fixed, gone, sp.Le),
        ),
    )
