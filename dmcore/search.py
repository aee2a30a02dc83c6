"""The best way to split a training step over a cluster: every way that the paper's search allows.

All candidates of a cluster are rows of NumPy arrays. A lower bound on the time of each
(``lower_bound``, proven there) puts them in order, and only those are laid out over the network
levels and timed exactly whose bound is not above the best time found so far: the result is that of an
exhaustive search.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcore.checks import check_positive, check_positive_integer
from dmcore.communication import (
    all_reduce_bandwidth_time,
    all_reduce_latency,
    boundaries_crossing,
    point_to_point_bandwidth_time,
    point_to_point_latency,
)
from dmcore.hardware import GPU, get_gpu
from dmcore.numbers import EQUAL
from dmcore.pipeline import microbatches_needed
from dmcore.scaling_laws import SIMULATOR_YEAR_S, value_of
from dmcore.training_step import (
    Model,
    Parallelism,
    TrainingStep,
    activation_bytes,
    arithmetic_time,
    attention_seconds,
    attention_step_time,
    layer_seconds,
    matmul_step_time,
    pipeline_seconds,
    products_in_attention,
    products_in_mlp,
    step_seconds,
    training_step,
    weight_bytes,
)

__all__ = [
    "BestParallelism",
    "NothingFitsError",
    "best_parallelism",
    "level_sizes",
    "smallest_cluster",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Numbers of microbatches that are tried with a bubble, and without.
_BUBBLE_CHOICES, _ZERO_BUBBLE_CHOICES = 4, 1

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


# -------------------------------------------------------------------------------- whole numbers


@lru_cache(maxsize=4096)
def divisors(n: int) -> Ints:
    """Divisors of n in ascending order."""
    found = [1]
    prime = 2
    while n > 1:
        if prime * prime > n:
            prime = n
        powers = [1]
        while n % prime == 0:
            n //= prime
            powers.append(powers[-1] * prime)
        found = [power * divisor for power in powers for divisor in found]
        prime += 1 if prime == 2 else 2
    return _frozen(np.array(sorted(found), dtype=np.int64))


@cache
def ordered_factorizations(n: int, parts: int) -> Ints:
    """All ways to write n as an ordered product, one a row of shape (ways, parts)."""
    if parts == 1:
        return _frozen(np.array([[n]]))
    rows = [
        np.insert(ordered_factorizations(n // int(first), parts - 1), 0, first, axis=1)
        for first in divisors(n)
    ]
    return _frozen(np.concatenate(rows))


def level_sizes(gpu: GPU, n_gpu: int) -> tuple[int, ...]:
    """How many units each network level joins in a cluster, node first; the product is the cluster.

    The largest divisor of the units left that does not exceed the level's size, so that a cluster
    smaller than a node, or an odd one, still splits exactly. The last level joins what remains.
    """
    sizes, left = [], n_gpu
    for level in gpu.network[:-1]:
        assert level.size is not None  # only the last level has no size
        size = next(size for size in range(min(level.size, left), 0, -1) if left % size == 0)
        sizes.append(size)
        left //= size
    return (*sizes, left)


def _frozen(array: Any) -> Any:
    array.flags.writeable = False  # it is shared through a cache
    return array


# ---------------------------------------------------------------------------------- candidates


@dataclass(frozen=True)
class _Candidates:
    """Ways to divide a step, not laid out over the network yet: arrays of one length.

    ``expert`` is one number: it is set by the size of the cluster.
    """

    expert: int
    shard: Ints  # which of the distinct pairs of tensor degrees
    data: Ints
    tensor_model: Ints
    tensor_ff: Ints
    pipeline: Ints
    microbatches: Ints
    interleaving: Ints
    zero_bubble: NDArray[np.bool_]

    def take(self, which: Any) -> _Candidates:
        """Those rows only, by index or mask."""
        columns = (getattr(self, field.name) for field in fields(self)[1:])
        return _Candidates(self.expert, *(column[which] for column in columns))

    @staticmethod
    def join(parts: Sequence[_Candidates]) -> _Candidates:
        """One after the other; all of one cluster."""
        columns = (
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(_Candidates)[1:]
        )
        return _Candidates(parts[0].expert, *columns)

    def __len__(self) -> int:
        return len(self.data)


def _candidates(gpu: GPU, model: Model, n_gpu: int) -> _Candidates:
    """All candidates that divide model and batch evenly and fit in memory, perhaps none.

    Slices of d_ff number one to four times the square root of all slices of a weight matrix, where
    the best ratio lies if d_ff = 4 d_model. With attention they divide d_model as well.
    """
    expert = math.gcd(n_gpu, model.sparsity)
    rest = n_gpu // expert
    tensor_model = divisors(math.gcd(rest, model.d_model))[:, None]
    inside = math.gcd(model.d_model, model.d_ff) if model.extras.attention else model.d_ff
    tensor_ff = divisors(math.gcd(rest, inside))
    tensor = tensor_model * tensor_ff
    root = _integer_root(tensor)
    whole = np.array(rest, dtype=np.int64 if rest < 2**63 else object)
    divides = whole % tensor == 0
    which = np.nonzero((root <= tensor_ff) & (tensor_ff <= 4 * root) & divides)
    left = whole // tensor[which]

    data = divisors(math.gcd(rest, model.batch_tokens))
    data = data[(data <= model.batch_tokens // model.sparsity) & _fits(gpu, model, n_gpu, data)]
    stages = left[:, None] // data
    even = (left[:, None] % data == 0) & (stages <= model.layers)
    tensor_index, data_index = np.nonzero(even)
    pipeline = stages[tensor_index, data_index].astype(np.int64)
    even = model.layers % pipeline == 0
    tensor_index, data_index, pipeline = tensor_index[even], data_index[even], pipeline[even]

    choices = _microbatch_choices(gpu, model, n_gpu, data)
    choices = choices[data_index, _index(divisors(model.layers), pipeline)]
    row, choice = np.nonzero(choices)
    zero_bubble = choice >= _BUBBLE_CHOICES
    pipeline = pipeline[row]
    return _Candidates(
        expert=expert,
        shard=tensor_index[row],
        data=data[data_index][row],
        tensor_model=tensor_model[which[0], 0][tensor_index][row],
        tensor_ff=tensor_ff[which[1]][tensor_index][row],
        pipeline=pipeline,
        microbatches=choices[row, choice],
        interleaving=np.where(zero_bubble | (pipeline == 1), 1, model.layers // pipeline),
        zero_bubble=zero_bubble,
    )


def _fits(gpu: GPU, model: Model, n_gpu: int, data: Any) -> Any:
    return _room(gpu, model, n_gpu, data) >= 0


def _room(gpu: GPU, model: Model, n_gpu: int, data: Any) -> Any:
    """Bytes that weights and optimizer state leave of a cluster's memory."""
    expert = float(math.gcd(n_gpu, model.sparsity))
    return n_gpu * gpu.hbm_bytes - weight_bytes(model, 1.0 * data, expert)


