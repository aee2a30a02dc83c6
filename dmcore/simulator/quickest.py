"""The quickest layouts of a step over a cluster, of all that the search allows, by branch and bound.

Candidates get their places one network level after the other, node first. Until all have theirs, the levels
beyond are taken as one (:func:`dmcore.simulator.bound.joined_beyond`), so that the time is a bound. What
has the least bound goes on first, and what has one above the best time so far can not win and goes no
further: the result is that of an exhaustive search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.numbers import EQUAL
from dmcore.hardware.gpu import GPU
from dmcore.models.model import Model
from dmcore.simulator.bound import joined_beyond, least_traffic, lower_bound, matmul_bound
from dmcore.simulator.candidates import (
    Candidates,
    candidates_of,
    degrees_of,
    layouts_of,
    level_sizes,
    matmul_times,
)
from dmcore.simulator.split import DEGREES, Parallelism
from dmcore.simulator.times import step_seconds
from dmcore.simulator.traffic import load_of
from dmcore.simulator.whole_numbers import ordered_factorizations

__all__ = ["ROUNDING", "Layouts", "fastest", "first_of", "laid_out", "least_seconds"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Candidates that are laid out first, at most, to have a time to compare with.
_FIRST_ROWS = 8
#: Layouts that are timed at once, about: bounds the memory.
_LAYOUTS_AT_ONCE = 2**15
#: Times computed in another order agree to better than this: no candidate is dropped for rounding.
ROUNDING = 1 + 1e-9


def fastest(
    gpu: GPU, model: Model, n_gpu: int, cutoff_s: float, zero_bubble_latency: bool
) -> tuple[Parallelism | None, int]:
    """The first parallelism in the search's order, if it takes at most ``cutoff_s``, and how many were timed.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> model = Model(d_model=512, d_ff=2048, layers=2, batch_sequences=8)
    >>> fastest(get_gpu("H100 SXM"), model, 2, math.inf, False)[0]
    Parallelism(slices_of_f=(2, 1))
    """
    found, timed = _quickest(gpu, model, n_gpu, cutoff_s, zero_bubble_latency)
    return first_of(found), timed


def least_seconds(
    gpu: GPU, model: Model, n_gpu: int, cutoff_s: float, zero_bubble_latency: bool
) -> float:
    """Seconds of a step in that parallelism, infinite if none takes at most ``cutoff_s``.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> model = Model(d_model=512, d_ff=2048, layers=2, batch_sequences=8)
    >>> least_seconds(get_gpu("H100 SXM"), model, 2, 1e-9, False)
    inf
    """
    found, _ = _quickest(gpu, model, n_gpu, cutoff_s, zero_bubble_latency)
    return min((float(some.step_s.min()) for some in found if len(some)), default=math.inf)


@dataclass(frozen=True)
class Layouts:
    """Candidates with places on the first network levels: arrays whose last axis is layouts.

    Times are least ones until all levels but the last, which has what remains, are given out; then exact.
    """

    step_s: Floats
    bandwidth_s: Floats
    matmul_s: Floats
    degrees: (
        Ints  # (5, levels, layouts), in the order of DEGREES; the last level has all that is left
    )
    candidates: Candidates  # of each layout

    def take(self, which: Any) -> Layouts:
        """Those layouts only, by index or mask."""
        return Layouts(
            self.step_s[which],
            self.bandwidth_s[which],
            self.matmul_s[which],
            self.degrees[..., which],
            self.candidates.take(which),
        )

    @staticmethod
    def join(parts: Sequence[Layouts]) -> Layouts:
        """One after the other; all of one cluster."""
        step, bandwidth, matmul, degrees = (
            np.concatenate([getattr(part, field.name) for part in parts], axis=-1)
            for field in fields(Layouts)[:-1]
        )
        candidates = Candidates.join([part.candidates for part in parts])
        return Layouts(step, bandwidth, matmul, degrees, candidates)

    def parallelism(self, i: int) -> Parallelism:
        """The one of layout i."""
        return laid_out(self.candidates, i, self.degrees[..., i])

    def __len__(self) -> int:
        return len(self.step_s)


def laid_out(of: Candidates, i: int, layout: Ints) -> Parallelism:
    """Candidate i in a layout of shape (5, levels).

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> found = candidates_of(get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16), 2)
    >>> laid_out(found, 0, np.array([[1, 1], [1, 1], [1, 1], [2, 1], [1, 1]]))
    Parallelism(pipeline=(2, 1), microbatches=2, interleaving=6)
    """
    levels = zip(DEGREES, layout, strict=True)
    return Parallelism(
        **{name: tuple(degrees.tolist()) for name, degrees in levels},
        microbatches=int(of.microbatches[i]),
        interleaving=int(of.interleaving[i]),
        zero_bubble=bool(of.zero_bubble[i]),
    )


def first_of(found: Sequence[Layouts]) -> Parallelism | None:
    """The first layout in the order of :mod:`dmcore.simulator.search`, None if there is none.

    Examples
    --------
    >>> first_of([]) is None
    True
    """
    found = [some for some in found if len(some)]
    if not found:
        return None
    together = Layouts.join(found)
    for times in ("step_s", "bandwidth_s"):
        seconds = getattr(together, times)
        together = together.take(seconds <= seconds.min() * EQUAL)
    data, slices_of_d, slices_of_f, pipeline, expert = together.degrees
    slices, stages = slices_of_d.prod(axis=0), pipeline.prod(axis=0)
    inside = np.stack([slices_of_d, slices_of_f, pipeline, expert, data], axis=1)
    order = np.lexsort(
        (
            *-inside.reshape(-1, inside.shape[-1])[::-1],
            together.candidates.zero_bubble,
            together.candidates.microbatches,
            stages,
            slices,
            slices * slices_of_f.prod(axis=0),
        )
    )
    return together.parallelism(int(order[0]))


@dataclass(frozen=True)
class _Task:
    """What is asked for, and the GPU as it is while levels beyond each are one."""

    gpus: tuple[GPU, ...]
    model: Model
    n_gpu: int
    zero_bubble_latency: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        return level_sizes(self.gpus[-1], self.n_gpu)


def _quickest(
    gpu: GPU, model: Model, n_gpu: int, cutoff_s: float, zero_bubble_latency: bool
) -> tuple[list[Layouts], int]:
    """Layouts among which the fastest are, and how many were timed."""
    candidates = candidates_of(gpu, model, n_gpu)
    if not len(candidates):
        return [], 0
    least = least_traffic(gpu, model, n_gpu, candidates)
    if cutoff_s < math.inf:
        matmul = matmul_bound(gpu, model, n_gpu, candidates)
        bound = lower_bound(candidates, least, matmul, zero_bubble_latency)
        possible = bound <= cutoff_s * ROUNDING
        candidates, least = candidates.take(possible), least.take(possible)
        if not len(candidates):
            return [], 0
    matmul = matmul_times(gpu, model, candidates)
    bound = lower_bound(candidates, least, matmul, zero_bubble_latency)
    degrees = degrees_of(candidates)[:, None]
    together = tuple(joined_beyond(gpu, i) for i in range(max(1, len(gpu.network) - 1)))
    task = _Task(together, model, n_gpu, zero_bubble_latency)
    return _descend(
        task, Layouts(bound, np.zeros(len(bound)), matmul, degrees, candidates), 0, cutoff_s
    )


def _descend(task: _Task, layouts: Layouts, level: int, best_s: float) -> tuple[list[Layouts], int]:
    """The same of some layouts that have their places inside a level."""
    bound = layouts.step_s
    order = np.argsort(bound, kind="stable")
    close: list[Layouts] = []
    timed, rows = 0, _first_rows(task.sizes[level : level + 2])
    while len(order := order[bound[order] <= best_s * ROUNDING]):
        now, order = order[:rows], order[rows:]
        found = _place(task, layouts.take(now), level)
        rows = max(1, _LAYOUTS_AT_ONCE * len(now) // len(found))
        if level + 1 < len(task.gpus):
            exact, count = _descend(task, found, level + 1, best_s)
        else:
            exact, count = [found], len(found)
        best_s = min([best_s, *(float(some.step_s.min()) for some in exact)])
        quick = (some.take(some.step_s <= best_s * EQUAL) for some in exact)
        close += [some for some in quick if len(some)]
        timed += count
    return close, timed


def _first_rows(sizes: tuple[int, ...]) -> int:
    ways = math.prod(len(ordered_factorizations(size, len(DEGREES))) for size in sizes[:-1])
    return max(1, min(_FIRST_ROWS, _LAYOUTS_AT_ONCE // ways))


def _place(task: _Task, layouts: Layouts, level: int) -> Layouts:
    """Every way to go on by one level, with its times."""
    degrees, owner = layouts_of(task.sizes[level : level + 2], layouts.degrees[:, -1])
    degrees = np.concatenate([layouts.degrees[:, :-1, owner], degrees], axis=1)
    of_each, matmul = layouts.candidates.take(owner), layouts.matmul_s[owner]
    step, moved = step_seconds(
        task.gpus[level],
        load_of(task.model),
        float(task.n_gpu),
        dict(zip(DEGREES, degrees.astype(float), strict=True)),
        of_each.microbatches.astype(float),
        of_each.interleaving.astype(float),
        of_each.zero_bubble,
        matmul,
        task.zero_bubble_latency,
    )
    return Layouts(step, moved.bandwidth_s, matmul, degrees, of_each)
