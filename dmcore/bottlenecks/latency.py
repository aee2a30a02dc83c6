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
#: Network hops between one matrix product and the next: there and back, inside the node and beyond it
#: (our reading).
HOPS_PER_MATMUL = 4
#: Least time of one matrix product with its messages, seconds (paper's baseline).
MATMUL_LATENCY_S = 9e-6


@cache
def matmul_latency() -> sp.Expr:
    """ell, seconds: one kernel and four hops, our reading of the paper's 9 microseconds."""
    kernel, hop = symbols("ell_kernel ell_hop")
    return kernel + HOPS_PER_MATMUL * hop


@cache
def least_step_time() -> sp.Expr:
    """Seconds: a batch must pass this many matrix products one after the other."""
    L, ell = symbols("L ell")
    return SEQUENTIAL_MATMULS_PER_LAYER * L * ell


@cache
def steps() -> sp.Expr:
    """Weight updates in a run."""
    D, b = symbols("D b")
    return D / b


@cache
def least_run_time() -> sp.Expr:
    """Seconds below which no run of D tokens ends, whatever the hardware's width."""
    return steps() * least_step_time()


@cache
def steps_that_fit() -> sp.Expr:
    """Most weight updates that a run of duration t has time for."""
    (t,) = symbols("t")
    return t / least_step_time()


@cache
def derivation() -> Derivation:
    """The steps from one matrix product to the least time of a run."""
    t, ell, b, D = symbols("t ell b D")
    return Derivation(
        "The least time of a run",
        (
            Step("eq-matmul-latency", sp.Eq(ell, matmul_latency()), "a kernel and its messages"),
            Step(
                "eq-least-step-time",
                sp.Ge(t * b / D, least_step_time(), evaluate=False),
                "one step passes all layers, forward and backward",
            ),
            Step(
                "eq-least-run-time",
                sp.Ge(t, least_run_time()),
                "steps follow one another, and so do the layers in a step",
            ),
        ),
    )
