"""All ways to split a training step over a cluster that the paper's search allows, as rows of arrays.

Candidates divide model, batch and cluster evenly and fit in memory; layouts place the degrees of one
on the network levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from dmcore.algebra.checks import check_positive_integer
from dmcore.algebra.expressions import value_of
from dmcore.hardware.gpu import GPU
from dmcore.models.model import Model
from dmcore.simulator.pipeline import microbatches_needed
from dmcore.simulator.split import DEGREES
from dmcore.simulator.times import (
    activation_bytes,
    attention_seconds,
    attention_step_time,
    layer_seconds,
    matmul_step_time,
    weight_bytes,
)
from dmcore.simulator.whole_numbers import (
    divisors,
    exponents,
    frozen,
    ordered_factorizations,
    tables,
)

__all__ = [
    "Candidates",
    "all_attention",
    "all_layers",
    "candidates_of",
    "count_layouts",
    "degrees_of",
    "fits",
    "layouts_of",
    "level_sizes",
    "matmul_times",
    "why_nothing_fits",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Numbers of microbatches that are tried with a bubble, and without.
_BUBBLE_CHOICES, _ZERO_BUBBLE_CHOICES = 4, 1


def level_sizes(gpu: GPU, n_gpu: int) -> tuple[int, ...]:
    """How many units each network level joins in a cluster, node first; the product is the cluster.

    The largest divisor of the units left that does not exceed the level's size, so that a cluster
    smaller than a node, or an odd one, still splits exactly. The last level joins what remains.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> level_sizes(get_gpu("H100 SXM"), 48)
    (8, 6)
    """
    check_positive_integer("n_gpu", n_gpu)
    sizes, left = [], n_gpu
    for level in gpu.network[:-1]:
        assert level.size is not None  # only the last level has no size
        size = next(size for size in range(min(level.size, left), 0, -1) if left % size == 0)
        sizes.append(size)
        left //= size
    return (*sizes, left)


# --------------------------------------------------------------------------------------- candidates


@dataclass(frozen=True)
class Candidates:
    """Ways to divide a step, not laid out over the network yet: arrays of one length.

    ``expert`` is one number: it is set by the size of the cluster.
    """

    expert: int
    shard: Ints  # which of the distinct pairs of tensor degrees
    data: Ints
    slices_of_d: Ints
    slices_of_f: Ints
    pipeline: Ints
    microbatches: Ints
    interleaving: Ints
    zero_bubble: NDArray[np.bool_]

    def take(self, which: Any) -> Candidates:
        """Those rows only, by index or mask."""
        columns = (getattr(self, field.name) for field in fields(self)[1:])
        return Candidates(self.expert, *(column[which] for column in columns))

    @staticmethod
    def join(parts: Sequence[Candidates]) -> Candidates:
        """One after the other; all of one cluster."""
        columns = (
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Candidates)[1:]
        )
        return Candidates(parts[0].expert, *columns)

    def __len__(self) -> int:
        return len(self.data)


def candidates_of(gpu: GPU, model: Model, n_gpu: int) -> Candidates:
    """All candidates by the rules of :func:`dmcore.simulator.search.candidates`, perhaps none.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> found = candidates_of(get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16), 16)
    >>> len(found), int(found.data.max())
    (120, 16)
    """
    expert = math.gcd(n_gpu, model.experts)
    rest = n_gpu // expert
    slices_of_d = divisors(math.gcd(rest, model.d_model))[:, None]
    inside = math.gcd(model.d_model, model.d_ff) if model.extras.attention else model.d_ff
    slices_of_f = divisors(math.gcd(rest, inside))
    tensor = slices_of_d * slices_of_f
    root = _integer_root(tensor)
    whole = np.array(rest, dtype=np.int64 if rest < 2**63 else object)
    divides = whole % tensor == 0
    which = np.nonzero((root <= slices_of_f) & (slices_of_f <= 4 * root) & divides)
    left = whole // tensor[which]

    data = divisors(math.gcd(rest, model.batch_tokens))
    data = data[(data <= model.batch_tokens // model.experts) & fits(gpu, model, n_gpu, data)]
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
    return Candidates(
        expert=expert,
        shard=tensor_index[row],
        data=data[data_index][row],
        slices_of_d=slices_of_d[which[0], 0][tensor_index][row],
        slices_of_f=slices_of_f[which[1]][tensor_index][row],
        pipeline=pipeline,
        microbatches=choices[row, choice],
        interleaving=np.where(zero_bubble | (pipeline == 1), 1, model.layers // pipeline),
        zero_bubble=zero_bubble,
    )


def fits(gpu: GPU, model: Model, n_gpu: int, data: Any) -> Any:
    """Whether weights and optimizer state of so many replicas fit in a cluster's memory.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> fits(gpu, model, 16, np.array([1, 10**6]))
    array([ True, False])
    """
    return _room(gpu, model, n_gpu, data) >= 0


def why_nothing_fits(gpu: GPU, model: Model, n_gpu: int) -> str:
    """What keeps every split of a step from a cluster, in words.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> why_nothing_fits(gpu, model, 17).split(":")[0]
    'divisibility'
    """
    one_replica = weight_bytes(model, 1.0, float(math.gcd(n_gpu, model.experts)))
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
        f"{model.layers} layers (pipeline) and experts {model.experts} (expert), with at least one "
        f"token for each microbatch and expert, got {n_gpu:,}"
    )


def _room(gpu: GPU, model: Model, n_gpu: int, data: Any) -> Any:
    """Bytes that weights and optimizer state leave of a cluster's memory."""
    expert = float(math.gcd(n_gpu, model.experts))
    return n_gpu * gpu.hbm_bytes - weight_bytes(model, 1.0 * data, expert)


