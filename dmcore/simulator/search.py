"""The best way to split a training step over a cluster: every way that the paper's search allows.

All candidates of a cluster are rows of NumPy arrays. A lower bound on the time of each
(:mod:`dmcore.simulator.bound`, proven there) puts them in order, and only those are laid out over the
network levels and timed exactly whose bound is not above the best time found so far: the result is that
of an exhaustive search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.checks import check_positive, check_positive_integer
from dmcore.algebra.expressions import value_of
from dmcore.hardware.gpu import GPU, get_gpu
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.models.model import Model
from dmcore.simulator.bound import latency_floor_s, least_traffic, lower_bound, matmul_bound
from dmcore.simulator.candidates import (
    Candidates,
    candidates_of,
    count_layouts,
    degrees_of,
    fits,
    layouts_of,
    level_sizes,
    matmul_times,
    ordered_factorizations,
)
from dmcore.simulator.split import DEGREES, Parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.times import arithmetic_time, step_seconds, weight_bytes
from dmcore.simulator.traffic import load_of

__all__ = ["BestParallelism", "NothingFitsError", "best_parallelism", "smallest_cluster"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Candidates that are laid out first, at most, to have a time to compare with.
_FIRST_ROWS = 8

#: Layouts that are timed at once, about: bounds the memory.
_LAYOUTS_AT_ONCE = 2**15

#: Times computed in another order agree to better than this: no candidate is dropped for rounding.
_ROUNDING = 1 + 1e-9


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


def _fastest(
    gpu: GPU, model: Model, n_gpu: int, cutoff_s: float, zero_bubble_latency: bool
) -> tuple[Parallelism | None, int]:
    """The parallelism of least step time, if that is at most ``cutoff_s``, and how many were timed.

    On equal time the one of least bandwidth time. Candidates are timed in order of their bound; those
    whose bound is above the best time so far cannot win and are dropped.
    """
    candidates = candidates_of(gpu, model, n_gpu)
    if not len(candidates):
        return None, 0
    least = least_traffic(gpu, model, n_gpu, candidates)
    if cutoff_s < math.inf:
        matmul = matmul_bound(gpu, model, n_gpu, candidates)
        bound = lower_bound(candidates, least, matmul, zero_bubble_latency)
        possible = bound <= cutoff_s * _ROUNDING
        candidates, least = candidates.take(possible), least.take(possible)
        if not len(candidates):
            return None, 0
    matmul = matmul_times(gpu, model, candidates)
    bound = lower_bound(candidates, least, matmul, zero_bubble_latency)
    order = np.argsort(bound)
    best = (cutoff_s, math.inf)
    winner, timed, rows = None, 0, _first_rows(level_sizes(gpu, n_gpu))
    while len(order := order[bound[order] <= best[0] * _ROUNDING]):
        now, order = order[:rows], order[rows:]
        some = candidates.take(now)
        step, bandwidth, layouts, owner = _time_layouts(
            gpu, model, n_gpu, some, matmul[now], zero_bubble_latency
        )
        fastest = np.nonzero(step == step.min())[0]
        i = fastest[np.argmin(bandwidth[fastest])]
        if (step[i], bandwidth[i]) < best:
            best = (float(step[i]), float(bandwidth[i]))
            winner = _parallelism(some, layouts[:, :, i], int(owner[i]))
        timed += len(step)
        rows = max(1, _LAYOUTS_AT_ONCE * len(now) // len(step))
    return winner, timed


def _first_rows(sizes: tuple[int, ...]) -> int:
    ways = math.prod(len(ordered_factorizations(size, len(DEGREES))) for size in sizes[:-1])
    return max(1, min(_FIRST_ROWS, _LAYOUTS_AT_ONCE // ways))


def _time_layouts(
    gpu: GPU,
    model: Model,
    n_gpu: int,
    candidates: Candidates,
    matmul: Floats,
    zero_bubble_latency: bool,
) -> tuple[Floats, Floats, Ints, NDArray[np.intp]]:
    """Seconds of a step and of its bandwidth in every layout; the layouts, and the candidate of each."""
    layouts, owner = layouts_of(level_sizes(gpu, n_gpu), degrees_of(candidates))
    step, moved = step_seconds(
        gpu,
        load_of(model),
        float(n_gpu),
        dict(zip(DEGREES, layouts.astype(float), strict=True)),
        candidates.microbatches[owner].astype(float),
        candidates.interleaving[owner].astype(float),
        candidates.zero_bubble[owner],
        matmul[owner],
        zero_bubble_latency,
    )
    return step, moved.bandwidth_s, layouts, owner


def _parallelism(candidates: Candidates, layout: Ints, row: int) -> Parallelism:
    return Parallelism(
        **{name: tuple(degrees.tolist()) for name, degrees in zip(DEGREES, layout, strict=True)},
        microbatches=int(candidates.microbatches[row]),
        interleaving=int(candidates.interleaving[row]),
        zero_bubble=bool(candidates.zero_bubble[row]),
    )


def best_parallelism(
    gpu: GPU | str, model: Model, n_gpu: int, *, zero_bubble_latency: bool = False
) -> BestParallelism:
    """The fastest way to split a training step over a cluster.

    The whole search space of the paper (section 4.3): all degrees of data, tensor, pipeline and expert
    parallelism that divide the cluster and the model exactly, all ways to lay them out over the
    network levels, and a few numbers of microbatches, with and without a pipeline bubble. On equal
    time the least bandwidth time wins.

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
    """
    gpu = get_gpu(gpu)
    check_positive_integer("n_gpu", n_gpu)
    n_gpu = int(n_gpu)
    _check_exact(model)
    winner, timed = _fastest(gpu, model, n_gpu, math.inf, zero_bubble_latency)
    if winner is None:
        raise NothingFitsError(_why_nothing_fits(gpu, model, n_gpu))
    step = training_step(gpu, model, winner, zero_bubble_latency=zero_bubble_latency)
    candidates = degrees_of(candidates_of(gpu, model, n_gpu))
    return BestParallelism(
        **{field.name: getattr(step, field.name) for field in fields(step)},
        candidates=count_layouts(level_sizes(gpu, n_gpu), candidates),
        timed=timed,
    )


def smallest_cluster(
    gpu: GPU | str,
    model: Model,
    duration_years: float = 0.25,
    *,
    zero_bubble_latency: bool = False,
    min_utilization: float = 0.001,
) -> TrainingStep:
    """The best step of the smallest cluster on which a run ends in time.

    Clusters have sparsity * 2**i GPUs. The smallest that is tried would end in time at the useful
    FLOP/s. It is doubled until the run ends in time, or until no larger cluster can be used to
    ``min_utilization``: a step takes at least the latency of its matrix products in sequence, at any
    size, while the arithmetic for each GPU halves.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    model : Model
        The model and its batch.
    duration_years : float
        The time that the run may take, in years of 3.154e7 s.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.
    min_utilization : float
        Least utilization of interest, above 0.

    Raises
    ------
    NothingFitsError
        A ValueError, if no cluster ends the run in time; the message says why.
    ValueError
        If the preset is unknown or a number out of range.
    """
    gpu = get_gpu(gpu)
    check_positive("duration_years", duration_years, finite=True)
    check_positive("min_utilization", min_utilization, finite=True)
    _check_exact(model)
    duration_s = duration_years * SIMULATOR_YEAR_S
    floor_s = latency_floor_s(gpu, model)
    if floor_s * model.steps >= duration_s:
        raise NothingFitsError(
            f"duration_years must be above {floor_s * model.steps / SIMULATOR_YEAR_S:.3g} for "
            f"{model.steps:.3g} steps of {model.layers} layers at the latency of their matrix "
            f"products, whatever the cluster, got {duration_years!r}"
        )
    cutoff_s = duration_s / model.steps * _ROUNDING
    n_gpu = 0
    for n_gpu in _clusters(gpu, model, duration_s, min_utilization):
        winner, _ = _fastest(gpu, model, n_gpu, cutoff_s, zero_bubble_latency)
        if winner is not None:
            step = training_step(gpu, model, winner, zero_bubble_latency=zero_bubble_latency)
            if step.run_s <= duration_s:
                return step
    raise NothingFitsError(
        f"duration_years: no cluster of up to {n_gpu:,} GPUs ends the run in {duration_years!r} years; "
        f"more do not divide the model, or have a utilization below {min_utilization!r}"
    )


def _clusters(gpu: GPU, model: Model, duration_s: float, min_utilization: float) -> Iterator[int]:
    """Sizes that might end a run in time and be used well enough, smallest first.

    From the size that would end it at the useful FLOP/s in what ``latency_floor_s`` leaves of the
    duration: the products' latency adds to their arithmetic, which is no less than the training compute
    (more if some is done again). No larger ones can be used well enough
    once the arithmetic of a step at the peak rate is below that share of the floor, as it halves with
    each doubling; and none divide the model once there are more GPUs than entries of a weight matrix
    times tokens, as a microbatch has at least one token for each of the stages.
    """
    floor_s = latency_floor_s(gpu, model)
    arithmetic_s = (duration_s - floor_s * model.steps) * _ROUNDING
    needed = model.training_flop / (arithmetic_s * gpu.useful_flop_per_s)
    n_gpu = model.sparsity
    while n_gpu <= model.d_model * model.d_ff * model.batch_tokens:
        if n_gpu >= needed:
            if _ideal_seconds(gpu, model, n_gpu) < min_utilization * floor_s:
                return
            yield n_gpu
        n_gpu *= 2


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
    """Refuse sizes whose products are not exact in 64 bits."""
    sizes = {
        "d_model * d_ff": (model.d_model * model.d_ff, 2**52),
        "batch_tokens": (model.batch_tokens, 2**48),
    }
    for name, (size, largest) in sizes.items():
        if size > largest:
            raise ValueError(f"{name} must be at most {largest} for exact results, got {size}")


def _why_nothing_fits(gpu: GPU, model: Model, n_gpu: int) -> str:
    one_replica = weight_bytes(model, 1.0, float(math.gcd(n_gpu, model.sparsity)))
    if not fits(gpu, model, n_gpu, 1):
        return (
            f"memory: n_gpu must be at least {math.ceil(one_replica / gpu.hbm_bytes):,} to hold "
            f"{one_replica / 1e9:,.4g} GB of weights and optimizer state, got {n_gpu:,}"
        )
    weights_only = replace(model, extras=replace(model.extras, activation_memory=None))
    if model.extras.activation_memory and len(candidates_of(gpu, weights_only, n_gpu)):
        return (
            f"memory: {n_gpu:,} GPUs of {gpu.hbm_bytes / 1e9:g} GB hold the weights, but not the "
            f"activations, with activation_memory {model.extras.activation_memory!r}"
        )
    roomy = replace(gpu, hbm_bytes=math.inf)
    if len(fitting := candidates_of(roomy, model, n_gpu)):
        return (
            f"memory: {n_gpu:,} GPUs divide the model and the batch only with {fitting.data.min():,} "
            f"or more replicas of its weights, which {gpu.hbm_bytes / 1e9:g} GB a GPU do not hold"
        )
    return (
        f"divisibility: n_gpu must be a product of degrees that divide d_model {model.d_model} and "
        f"d_ff {model.d_ff} (tensor), the batch of {model.batch_tokens} tokens (data), the "
        f"{model.layers} layers (pipeline) and sparsity {model.sparsity} (expert), with at least one "
        f"token for each microbatch and expert, got {n_gpu:,}"
    )
