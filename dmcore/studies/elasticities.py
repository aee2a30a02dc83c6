"""What a percent of each assumption is worth: the slopes of the two limits, and of the simulator.

The closed forms are products of powers, so their slopes in logarithms are constants at a given alpha.
The simulator's are taken from sweeps of variants of the H100, as finite differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from types import MappingProxyType

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_choice, check_positive
from dmcore.algebra.symbols import SYMBOLS, latex, symbols
from dmcore.algebra.tables import Table
from dmcore.bottlenecks import limits
from dmcore.bottlenecks.critical_batch import REFERENCE_COMPUTE
from dmcore.hardware.gpu import GPU
from dmcore.hardware.variants import (
    faster_clock,
    faster_memory,
    faster_network,
    lower_latency,
)
from dmcore.models.laws import BATCH_LAWS, BatchLaw
from dmcore.studies.change import FROM_2048, Change, Lever, own_laws, swept

__all__ = [
    "ASSUMPTIONS",
    "BATCH_EXPONENT",
    "ElasticityTable",
    "FACTORS",
    "LEVERS",
    "LimitLever",
    "Response",
    "decades_per_alpha",
    "elasticity_table",
    "response",
    "response_to_batch_exponent",
    "table_of_responses",
]

Floats = NDArray[np.float64]

#: The assumptions of the closed forms, alpha aside, in the order of the table.
ASSUMPTIONS = ("beta_net", "beta_hbm", "F", "G", "w_A", "w_P", "ell", "t", "b_0", "L_0", "r", "T_0")

#: Factors by which the simulator's assumptions are changed, around 1.
FACTORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


# ------------------------------------------------------------------------------- the closed forms


@dataclass(frozen=True)
class ElasticityTable:
    """The elasticity of both limits in each assumption, as expressions of alpha.

    Attributes
    ----------
    critical, latency : mapping of str to sympy.Expr
        By the name of the symbol; what a limit does not depend on is zero.
    """

    critical: Mapping[str, sp.Expr]
    latency: Mapping[str, sp.Expr]

    def at(self, limit: str, name: str, alpha: float) -> float:
        """An elasticity at a value of alpha."""
        check_choice("limit", limit, ("critical", "latency"))
        found: Mapping[str, sp.Expr] = getattr(self, limit)
        check_choice("name", name, found)
        (symbol,) = symbols("alpha")
        return float(found[name].subs(symbol, alpha))

    def __repr__(self) -> str:
        return f"<elasticities of both limits in {len(self.critical)} assumptions>"

    def _repr_markdown_(self) -> str:
        head = r"| | assumption | $T_{\mathrm{crit}}$ | $T_{\mathrm{limit}}$ |"
        rows = [
            f"| ${SYMBOLS[name].latex}$ | {SYMBOLS[name].description} "
            f"| ${latex(self.critical[name])}$ | ${latex(self.latency[name])}$ |"
            for name in self.critical
        ]
        caption = "*The elasticity of both limits in each assumption, for any α.*"
        return "\n".join([head, "|---|---|---|---|", *rows, "", caption])


@cache
def elasticity_table() -> ElasticityTable:
    """The elasticities of T_crit, in terms of hardware, and of T_limit, by SymPy.

    Examples
    --------
    >>> elasticity_table().at("critical", "beta_net", alpha=0.1)
    5.0
    """
    both = (limits.critical_macs_of_hardware(), limits.latency_macs())
    critical, latency = (
        MappingProxyType(
            {
                name: _over_gap(limits.elasticity(expr, symbol))
                if expr.has(symbol)
                else sp.Integer(0)
                for name, symbol in zip(ASSUMPTIONS, symbols(" ".join(ASSUMPTIONS)), strict=True)
            }
        )
        for expr in both
    )
    return ElasticityTable(critical, latency)


def _over_gap(expr: sp.Expr) -> sp.Expr:
    """The expression as a fraction over 1 - 2 alpha, which SymPy would write with the other sign."""
    (alpha,) = symbols("alpha")
    gap = 1 - 2 * alpha
    return sp.expand(sp.cancel(expr * gap)) / gap


@cache
def decades_per_alpha() -> sp.Expr:
    """Orders of magnitude by which a limit grows for each unit of alpha, d log10 T / d alpha.

    As a function of the limit itself, T, and of alpha; the same for both limits, since both are
    solutions of one form: (T / T_0)^(1 - 2 alpha) is a number without alpha.

    Examples
    --------
    >>> decades_per_alpha()
    2*log(T/T_0)/((1 - 2*alpha)*log(10))
    """
    T, T_0, alpha = symbols("T T_0 alpha")
    found = set()
    for expr in (limits.critical_macs(), limits.latency_macs()):
        logs = sp.expand_log(sp.log(expr), force=True)
        slope = sp.diff(logs, alpha) / sp.log(10)
        # The logarithm of the limit, solved for that of b_0, brings the limit itself in.
        (b_0,) = symbols("b_0")
        (log_b,) = sp.solve(sp.Eq(logs, sp.log(T)), sp.log(b_0))
        found.add(sp.factor(sp.simplify(sp.expand(slope.subs(sp.log(b_0), log_b)))))
    (slope,) = found
    ratio = sp.log(T / T_0)
    whole = sp.cancel(slope * sp.log(10) / sp.expand_log(ratio, force=True))
    return _over_gap(whole) * ratio / sp.log(10)


# ---------------------------------------------------------------------------------- the simulator


@dataclass(frozen=True)
class LimitLever(Lever):
    """A lever on a symbol of the closed forms; a factor above 1 is for the better.

    Attributes
    ----------
    symbol : str
        The symbol of the closed forms.
    sign : int
        1 if the factor multiplies the symbol, -1 if it divides it.

    Examples
    --------
    >>> LEVERS["duration"].at(2).years, round(LEVERS["duration"].closed_form("critical"), 2)
    (0.5, 2.13)
    """

    symbol: str
    sign: int = 1

    def closed_form(self, limit: str) -> float:
        """The elasticity of a closed form in the factor, with the simulator's own alpha."""
        return self.sign * elasticity_table().at(limit, self.symbol, own_laws()["alpha"])


