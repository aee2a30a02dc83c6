"""Where linear scaling ends if every run is given all of its time.

The paper's sweep takes the smallest cluster of E 2**i GPUs that ends a run in time. Such a run lasts
anything between half the time allowed and all of it, and its utilization is that of a shorter run, which
lets a curve zigzag. Here each model is asked how well the cluster is used that would end its run exactly
at the deadline, which lies between two clusters of E m 2**i GPUs with m = 1, 3, 5, 7, 9.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.checks import check_positive
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.models.model import Model
from dmcore.simulator.bound import latency_floor_s
from dmcore.simulator.ends import LINEAR_SCALING
from dmcore.simulator.search import fastest
from dmcore.simulator.step import training_step
from dmcore.simulator.sweep import Sweep

__all__ = ["FACTORS", "End", "at_deadline", "end_at_deadline", "utilization_at_deadline"]

#: Clusters have E m 2**i GPUs with one of these m.
FACTORS = (1, 3, 5, 7, 9)

#: Below this utilization no larger cluster is tried.
_LEAST_UTILIZATION = 0.001


@dataclass(frozen=True)
class End:
    """Where a curve of utilizations falls through a level; FLOP, None where it does not.

    Attributes
    ----------
    low, high : float or None
        The first and the last crossing, which are one if it crosses once.
    reading : str
        How it was read.

    Examples
    --------
    >>> End(1e28, 4e28, "at the deadline").flop
    2e+28
    """

    low: float | None
    high: float | None
    reading: str

    @property
    def flop(self) -> float | None:
        """The crossing, or the geometric mean of the first and the last."""
        if self.low is None or self.high is None:
            return None
        return self.low if self.low == self.high else math.sqrt(self.low * self.high)


def utilization_at_deadline(
    gpu: GPU | str,
    model: Model,
    duration_years: float = 0.25,
    *,
    factors: tuple[int, ...] = FACTORS,
    zero_bubble_latency: bool = False,
) -> float | None:
    """Share of the peak that is used on the cluster that ends a run exactly at the deadline.

    Of the clusters that are faster than every smaller one, the last that takes longer than the deadline
    and the first that does not; between them the logarithm of the GPUs is interpolated in that of the
    time.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    model : Model
        The model and its batch.
    duration_years : float
        The deadline, in years of 3.154e7 s.
    factors : tuple of int
        Clusters have experts * m * 2**i GPUs with m one of these.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.

    Returns
    -------
    float or None
        None if no cluster ends the run in time, or all that work do.

    Raises
    ------
    ValueError
        If the preset is unknown or the duration not positive.

    Examples
    --------
    >>> f"{utilization_at_deadline('H100 SXM', Model.from_laws(53248)):.3f}"
    '0.614'
    """
    gpu = get_gpu(gpu)
    check_positive("duration_years", duration_years, finite=True)
    deadline_s = duration_years * SIMULATOR_YEAR_S

    def run_s(n_gpu: int, at_most_s: float) -> float:
        cutoff = at_most_s / model.steps * (1 + 1e-9)
        winner, _ = fastest(gpu, model, n_gpu, cutoff, zero_bubble_latency)
        if winner is None:
            return math.inf
        return training_step(gpu, model, winner, zero_bubble_latency=zero_bubble_latency).run_s

    sizes = _sizes(model, factors)
    useful_s = model.training_flop / gpu.useful_flop_per_s  # on one GPU; never less in all
    first = bisect_left(sizes, useful_s / deadline_s)
    for i in _in_reach(gpu, model, sizes, first):
        ends_s = run_s(sizes[i], deadline_s)
        if ends_s <= deadline_s:
            break
    else:
        return None
    # The fastest of the smaller ones; below a certain size none can be faster than the best so far.
    late_s, late = math.inf, 0
    for n_gpu in reversed(sizes[:i]):
        if useful_s / n_gpu > late_s:
            break
        seconds = run_s(n_gpu, late_s)
        if seconds < late_s:
            late_s, late = seconds, n_gpu
    if not late:
        return None
    share = math.log(late_s / deadline_s) / math.log(late_s / ends_s)
    n_gpu_at_deadline = late * (sizes[i] / late) ** share
    return model.training_flop / (n_gpu_at_deadline * gpu.peak_flop_per_s * deadline_s)


def _sizes(model: Model, factors: tuple[int, ...]) -> list[int]:
    largest = model.d_model * model.d_ff * model.batch_tokens
    doublings = range(max(1, (largest // model.experts).bit_length()))
    return sorted({model.experts * m * 2**i for m in factors for i in doublings})


def _in_reach(gpu: GPU, model: Model, sizes: list[int], first: int) -> Iterator[int]:
    """Positions of sizes from the first on, until none can be used well enough."""
    floor_s = latency_floor_s(gpu, model) * model.steps
    for i in range(first, len(sizes)):
        ideal_s = model.training_flop / (sizes[i] * gpu.peak_flop_per_s)
        if ideal_s < _LEAST_UTILIZATION * floor_s:
            return
        yield i


def at_deadline(
    found: Sweep, duration_years: float = 0.25, *, factors: tuple[int, ...] = FACTORS
) -> NDArray[np.float64]:
    """:func:`utilization_at_deadline` of each run of a sweep, nan where there is none.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> at_deadline(sweep("H100 SXM", d_models=(12288, 53248))).round(3).tolist()
    [0.699, 0.614]
    """
    values = (
        utilization_at_deadline(
            found.gpu,
            step.model,
            duration_years,
            factors=factors,
            zero_bubble_latency=step.zero_bubble_latency,
        )
        for step in found.steps
    )
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def end_at_deadline(
    found: Sweep,
    duration_years: float = 0.25,
    level: float = LINEAR_SCALING,
    *,
    factors: tuple[int, ...] = FACTORS,
) -> End:
    """Where the utilization at the deadline falls through a level, interpolated between runs.

    Parameters
    ----------
    found : Sweep
        The runs.
    duration_years : float
        The deadline, for which the sweep was made.
    level : float
        Share of the useful FLOP/s.
    factors : tuple of int
        See :func:`utilization_at_deadline`.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> found = sweep("V100 SXM", d_models=(32768, 36864, 40960))
    >>> f"{end_at_deadline(found).flop:.1e}"
    '3.8e+27'
    """
    check_positive("level", level, finite=True)
    above = at_deadline(found, duration_years, factors=factors) / found.gpu.efficiency - level
    known = np.isfinite(above)
    log_flop, above = np.log(found.training_flop[known]), above[known]
    if not len(above) or above[0] <= 0:
        return End(None, None, "at the deadline")
    at = np.nonzero((above[:-1] > 0) != (above[1:] > 0))[0]
    if not len(at):
        return End(None, None, "at the deadline")
    share = above[at] / (above[at] - above[at + 1])
    crossings = np.exp(log_flop[at] + share * (log_flop[at + 1] - log_flop[at]))
    return End(float(crossings[0]), float(crossings[-1]), "at the deadline")
