"""How sure the two limits are: every assumption as a distribution, the limits as what follows.

The distributions are this book's judgment, each with its reason. They are not fitted to anything. Each is
drawn independently of the others, but the batch is drawn at the compute where it was measured, so that its
exponent carries it further or less far. A reader who disagrees takes another prior or passes their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from importlib.resources import files
from math import log
from statistics import NormalDist
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import (
    check_choice,
    check_count,
    check_positive,
    check_positive_integer,
    check_real,
)
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, SYMBOLS, symbols
from dmcore.bottlenecks import critical_batch, latency, limits
from dmcore.bottlenecks.summary import paper_values
from dmcore.evidence.training_runs import TRAINING_RUNS
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models import laws
from dmcore.studies import growth

__all__ = [
    "LATEST_RUN",
    "LIMITS",
    "PRIORS",
    "Assumption",
    "Effect",
    "Interval",
    "assumptions",
    "attention_chain",
    "baseline",
    "batch_at_anchor",
    "credible_interval",
    "growth_of_runs",
    "limit_flop",
    "limit_macs",
    "limit_years",
    "needed",
    "sample",
    "tornado",
    "under_priors",
]

Array = NDArray[np.float64]

#: The two limits by the name that :func:`limit_flop` takes, with what a page calls them.
LIMITS: Mapping[str, str] = MappingProxyType(
    {"critical": "critical compute", "latency": "latency limit"}
)
#: The run from which growth is counted.
LATEST_RUN = TRAINING_RUNS["Llama 3.1 405B"]

_SHAPES = ("lognormal", "normal", "uniform")
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
        ``"normal"``, ``"lognormal"``: low and high are its 5 % and 95 % points. ``"uniform"``: its ends.
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
        return float(self._value(NormalDist().inv_cdf(share)))

    def draw(self, generator: np.random.Generator, draws: int) -> Array:
        """Independent values, of shape ``(draws,)``."""
        if self.shape == "uniform":
            return generator.uniform(self.low, self.high, draws)
        return np.asarray(self._value(generator.standard_normal(draws)))

    def _value(self, deviations: Any) -> Any:
        logarithmic = self.shape == "lognormal"
        low, high = (log(end) if logarithmic else end for end in (self.low, self.high))
        value = (low + high) / 2 + (high - low) / (2 * _Z95) * deviations
        return np.exp(value) if logarithmic else value


# ---------------------------------------------------------------------------------------- beliefs


@checked
def assumptions(gpu: GPU | str = "H100 SXM", prior: str = "") -> tuple[Assumption, ...]:
    """The book's distributions around the paper's baseline (beliefs.toml), for a cluster of that GPU.

    ``prior`` is one of :data:`PRIORS`; by default the first.

    Examples
    --------
    >>> [belief.symbol for belief in assumptions()][:4]
    ['alpha', 'b_p', 'T_p', 'L_0']
    """
    paper = baseline(gpu)
    prior = prior or next(iter(PRIORS))
    check_choice("prior", prior, PRIORS)
    others = PRIORS[prior]
    exponents = {
        law: float(laws.effective_alpha(law).alpha) for law in ("deepseek", "default", "none")
    }
    ends = exponents | {"efficiency": get_gpu(gpu).efficiency}
    found = []
    for symbol, row in _BELIEFS.items():
        row = row | others.get(symbol, {})
        unit = paper[symbol] if row.get("of_baseline") else 1.0
        low, high = (unit * ends.get(row[end], row[end]) for end in ("low", "high"))
        words = row["label"], row["reason"], tuple(row.get("sources", ()))
        found.append(Assumption(symbol, row["shape"], low, high, paper[symbol], *words))
        if symbol == "T_p":  # what the paper's baseline says of the batch there
            carried = paper["b_p"] * (low / paper["T_p"]) ** paper["alpha_L"]
            found[-2:] = replace(found[-2], baseline=carried), replace(found[-1], baseline=low)
    return tuple(found)


_BELIEFS: dict[str, dict[str, Any]] = tomllib.loads(
    files("dmcore.studies").joinpath("beliefs.toml").read_text("utf-8")
)
#: What else one may believe of batches and attention, by its name: entries in place of the book's. The
#: first replaces none.
PRIORS: Mapping[str, Mapping[str, dict[str, Any]]] = MappingProxyType(_BELIEFS.pop("prior"))


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
    return {
        **paper_values(gpu),
        "alpha_L": float(laws.effective_alpha("default").alpha_L),
        "b_p": critical_batch.REFERENCE_BATCH_TOKENS,
        "T_p": critical_batch.REFERENCE_COMPUTE,
        "xi": 0.0,
    }


# ---------------------------------------------------------------------------------- what follows


def batch_at_anchor() -> sp.Expr:
    """b_0, tokens: a batch that was measured at the compute T_p, carried to T_0 by its law.

    Examples
    --------
    >>> batch_at_anchor()
    b_p*(T_0/T_p)**(alpha + alpha_L)
    """
    b_p, T_0, T_p, alpha, alpha_L = symbols("b_p T_0 T_p alpha alpha_L")
    return b_p * (T_0 / T_p) ** (alpha + alpha_L)


def attention_chain() -> sp.Expr:
    """A layer's latency over that of its two matmuls alone, if the share xi of attention counts.

    Examples
    --------
    >>> attention_chain()
    5*xi/4 + 1
    """
    ell_kernel, ell_hop, xi = symbols("ell_kernel ell_hop xi")
    both = [
        latency.layer_latency(kernels).subs(ell_kernel, latency.HOPS_PER_MATMUL * ell_hop)
        for kernels in (0, 1)
    ]  # the paper's 9 microseconds in halves
    return 1 + xi * (both[1] / both[0] - 1)


@checked
@cache
def limit_macs(limit: str) -> sp.Expr:
    """A limit, MAC, with a batch that was measured at T_p, and the share xi of attention.

    Of the critical compute all of attention takes half of the nodes that a batch feeds, as if the batch
    were half.

    Examples
    --------
    >>> sorted(symbol.name for symbol in limit_macs("latency").free_symbols)[:4]
    ['L_0', 'T_0', 'T_p', 'alpha']
    """
    check_choice("limit", limit, LIMITS)
    b_0, ell, xi = symbols("b_0 ell xi")
    batch = batch_at_anchor()
    if limit == "critical":
        return limits.critical_macs_of_hardware().subs(b_0, batch / (1 + xi))
    return limits.latency_macs().subs({b_0: batch, ell: ell * attention_chain()})


@checked
@cache
def needed(limit: str) -> frozenset[str]:
    """Names of the symbols of a limit.

    Examples
    --------
    >>> "ell" in needed("latency"), "ell" in needed("critical")
    (True, False)
    """
    return frozenset(symbol.name for symbol in limit_macs(limit).free_symbols)


@checked
def limit_flop(limit: str, values: Mapping[str, Any], gpu: GPU | str = "H100 SXM") -> Any:
    """T_crit or T_limit in FLOP, from values of the symbols that it needs; others are passed over.

    Values are numbers or arrays by symbol name, such as :func:`sample` draws. What they lack is taken from
    the GPU's :func:`baseline`.

    Examples
    --------
    >>> [f"{limit_flop(limit, {'alpha': 0.1}):.1e}" for limit in LIMITS]
    ['2.6e+29', '1.8e+33']
    """
    expr = limit_macs(limit)
    everything = {**baseline(gpu), **values}
    if not np.all(np.asarray(everything["alpha"]) < 0.5):
        raise ValueError(f"alpha must be below 1/2, got {everything['alpha']!r}")
    return FLOP_PER_MAC * evaluate(expr, {name: everything[name] for name in needed(limit)})


#: The year in which the largest run reaches a limit, from (FLOP, growth in a year), numbers or draws.
limit_years = partial(growth.year_of_compute, anchor=LATEST_RUN)


@checked
def sample(beliefs: Sequence[Assumption], draws: int = 10**6, seed: int = 0) -> dict[str, Array]:
    """Independent draws of every assumption, by symbol name, each of shape ``(draws,)``.

    Each has a stream of its own, so that its draws stay the same when others change or are left out.

    Examples
    --------
    >>> {name: values.shape for name, values in sample(assumptions()[:2], draws=5).items()}
    {'alpha': (5,), 'b_p': (5,)}
    """
    check_positive_integer("draws", draws, most=10**8)
    check_count("seed", seed)
    names = [belief.symbol for belief in beliefs]
    if len(set(names)) < len(names):
        raise ValueError(f"beliefs must be of different symbols, got {', '.join(names)}")
    streams = {name: crc32(name.encode()) for name in names}
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
    check_real("values", values)
    if np.size(values) == 0 or not np.isfinite(np.asarray(values, dtype=float)).all():
        raise ValueError(f"values must be finite numbers, one at least, got {values!r}")
    tail = (1 - share) / 2
    low, median, high = np.quantile(values, [tail, 0.5, 1 - tail])
    return Interval(float(low), float(median), float(high), share)


@checked
@lru_cache(maxsize=16)
def under_priors(
    limit: str, gpu: GPU | str = "H100 SXM", draws: int = 200_000
) -> Mapping[str, tuple[Interval, float]]:
    """For each of :data:`PRIORS` what holds 90 % of a limit, FLOP, and the share below the paper's number.

    Examples
    --------
    >>> interval, share = under_priors("critical", draws=1000)["the batch levels off"]
    >>> 1e27 < interval.median < 1e28, 0.6 < share < 0.75
    (True, True)
    """
    found = {}
    for prior in PRIORS:
        values = limit_flop(limit, sample(assumptions(gpu, prior), draws), gpu)
        share = float(np.mean(values < limit_flop(limit, {}, gpu)))
        found[prior] = credible_interval(values), share
    return MappingProxyType(found)


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


@checked
def tornado(
    limit: str, beliefs: Sequence[Assumption], gpu: GPU | str = "H100 SXM"
) -> tuple[Effect, ...]:
    """Each assumption's effect on a limit, from its 5 % to its 95 % point, the strongest first.

    Assumptions that the limit does not depend on, or that leave no doubt, are left out.

    Examples
    --------
    >>> [effect.assumption.symbol for effect in tornado("latency", assumptions())]
    ['alpha', 'ell', 'b_p', 't', 'L_0', 'r', 'xi']
    """
    check_choice("limit", limit, LIMITS)
    middle = {belief.symbol: belief.quantile(0.5) for belief in beliefs}
    effects = []
    for belief in beliefs:
        if belief.symbol in needed(limit) and belief.low < belief.high:
            at_low, at_high = (
                limit_flop(limit, {**middle, belief.symbol: belief.quantile(share)}, gpu)
                for share in (0.05, 0.95)
            )
            effects.append(Effect(belief, at_low, at_high))
    return tuple(sorted(effects, key=lambda effect: -round(effect.decades, 9)))


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share!r}")
