"""Memory bandwidth: how many tokens a weight must meet each time it is read.

A node applies its weights to a nanobatch of n tokens at a time. Below a least n it waits for memory.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import PASSES
from dmcore.models.words import Words

__all__ = [
    "arithmetic_rate",
    "arithmetic_time",
    "counted_nanobatch",
    "derivation",
    "machine_balance",
    "memory_rate",
    "memory_time",
    "nanobatch",
    "nanobatch_of_hardware",
    "node_nanobatch_tokens",
    "roofline",
]

P_node, n, C, M, eta = symbols("P_node n C M eta")
G, F, beta_hbm, w_P, w_G = symbols("G F beta_hbm w_P w_G")


def arithmetic_rate() -> sp.Expr:
    """C, MAC/s: what the G GPUs of a node multiply at their peak rate F.

    Examples
    --------
    >>> arithmetic_rate()
    F*G
    """
    return G * F


def memory_rate() -> sp.Expr:
    """M, parameters/s: what a node reads, counting half of the data-sheet bandwidth.

    The other half is left for what is written: the paper counts so, as it does for the network.

    Examples
    --------
    >>> memory_rate()
    G*beta_hbm/(2*w_P)
    """
    return G * beta_hbm / 2 / w_P


def arithmetic_time() -> sp.Expr:
    """Seconds that a node computes on a nanobatch: one MAC for each parameter and token.

    Examples
    --------
    >>> arithmetic_time()
    P_node*n/C
    """
    return P_node * n / C


def memory_time() -> sp.Expr:
    """Seconds in which a node reads its parameters once.

    Examples
    --------
    >>> memory_time()
    P_node/M
    """
    return P_node / M


@cache
def nanobatch() -> sp.Expr:
    """Tokens at which arithmetic takes as long as reading: the least that keeps a node busy.

    Examples
    --------
    >>> nanobatch()
    C/M
    """
    (tokens,) = sp.solve(sp.Eq(arithmetic_time(), memory_time()), n)
    return tokens


def nanobatch_of_hardware() -> sp.Expr:
    """:func:`nanobatch` in what a data sheet tells; the GPUs of a node cancel.

    Examples
    --------
    >>> nanobatch_of_hardware()
    2*F*w_P/beta_hbm
    """
    return nanobatch().subs({C: arithmetic_rate(), M: memory_rate()})


def machine_balance() -> sp.Expr:
    """MAC that a GPU does in the time it moves one byte: its peak over its bandwidth.

    Examples
    --------
    >>> machine_balance()
    F/beta_hbm
    """
    return F / beta_hbm


def roofline() -> sp.Expr:
    """Share of the peak that memory lets a node reach with n tokens; at most 1.

    Examples
    --------
    >>> roofline()
    Min(1, M*n/C)
    """
    return sp.Min(1, arithmetic_time() / memory_time())


@cache
def counted_nanobatch() -> sp.Expr:
    """Least tokens if each byte of a step counts, and all of the bandwidth may be used.

    Two passes read the weights; the third reads a sum of gradients, adds to it and writes it back.

    Examples
    --------
    >>> sp.simplify(counted_nanobatch().subs(w_G, 2 * w_P) / nanobatch_of_hardware())
    1
    """
    moving = P_node * (2 * w_P + 2 * w_G) / (G * beta_hbm)
    computing = PASSES * arithmetic_time().subs(C, arithmetic_rate())
    (tokens,) = sp.solve(sp.Eq(computing, moving), n)
    return sp.factor(tokens)


@cache
def derivation() -> Derivation:
    """The steps from bytes and MACs to the least nanobatch, which is the last one.

    Examples
    --------
    >>> derivation()["eq-nanobatch"].agrees(C / M)
    n >= C/M  [the parameters cancel]
    """
    busy = sp.Ge(arithmetic_time(), memory_time())
    both = (arithmetic_time, memory_time)
    why = "arithmetic lasts at least as long as reading"
    cancel = "with the rates put in, the GPUs in a node cancel too"
    return Derivation(
        "The least nanobatch",
        (
            Step.of("eq-arithmetic-rate", C, arithmetic_rate, "a node's GPUs add up"),
            Step.of("eq-memory-rate", M, memory_rate, "bytes become parameters"),
            Step("eq-memory-condition", busy, why, made_by=both),
            Step.of("eq-nanobatch", n, nanobatch, "the parameters cancel", sp.Ge),
            Step.of("eq-roofline", eta, roofline, "below the nanobatch, reading sets the time"),
            Step.of("eq-counted-nanobatch", n, counted_nanobatch, "every byte counted", sp.Ge),
            Step.of("eq-nanobatch-hardware", n, nanobatch_of_hardware, cancel, sp.Ge),
        ),
    )


@checked
def node_nanobatch_tokens(gpu: GPU | str, word_bytes: float | Words | None = None) -> float:
    """Least nanobatch of a GPU, in tokens; a parameter has the bytes of the GPU's word by default.

    Examples
    --------
    >>> round(node_nanobatch_tokens("H100 SXM"))
    590
    """
    gpu = get_gpu(gpu)
    values = {
        "F": gpu.peak_flop_per_s / FLOP_PER_MAC,
        "beta_hbm": gpu.hbm_bytes_per_s,
        "w_P": Words.of(gpu.word_bytes if word_bytes is None else word_bytes).weights,
    }
    return float(evaluate(nanobatch_of_hardware(), values))
