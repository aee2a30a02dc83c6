"""How sure the two limits are: every assumption as a distribution, the limits as what follows.

The distributions are this book's judgment, each with its reason. They are not fitted to anything, and
they are drawn independently of each other. A reader who disagrees passes others.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from math import log
from statistics import NormalDist
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.checks import check_choice, check_positive, check_positive_integer
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, SYMBOLS, symbols
from dmcore.bottlenecks import critical_batch, latency, limits
from dmcore.evidence.training_runs import TRAINING_RUNS
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models import laws
from dmcore.studies import growth

__all__ = [
    "LATEST_RUN",
    "LIMITS",
    "Assumption",
    "Effect",
    "Interval",
    "assumptions",
    "baseline",
    "bound_at_alpha",
    "bound_flop",
    "credible_interval",
    "doubt",
    "doubtful_symbols",
    "growth_of_runs",
    "limit_flop",
    "limit_years",
    "sample",
    "tornado",
]

Array = NDArray[np.float64]

#: The two limits by the name that :func:`limit_flop` takes, with what a page calls them.
LIMITS: Mapping[str, str] = MappingProxyType(
    {"critical": "critical compute", "latency": "latency limit"}
)
#: The run from which growth is counted.
LATEST_RUN = TRAINING_RUNS["Llama 3.1 405B"]

#: Numbers of the streams of draws; that of another symbol is made of its name. No symbol's draws change when
#: the table of symbols does.
_STREAMS: Mapping[str, int] = MappingProxyType(
    {"r": 4, "t": 5, "g": 8, "L_0": 16, "b_0": 18, "alpha": 26, "F": 28}
    | {"beta_hbm": 29, "beta_net": 30, "ell": 36}
)
_SHAPES = ("lognormal", "uniform")
#: Standard deviations from the middle of a normal distribution to its 95 % point.
_Z95 = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True)
class Assumption:
    """What is believed of one symbol of the closed forms.

    Attributes
    ----------
    symbol : str
        Name of the symbol; values are in its unit.
    shape : str
        ``"lognormal"``: low and high are its 5 % and 95 % points. ``"uniform"``: they are its ends.
    low, high : float
        See ``shape``. Equal ones leave no doubt.
    baseline : float
        What the paper takes; of what the paper does not need, the middle.
    label, reason : str
        In words: what it is, and why this range.
    sources : tuple of str
        Keys of the bibliography on which the reason rests; none where it is a judgment alone.

    Examples
    --------
    >>> belief = Assumption("t", "lognormal", 1e6, 4e6, 2e6, "duration", "A guess.")
    >>> round(belief.quantile(0.5)), round(belief.quantile(0.95))
    (2000000, 4000000)
    """

    symbol: str
    shape: str
    low: float
    high: float
    baseline: float
    label: str
    reason: str
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("symbol", self.symbol, SYMBOLS)
        check_choice("shape", self.shape, _SHAPES)
        if not -np.inf < self.low <= self.high < np.inf:
            raise ValueError(
                f"low must be at most high, and both finite, got {self.low!r} and {self.high!r}"
            )
        if self.shape == "lognormal":
            check_positive("low", self.low)

    def quantile(self, share: float) -> float:
        """The value that this share of the distribution lies below."""
        _check_share(share)
        if self.shape == "uniform":
            return self.low + share * (self.high - self.low)
        middle, width = self._log_normal
        return float(np.exp(middle + width * NormalDist().inv_cdf(share)))

    def draw(self, generator: np.random.Generator, draws: int) -> Array:
        """Independent values, of shape ``(draws,)``."""
        if self.shape == "uniform":
            return generator.uniform(self.low, self.high, draws)
        middle, width = self._log_normal
        return np.exp(middle + width * generator.standard_normal(draws))

    @property
    def _log_normal(self) -> tuple[float, float]:
        bottom, top = log(self.low), log(self.high)
        return (bottom + top) / 2, (top - bottom) / (2 * _Z95)


# ---------------------------------------------------------------------------------------- beliefs


def assumptions(gpu: GPU | str = "H100 SXM") -> tuple[Assumption, ...]:
    """The book's distributions around the paper's baseline (beliefs.toml), for a cluster of that GPU.

    Examples
    --------
    >>> [belief.symbol for belief in assumptions()][:4]
    ['alpha', 'b_0', 'L_0', 'r']
    """
    paper = baseline(gpu)
    shares = {
        "deepseek": float(laws.effective_alpha("deepseek").alpha),
        "efficiency": get_gpu(gpu).efficiency,
    }
    found = []
    for symbol, row in _beliefs().items():
        unit = paper[symbol] if row.get("of_baseline") else 1.0
        low, high = (unit * shares.get(row[end], row[end]) for end in ("low", "high"))
        words = row["label"], row["reason"], tuple(row.get("sources", ()))
        found.append(Assumption(symbol, row["shape"], low, high, paper[symbol], *words))
    return tuple(found)


@cache
def _beliefs() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("dmcore.studies").joinpath("beliefs.toml").read_text("utf-8"))


def growth_of_runs() -> Assumption:
    """The factor by which the largest runs grow in a year, if they go on as they did until 2024.

    Examples
    --------
    >>> growth_of_runs().low, growth_of_runs().high
    (4.0, 5.0)
    """
    low, high = growth.SLOWEST_GROWTH, growth.FASTEST_GROWTH
    return Assumption(
        "g",
        "lognormal",
        low,
        high,
        (low * high) ** 0.5,
        "growth in a year",
        "The trend from 2010 to 2024, as if nothing broke it.",
        ("sevilla2024training",),
    )


def baseline(gpu: GPU | str = "H100 SXM") -> dict[str, float]:
    """What the paper takes, for a cluster of that GPU: a value for every symbol of the two limits.

    Examples
    --------
    >>> baseline("A100 SXM")["beta_hbm"] / 1e9
    1555.0
    """
    chip = get_gpu(gpu)
    return {
        "alpha": 0.0,
        "b_0": critical_batch.REFERENCE_BATCH_TOKENS,
        "L_0": critical_batch.REFERENCE_LAYERS,
        "T_0": critical_batch.REFERENCE_COMPUTE,
        "r": limits.TOKENS_PER_PARAMETER,
        "t": limits.QUARTER_S,
        "F": chip.peak_flop_per_s / FLOP_PER_MAC,
        "beta_hbm": chip.hbm_bytes_per_s,
        "beta_net": chip.inter_node_bytes_per_s,
        "ell": latency.MATMUL_LATENCY_S,
        "w_P": float(chip.word_bytes),
        "w_A": float(chip.word_bytes),
        "G": float(chip.node_size),
    }


# ---------------------------------------------------------------------------------- what follows


@cache
def _macs(limit: str) -> sp.Expr:
    """A limit, MAC, in terms of what a data sheet tells."""
    check_choice("limit", limit, LIMITS)
    return limits.critical_macs_of_hardware() if limit == "critical" else limits.latency_macs()


@cache
def _needed(limit: str) -> frozenset[str]:
    return frozenset(symbol.name for symbol in _macs(limit).free_symbols)


def limit_flop(limit: str, values: Mapping[str, Any], gpu: GPU | str = "H100 SXM") -> Any:
    """T_crit or T_limit in FLOP, from values of the symbols that it needs; others are passed over.

    Values are numbers or arrays by symbol name, such as :func:`sample` draws. What they lack is taken from
    the GPU's :func:`baseline`.

    Examples
    --------
    >>> [f"{limit_flop(limit, {'alpha': 0.1}):.1e}" for limit in LIMITS]
    ['2.6e+29', '1.8e+33']
    """
    expr = _macs(limit)
    everything = {**baseline(gpu), **values}
    if not np.all(np.asarray(everything["alpha"]) < 0.5):
        raise ValueError(f"alpha must be below 1/2, got {everything['alpha']!r}")
    return FLOP_PER_MAC * evaluate(expr, {name: everything[name] for name in _needed(limit)})


#: The year in which the largest run reaches a limit, from (FLOP, growth in a year), numbers or draws.
limit_years = partial(growth.year_of_compute, anchor=LATEST_RUN)


def sample(
    beliefs: Sequence[Assumption], draws: int = 1_000_000, seed: int = 0
) -> dict[str, Array]:
    """Independent draws of every assumption, by symbol name, each of shape ``(draws,)``.

    Each has a stream of its own, so that its draws stay the same when others change or are left out.

    Examples
    --------
    >>> {name: values.shape for name, values in sample(assumptions()[:2], draws=5).items()}
    {'alpha': (5,), 'b_0': (5,)}
    """
    check_positive_integer("draws", draws)
    names = [belief.symbol for belief in beliefs]
    if len(set(names)) < len(names):
        raise ValueError(f"beliefs must be of different symbols, got {', '.join(names)}")
    streams = {name: _STREAMS.get(name, crc32(name.encode())) for name in names}
    return {
        belief.symbol: belief.draw(np.random.default_rng([seed, streams[belief.symbol]]), draws)
        for belief in beliefs
    }


@dataclass(frozen=True)
class Interval:
    """The middle of a distribution and the ends of the part that holds a share of it.

    Examples
    --------
    >>> Interval(1e27, 1e28, 1e29, 0.9).decades
    2.0
    """

    low: float
    median: float
    high: float
    share: float

    @property
    def decades(self) -> float:
        """Orders of magnitude between the ends, of positive values."""
        return float(np.log10(self.high / self.low))


def credible_interval(values: Array, share: float = 0.9) -> Interval:
    """The median, and the interval with equal parts of the draws on either side.

    Examples
    --------
    >>> credible_interval(np.arange(101.0), 0.5)
    Interval(low=25.0, median=50.0, high=75.0, share=0.5)
    """
    _check_share(share)
    tail = (1 - share) / 2
    low, median, high = np.quantile(values, [tail, 0.5, 1 - tail])
    return Interval(float(low), float(median), float(high), share)


@dataclass(frozen=True)
class Effect:
    """What one assumption does to a limit, all others at their medians.

    Attributes
    ----------
    assumption : Assumption
        Which.
    at_low, at_high : float
        The limit with the assumption at its 5 % and at its 95 % point, FLOP.

    Examples
    --------
    >>> Effect(assumptions()[0], 1e28, 1e30).decades
    2.0
    """

    assumption: Assumption
    at_low: float
    at_high: float

    @property
    def decades(self) -> float:
        """Orders of magnitude between the two."""
        return abs(float(np.log10(self.at_high / self.at_low)))


def tornado(
    limit: str, beliefs: Sequence[Assumption], gpu: GPU | str = "H100 SXM"
) -> tuple[Effect, ...]:
    """Each assumption's effect on a limit, from its 5 % to its 95 % point, the strongest first.

    Assumptions that the limit does not depend on are left out.

    Examples
    --------
    >>> [effect.assumption.symbol for effect in tornado("latency", assumptions())]
    ['alpha', 'b_0', 'ell', 't', 'L_0', 'r']
    """
    check_choice("limit", limit, LIMITS)
    middle = {belief.symbol: belief.quantile(0.5) for belief in beliefs}
    effects = []
    for belief in beliefs:
        if belief.symbol in _needed(limit):
            at_low, at_high = (
                limit_flop(limit, {**middle, belief.symbol: belief.quantile(share)}, gpu)
                for share in (0.05, 0.95)
            )
            effects.append(Effect(belief, at_low, at_high))
    return tuple(sorted(effects, key=lambda effect: -round(effect.decades, 9)))


# -------------------------------------------------------------------------- without drawing at all


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
_DOUBTFUL = ("F", "beta_hbm", "beta_net", "ell", "b_0", "L_0", "t", "r")


def doubtful_symbols(limit: str) -> tuple[str, ...]:
    """Names of the symbols of which :func:`bound_at_alpha` takes a :func:`doubt`.

    Examples
    --------
    >>> doubtful_symbols("latency")
    ('ell', 'b_0', 'L_0', 't', 'r')
    """
    check_choice("limit", limit, LIMITS)
    return tuple(name for name in _DOUBTFUL if name in _needed(limit))


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
    expr = _macs(limit)
    squares = sum(
        (limits.elasticity(expr, symbols(name)[0]) * sp.log(doubt(name))) ** 2
        for name in doubtful_symbols(limit)
    )
    spread = sp.sqrt(squares)
    return expr * sp.exp(spread if upper else -spread)


def bound_flop(
    limit: str,
    beliefs: Sequence[Assumption],
    alpha: float,
    upper: bool = True,
    gpu: GPU | str = "H100 SXM",
) -> float:
    """:func:`bound_at_alpha` in FLOP, with each belief taken as lognormal between its 5 % and 95 % points.

    What no belief is about is taken as known, as in :func:`baseline`.

    Examples
    --------
    >>> f"{bound_flop('latency', assumptions(), 0.0):.1e}"
    '2.5e+33'
    """
    expr = bound_at_alpha(limit, upper)
    values = baseline(gpu) | {"alpha": alpha}
    values |= dict.fromkeys((str(doubt(name)) for name in _DOUBTFUL), 1.0)
    for belief in beliefs:
        if belief.symbol in _DOUBTFUL:
            low, high = belief.quantile(0.05), belief.quantile(0.95)
            check_positive(belief.symbol, low)
            values[belief.symbol] = (low * high) ** 0.5
            values[str(doubt(belief.symbol))] = (high / low) ** 0.5
    needed = {symbol.name for symbol in expr.free_symbols}
    return float(FLOP_PER_MAC * evaluate(expr, {name: values[name] for name in needed}))


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share!r}")