def _microbatch_choices(gpu: GPU, model: Model, n_gpu: int, data: Ints) -> Ints:
    """Numbers of vertical microbatches to try: (data, divisors of layers, choices), 0 for none.

    If activations are counted, only numbers whose activations fit, of which those are the smallest.
    """
    tokens = (model.batch_tokens // (model.sparsity * data)).tolist()
    if not tokens:
        return np.zeros((0, 1, 1), dtype=np.int64)
    if model.extras.activation_memory is None:
        return np.stack([_microbatches(count, model.layers) for count in tokens])
    room = _room(gpu, model, n_gpu, data).tolist()
    return np.stack([_fitting(model, *each) for each in zip(tokens, room, strict=True)])


def _fitting(model: Model, tokens: int, room: float) -> Ints:
    """:func:`_microbatches` whose activations take at most ``room`` bytes.

    More microbatches never hold more: of each the same number of stages are at work on at most as
    many as before, and each is smaller. So those that fit are the larger ones.
    """
    stages, options = divisors(model.layers)[:, None], divisors(tokens)
    padded = np.append(options, np.zeros(_BUBBLE_CHOICES, dtype=np.int64))
    chosen = []
    for zero_bubble, choices in ((False, _BUBBLE_CHOICES), (True, _ZERO_BUBBLE_CHOICES)):
        needed = activation_bytes(
            model,
            stages.astype(float),
            options.astype(float),
            np.where(stages == 1, 1, model.layers // stages).astype(float),
            zero_bubble,
        )
        least = np.array([[microbatches_needed(n, zero_bubble)] for n in stages[:, 0].tolist()])
        allowed = (options >= least) & (needed <= room)
        first = len(options) - allowed.sum(axis=1)
        chosen.append(padded[first[:, None] + np.arange(choices)])
    return np.concatenate(chosen, axis=1)


@lru_cache(maxsize=4096)
def _microbatches(tokens: int, layers: int) -> Ints:
    """For each divisor of the layers as stages: the fewest microbatches that split the tokens.

    The four smallest that keep all stages at work, and the smallest for a zero-bubble schedule.
    """
    stages = divisors(layers)
    options = np.append(divisors(tokens), np.zeros(_BUBBLE_CHOICES, dtype=np.int64))
    count = len(options) - _BUBBLE_CHOICES
    chosen = []
    for zero_bubble, choices in ((False, _BUBBLE_CHOICES), (True, _ZERO_BUBBLE_CHOICES)):
        least = np.array([microbatches_needed(int(n), zero_bubble) for n in stages])
        first = np.searchsorted(options[:count], least)
        chosen.append(options[first[:, None] + np.arange(choices)])
    return _frozen(np.concatenate(chosen, axis=1))


def _integer_root(n: Ints) -> Ints:
    root = np.sqrt(n).astype(np.int64)
    root -= root * root > n  # a float's root may round up
    return root


def _index(values: Ints, wanted: Ints) -> Ints:
    return np.searchsorted(values, wanted)


# ------------------------------------------------------------------------- over the network levels

_NAMES = ("data", "tensor_model", "tensor_ff", "pipeline", "expert")


def _degrees(candidates: _Candidates) -> Ints:
    """Degrees in the order of ``_NAMES``: (5, candidates)."""
    expert = np.full(len(candidates), candidates.expert)
    return np.stack([*(getattr(candidates, name) for name in _NAMES[:-1]), expert])


def _layouts(sizes: tuple[int, ...], degrees: Ints) -> tuple[Ints, NDArray[np.intp]]:
    """Every way to place the degrees of each candidate on the network levels.

    At each level they multiply to its size, and what remains goes to the last. Returns the degrees of
    shape (5, levels, layouts), and the candidate of each layout.
    """
    owner = np.arange(degrees.shape[1])
    left = degrees
    levels: list[Ints] = []
    for size in sizes[:-1]:
        ways = ordered_factorizations(size, len(_NAMES)).T
        divides = np.ones((left.shape[1], ways.shape[1]), dtype=bool)
        for degree, parts in zip(left, ways, strict=True):
            divides &= degree[:, None] % parts == 0
        row, way = np.nonzero(divides)
        levels = [level[:, row] for level in levels] + [ways[:, way]]
        left, owner = left[:, row] // levels[-1], owner[row]
    return np.stack([*levels, left], axis=1), owner


def _count_layouts(sizes: tuple[int, ...], degrees: Ints) -> int:
    """How many layouts there are: that depends on what a degree shares with the inner levels only."""
    inner = math.prod(sizes[:-1])
    patterns, counts = np.unique(np.gcd(degrees, inner), axis=1, return_counts=True)
    _, owner = _layouts(sizes, patterns)
    return int(counts[owner].sum())


# --------------------------------------------------------------------------------------- times


def _matmul(gpu: GPU, model: Model, candidates: _Candidates) -> Floats:
    """Seconds of matrix products in a step for each candidate; each distinct shard is timed once."""
    tokens = model.batch_tokens // (candidates.data * candidates.microbatches * model.sparsity)
    key = candidates.shard * (tokens.max() + 1) + tokens
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    ds = model.d_model // candidates.tensor_model[first]
    fs = model.d_ff // candidates.tensor_ff[first]
    layer = layer_seconds(
        gpu,
        ds.astype(float),
        fs.astype(float),
        tokens[first].astype(float),
        model.word_bytes,
        model.extras.forward_passes,
    )
    seconds = _all_layers(model, candidates, layer[inverse])
    if model.extras.attention:
        groups = 1.0 * candidates.data * candidates.microbatches * candidates.expert
        layer = attention_seconds(
            gpu,
            model,
            candidates.tensor_model[first].astype(float),
            candidates.tensor_ff[first].astype(float),
            model.batch_tokens / groups[first],
        )
        seconds = seconds + _all_attention(model, candidates, layer[inverse])
    return seconds


def _all_layers(model: Model, candidates: _Candidates, layer: Any) -> Floats:
    seconds: Floats = value_of(
        matmul_step_time(),
        L=float(model.layers),
        E=float(model.sparsity),
        N_PP=candidates.pipeline.astype(float),
        N_EP=float(candidates.expert),
        K=candidates.microbatches.astype(float),
        t_layer=layer,
    )
    return seconds


def _all_attention(model: Model, candidates: _Candidates, layer: Any) -> Floats:
    seconds: Floats = value_of(
        attention_step_time(),
        L=float(model.layers),
        N_PP=candidates.pipeline.astype(float),
        K=candidates.microbatches.astype(float),
        t_attention=layer,
    )
    return seconds


def _matmul_bound(gpu: GPU, model: Model, n_gpu: int, candidates: _Candidates) -> Floats:
    """No more than :func:`_matmul`: all arithmetic at the useful rate, and the latency of each product.

    Proof: a nanobatch is rounded down to whole tokens, so the products see the tokens of the batch
    that replicas and experts divide, s floor(b/s) of b with s = E N_DP (microbatches divide that
    exactly). The products of all GPUs do the arithmetic of those tokens, sides rounded up, none faster
    than the useful rate, and each takes its latency besides. With extras the step has more arithmetic,
    all that is computed again included, and more products, of which attention's see every token;
    scores take exactly the useful rate.
    """
    shares = model.sparsity * candidates.data
    arithmetic = value_of(
        arithmetic_time(),
        **model.executed_work,
        b=(shares * (model.batch_tokens // shares)).astype(float),
        N_GPU=float(n_gpu),
        F_peak=gpu.useful_flop_per_s,
    )
    latency = gpu.matmul_latency_s
    waits = _all_layers(model, candidates, products_in_mlp(model.extras) * latency)
    if model.extras.attention:
        products = products_in_attention(model.extras)
        waits = waits + _all_attention(model, candidates, products * latency)
    return waits + arithmetic


@dataclass(frozen=True)
class _LeastTraffic:
    """Seconds of a step's traffic that no layout over the network levels goes below."""

    bandwidth_s: Floats  # tensor, pipeline and expert parallelism
    latency_s: Floats
    data_s: Floats

    def take(self, which: Any) -> _LeastTraffic:
        return _LeastTraffic(self.bandwidth_s[which], self.latency_s[which], self.data_s[which])


def _least_traffic(gpu: GPU, model: Model, n_gpu: int, candidates: _Candidates) -> _LeastTraffic:
    """Seconds that the traffic of each candidate takes in any layout over the network levels.

    Proof. Write p_j for one degree at level j, P_i for its product over the levels j >= i, s_i for the
    GPUs inside level i, B_i for the sum of bandwidths at levels j >= i.

    1. One all-reduce moves (p_j - 1) times the product of the degrees above j at level j. Summed
       over j >= i that telescopes to P_i - 1. The slowest level takes at least the time in which the
       sum of the words passes over the sum of the bandwidths, as max x_j/y_j >= sum x_j/sum y_j:
       (P_i - 1)/B_i.
    2. The degrees inside level i multiply to s_i, so that one of them is at most s_i there:
       P_i >= P_0/s_i. That bounds data parallelism. The gradients of attention go over groups of
       experts as well, which is no less.
    3. Tensor parallelism moves f (M_i - 1) + d (Q_i - 1) words with M_i Q_i >= M_0 Q_0/s_i. That is at
       least 2 sqrt(f d M_0 Q_0/s_i) - f - d, as the arithmetic mean is at least the geometric. For
       i = 0 the words are known exactly. Extras put other words for f and d.
    4. Boundaries that are crossed at some level are crossed at best at the widest and the quickest.
    5. A degree above one is above one at some level, and waits there for at least the shortest hop.
    """
    load = model.load
    data, tensor_model, tensor_ff, pipeline, _ = _degrees(candidates).astype(float)
    f, d, rounds = load.tensor_all_reduces
    common = {"N_GPU": float(n_gpu), "w": load.word_bytes}

    tensor_s = data_s = np.zeros(len(candidates))
    inside = 1
    for i, size in enumerate(level_sizes(gpu, n_gpu)):
        reach = {**common, "beta": sum(level.bytes_per_s for level in gpu.network[i:])}
        if i == 0:
            words = f * (tensor_model - 1) + d * (tensor_ff - 1)
        else:
            words = 2 * np.sqrt(f * d / inside * (tensor_model * tensor_ff)) - f - d
        words_s = value_of(
            all_reduce_bandwidth_time(),
            p=1 + words,
            u=1.0,
            r_seq=rounds,
            r_par=load.batch_tokens,
            **reach,
        )
        gradient_s = value_of(
            all_reduce_bandwidth_time(),
            p=data / inside,
            u=load.params,
            r_seq=1.0,
            r_par=1.0,
            **reach,
        )
        tensor_s, data_s = np.maximum(tensor_s, words_s), np.maximum(data_s, gradient_s)
        inside *= size

    crossing = {"L": load.layers, "v": candidates.interleaving.astype(float), "p_above": pipeline}
    transfer_s = value_of(
        point_to_point_bandwidth_time(),
        crossings=value_of(boundaries_crossing(), **crossing, e_stay=1 / candidates.expert),
        d=load.d_model,
        b=load.batch_tokens,
        beta=max(level.bytes_per_s for level in gpu.network),
        **common,
    )
    hop = min(level.latency_s for level in gpu.network)
    waits = value_of(boundaries_crossing(), **crossing, e_stay=float(candidates.expert == 1))
    latency_s = value_of(point_to_point_latency(), crossings=waits, ell_hop=hop)
    for degree in (tensor_model, tensor_ff):
        latency_s = latency_s + value_of(all_reduce_latency(), p=degree, r_seq=rounds, ell_hop=hop)
    data_wait_s = value_of(all_reduce_latency(), p=data, r_seq=1.0, ell_hop=hop)
    return _LeastTraffic(tensor_s + transfer_s, latency_s, data_s + data_wait_s)


def lower_bound(
    candidates: _Candidates, least: _LeastTraffic, matmul: Floats, zero_bubble_latency: bool
) -> Floats:
    """Seconds of a step that no layout of a candidate over the network levels is faster than.

    Proof. The time of a step (:func:`dmcore.training_step.step_seconds`) does not fall as the time of
    any kind of traffic or of the matrix products grows, and here are no more than the true ones:
    :func:`_least_traffic`, and ``matmul`` from :func:`_matmul` or :func:`_matmul_bound`.
    """
    pipeline_s = pipeline_seconds(
        candidates.pipeline.astype(float),
        candidates.microbatches.astype(float),
        candidates.interleaving.astype(float),
        candidates.zero_bubble,
        matmul=matmul,
        bandwidth=least.bandwidth_s,
        latency=least.latency_s,
        zero_bubble_latency=zero_bubble_latency,
    )
    return np.asarray(pipeline_s + least.data_s)


# -------------------------------------------------------------------------------------- search


def _fastest(
    gpu: GPU, model: Model, n_gpu: int, cutoff_s: float, zero_bubble_latency: bool
) -> tuple[Parallelism | None, int]:
    """The first parallelism in the module's order, if it takes at most ``cutoff_s``, and how many were timed.

    Candidates are timed in order of their bound; those whose bound is above the best time so far cannot
    win and are dropped.
    """
    candidates = _candidates(gpu, model, n_gpu)
    if not len(candidates):
        return None, 0
    least = _least_traffic(gpu, model, n_gpu, candidates)
    if cutoff_s < math.inf:
        matmul = _matmul_bound(gpu, model, n_gpu, candidates)
        bound = lower_bound(candidates, least, matmul, zero_bubble_latency)
        possible = bound <= cutoff_s * _ROUNDING
        candidates, least = candidates.take(possible), least.take(possible)
        if not len(candidates):
            return None, 0
    matmul = _matmul(gpu, model, candidates)
    bound = lower_bound(candidates, least, matmul, zero_bubble_latency)
    order = np.argsort(bound, kind="stable")
    best_s, timed, rows = cutoff_s, 0, _first_rows(level_sizes(gpu, n_gpu))
    close: list[_Timed] = []
    while len(order := order[bound[order] <= best_s * _ROUNDING]):
        now, order = order[:rows], order[rows:]
        found = _time_layouts(
            gpu, model, n_gpu, candidates.take(now), matmul[now], zero_bubble_latency
        )
        best_s = min(best_s, float(found.step_s.min()))
        close.append(found.take(found.step_s <= best_s * EQUAL))
        timed += len(found)
        rows = max(1, _LAYOUTS_AT_ONCE * len(now) // len(found))
    return _first_of(close), timed


def _first_of(found: Sequence[_Timed]) -> Parallelism | None:
    """The first layout in the module's order, None if there is none."""
    together = _Timed.join([some for some in found if len(some)])
    if together is None:
        return None
    for times in ("step_s", "bandwidth_s"):
        seconds = getattr(together, times)
        together = together.take(seconds <= seconds.min() * EQUAL)
    data, tensor_model, tensor_ff, pipeline, expert = together.layouts
    slices, stages = tensor_model.prod(axis=0), pipeline.prod(axis=0)
    inside = np.stack([tensor_model, tensor_ff, pipeline, expert, data], axis=1)
    order = np.lexsort(
        (
            *-inside.reshape(-1, inside.shape[-1])[::-1],
            together.candidates.zero_bubble,
            together.candidates.microbatches,
            stages,
            slices,
            slices * tensor_ff.prod(axis=0),
        )
    )
    return together.parallelism(int(order[0]))


def _first_rows(sizes: tuple[int, ...]) -> int:
    ways = math.prod(len(ordered_factorizations(size, len(_NAMES))) for size in sizes[:-1])
    return max(1, min(_FIRST_ROWS, _LAYOUTS_AT_ONCE // ways))


@dataclass(frozen=True)
class _Timed:
    """Layouts of candidates over the network levels and their times: arrays whose last axis is layouts."""

    step_s: Floats
    bandwidth_s: Floats
    layouts: Ints  # (5, levels, layouts), degrees in the order of _NAMES
    candidates: _Candidates  # of each layout

    def take(self, which: NDArray[np.bool_]) -> _Timed:
        return _Timed(
            self.step_s[which],
            self.bandwidth_s[which],
            self.layouts[..., which],
            self.candidates.take(which),
        )

    @staticmethod
    def join(parts: Sequence[_Timed]) -> _Timed | None:
        if not parts:
            return None
        return _Timed(
            np.concatenate([part.step_s for part in parts]),
            np.concatenate([part.bandwidth_s for part in parts]),
            np.concatenate([part.layouts for part in parts], axis=-1),
            _Candidates.join([part.candidates for part in parts]),
        )

    def parallelism(self, i: int) -> Parallelism:
        levels = zip(_NAMES, self.layouts[..., i], strict=True)
        return Parallelism(
            **{name: tuple(degrees.tolist()) for name, degrees in levels},
            microbatches=int(self.candidates.microbatches[i]),
            interleaving=int(self.candidates.interleaving[i]),
            zero_bubble=bool(self.candidates.zero_bubble[i]),
        )

    def __len__(self) -> int:
        return len(self.step_s)


def _time_layouts(
    gpu: GPU,
    model: Model,
    n_gpu: int,
    candidates: _Candidates,
    matmul: Floats,
    zero_bubble_latency: bool,
) -> _Timed:
    """Every layout of the candidates over the network levels, with its times."""
    layouts, owner = _layouts(level_sizes(gpu, n_gpu), _degrees(candidates))
    of_each = candidates.take(owner)
    step, moved = step_seconds(
        gpu,
        model.load,
        float(n_gpu),
        dict(zip(_NAMES, layouts.astype(float), strict=True)),
        of_each.microbatches.astype(float),
        of_each.interleaving.astype(float),
        of_each.zero_bubble,
        matmul[owner],
        zero_bubble_latency,
    )
    return _Timed(step, moved.bandwidth_s, layouts, of_each)


def best_parallelism(
    gpu: GPU | str, model: Model, n_gpu: int, *, zero_bubble_latency: bool = False
) -> BestParallelism:
    """The fastest way to split a training step over a cluster.

    The whole search space of the paper (section 4.3): all degrees of data, tensor, pipeline and expert
    parallelism that divide the cluster and the model exactly, all ways to lay them out over the
    network levels, and a few numbers of microbatches, with and without a pipeline bubble. Which of
    equally fast ways is taken follows from a total order that :mod:`dmcore.search` states.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    model : Model
        The model and its batch.
    n_gpu : int
        GPUs in the cluster.
    zero_bubble_latency : bool
        See :func:`dmcore.training_step`.

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
    candidates = _degrees(_candidates(gpu, model, n_gpu))
    return BestParallelism(
        **{field.name: getattr(step, field.name) for field in fields(step)},
        candidates=_count_layouts(level_sizes(gpu, n_gpu), candidates),
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
        See :func:`dmcore.training_step`.
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
    floor_s = _latency_floor_s(gpu, model)
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
    """Sizes to try, smallest first, among which no larger one can be used well enough.

    From the size that would end the run in time at the useful FLOP/s, as in the paper. None is used well
    enough once the arithmetic of a step at the peak rate is below that share of what it takes at least
    (:func:`_latency_floor_s`), as it halves with each doubling; and none divide the model once there are
    more GPUs than entries of a weight matrix times tokens, as a microbatch has at least one token for
    each of the stages.
    """
    floor_s = _latency_floor_s(gpu, model)
    needed = model.training_flop / (duration_s * gpu.useful_flop_per_s)
    n_gpu = model.sparsity
    while n_gpu <= model.d_model * model.d_ff * model.batch_tokens:
        if n_gpu >= needed:
            if _ideal_seconds(gpu, model, n_gpu) < min_utilization * floor_s:
                return
            yield n_gpu
        n_gpu *= 2


def _latency_floor_s(gpu: GPU, model: Model) -> float:
    """Seconds that a step takes on any cluster of whole experts, for the latency of its products.

    A stage runs its products of a layer for each microbatch, of which there are as many as stages.
    """
    products = products_in_mlp(model.extras) + products_in_attention(model.extras)
    return products * model.layers * gpu.matmul_latency_s


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
    if not _fits(gpu, model, n_gpu, 1):
        return (
            f"memory: n_gpu must be at least {math.ceil(one_replica / gpu.hbm_bytes):,} to hold "
            f"{one_replica / 1e9:,.4g} GB of weights and optimizer state, got {n_gpu:,}"
        )
    weights_only = replace(model, extras=replace(model.extras, activation_memory=None))
    if model.extras.activation_memory and len(_candidates(gpu, weights_only, n_gpu)):
        return (
            f"memory: {n_gpu:,} GPUs of {gpu.hbm_bytes / 1e9:g} GB hold the weights, but not the "
            f"activations, with activation_memory {model.extras.activation_memory!r}"
        )
    roomy = replace(gpu, hbm_bytes=math.inf)
    if len(fitting := _candidates(roomy, model, n_gpu)):
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
