"""Where a sweep leaves linear scaling: the only place that reads it, by each reading that has a name.

A run scales linearly if its utilization is above a share of what its GPU reaches in long runs of large
products, by default 0.8. The readings, in FLOP of training compute:

=========================  ============================================================================
:func:`at_the_deadline`    where the utilization of runs that last exactly as long as they may falls
                           through the level, interpolated between runs: the reading of the book
:func:`first_run_below`    the first run on its smallest cluster (of E 2**i GPUs where nodes are powers of
                           two) that is at or below the level: the reading of the paper
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
from numpy.typing import NDArray

from dmcore.algebra.checks import check_positive
from dmcore.algebra.numbers import readable
from dmcore.algebra.tables import Table
from dmcore.simulator.deadline import FACTORS, OTHER_FACTORS, utilizations_at_deadline

if TYPE_CHECKING:
    from dmcore.simulator.sweep import Sweep

__all__ = [
    "LINEAR_SCALING",
    "READINGS",
    "End",
    "at_the_deadline",
    "first_run_below",
    "never_linear",
    "table_of_ends",
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
    >>> str(End(8.66e28, 8.66e28, 1.66e29, "at the deadline"))
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


def table_of_ends(sweeps: Mapping[str, Sweep]) -> Table:
    """Where linear scaling ends (FLOP) by both readings, with the range of the first, a row to a sweep.

    Examples
    --------
    >>> from dmcore.simulator.sweep import sweep
    >>> table_of_ends({"H100": sweep("H100 SXM")}).rows[0][:2]
    ('H100', '8.7 × 10²⁸')
    """
    head = (
        "sweep",
        "at the deadline, FLOP",
        "with other clusters, FLOP",
        "first run below, FLOP",
        "last run, FLOP",
    )
    rows = []
    for label, found in sweeps.items():
        end, first = found.end_range, found.linear_scaling_end
        figures = (end.flop, first, float(found.training_flop[-1]))
        whole, paper, last = ("–" if flop is None else readable(flop, 2) for flop in figures)
        span = "–" if end.flop is None else " to ".join(readable(flop, 2) for flop in end.span)
        rows.append((label, whole, span, paper, last))
    caption = (
        "Where linear scaling ends. At the deadline: runs on a cluster that would take exactly the time "
        "allowed. With other clusters: the range of that end over other sets of cluster sizes. First run "
        "below: the first run under 80 % of the useful rate on the smallest cluster of 2ⁱ GPUs that is "
        "fast enough, as the paper reads it. Last run: the largest that any cluster ends in time."
    )
    return Table(rows, head, caption)
