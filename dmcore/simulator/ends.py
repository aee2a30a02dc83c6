"""Where a sweep leaves linear scaling: the only place that reads it, by each reading that has a name.

A run scales linearly if its utilization is above a share of what its GPU reaches in long runs of large
products, by default 0.8. Layers, batches and clusters are whole numbers, so the utilization of a sweep
zigzags as it falls and crosses that level more than once. Each reading makes one number of the
crossings, in FLOP of training compute:

==========================  ============================================================================
:func:`first_run_below`     the first run at or below the level: the paper's reading
:func:`last_run_above`      the last run above the level
:func:`middle_of_bracket`   the geometric mean of these two, which :func:`bracket` gives together
:func:`on_falling_fit`      where the falling curve nearest to the runs crosses the level
==========================  ============================================================================

All are None where a sweep never was linear, since its first run (of the fit: the falling curve) is below
already, and where it never leaves linear scaling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcore.algebra.checks import check_positive

if TYPE_CHECKING:
    from dmcore.simulator.sweep import Sweep

__all__ = [
    "LINEAR_SCALING",
    "READINGS",
    "Bracket",
    "bracket",
    "falling",
    "first_run_below",
    "last_run_above",
    "middle_of_bracket",
    "never_linear",
    "on_falling_fit",
]

#: Share of the useful FLOP/s below which a sweep has left linear scaling.
LINEAR_SCALING = 0.8


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


def never_linear(found: Sweep, level: float = LINEAR_SCALING) -> bool:
    """Whether the first run of a sweep is at or below the level already.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> never_linear(sweep("H100 SXM", d_models=(12288,)))
    False
    """
    return bool(_below(found, level)[:1].any())


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


def first_run_below(found: Sweep, level: float = LINEAR_SCALING) -> float | None:
    """Training FLOP of the first run at or below the level, the paper's reading.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> found = sweep("H100 SXM", d_models=(36864, 40960, 49152, 53248))
    >>> f"{first_run_below(found):.2e}"
    '2.05e+28'
    """
    crossings = bracket(found, level)
    return None if crossings is None else crossings.first_below


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


#: Every reading by what it reads.
READINGS: Mapping[str, Callable[..., float | None]] = MappingProxyType(
    {
        "first run below": first_run_below,
        "last run above": last_run_above,
        "middle of the two": middle_of_bracket,
        "on the falling fit": on_falling_fit,
    }
)


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
