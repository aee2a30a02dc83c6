"""How the layers of a model are worked on in turn: schedules of a pipeline, and what they lose.

A batch is cut into K vertical microbatches that follow each other through N_PP stages. A stage may hold v
blocks of layers instead of one ("interleaving"), so that work reaches the last stage sooner. The
zero-bubble schedule (Qi et al. 2023) fills all gaps with weight gradients, which nothing waits for.

What becomes of the latency of tensor, pipeline and expert traffic is decided here:

======================================  ==============================================================
with a bubble                           added to the time of products and bandwidth
zero-bubble                             dropped, as in the authors' code
zero-bubble, ``zero_bubble_latency``    the maximum of it and the time of products and bandwidth counts
======================================  ==============================================================

The latency of summing up the gradients, after all this, is always added.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.symbols import symbols

__all__ = ["bubble_fraction", "microbatches_needed", "pipeline_time"]


@cache
def bubble_fraction() -> sp.Expr:
    """Share of the time that a stage idles, with K microbatches and v blocks of layers a stage.

    A stage waits N_PP - 1 turns, and again in each further round if the first microbatch is not back
    yet when the last has left (K < N_PP).

    Examples
    --------
    >>> from dmcore.algebra.expressions import evaluate
    >>> f"{evaluate(bubble_fraction(), N_PP=4, K=8, v=1):.3f}"
    '0.273'
    >>> f"{evaluate(bubble_fraction(), N_PP=4, K=8, v=2):.3f}"
    '0.158'
    """
    N_PP, K, v = symbols("N_PP K v")
    idle = (v - 1) * sp.Max(0, N_PP - K) + N_PP - 1
    return idle / (idle + v * K)


@checked
@cache
def pipeline_time(zero_bubble: bool = False, zero_bubble_latency: bool = False) -> sp.Expr:
    """Seconds of one pass over the batch, from seconds of matmuls, bandwidth and latency.

    Bandwidth of the tensor-parallel and point-to-point traffic hides behind the matrix products, or
    they behind it. Latency follows the table above; the authors' code does take the maximum, but only
    after the value was used.

    Examples
    --------
    >>> pipeline_time(zero_bubble=True)
    Max(t_bandwidth, t_matmul)
    """
    matmul, bandwidth, latency = symbols("t_matmul t_bandwidth t_latency")
    busy = sp.Max(matmul, bandwidth)
    if not zero_bubble:
        return busy / (1 - bubble_fraction()) + latency
    return sp.Max(busy, latency) if zero_bubble_latency else busy


@checked
def microbatches_needed(pipeline: int, zero_bubble: bool) -> int:
    """Fewest vertical microbatches of a schedule: one to a stage, two without a bubble.

    Examples
    --------
    >>> microbatches_needed(4, zero_bubble=False), microbatches_needed(4, zero_bubble=True)
    (4, 8)
    """
    return 2 * pipeline if zero_bubble else pipeline