@lru_cache(maxsize=64)
def _batch_law(factor: float, exponent_change: float = 0.0) -> BatchLaw:
    """The paper's batch times a factor, or with another exponent above 3e23 FLOP; rounded as there."""
    (T,) = symbols("T_FLOP")
    grown = (T / sp.Integer(int(REFERENCE_COMPUTE))) ** exponent_change
    return BatchLaw(
        f"x {factor:g}, exponent {exponent_change:+g}",
        f"{factor:g} times the paper's, with {exponent_change:+g} in the exponent",
        BATCH_LAWS["default"].expression * grown * factor,
    )


_of_gpu = LimitLever.of_gpu

#: The levers by name, read-only.
LEVERS: Mapping[str, LimitLever] = MappingProxyType(
    {
        lever.name: lever
        for lever in (
            _of_gpu("network", faster_network, symbol="beta_net"),
            _of_gpu(
                "outer network", partial(faster_network, outermost_only=True), symbol="beta_net"
            ),
            _of_gpu("HBM", faster_memory, symbol="beta_hbm"),
            _of_gpu("lower latency", lower_latency, symbol="ell", sign=-1),
            _of_gpu(
                "slower arithmetic", lambda gpu, by: faster_clock(gpu, 1 / by), symbol="F", sign=-1
            ),
            LimitLever("duration", lambda by: Change(f"duration, {by:g}", years=0.25 * by), "t"),
            LimitLever("batch", lambda by: Change(f"batch, {by:g}", batch=_batch_law(by)), "b_0"),
        )
    }
)


