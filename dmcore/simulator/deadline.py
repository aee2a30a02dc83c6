"""How well the cluster is used that ends a run exactly at its deadline.

The paper's sweep takes the smallest cluster of E 2**i GPUs that ends a run in time. Such a run lasts
anything between half the time allowed and all of it, and its utilization is that of a shorter run, which
makes a curve zigzag. Here each run is given all of its time: of the clusters of E m 2**i GPUs that are
faster than every smaller one, the last that takes longer than the deadline and the first that does not
are found, and between them the logarithm of the GPUs is interpolated in that of the time. If even the
smallest cluster that works ends the run in time, it is that one's utilization.

Here m is 1, 3, 5, 7 or 9, or what fills nodes of another size: 25 in nodes of 100
(:func:`~dmcore.simulator.search.odd_parts`). Only those fill them. The others have a divisor of the cluster
in each node, such as 64 of 72 GPUs, so that a level of the network joins fewer GPUs than it could, and the
rest of the node is not counted. Where nodes are no power of two, the curve thus goes between clusters that
fill them and clusters that do not.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_scalar
from dmcore.algebra.numbers import EQUAL
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.models.model import Model
from dmcore.simulator.bound import latency_floor_s
from dmcore.simulator.quickest import least_seconds
from dmcore.simulator.search import MIN_UTILIZATION, cluster_sizes, most_gpus, odd_parts

__all__ = [
    "FACTORS",
    "OTHER_FACTORS",
    "TOO_LONG",
    "utilization_at_deadline",
    "utilizations_at_deadline",
]

#: Clusters have E m 2**i GPUs with one of these m, or one that fills the nodes,
FACTORS: tuple[int, ...] = (1, 3, 5, 7, 9)
#: or, to see what hangs on that choice, with one of these.
OTHER_FACTORS: tuple[tuple[int, ...], ...] = ((1,), (1, 3), tuple(range(1, 32, 2)))

#: The slower of the two clusters is looked for among those that take this many times too long at most, at
#: last among all.
TOO_LONG = (1.15, 1.6, 4.0)


@checked
def utilization_at_deadline(
    gpu: GPU | str,
    model: Model,
    duration_years: float = 0.25,
    *,
    factors: tuple[int, ...] = FACTORS,
    zero_bubble_latency: bool = False,
) -> float | None:
    """Share of the peak that is used on the cluster that ends a run exactly at the deadline.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    model : Model
        The model and its batch.
    duration_years : float
        The deadline, in years of 3.154e7 s.
    factors : tuple of int
        Clusters have experts * m * 2**i GPUs with m one of these, or of those that fill the nodes.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.

    Returns
    -------
    float or None
        None if no cluster ends the run in time.

    Raises
    ------
    ValueError
        If the preset is unknown or the duration not positive.

    Examples
    --------
    >>> f"{utilization_at_deadline('H100 SXM', Model.from_laws(53248)):.3f}"
    '0.614'
    """
    sets = (factors,)
    (found,) = utilizations_at_deadline(gpu, model, duration_years, sets, zero_bubble_latency)
    return found


@checked
def utilizations_at_deadline(
    gpu: GPU | str,
    model: Model,
    duration_years: float,
    sets: Sequence[tuple[int, ...]],
    zero_bubble_latency: bool = False,
) -> list[float | None]:
    """:func:`utilization_at_deadline` for several sets of factors, which share their work.

    Examples
    --------
    >>> model = Model.from_laws(53248)
    >>> found = utilizations_at_deadline("H100 SXM", model, 0.25, [(1,), FACTORS])
    >>> [round(value, 3) for value in found]
    [0.608, 0.614]
    """
    gpu = get_gpu(gpu)
    check_scalar("duration_years", duration_years)
    deadline_s = duration_years * SIMULATOR_YEAR_S
    peak_s = model.training_flop / gpu.peak_flop_per_s  # on one GPU
    floor_s = latency_floor_s(gpu, model) * model.steps
    known: dict[int, tuple[float, float]] = {}

    def run_s(n_gpu: int, at_most_s: float) -> float:
        """Seconds of a run, infinite if above ``at_most_s``."""
        cutoff_s, seconds = known.get(n_gpu, (0.0, math.inf))
        if seconds == math.inf and cutoff_s < at_most_s:
            cutoff = at_most_s / model.steps
            seconds = least_seconds(gpu, model, n_gpu, cutoff, zero_bubble_latency) * model.steps
            known[n_gpu] = at_most_s, seconds
        return seconds

    def at_deadline(sizes: Sequence[int], too_long: float) -> float | None:
        """Share of the peak; infinite if no cluster takes longer than the deadline, but not too long."""
        late_s, late = deadline_s * too_long, 0
        # No smaller cluster ends in that time at the useful rate.
        smallest = peak_s / gpu.efficiency / max(late_s - floor_s, 1e-300)
        for n_gpu in sizes[bisect_left(sizes, smallest) :]:
            if peak_s / n_gpu < MIN_UTILIZATION * floor_s:
                break
            seconds = run_s(n_gpu, late_s)
            if seconds <= deadline_s:
                if not late:
                    return peak_s / n_gpu / seconds if late_s == math.inf else math.inf
                share = math.log(late_s / deadline_s) / math.log(late_s / seconds)
                return peak_s / deadline_s / (late * (n_gpu / late) ** share)
            if seconds * EQUAL < late_s:
                late_s, late = seconds, n_gpu
        return None

    found: list[float | None] = []
    for factors in sets:
        sizes = cluster_sizes((model.experts,), (*factors, *odd_parts(gpu)), most_gpus(model))
        tried = (at_deadline(sizes, too_long) for too_long in (*TOO_LONG, math.inf))
        found.append(next(share for share in tried if share != math.inf))
    return found
