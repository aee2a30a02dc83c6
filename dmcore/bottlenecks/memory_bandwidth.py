"""Memory bandwidth: how many tokens a weight must meet each time it is read.

A node applies its weights to a nanobatch of n tokens at a time. Below a least n it waits for memory.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU

__all__ = [
    "arithmetic_intensity",
    "arithmetic_rate",
    "arithmetic_time",
    "derivation",
    "machine_balance",
    "memory_rate",
    "memory_time",
    "nanobatch",
    "node_nanobatch_tokens",
    "roofline",
]


@cache
def arithmetic_rate() -> sp.Expr:
    """C, MAC/s: what the G GPUs of a node multiply at their peak rate F."""
    G, F = symbols("G F")
    return G * F


@cache
def memory_rate() -> sp.Expr:
    """M, parameters/s: what a node reads, counting half of the data-sheet bandwidth.

    The other half is left for what is written: the paper counts so, as it does for the network.
    """
    G, beta, w_P = symbols("G beta_hbm w_P")
    return G * beta / (2 * w_P)


@cache
def arithmetic_time() -> sp.Expr:
    """Seconds that a node computes on a nanobatch: one MAC for each parameter and token."""
    P_node, n, C = symbols("P_node n C")
    return P_node * n / C


@cache
def memory_time() -> sp.Expr:
    """Seconds in which a node reads its parameters once."""
    P_node, M = symbols("P_node M")
    return P_node / M


@cache
def nanobatch() -> sp.Expr:
    """Tokens at which arithmetic takes as long as reading: the least that keeps a node busy."""
    (n,) = symbols("n")
    (solution,) = sp.solve(sp.Eq(arithmetic_time(), memory_time()), n)
    return solution


@cache
def arithmetic_intensity() -> sp.Expr:
    """MAC that a nanobatch does for each parameter it reads: as many as it has tokens."""
    C, M = symbols("C M")
    return sp.simplify((arithmetic_time() * C) / (memory_time() * M))


@cache
def machine_balance() -> sp.Expr:
    """MAC that a GPU does in the time it moves one byte: its peak over its bandwidth."""
    F, beta = symbols("F beta_hbm")
    return F / beta


@cache
def roofline() -> sp.Expr:
    """Share of the peak that memory lets a node reach, as a function of n; at most 1."""
    return sp.Min(1, sp.simplify(arithmetic_time() / memory_time()))


@cache
def derivation() -> Derivation:
    """The steps from bytes and MACs to the least nanobatch."""
    C, M, n = symbols("C M n")
    return Derivation(
        "The least nanobatch",
        (
            Step("eq-arithmetic-rate", sp.Eq(C, arithmetic_rate()), "a node's GPUs add up"),
            Step("eq-memory-rate", sp.Eq(M, memory_rate()), "bytes become parameters"),
            Step(
                "eq-memory-condition",
                sp.Ge(arithmetic_time(), memory_time()),
                "arithmetic lasts at least as long as reading",
            ),
            Step("eq-nanobatch", sp.Ge(n, nanobatch()), "the parameters cancel"),
            Step(
                "eq-nanobatch-hardware",
                sp.Ge(n, nanobatch().subs({C: arithmetic_rate(), M: memory_rate()})),
                "with the rates put in, the GPUs in a node cancel too",
            ),
        ),
    )


def node_nanobatch_tokens(gpu: GPU | str, word_bytes: float | None = None) -> float:
    """Least nanobatch of a GPU, in tokens.

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset.
    word_bytes
        Bytes of one parameter; the GPU's word by default.

    Raises
    ------
    ValueError
        If the preset is unknown or ``word_bytes`` is not positive.
    """
    gpu = get_gpu(gpu)
    return float(
        evaluate(
            derivation().result,
            F=gpu.peak_flop_per_s / FLOP_PER_MAC,
            beta_hbm=gpu.hbm_bytes_per_s,
            w_P=gpu.word_bytes if word_bytes is None else word_bytes,
        )
    )