@dataclass(frozen=True)
class Response:
    """How the end of linear scaling, and the last run, answer to a lever.

    Attributes
    ----------
    lever : str
        Name of the lever.
    factors : tuple of float
        In ascending order, with 1 among them.
    ends : tuple of float
        log10 of the FLOP at which linear scaling ends; nan where it does not, or never was.
    lasts : tuple of float
        log10 of the FLOP of the largest run that ends in time.

    Examples
    --------
    >>> found = Response("mine", (1.0, 10.0), (28.0, 30.0), (31.0, 31.0))
    >>> found.gain(10.0), found.gain(10.0, "lasts")
    (2.0, 0.0)
    """

    lever: str
    factors: tuple[float, ...]
    ends: tuple[float, ...]
    lasts: tuple[float, ...]

    def gain(self, factor: float, of: str = "ends") -> float:
        """Orders of magnitude that a factor buys."""
        check_choice("factor", factor, self.factors)
        values = getattr(self, of)
        return float(values[self.factors.index(factor)] - values[self.factors.index(1.0)])

    def slope(self, low: float, high: float, of: str = "ends") -> float:
        """The mean elasticity between two factors: the slope of the best straight line."""
        return self._fit(low, high, of)[0]

    def scatter(self, low: float, high: float, of: str = "ends") -> float:
        """How far, in decades, the points lie from that line (root mean square)."""
        return self._fit(low, high, of)[1]

    def _fit(self, low: float, high: float, of: str) -> tuple[float, float]:
        x, y = np.log10(self.factors), np.array(getattr(self, of))
        used = (x >= math.log10(low) - 1e-9) & (x <= math.log10(high) + 1e-9) & np.isfinite(y)
        if used.sum() < 2:
            raise ValueError(
                f"low and high must leave two factors or more, got {low!r} and {high!r}"
            )
        slope, start = np.polyfit(x[used], y[used], 1)
        return float(slope), float(np.std(y[used] - start - slope * x[used]))


@checked
def response(
    lever: str, gpu: GPU | str = "H100 SXM", factors: tuple[float, ...] = FACTORS
) -> Response:
    """Sweeps with a lever at several factors.

    Examples
    --------
    >>> f"{response('network', factors=(1.0, 2.0)).gain(2.0):.1f} decades"
    '0.9 decades'
    """
    check_choice("lever", lever, LEVERS)
    check_positive("factors", factors, finite=True)
    sweeps = [swept(LEVERS[lever].at(factor), gpu, FROM_2048) for factor in factors]
    return Response(
        lever,
        factors,
        tuple(_log(found.end.flop) for found in sweeps),
        tuple(_log(float(found.training_flop[-1])) for found in sweeps),
    )


#: Changes of the exponent of batch growth, around the paper's 1/6.
BATCH_EXPONENT = (-0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06)


@checked
def response_to_batch_exponent(gpu: GPU | str = "H100 SXM") -> tuple[tuple[float, float], ...]:
    """(change of alpha, log10 of the end of linear scaling in FLOP), from sweeps of the simulator.

    Examples
    --------
    >>> ends = dict(response_to_batch_exponent())
    >>> ends[-0.06] < ends[0.0] < ends[0.06]
    True
    """
    laws = {by: Change(f"exponent {by:+g}", batch=_batch_law(1.0, by)) for by in BATCH_EXPONENT}
    return tuple((by, _log(swept(law, gpu, FROM_2048).end.flop)) for by, law in laws.items())


@checked
def table_of_responses(responses: Sequence[Response]) -> Table:
    """The closed form's power, and the simulator's gains in decades at some factors and mean powers.

    Examples
    --------
    >>> found = Response("HBM", FACTORS, (28.0,) * len(FACTORS), (31.0,) * len(FACTORS))
    >>> len(table_of_responses([found]).rows)
    1
    """
    factors = (0.1, 0.5, 2.0, 10.0)
    head = (
        "assumption",
        "power",
        *(f"× {factor:g}" for factor in factors),
        "power below 1",
        "above 1",
    )
    rows = [
        (
            one.lever,
            f"{LEVERS[one.lever].closed_form('critical') + 0.0:.2f}",
            *(_gain_text(one.gain(factor)) for factor in factors),
            f"{one.slope(0.1, 1):.1f}",
            f"{abs(one.slope(1, 10)):.1f}",
        )
        for one in responses
    ]
    return Table(
        rows,
        head,
        "How far the end of linear scaling moves if an assumption is better by a factor, in powers of ten. "
        "First the power of the closed form, last the mean powers of the simulator below and above 1.",
    )


def _gain_text(decades: float) -> str:
    return "–" if math.isnan(decades) else f"{decades + 0.0:+.2f}".replace("-0.00", "+0.00")


def _log(flop: float | None) -> float:
    return float("nan") if flop is None else float(np.log10(flop))