def _microbatch_choices(gpu: GPU, model: Model, n_gpu: int, data: Ints) -> Ints:
    """Numbers of vertical microbatches to try: (data, divisors of layers, choices), 0 for none.

    If activations are counted, only numbers whose activations fit, of which those are the smallest.
    """
    tokens = (model.batch_tokens // (model.experts * data)).tolist()
    if not tokens:
        return np.zeros((0, 1, 1), dtype=np.int64)
    if model.extras.activation_memory is None:
        return np.stack([_microbatches(count, model.layers) for count in tokens])
    room = _room(gpu, model, n_gpu, data).tolist()
    return np.stack([_fitting(model, *each) for each in zip(tokens, room, strict=True)])


def _fitting(model: Model, tokens: int, room: float) -> Ints:
    """``_microbatches`` whose activations take at most ``room`` bytes.

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
    return frozen(np.concatenate(chosen, axis=1))


def _integer_root(n: Ints) -> Ints:
    root = np.sqrt(n).astype(np.int64)
    root -= root * root > n  # a float's root may round up
    return root


def _index(values: Ints, wanted: Ints) -> Ints:
    return np.searchsorted(values, wanted)


# -------------------------------------------------------------------------- over the network levels


def degrees_of(candidates: Candidates) -> Ints:
    """Degrees in the order of ``DEGREES``: (5, candidates).

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> found = candidates_of(get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16), 16)
    >>> degrees_of(found).prod(axis=0).tolist() == [16] * len(found)
    True
    """
    expert = np.full(len(candidates), candidates.expert)
    return np.stack([*(getattr(candidates, name) for name in DEGREES[:-1]), expert])


def layouts_of(sizes: tuple[int, ...], degrees: Ints) -> tuple[Ints, NDArray[np.intp]]:
    """Every way to place the degrees of each candidate on the network levels.

    At each level they multiply to its size, and what remains goes to the last. Returns the degrees of
    shape (5, levels, layouts), and the candidate of each layout.

    Examples
    --------
    >>> layouts, owner = layouts_of((2, 2), np.array([[4], [1], [1], [1], [1]]))
    >>> layouts[0].tolist()
    [[2], [2]]
    """
    owner = np.arange(degrees.shape[1])
    left = degrees
    levels: list[Ints] = []
    for size in sizes[:-1]:
        ways = ordered_factorizations(size, len(DEGREES)).T
        divides = np.ones((left.shape[1], ways.shape[1]), dtype=bool)
        for degree, parts in zip(left, ways, strict=True):
            divides &= degree[:, None] % parts == 0
        row, way = np.nonzero(divides)
        levels = [level[:, row] for level in levels] + [ways[:, way]]
        left, owner = left[:, row] // levels[-1], owner[row]
    return np.stack([*levels, left], axis=1), owner


def count_layouts(sizes: tuple[int, ...], degrees: Ints) -> int:
    """How many layouts there are. The primes of the degrees are placed independently of one another.

    Examples
    --------
    >>> count_layouts((2, 2), np.array([[2], [2], [1], [1], [1]]))
    2
    """
    total = np.ones(degrees.shape[1], dtype=object)
    for prime in sympy.primefactors(math.prod(sizes)):
        columns = tuple(sympy.multiplicity(prime, size) for size in sizes)
        shares, which = np.unique(exponents(degrees, prime), axis=1, return_inverse=True)
        counts = [tables(tuple(sorted(share)), columns) for share in shares.T.tolist()]
        total *= np.array(counts, dtype=object)[which.reshape(-1)]
    return int(total.sum())


# -------------------------------------------------------------------------------------------- times


def matmul_times(gpu: GPU, model: Model, candidates: Candidates) -> Floats:
    """Seconds of matrix products in a step for each candidate; each distinct shard is timed once.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> found = candidates_of(gpu, model, 16)
    >>> f"{matmul_times(gpu, model, found).min():.2e}"
    '3.38e-04'
    """
    tokens = model.batch_tokens // (candidates.data * candidates.microbatches * model.experts)
    # attention sees tokens that the experts' rounding drops
    shares = candidates.data * candidates.microbatches if model.extras.attention else tokens
    key = candidates.shard * (shares.max() + 1) + shares
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    ds = model.d_model // candidates.slices_of_d[first]
    fs = model.d_ff // candidates.slices_of_f[first]
    layer = layer_seconds(
        gpu,
        ds.astype(float),
        fs.astype(float),
        tokens[first].astype(float),
        model.words,
        model.extras.forward_passes,
    )
    seconds = all_layers(model, candidates, layer[inverse])
    if model.extras.attention:
        groups = 1.0 * candidates.data * candidates.microbatches * candidates.expert
        layer = attention_seconds(
            gpu,
            model,
            candidates.slices_of_d[first].astype(float),
            candidates.slices_of_f[first].astype(float),
            model.batch_tokens / groups[first],
        )
        seconds = seconds + all_attention(model, candidates, layer[inverse])
    return seconds


def all_layers(model: Model, candidates: Candidates, layer: Any) -> Floats:
    """Seconds of all MLPs of a step, from those of one layer and microbatch, for each candidate.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> found = candidates_of(gpu, model, 16)
    >>> bool(np.all(all_layers(model, found, 1e-6) <= 12e-6 * found.microbatches))
    True
    """
    seconds: Floats = value_of(
        matmul_step_time(),
        L=float(model.layers),
        E=float(model.experts),
        N_PP=candidates.pipeline.astype(float),
        N_EP=float(candidates.expert),
        K=candidates.microbatches.astype(float),
        t_layer=layer,
    )
    return seconds


def all_attention(model: Model, candidates: Candidates, layer: Any) -> Floats:
    """Seconds of all attention of a step, from those of one layer and microbatch, for each candidate.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> found = candidates_of(gpu, model, 16)
    >>> bool(np.all(all_attention(model, found, 1e-6) == all_layers(model, found, 1e-6)))
    True
    """
    seconds: Floats = value_of(
        attention_step_time(),
        L=float(model.layers),
        N_PP=candidates.pipeline.astype(float),
        K=candidates.microbatches.astype(float),
        t_attention=layer,
    )
    return seconds
