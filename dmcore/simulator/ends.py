"""Where a sweep leaves linear scaling, read so that two sweeps can be compared.

Layers, batches and clusters are whole numbers, so the utilization of a sweep zigzags as it falls, and a
single crossing of a threshold is a matter of luck. Here the zigzag is first replaced by the falling
curve that is nearest to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcore.algebra.checks import check_positive
from dmcore.simulator.sweep import LINEAR_SCALING, Sweep

__all__ = ["falling", "scaling_end"]


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
