"""Where a sweep leaves linear scaling, read so that two sweeps can be compared.

Layers, batches and clusters are whole numbers, so the utilization of a sweep zigzags as it falls, and a
single crossing of a threshold is a matter of luck. Here the zigzag is first replaced by the falling
curve that is nearest to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcore.algebra.checks import check_positive

if TYPE_CHECKING:
    from dmcore.simulator.sweep import Sweep

__all__ = ["LINEAR_SCALING", "falling", "last_linear_flop", "scaling_end"]

#: Share of the useful FLOP/s below which a sweep has left linear scaling.
LINEAR_SCALING = 0.8


def falling(values: ArrayLike) -> NDArray[np.float64]:
    """The sequence that never rises and is nearest to those values, by least squares.

    Neighbours that rise are pooled to their mean until none do ("isotonic regression").

    Parameters
    ----------
    values
        One-dimensional.

    Raises
    ------
    ValueError
        If the values are not one-dimensional.
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


def last_linear_flop(found: Sweep) -> float | None:
    """The largest run, FLOP, that uses more than 0.8 of the useful rate; None if there is none.

    Whole numbers make a sweep uneven: a run can fall below the threshold and a larger one rise above
    it again. ``found.linear_scaling_end`` is the first run below, this the last above.
    """
    above = found.training_flop[found.utilization > LINEAR_SCALING * found.gpu.efficiency]
    return float(above[-1]) if len(above) else None


def scaling_end(found: Sweep, level: float = LINEAR_SCALING) -> float | None:
    """Training compute, FLOP, at which a sweep's smoothed utilization falls to that share of the useful rate.

    Between the middles of two pools of runs (see :func:`falling`), utilization goes straight in the
    logarithm of compute.

    Returns
    -------
    float or None
        None if the utilization never crosses the level.

    Raises
    ------
    ValueError
        If ``level`` is not positive.
    """
    check_positive("level", level, finite=True)
    if not len(found):
        return None
    smooth = falling(found.utilization / found.gpu.efficiency)
    pools = np.unique(-smooth)  # ascending, as the utilization falls
    middles = np.array([np.log(found.training_flop[-smooth == pool]).mean() for pool in pools])
    if not pools[0] <= -level <= pools[-1]:
        return None
    return float(np.exp(np.interp(-level, pools, middles)))
