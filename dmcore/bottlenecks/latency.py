"""Latency: the least time of a run whose steps cannot be made any shorter by more hardware."""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_count, check_positive_integer
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols

__all__ = [
    "HOPS_PER_MATMUL",
    "HOP_LATENCY_S",
    "KERNEL_LATENCY_S",
    "MATMUL_LATENCY_S",
    "PRODUCTS_OF_ATTENTION",
    "SEQUENTIAL_MATMULS_PER_LAYER",
    "derivation",
    "layer_latency",
    "layer_latency_s",
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
#: Our reading of it: half for the kernel, the rest in equal hops, seconds.
KERNEL_LATENCY_S = MATMUL_LATENCY_S / 2
HOP_LATENCY_S = (MATMUL_LATENCY_S - KERNEL_LATENCY_S) / HOPS_PER_MATMUL
#: Matmuls with weights that attention puts before the MLP: query, key and value in one; output.
PRODUCTS_OF_ATTENTION = 2

t, b, D, L, s = symbols("t b D L s")
ell, ell_kernel, ell_hop, ell_layer = symbols("ell ell_kernel ell_hop ell_layer")


def matmul_latency() -> sp.Expr:
    """ell, seconds: one kernel and four hops, our reading of the paper's 9 microseconds.

    Examples
    --------
    >>> matmul_latency()
    4*ell_hop + ell_kernel
    """
    return ell_kernel + HOPS_PER_MATMUL * ell_hop


@checked
def layer_latency(
    attention_kernels: int = 0, norm_reductions: int = 0, forward_passes: int = 1
) -> sp.Expr:
    """ell_layer, seconds: what a layer adds to the chain of a step, forward and backward.

    A matmul with weights is one kernel and one all-reduce of four hops. Every head of attention is on
    one node, so that its kernels need no hop. The sum that a normalization needs travels with the
    all-reduce of the matmul that follows it, unless it is counted as an all-reduce of its own.

    Parameters
    ----------
    attention_kernels
        Kernels in a row between the two matmuls of attention; 1 if it is fused (Dao et al. 2022), 0
        for a layer without attention.
    norm_reductions
        Normalizations that wait for an all-reduce of their own.
    forward_passes
        2 if the layer is computed again in the backward pass.

    Examples
    --------
    >>> layer_latency(), layer_latency(attention_kernels=1)
    (16*ell_hop + 4*ell_kernel, 32*ell_hop + 10*ell_kernel)
    """
    check_count("attention_kernels", attention_kernels)
    check_count("norm_reductions", norm_reductions)
    check_positive_integer("forward_passes", forward_passes)
    matmuls = SEQUENTIAL_MATMULS_PER_LAYER // 2 + (
        PRODUCTS_OF_ATTENTION if attention_kernels else 0
    )
    kernels = (matmuls + int(attention_kernels)) * ell_kernel
    reductions = (matmuls + int(norm_reductions)) * HOPS_PER_MATMUL * ell_hop
    return sp.expand((int(forward_passes) + 1) * (kernels + reductions))


@checked
def layer_latency_s(
    attention_kernels: int = 0, norm_reductions: int = 0, forward_passes: int = 1
) -> float:
    """:func:`layer_latency` in seconds, with the shares of the paper's 9 microseconds.

    Examples
    --------
    >>> [round(1e6 * layer_latency_s(kernels)) for kernels in (0, 1, 2)]
    [36, 81, 90]
    """
    chain = layer_latency(attention_kernels, norm_reductions, forward_passes)
    return float(evaluate(chain, ell_kernel=KERNEL_LATENCY_S, ell_hop=HOP_LATENCY_S))


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
            Step("eq-full-layer", sp.Eq(ell_layer, layer_latency(1)), "with attention, fused"),
            Step.of("eq-least-step-time", t * b / D, least_step_time, passes, sp.Ge),
            Step.of("eq-steps-that-fit", s, steps_that_fit, "no step is shorter", sp.Le),
            Step.of("eq-least-run-time", t, least_run_time, follow, sp.Ge),
        ),
    )
