"""The best way to split a training step over a cluster: every way that the paper's search allows.

How the best is found is said in :mod:`dmcore.simulator.quickest`; here is what is asked of it, and what
is answered.

Many splits of a cluster take exactly the same time. Which of them is the result follows from a total
order, so that it hangs on neither the order in which they are tried nor the processor:

1. The least step time. Times that exceed the least by no more than 1e-12 of it count as equal to it,
   since they may differ by rounding alone.
2. Among those, the least time in which bandwidth is used, by the same rule.
3. The least tensor parallelism, as it reaches into every matrix product; then the fewest slices of
   d_model.
4. The least pipeline parallelism, then the fewest microbatches, then a schedule with a bubble, which is
   the simpler one. Data and expert parallelism are then given.
5. The layout that keeps most inside the nodes: at each network level, node first, the most slices of
   d_model, then of d_ff, then stages, then groups of experts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer, check_scalar, check_type
from dmcore.algebra.expressions import value_of
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.models.model import Model
from dmcore.simulator.bound import latency_floor_s
from dmcore.simulator.candidates import (
    candidates_of,
    count_layouts,
    degrees_of,
    layouts_of,
    level_sizes,
    why_nothing_fits,
)
from dmcore.simulator.quickest import ROUNDING, fastest, laid_out
from dmcore.simulator.split import Parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.times import arithmetic_time

__all__ = [
    "MIN_UTILIZATION",
    "BestParallelism",
    "NothingFitsError",
    "best_parallelism",
    "candidates",
    "cluster_sizes",
    "most_gpus",
    "odd_parts",
    "smallest_cluster",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: A cluster of which less than this share of the peak is used is of no interest.
MIN_UTILIZATION = 0.001


class NothingFitsError(ValueError):
    """No way to split the step over the cluster; the message says why."""


@dataclass(frozen=True, repr=False)
class BestParallelism(TrainingStep):
    """The fastest training step of a cluster, with its full breakdown.

    Attributes
    ----------
    candidates : int
        Ways to split the step in the whole search space.
    timed : int
        How many of them had to be timed exactly; the rest are ruled out by a bound.
    """

    candidates: int = 0
    timed: int = 0


@checked
def candidates(gpu: GPU | str, model: Model, n_gpu: int) -> Iterator[Parallelism]:
    """Every way to split a step over a cluster that the search allows, one after the other.

    The rules, which are the paper's:

    - There are as many groups of experts as the cluster and the experts allow: their greatest common
      divisor. All degrees multiply to the cluster and divide what they share: replicas the tokens
      of the batch, stages the layers, slices d_model and d_ff.
    - Slices of d_ff number one to four times the square root of all shards of a matrix, where the
      best ratio lies if d_ff = 4 d_model. With attention they divide d_model as well.
    - Microbatches divide the tokens that a replica has for each expert. With a bubble the four
      smallest numbers that keep all stages at work, fully interleaved; without a bubble the
      smallest that has two for each stage. If activations are counted, of those that fit.
    - Weights in each replica, and four words more a parameter in all, fit in memory.
    - At each level of the network the degrees multiply to its size, which is the largest divisor of
      what is left of the cluster up to the level's size; the last level has what remains.

    They come in the order of slices of d_model, slices of d_ff, replicas; then schedules, those with a
    bubble first, of ascending microbatches; then layouts, by the ascending degrees in a node.

    Arguments are those of :func:`best_parallelism`; no candidate is no error here.

    Examples
    --------
    >>> model = Model(d_model=512, d_ff=2048, layers=2, batch_sequences=8)
    >>> listed = candidates("H100 SXM", model, 2)
    >>> next(listed)
    Parallelism(pipeline=(2, 1), microbatches=2)
    >>> 1 + sum(1 for _ in listed)
    20
    """
    gpu = get_gpu(gpu)
    check_positive_integer("n_gpu", n_gpu)
    _check_exact(model)
    return _each(gpu, model, int(n_gpu))


def _each(gpu: GPU, model: Model, n_gpu: int) -> Iterator[Parallelism]:
    found, sizes = candidates_of(gpu, model, n_gpu), level_sizes(gpu, n_gpu)
    degrees = degrees_of(found)
    for i in range(len(found)):
        layouts, _ = layouts_of(sizes, degrees[:, i : i + 1])
        for layout in np.moveaxis(layouts, -1, 0):
            yield laid_out(found, i, layout)


@checked
def best_parallelism(
    gpu: GPU | str, model: Model, n_gpu: int, *, zero_bubble_latency: bool = False
) -> BestParallelism:
    """The fastest way to split a training step over a cluster.

    It is one of :func:`candidates`. Which of equally fast ones is taken follows from a total order that
    :mod:`dmcore.simulator.search` states.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    model : Model
        The model and its batch.
    n_gpu : int
        GPUs in the cluster.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.

    Raises
    ------
    NothingFitsError
        A ValueError, if no split works: the message says why.
    ValueError
        If the preset is unknown, or ``n_gpu`` not a whole number of at least 1.

    Examples
    --------
    >>> best = best_parallelism("H100 SXM", Model.from_laws(12288), 512)
    >>> best.parallelism
    Parallelism(slices_of_f=(8, 1), pipeline=(1, 64), microbatches=128, zero_bubble=True)
    >>> best.candidates, round(best.utilization, 3)
    (4670, 0.7)
    """
    gpu = get_gpu(gpu)
    check_positive_integer("n_gpu", n_gpu)
    n_gpu = int(n_gpu)
    _check_exact(model)
    winner, timed = fastest(gpu, model, n_gpu, math.inf, zero_bubble_latency)
    if winner is None:
        raise NothingFitsError(why_nothing_fits(gpu, model, n_gpu))
    step = training_step(gpu, model, winner, zero_bubble_latency=zero_bubble_latency)
    candidates = degrees_of(candidates_of(gpu, model, n_gpu))
    return BestParallelism(
        **{field.name: getattr(step, field.name) for field in fields(step)},
        candidates=count_layouts(level_sizes(gpu, n_gpu), candidates),
        timed=timed,
    )


@checked
def smallest_cluster(
    gpu: GPU | str,
    model: Model,
    duration_years: float = 0.25,
    *,
    zero_bubble_latency: bool = False,
    min_utilization: float = MIN_UTILIZATION,
) -> TrainingStep:
    """The best step of the smallest cluster on which a run ends in time.

    Clusters have experts * m * 2**i GPUs with m one of :func:`odd_parts`: 1 where the sizes of nodes are
    powers of two. The smallest that is tried would end in time at the useful FLOP/s; larger ones follow
    until the run ends in time, or none can be used well enough.

    Parameters
    ----------
    gpu, model, zero_bubble_latency
        See :func:`best_parallelism`.
    duration_years : float
        The time that the run may take, in years of 3.154e7 s.
    min_utilization : float
        Least utilization of interest, above 0.

    Raises
    ------
    NothingFitsError
        A ValueError, if no cluster ends the run in time; the message says why.

    Examples
    --------
    >>> smallest_cluster("H100 SXM", Model.from_laws(12288)).n_gpu
    2048
    """
    gpu = get_gpu(gpu)
    check_scalar("duration_years", duration_years)
    check_scalar("min_utilization", min_utilization)
    _check_exact(model)
    duration_s = duration_years * SIMULATOR_YEAR_S
    floor_s = latency_floor_s(gpu, model)
    if floor_s * model.steps >= duration_s:
        raise NothingFitsError(
            f"duration_years must be above {floor_s * model.steps / SIMULATOR_YEAR_S:.3g} for "
            f"{model.steps:.3g} steps of {model.layers} layers at the latency of their matrix "
            f"products, whatever the cluster, got {duration_years!r}"
        )
    cutoff_s = duration_s / model.steps * ROUNDING
    n_gpu = 0
    for n_gpu in _clusters(gpu, model, duration_s, min_utilization):
        winner, _ = fastest(gpu, model, n_gpu, cutoff_s, zero_bubble_latency)
        if winner is not None:
            step = training_step(gpu, model, winner, zero_bubble_latency=zero_bubble_latency)
            if step.run_s <= duration_s:
                return step
    largest = f"of up to {n_gpu:,} GPUs " if n_gpu else ""
    raise NothingFitsError(
        f"duration_years: no cluster {largest}ends the run in {duration_years!r} years; "
        f"more do not divide the model, or have a utilization below {min_utilization!r}"
    )


def _clusters(gpu: GPU, model: Model, duration_s: float, min_utilization: float) -> Iterator[int]:
    """Sizes to try, smallest first, among which no larger one can be used well enough.

    None is used well enough once the arithmetic of a step at the peak rate is below that share of what
    it takes at least (``latency_floor_s``), as more GPUs take less time for it.
    """
    floor_s = latency_floor_s(gpu, model)
    needed = model.training_flop / (duration_s * gpu.useful_flop_per_s)
    for n_gpu in cluster_sizes((model.experts,), odd_parts(gpu), most_gpus(model)):
        if n_gpu >= needed:
            if _ideal_seconds(gpu, model, n_gpu) < min_utilization * floor_s:
                return
            yield n_gpu


@checked
def odd_parts(gpu: GPU) -> tuple[int, ...]:
    """Odd numbers m for which clusters of m 2**i GPUs fill the levels of a network, node first.

    They are 1, the odd part of a node's GPUs, and that times the odd parts of the levels beyond. A cluster
    of other sizes has the largest divisor in each node (:func:`~dmcore.simulator.candidates.level_sizes`):
    one of 2**i GPUs has 64 in a node of 72. It is then spread over more nodes, and the eight GPUs that each
    leaves are no part of it: they count neither among its GPUs nor in its utilization.

    Examples
    --------
    >>> odd_parts(get_gpu("H100 SXM")), odd_parts(get_gpu("GB200 NVL72"))
    ((1,), (1, 9))
    """
    parts = [1]
    for level in gpu.network[:-1]:
        size = level.size or 1
        parts.append(parts[-1] * (size // (size & -size)))
    return tuple(sorted(set(parts)))


@checked
def cluster_sizes(units: tuple[int, ...], factors: tuple[int, ...], most: int) -> list[int]:
    """Sizes u m 2**i of up to so many GPUs, with u one of the units and m of the factors, ascending.

    Raises
    ------
    ValueError
        If a number is not a whole one of at least 1.

    Examples
    --------
    >>> cluster_sizes((1, 5), (1, 9), 20)
    [1, 2, 4, 5, 8, 9, 10, 16, 18, 20]
    """
    check_positive_integer("most", most)
    for name, numbers in (("units", units), ("factors", factors)):
        for number in numbers:
            check_positive_integer(name, number)
    firsts = {unit * factor for unit in units for factor in factors}
    sizes = {first * 2**i for first in firsts for i in range((most // first).bit_length())}
    return sorted(sizes)


@checked
def most_gpus(model: Model) -> int:
    """GPUs beyond which none divide a model: entries of a weight matrix times tokens of a batch.

    A microbatch has at least one token for each of the stages.

    Examples
    --------
    >>> most_gpus(Model(1, 2, 1, 3, seq_len=4))
    24
    """
    return model.d_model * model.d_ff * model.batch_tokens


def _ideal_seconds(gpu: GPU, model: Model, n_gpu: int) -> float:
    return float(
        value_of(
            arithmetic_time(),
            **model.work,
            b=float(model.batch_tokens),
            N_GPU=float(n_gpu),
            F_peak=gpu.peak_flop_per_s,
        )
    )


def _check_exact(model: Model) -> None:
    """Refuse what is no model, and sizes whose products are not exact in 64 bits."""
    check_type("model", model, Model)
    sizes = {
        "layers": (model.layers, 2**31),
        "d_model * d_ff": (model.d_model * model.d_ff, 2**52),
        "batch_tokens": (model.batch_tokens, 2**48),
    }
    for name, (size, largest) in sizes.items():
        if size > largest:
            raise ValueError(f"{name} must be at most {largest} for exact results, got {size}")
