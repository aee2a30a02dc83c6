"""Growth of the largest training runs: compute as an exponential in the calendar year.

Counted from one documented run. The growth factor is a fit to the past (Sevilla and Roldán 2024), so
a year that comes out is where a line leads, no forecast.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive, check_together
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.evidence.training_runs import TrainingRun

__all__ = [
    "FASTEST_GROWTH",
    "SLOWEST_GROWTH",
    "compute_in_year",
    "derivation",
    "longest_run",
    "year_of_compute",
    "year_reached",
]

#: Growth of frontier training compute per year, 2010 to 2024: a factor of 4 to 5.
SLOWEST_GROWTH, FASTEST_GROWTH = 4.0, 5.0


@cache
def compute_in_year() -> sp.Expr:
    """T, MAC, of the largest run in the year y.

    Examples
    --------
    >>> compute_in_year()
    T_1*g**(y - y_1)
    """
    T_1, g, y, y_1 = symbols("T_1 g y y_1")
    return T_1 * g ** (y - y_1)


@cache
def year_reached() -> sp.Expr:
    """y: the year in which the largest run has T MAC.

    Examples
    --------
    >>> year_reached()
    y_1 + log(T/T_1)/log(g)
    """
    T, T_1, y, y_1 = symbols("T T_1 y y_1")
    ratio, years = sp.symbols("ratio years", positive=True)
    growth = (compute_in_year() / T_1).subs(y, y_1 + years)
    (solution,) = sp.solve(sp.Eq(growth, ratio), years)
    return y_1 + solution.subs(ratio, T / T_1)


@cache
def longest_run() -> sp.Expr:
    """Years that a run with a deadline should last, if compute per year grows by the factor g.

    Whoever starts in the year y_s spends, up to the deadline y, what a year bought at the start, in
    proportion to g**y_s. Waiting buys more and leaves less time; the product is greatest where its
    slope in y_s is zero (the argument of Sevilla et al. 2022).

    Examples
    --------
    >>> longest_run()
    1/log(g)
    """
    g, y = symbols("g y")
    start = sp.Dummy("start", real=True)
    spent = (y - start) * g**start
    (best,) = sp.solve(sp.Eq(sp.simplify(sp.diff(spent, start) / g**start), 0), start)
    return sp.simplify(y - best)


@cache
def derivation() -> Derivation:
    """The exponential, the same solved for the year, and the longest run worth its time.

    Examples
    --------
    >>> derivation()["eq-growth"].equation
    Eq(T, T_1*g**(y - y_1))
    """
    T, y, y_s = symbols("T y y_s")
    return Derivation(
        "When a compute is reached",
        (
            Step("eq-growth", sp.Eq(T, compute_in_year()), "the same factor each year"),
            Step("eq-year-reached", sp.Eq(y, year_reached()), "solved for the year"),
            Step(
                "eq-longest-run", sp.Le(y - y_s, longest_run()), "a longer run should have waited"
            ),
        ),
    )


@checked
def year_of_compute(compute_flop: ArrayLike, growth: ArrayLike, anchor: TrainingRun) -> Any:
    """The year in which the largest run reaches a compute.

    Parameters
    ----------
    compute_flop
        Training compute, FLOP. Scalar or array.
    growth
        Factor per year, above 1. Arrays broadcast.
    anchor
        The run from which growth is counted.

    Returns
    -------
    float or numpy.ndarray
        Calendar year with its fraction.

    Raises
    ------
    ValueError
        If the compute is not positive, or the growth is not above 1.

    Examples
    --------
    >>> from dmcore.evidence.training_runs import TRAINING_RUNS
    >>> round(float(year_of_compute(1e28, 4.5, TRAINING_RUNS["Llama 3.1 405B"])), 1)
    2028.3
    """
    check_positive("compute_flop", compute_flop, finite=True)
    check_positive("growth", growth, finite=True)
    check_together(compute_flop=compute_flop, growth=growth)
    if not np.all(np.asarray(growth) > 1):
        raise ValueError(f"growth must be above 1, got {growth!r}")
    return evaluate(
        year_reached(),
        T=np.asarray(compute_flop, dtype=float)[()] / FLOP_PER_MAC,
        g=growth,
        T_1=anchor.macs,
        y_1=anchor.year,
    )
