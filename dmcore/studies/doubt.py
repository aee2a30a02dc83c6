"""Doubt about the two limits without draws: the bounds of a product of lognormal assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_choice, check_positive, check_real, check_type
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, SYMBOLS, symbols
from dmcore.bottlenecks import composition, limits
from dmcore.hardware.gpu import GPU
from dmcore.studies.uncertainty import LIMITS, Assumption, baseline, limit_macs, needed

__all__ = ["bound_at_alpha", "bound_flop", "doubt", "doubtful_symbols"]


@checked
def doubt(symbol: str) -> sp.Symbol:
    """u: the factor, up or down, within which 90 % of the belief in a symbol lies; 1 is no doubt.

    Examples
    --------
    >>> doubt("t")
    u_t
    """
    check_choice("symbol", symbol, SYMBOLS)
    return sp.Symbol(f"u_{symbol}", positive=True)


#: Symbols of the limits that a lognormal distribution fits; alpha is an exponent, the rest is known.
_DOUBTFUL = ("F", "beta_hbm", "beta_net", "ell", "b_p", "L_0", "t", "r")


@checked
def doubtful_symbols(limit: str) -> tuple[str, ...]:
    """Names of the symbols of which :func:`bound_at_alpha` takes a :func:`doubt`.

    Examples
    --------
    >>> doubtful_symbols("latency")
    ('ell', 'b_p', 'L_0', 't', 'r')
    """
    check_choice("limit", limit, LIMITS)
    return tuple(name for name in _DOUBTFUL if name in needed(limit))


@checked
@cache
def bound_at_alpha(limit: str, upper: bool = True) -> sp.Expr:
    """The 95 % point of a limit, MAC, or its 5 % point, when alpha is known and the rest lognormal.

    A limit is a product of powers, so its logarithm is a sum, and that of lognormal doubts is normal.
    Doubts add like the sides of a right angle, each counted with its elasticity. The symbols of the limit
    stand for medians.

    Examples
    --------
    >>> bound_at_alpha("latency").has(doubt("ell"))
    True
    """
    expr = limit_macs(limit)
    squares = sum(
        (limits.elasticity(expr, symbols(name)[0]) * sp.log(doubt(name))) ** 2
        for name in doubtful_symbols(limit)
    )
    spread = sp.sqrt(squares)
    return expr * sp.exp(spread if upper else -spread)


@checked
def bound_flop(
    limit: str,
    beliefs: Sequence[Assumption],
    alpha: float,
    upper: bool = True,
    gpu: GPU | str = "H100 SXM",
) -> float:
    """:func:`bound_at_alpha` in FLOP, with each belief taken as lognormal between its 5 % and 95 % points.

    What no belief is about is taken as known, as in :func:`~dmcore.studies.uncertainty.baseline`, and so
    is what leaves no doubt; attention counts with its median.

    Examples
    --------
    >>> f"{bound_flop('latency', [], 0.0):.1e}"
    '2.3e+31'
    """
    check_choice("limit", limit, LIMITS)
    check_real("alpha", alpha, scalar=True)
    composition.check_arguments(alpha)
    check_type("beliefs", beliefs, Sequence)
    for belief in beliefs:
        check_type("beliefs", belief, Assumption)
    expr = bound_at_alpha(limit, upper)
    values = baseline(gpu) | {"alpha": alpha}
    values |= {each.symbol: each.quantile(0.5) for each in beliefs if each.symbol in ("T_p", "xi")}
    values |= dict.fromkeys((str(doubt(name)) for name in _DOUBTFUL), 1.0)
    for belief in beliefs:
        if belief.symbol in _DOUBTFUL:
            low, high = belief.quantile(0.05), belief.quantile(0.95)
            check_positive(belief.symbol, low)
            values[belief.symbol] = (low * high) ** 0.5
            values[str(doubt(belief.symbol))] = (high / low) ** 0.5
    names = {symbol.name for symbol in expr.free_symbols}
    return float(FLOP_PER_MAC * evaluate(expr, {name: values[name] for name in names}))
