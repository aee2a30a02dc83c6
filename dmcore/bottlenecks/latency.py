"""Latency: the least time of a run whose steps cannot be made any shorter by more hardware."""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.symbols import symbols

__all__ = [
    "HOPS_PER_MATMUL",
    "MATMUL_LATENCY_S",
    "SEQUENTIAL_MATMULS_PER_LAYER",
    "derivation",
    "least_run_time",
    "least_step_time",
    "matmul_latency",
    "steps",
    "steps_that_fit",
]

#: Two forward and two backward; weight gradients wait for nobody, so they are off the path.
SEQUENTIAL_MATMULS_PER_LAYER = 4
#: Network hops between one matmul and the next: there and back, inside the node and beyond it
#: (our reading).
HOPS_PER_MATMUL = 4
#: Least time of one matmul with its messages, seconds (paper's baseline).
MATMUL_LATENCY_S = 9e-6

t, b, D, L, s = symbols("t b D L s")
ell, ell_kernel, ell_hop = symbols("ell ell_kernel ell_hop")


def matmul_latency() -> sp.Expr:
    """ell, seconds: one kernel and four hops, our reading of the paper's 9 microseconds.

    Examples
    --------
    >>> matmul_latency()
    4*ell_hop + ell_kernel
    """
    return ell_kernel + HOPS_PER_MATMUL * ell_hop


def least_step_time() -> sp.Expr:
    """Seconds: a batch must pass this many matmuls one after the other.

    Examples
    --------
    >>> least_step_time()
    4*L*ell
    """
    return SEQUENTIAL_MATMULS_PER_LAYER * L * ell


def steps() -> sp.Expr:
    """Weight updates in a run.

    Examples
    --------
    >>> steps()
    D/b
    """
    return D / b


def least_run_time() -> sp.Expr:
    """Seconds below which no run of D tokens ends, whatever the hardware's width.

    Examples
    --------
    >>> least_run_time()
    4*D*L*ell/b
    """
    return steps() * least_step_time()


def steps_that_fit() -> sp.Expr:
    """Most weight updates that a run of duration t has time for.

    Examples
    --------
    >>> steps_that_fit()
    t/(4*L*ell)
    """
    return t / least_step_time()


@cache
def derivation() -> Derivation:
    """The steps from one matmul to the least time of a run.

    Examples
    --------
    >>> derivation()["eq-least-run-time"].agrees(D / b * 4 * L * ell)
    t >= 4*D*L*ell/b  [steps follow one another, and so do the layers in a step]
    """
    passes = "one step passes all layers, forward and backward"
    follow = "steps follow one another, and so do the layers in a step"
    return Derivation(
        "The least time of a run",
        (
            Step.of("eq-matmul-latency", ell, matmul_latency, "a kernel and its messages"),
            Step.of("eq-least-step-time", t * b / D, least_step_time, passes, sp.Ge),
            Step.of("eq-steps-that-fit", s, steps_that_fit, "no step is shorter", sp.Le),
            Step.of("eq-least-run-time", t, least_run_time, follow, sp.Ge),
        ),
    )
