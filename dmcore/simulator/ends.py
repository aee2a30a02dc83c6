"""Where a sweep leaves linear scaling: the only place that reads it, by each reading that has a name.

A run scales linearly if its utilization is above a share of what its GPU reaches in long runs of large
products, by default 0.8. The readings, in FLOP of training compute:

=========================  ============================================================================
:func:`at_the_deadline`    where the utilization of runs that last exactly as long as they may falls
                           through the level, interpolated between runs: the reading of the book
:func:`first_run_below`    the first run on the smallest cluster of E 2**i GPUs that is at or below the
                           level: the reading of the paper
=========================  ============================================================================

Both are None where a sweep never was linear, since its first run is below already, and where it never
leaves linear scaling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcore.algebra.checks import check_positive
from dmcore.algebra.numbers import readable
from dmcore.simulator.deadline import FACTORS, OTHER_FACTORS, utilizations_at_deadline

if TYPE_CHECKING:
    from dmcore.simulator.sweep import Sweep

__all__ = [
    "LINEAR_SCALING",
    "READINGS",
    "Bracket",
    "End",
    "at_the_deadline",
    "bracket",
    "falling",
    "first_run_below",
    "last_run_above",
    "middle_of_bracket",
    "never_linear",
    "on_falling_fit",
    "utilizations",
]

#: Share of the useful FLOP/s below which a sweep has left linear scaling.
LINEAR_SCALING = 0.8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class End:
    """Where linear scaling ends, FLOP; all None if a sweep never was linear or never ends to be.

    Attributes
    ----------
    flop : float or None
        The crossing of the level; of several the geometric mean of the first and the last.
    low, high : float or None
        The first and the last crossing, perhaps of several sets of clusters.
    reading : str
        How it was read: a key of :data:`READINGS`.

    Examples
    --------
    >>> str(End(8.65e28, 8.65e28, 1.66e29, "at the deadline"))
    '8.7 × 10²⁸ FLOP (8.7 × 10²⁸ to 1.7 × 10²⁹)'
    """

    flop: float | None
    low: float | None
    high: float | None
    reading: str

    @classmethod
    def of(cls, crossings: Sequence[float], reading: str) -> End:
        """The end of a curve that falls through the level there, in ascending order."""
        if not len(crossings):
            return cls(None, None, None, reading)
        low, high = float(crossings[0]), float(crossings[-1])
        return cls(low if low == high else math.sqrt(low * high), low, high, reading)

    @property
    def span(self) -> tuple[float, float]:
        """``low`` and ``high``, FLOP; a ValueError if there are none."""
        if self.low is None or self.high is None:
            raise ValueError("the sweep must leave linear scaling to have a span")
        return self.low, self.high

    def __str__(self) -> str:
        if self.flop is None:
            return "none"
        whole, low, high = (readable(value, 2) for value in (self.flop, *self.span))
        return f"{whole} FLOP" + (f" ({low} to {high})" if low != high else "")


def at_the_deadline(found: Sweep, level: float = LINEAR_SCALING, *, all_sets: bool = False) -> End:
    """Where the utilization at the deadline falls through a level, interpolated between runs.

    Parameters
    ----------
    found : Sweep
        The runs.
    level : float
        Share of the useful FLOP/s.
    all_sets : bool
        Whether ``low`` and ``high`` span the crossings of other sets of clusters, too
        (:data:`~dmcore.simulator.deadline.OTHER_FACTORS`), which takes about twice as long.

    Raises
    ------
    ValueError
        If ``level`` is not positive.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> found = sweep("V100 SXM", d_models=(32768, 36864, 40960))
    >>> str(at_the_deadline(found, all_sets=True))
    '3.8 × 10²⁷ FLOP (1.9 × 10²⁷ to 4.7 × 10²⁷)'
    """
    check_positive("level", level, finite=True)
    end = End.of(_crossings(found, found.utilization_at_deadline, level), "at the deadline")
    if not all_sets or end.low is None or end.high is None:
        return end
    others = utilizations(found, OTHER_FACTORS)
    every = [end.low, end.high, *(x for curve in others for x in _crossings(found, curve, level))]
    return End(end.flop, min(every), max(every), end.reading)


def _crossings(found: Sweep, utilization: Floats, level: float) -> list[float]:
    above = utilization / found.gpu.efficiency - level
    known = np.isfinite(above)
    log_flop, above = np.log(found.training_flop[known]), above[known]
    if not len(above) or above[0] <= 0:
        return []
    at = np.nonzero((above[:-1] > 0) != (above[1:] > 0))[0]
    share = above[at] / (above[at] - above[at + 1])
    crossings: list[float] = np.exp(
        log_flop[at] + share * (log_flop[at + 1] - log_flop[at])
    ).tolist()
    return crossings


def utilizations(found: Sweep, sets: Sequence[tuple[int, ...]] = (FACTORS,)) -> list[Floats]:
    """Utilization at the deadline of each run of a sweep, for sets of clusters; nan where there is none.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> utilizations(sweep("H100 SXM", d_models=(12288, 53248)))[0].round(3).tolist()
    [0.699, 0.614]
    """
    rows = [
        utilizations_at_deadline(
            found.gpu, step.model, found.duration_years, sets, step.zero_bubble_latency
        )
        for step in found.steps
    ]
    table = np.array(rows, dtype=float).reshape(len(rows), len(sets))
    table.flags.writeable = False
    return list(table.T)


def first_run_below(found: Sweep, level: float = LINEAR_SCALING) -> float | None:
    """Training FLOP of the first run at or below the level, the paper's reading.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> found = sweep("H100 SXM", d_models=(36864, 40960, 49152, 53248))
    >>> f"{first_run_below(found):.2e}"
    '2.05e+28'
    """
    check_positive("level", level, finite=True)
    below = found.utilization <= level * found.gpu.efficiency
    if not below.any() or below[0]:
        return None
    return float(found.training_flop[below][0])


#: Every reading by its name, the book's first.
READINGS: Mapping[str, Callable[..., float | None]] = MappingProxyType(
    {
        "at the deadline": lambda found, level=LINEAR_SCALING: at_the_deadline(found, level).flop,
        "first run below": first_run_below,
    }
)


def never_linear(found: Sweep, level: float = LINEAR_SCALING) -> bool:
    """Whether the first run of a sweep is at or below the level already.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> never_linear(sweep("H100 SXM", d_models=(12288,)))
    False
    """
    at_deadline = found.utilization_at_deadline
    known = at_deadline[np.isfinite(at_deadline)]
    return bool((known[:1] <= level * found.gpu.efficiency).any())


@dataclass(frozen=True)
class Bracket:
    """Two crossings of the level, between which linear scaling ends, in either order; FLOP.

    Attributes
    ----------
    first_below : float
        The first run at or below the level.
    last_above : float
        The last run above it.

    Examples
    --------
    >>> Bracket(first_below=4e28, last_above=1e28).middle
    2e+28
    """

    first_below: float
    last_above: float

    @property
    def low(self) -> float:
        """The smaller of the two, FLOP."""
        return min(self.first_below, self.last_above)

    @property
    def high(self) -> float:
        """The larger of the two, FLOP."""
        return max(self.first_below, self.last_above)

    @property
    def middle(self) -> float:
        """Their geometric mean, FLOP."""
        return float((self.first_below * self.last_above) ** 0.5)


def bracket(found: Sweep, level: float = LINEAR_SCALING) -> Bracket | None:
    """Both crossings of the level: the first run at or below it and the last above it.

    Parameters
    ----------
    found : Sweep
        The runs.
    level : float
        Share of the useful FLOP/s.

    Raises
    ------
    ValueError
        If ``level`` is not positive.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> found = sweep("H100 SXM", d_models=(36864, 40960, 49152, 53248))
    >>> f"{bracket(found).middle:.2e}"
    '1.75e+28'
    """
    below = _below(found, level)
    if not below.any() or below[0]:
        return None
    flop = found.training_flop
    return Bracket(float(flop[below][0]), float(flop[~below][-1]))


def last_run_above(found: Sweep, level: float = LINEAR_SCALING) -> float | None:
    """Training FLOP of the last run above the level.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> found = sweep("H100 SXM", d_models=(36864, 40960, 49152, 53248))
    >>> f"{last_run_above(found):.2e}"
    '1.49e+28'
    """
    crossings = bracket(found, level)
    return None if crossings is None else crossings.last_above


def middle_of_bracket(found: Sweep, level: float = LINEAR_SCALING) -> float | None:
    """Geometric mean of the training FLOP of the first run below and of the last above the level."""
    crossings = bracket(found, level)
    return None if crossings is None else crossings.middle


def on_falling_fit(found: Sweep, level: float = LINEAR_SCALING) -> float | None:
    """Training FLOP at which the falling curve nearest to the utilizations crosses the level.

    Between the middles of two pools of runs (see :func:`falling`), utilization goes straight in the
    logarithm of compute. The first run may be below, if the curve starts above.
    """
    below = _below(found, level)
    if below.all() or not below.any():
        return None
    smooth = falling(found.utilization / found.gpu.efficiency)
    pools = np.unique(-smooth)  # ascending, as the utilization falls
    middles = np.array([np.log(found.training_flop[-smooth == pool]).mean() for pool in pools])
    if not pools[0] <= -level <= pools[-1]:
        return None
    return float(np.exp(np.interp(-level, pools, middles)))


def falling(values: ArrayLike) -> NDArray[np.float64]:
    """The sequence that never rises and is nearest to those values, by least squares.

    Neighbours that rise are pooled to their mean until none do ("isotonic regression").

    Raises
    ------
    ValueError
        If the values are not one-dimensional.

    Examples
    --------
    >>> falling([5, 3, 4, 1]).tolist()
    [5.0, 3.5, 3.5, 1.0]
    """
    given = np.asarray(values, dtype=float)
    if given.ndim != 1:
        raise ValueError(f"values must be one-dimensional, got the shape {given.shape!r}")
    means: list[float] = []
    counts: list[int] = []
    for value in given.tolist():
        means.append(value)
        counts.append(1)
        while len(means) > 1 and means[-2] <= means[-1]:
            mean, count = means.pop(), counts.pop()
            means[-1] = (means[-1] * counts[-1] + mean * count) / (counts[-1] + count)
            counts[-1] += count
    return np.repeat(means, counts)


def _below(found: Sweep, level: float) -> NDArray[np.bool_]:
    check_positive("level", level, finite=True)
    return found.utilization <= level * found.gpu.efficiency
