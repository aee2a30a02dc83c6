"""A batch that a reader tells, rather than one of the known laws: so many tokens, and how they grow."""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_scalar
from dmcore.algebra.symbols import symbols
from dmcore.models.laws import BatchLaw

__all__ = ["TOLD_FLOP", "TOLD_ROUNDING", "told_batch", "told_sequences"]

#: The compute of the run whose batch is told, FLOP.
TOLD_FLOP = sp.Integer(10) ** 26
#: How its sequences become a whole number: one of :data:`~dmcore.models.laws.ROUNDINGS`.
TOLD_ROUNDING = "as told if that divides"


@cache
def told_sequences() -> sp.Expr:
    """Sequences of a batch of ``b_told`` tokens at 1e26 FLOP that grows with the compute.

    Examples
    --------
    >>> told_sequences().subs(symbols("T_FLOP")[0], TOLD_FLOP)
    b_told/S
    """
    T, S, told, alpha = symbols("T_FLOP S b_told alpha_b")
    return told * (T / TOLD_FLOP) ** alpha / S


@checked
def told_batch(tokens: float, exponent: float = 0.0) -> BatchLaw:
    """The law of a batch of so many tokens at 1e26 FLOP.

    As many sequences, if those are whole and the experts divide them; else the closest number of the form
    m 2**i for each expert, with m one of 1, 3, 5, 7, 9, so that the batch divides well over a cluster.

    Parameters
    ----------
    tokens : float
        Tokens in the batch of a run of 1e26 FLOP.
    exponent : float
        It grows as the compute to this power; 0 for the same batch in all runs.

    Raises
    ------
    ValueError
        If there are no tokens, or the exponent is negative.

    Examples
    --------
    >>> told_batch(2**22)(1e28), told_batch(60e6)(1e28)
    (2048, 28672)
    """
    check_scalar("tokens", tokens)
    check_scalar("exponent", exponent, zero=True)
    b, alpha = symbols("b_told alpha_b")
    law = told_sequences().subs({b: float(tokens), alpha: float(exponent)})
    words = f"{tokens:.3g} tokens at 1e26 FLOP"
    return BatchLaw("told", words, law, TOLD_ROUNDING)
