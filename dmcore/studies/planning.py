"""What a given cluster can do: the largest run that ends in time, and the best use of so many GPUs.

The paper asks which cluster a run needs; somebody who has a cluster asks the other way round. Its number
of GPUs need not divide a model well, so that the best use may leave some of them idle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import (
    check_positive,
    check_positive_integer,
    check_scalar,
    named,
)
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.models.model import Model
from dmcore.simulator.bound import latency_floor_s
from dmcore.simulator.candidates import level_sizes
from dmcore.simulator.quickest import ROUNDING, fastest
from dmcore.simulator.search import NothingFitsError, cluster_sizes, most_gpus, odd_parts
from dmcore.simulator.step import TrainingStep, training_step

__all__ = ["COARSE", "FINE", "ODD", "ClusterUse", "best_use", "largest_run", "nearest_model"]

#: Widths are m 2**i with m from this to twice it: steps of about 1 % in width, 5 % in compute.
FINE = 64
#: The first, coarse look takes every sixteenth of them.
COARSE = 16
#: Besides the whole cluster, m 2**i GPUs, experts or nodes are tried with one of these m.
ODD = (1, 3, 5, 7, 9, 11, 13, 15)


#: No cluster that anybody plans is larger, and the search stays quick.
LARGEST_CLUSTER = 10**12


@dataclass(frozen=True)
class ClusterUse:
    """The best step of a model on a cluster that may be larger than what is used of it.

    Attributes
    ----------
    step : TrainingStep
        The step, on the GPUs that are used.
    n_gpu : int
        GPUs in the cluster.
    next_larger : TrainingStep, optional
        If the largest run was asked for, the next larger model on the same cluster: why there is no more.

    Examples
    --------
    >>> use = best_use("H100 SXM", Model.from_laws(4096), 101)
    >>> use.n_gpu_used, use.idle
    (80, 21)
    """

    step: TrainingStep
    n_gpu: int
    next_larger: TrainingStep | None = None

    @property
    def n_gpu_used(self) -> int:
        """GPUs that are used."""
        return self.step.n_gpu

    @property
    def idle(self) -> int:
        """GPUs that are left idle."""
        return self.n_gpu - self.step.n_gpu

    @property
    def utilization(self) -> float:
        """Share of the peak of the whole cluster that is used, idle GPUs included."""
        return self.step.utilization * self.step.n_gpu / self.n_gpu

    @property
    def tokens_per_s(self) -> float:
        """Tokens that the cluster trains on in a second."""
        return self.step.model.batch_tokens / self.step.step_s

    def summary(self) -> dict[str, Any]:
        """The answer in plain numbers, such as the command line gives it."""
        step, model, split = self.step, self.step.model, self.step.parallelism
        more = self.next_larger
        return {
            "gpu": step.gpu.name,
            "training_flop": model.training_flop,
            "utilization": step.utilization,
            "utilization_of_all": self.utilization,
            "n_gpu": self.n_gpu,
            "n_gpu_used": self.n_gpu_used,
            "n_gpu_idle": self.idle,
            "gpus_used_in_node": step.gpus_used_in_node,
            "gpus_in_node": step.gpu.network[0].size or 1,
            "days": step.run_s / 86400,
            "step_s": step.step_s,
            "steps": model.steps,
            "tokens_per_s": self.tokens_per_s,
            "d_model": model.d_model,
            "d_ff": model.d_ff,
            "layers": model.layers,
            "experts": model.experts,
            "params": model.params,
            "batch_tokens": model.batch_tokens,
            "seq_len": model.seq_len,
            "split": {
                "data_parallel": split.data_parallel,
                "tensor_parallel": split.tensor_parallel,
                "slices_of_d": split.total("slices_of_d"),
                "slices_of_f": split.total("slices_of_f"),
                "pipeline_parallel": split.pipeline_parallel,
                "expert_parallel": split.expert_parallel,
                "microbatches": split.microbatches,
                "interleaving": split.interleaving,
                "zero_bubble": split.zero_bubble,
            },
            "binding": step.binding,
            "memory_bytes": step.memory_bytes,
            "next_training_flop": more and more.model.training_flop,
            "next_days": more and more.run_s / 86400,
        }


@checked
def best_use(
    gpu: GPU | str,
    model: Model,
    n_gpu: int,
    *,
    duration_s: float = math.inf,
    zero_bubble_latency: bool = False,
) -> ClusterUse:
    """The fastest way to train a model on a cluster, or on a part of it that divides better.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    model : Model
        The model and its batch.
    n_gpu : int
        GPUs that there are. All of them are tried, and m 2**i GPUs, experts or nodes with an odd m up to
        15. A part that does not fill its nodes (:func:`~dmcore.simulator.search.odd_parts`) takes no more
        of them than so many GPUs make up.
    duration_s : float
        The longest that the run may take, s.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.

    Raises
    ------
    NothingFitsError
        A ValueError, if no part of the cluster trains the model in time.
    ValueError
        If the preset is unknown, or a number out of range.

    Examples
    --------
    >>> best_use("H100 SXM", Model.from_laws(20480), 24576).step.months
    2.52...
    """
    gpu = get_gpu(gpu)
    check_positive_integer("n_gpu", n_gpu, most=LARGEST_CLUSTER)
    check_scalar("duration_s", duration_s, finite=False)
    sizes = _sizes(gpu, model, int(n_gpu), duration_s)
    step = _fastest_of(gpu, model, sizes, duration_s, zero_bubble_latency)
    if step is None:
        within = "" if math.isinf(duration_s) else f" within {duration_s / 86400:.3g} days"
        raise NothingFitsError(
            f"n_gpu: no part of {n_gpu:,} x {gpu.name} trains a model of d_model {model.d_model}, "
            f"{model.training_flop:.3g} FLOP{within}"
        )
    return ClusterUse(step, int(n_gpu))


def _sizes(gpu: GPU, model: Model, n_gpu: int, duration_s: float) -> list[int]:
    """Sizes to try, largest first: those that could end in time at the useful rate, in nodes there are."""
    least = model.training_flop / gpu.useful_flop_per_s / duration_s
    most = most_gpus(model)
    factors = tuple(part * m for part in odd_parts(gpu) for m in ODD)
    parts = {n_gpu, *cluster_sizes((1, model.experts), factors, n_gpu)}
    return sorted(
        (size for size in parts if least <= size <= most and _nodes_suffice(gpu, size, n_gpu)),
        reverse=True,
    )


def _nodes_suffice(gpu: GPU, size: int, n_gpu: int) -> bool:
    """Whether a cluster takes no more nodes than so many GPUs fill: of nodes of 72 it may use 64."""
    if len(gpu.network) == 1:
        return True
    used = level_sizes(gpu, size)[0]
    whole, rest = divmod(n_gpu, gpu.node_size)
    return size // used <= whole + (rest >= used)


def _fastest_of(
    gpu: GPU,
    model: Model,
    sizes: list[int],
    duration_s: float,
    zero_bubble_latency: bool,
) -> TrainingStep | None:
    """The fastest step of these sizes that ends in time; of equally fast ones, on the fewest GPUs."""
    best, cutoff = None, duration_s / model.steps
    for n_gpu in sizes:
        ideal_s = model.training_flop / model.steps / gpu.useful_flop_per_s / n_gpu
        if best is not None and ideal_s > best.step_s:
            break
        winner, _ = fastest(gpu, model, n_gpu, cutoff * ROUNDING, zero_bubble_latency)
        if winner is None:
            continue
        step = training_step(gpu, model, winner, zero_bubble_latency=zero_bubble_latency)
        if step.step_s <= cutoff:
            best, cutoff = step, step.step_s
    return best


@checked
def largest_run(
    gpu: GPU | str,
    n_gpu: int,
    duration_years: float = 0.25,
    *,
    model_of: Callable[[int], Model] | None = None,
    zero_bubble_latency: bool = False,
) -> ClusterUse:
    """The largest training run that a cluster ends in time.

    Of models whose widths are about 1 % apart, the one of most training compute that a step within the
    time is found for. Whole numbers make neighbours divide better or worse, so that it may be some
    percent below what the useful rate would allow, and leave GPUs idle: ``next_larger`` says how long
    the next model would take.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    n_gpu : int
        GPUs that there are.
    duration_years : float
        Time for the run, in years of 3.154e7 s.
    model_of : callable, optional
        From a width to a model, compute growing with width; the paper's laws by default, with words as
        long as the GPU's.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.

    Raises
    ------
    NothingFitsError
        A ValueError, if the cluster trains no model in that time.
    ValueError
        If the preset is unknown, or a number out of range.

    Examples
    --------
    >>> use = largest_run("H100 SXM", 24576, 90 * 86400 / 3.154e7)
    >>> f"{use.step.model.training_flop:.2e}", use.n_gpu_used, f"{use.step.utilization:.3f}"
    ('1.30e+26', 24576, '0.696')
    """
    gpu = get_gpu(gpu)
    check_positive_integer("n_gpu", n_gpu, most=LARGEST_CLUSTER)
    check_scalar("duration_years", duration_years)
    n_gpu, duration_s = int(n_gpu), float(duration_years) * SIMULATOR_YEAR_S
    word_bytes = gpu.word_bytes

    def by_laws(d_model: int) -> Model:
        return Model.from_laws(d_model, word_bytes=word_bytes)

    make = model_of or by_laws
    make(_width(FINE))  # says what is wrong with laws that never give a model
    most_flop = n_gpu * gpu.useful_flop_per_s * duration_s
    start = _first_above(make, most_flop)
    for coarse in range(start, 0, -1):
        if coarse % COARSE and coarse >= COARSE:
            continue
        model = _made(make, coarse)
        if model is None or not _could_end(gpu, model, duration_s):
            continue
        sizes = _sizes(gpu, model, n_gpu, duration_s)
        step = _fastest_of(gpu, model, sizes, duration_s, zero_bubble_latency)
        if step is None:
            continue
        near = [size for size in sizes if size * 4 >= step.n_gpu]
        place, finer = _refined(gpu, make, coarse, near, duration_s, zero_bubble_latency)
        step = finer or step
        while True:
            place, after = _next_larger(gpu, make, place, step, n_gpu, zero_bubble_latency)
            if after is None or after.run_s > duration_s:
                return ClusterUse(step, n_gpu, after)
            step = after
    raise NothingFitsError(
        f"n_gpu: no model is trained by {n_gpu:,} x {gpu.name} in {duration_years!r} years"
    )


@checked
def nearest_model(model_of: Callable[[int], Model], training_flop: float) -> Model:
    """The model whose training compute is closest to so much, on a logarithmic scale.

    Its width is one of those of :func:`largest_run`, so that it divides well over a cluster.

    Raises
    ------
    ValueError
        If the compute is not positive, or no width gives a model near it.

    Examples
    --------
    >>> nearest_model(Model.from_laws, 1e25).d_model
    13184
    """
    check_positive("training_flop", training_flop, finite=True)
    model_of, training_flop = named("model_of", model_of), float(training_flop)
    model_of(_width(FINE))
    above = _first_above(model_of, training_flop)
    near = [_made(model_of, place) for place in range(max(1, above - 2), above + 3)]
    made = [model for model in near if model is not None]
    if not made:
        raise ValueError(f"training_flop must be that of a model, got {training_flop!r}")
    return min(made, key=lambda model: abs(math.log(model.training_flop / training_flop)))


def _width(place: int) -> int:
    """Widths in order: 1, 2, ... 64, then 64 to each doubling."""
    if place <= FINE:
        return place
    octave, rest = divmod(place - FINE, FINE)
    return int((FINE + rest) * 2**octave)


def _made(make: Callable[[int], Model], place: int) -> Model | None:
    """The model at a place, None where its laws give no whole number there."""
    try:
        return make(_width(place))
    except ValueError:
        return None


def _first_above(make: Callable[[int], Model], flop: float) -> int:
    """The first place whose model takes more compute than there is; at most 2**40 channels wide."""
    low, high = 1, FINE * 36
    while low < high:
        middle = (low + high) // 2
        model = _made(make, middle)
        if model is not None and model.training_flop > flop:
            high = middle
        else:
            low = middle + 1
    return low


def _could_end(gpu: GPU, model: Model, duration_s: float) -> bool:
    return latency_floor_s(gpu, model) * model.steps < duration_s


def _refined(
    gpu: GPU,
    make: Callable[[int], Model],
    coarse: int,
    sizes: list[int],
    duration_s: float,
    zero_bubble_latency: bool,
) -> tuple[int, TrainingStep | None]:
    """The largest run between a width that works and the next coarse one, if there is any, and its place."""
    for place in range(coarse + COARSE - 1, coarse, -1):
        model = _made(make, place)
        if model is None or not _could_end(gpu, model, duration_s):
            continue
        least = model.training_flop / gpu.useful_flop_per_s / duration_s
        fitting = [size for size in sizes if size >= least]
        step = _fastest_of(gpu, model, fitting, duration_s, zero_bubble_latency)
        if step is not None:
            return place, step
    return coarse, None


def _next_larger(
    gpu: GPU,
    make: Callable[[int], Model],
    place: int,
    than: TrainingStep,
    n_gpu: int,
    zero_bubble_latency: bool,
) -> tuple[int, TrainingStep | None]:
    """The next model of more compute that fits at all, however long it takes, and its place."""
    for further in range(place + 1, place + FINE):
        model = _made(make, further)
        if model is None or model.training_flop <= than.model.training_flop:
            continue
        sizes = _sizes(gpu, model, n_gpu, math.inf)
        step = _fastest_of(gpu, model, sizes, math.inf, zero_bubble_latency)
        if step is not None:
            return further, step
    return place, None
