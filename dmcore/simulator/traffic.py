"""Time that GPUs spend passing data, at each level of the network they sit in.

Three kinds of traffic: data-parallel replicas add up their gradients, the slices of a weight matrix add
up partial activations, and the stages of a pipeline hand activations on, as do the experts. The first two are
all-reduces, the last is point to point (the paper's simulation).

Degrees of parallelism are given level by level, node first, as float arrays of shape
``(levels, candidates)``; what "above" a level is, is outside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import symbols
from dmcore.hardware.gpu import GPU
from dmcore.models.model import Model
from dmcore.simulator import attention_messages

__all__ = [
    "Traffic",
    "TrafficLoad",
    "all_reduce_bandwidth_time",
    "all_reduce_latency",
    "boundaries_crossing",
    "load_of",
    "point_to_point_bandwidth_time",
    "point_to_point_latency",
    "product_above",
    "traffic",
]

Array = NDArray[np.float64]

_N_GPU, _BETA, _HOP = symbols("N_GPU beta ell_hop")


@cache
def all_reduce_bandwidth_time() -> sp.Expr:
    """Seconds in which p peers at one level add up u words, ``r_seq`` times after one another.

    Each of ``r_par`` groups moves 2 (p - 1) u words, and all GPUs move them together at half of the
    bidirectional bandwidth ``beta`` of one.
    """
    p, u, r_seq, r_par, w = symbols("p u r_seq r_par w")
    return 2 * (p - 1) * u * r_seq * r_par * w / (_N_GPU * _BETA / 2)


@cache
def all_reduce_latency() -> sp.Expr:
    """Seconds of waiting in ``r_seq`` all-reduces in a row: two hops each, none without peers."""
    p, r_seq = symbols("p r_seq")
    return 2 * r_seq * _HOP * sp.sign(p - 1)


@cache
def boundaries_crossing() -> sp.Expr:
    """How many of the L - 1 boundaries between layers have their traffic cross above a level.

    With ``p_above`` pipeline stages that the level does not join, and v blocks of layers to each, the
    pipeline crosses above it v p_above - 1 times, but not at all if one stage is left. Of the other
    boundaries, the traffic of the experts crosses all but the share ``e_stay``.
    """
    L, v, p_above, e_stay = symbols("L v p_above e_stay")
    pipeline_crosses = (v * p_above - 1) * sp.sign(p_above - 1)
    return (L - 1) - (L - 1 - pipeline_crosses) * e_stay


@cache
def point_to_point_bandwidth_time() -> sp.Expr:
    """Seconds in which the batch crosses so many boundaries at one level, forward and backward."""
    d, b, w_A, crossings = symbols("d b w_A n_cross")
    return 2 * crossings * d * b * w_A / (_N_GPU * _BETA / 2)


@cache
def point_to_point_latency() -> sp.Expr:
    """Seconds of waiting for one hop at each boundary crossed, forward and backward."""
    (crossings,) = symbols("n_cross")
    return 2 * crossings * _HOP


@dataclass(frozen=True)
class TrafficLoad:
    """What a model has to move in one step: its sizes, as floats.

    ``tensor`` tells how many words for a token the slices of d_model and those of d_ff sum up in one
    all-reduce, and how many all-reduces follow each other in a step; None is for MLPs alone. Gradients
    of ``attention_params`` of the parameters are summed over the groups of experts as well.
    """

    d_model: float
    d_ff: float
    layers: float
    params: float
    batch_tokens: float
    word_bytes: float
    tensor: tuple[float, float, float] | None = None
    attention_params: float = 0.0

    @property
    def tensor_all_reduces(self) -> tuple[float, float, float]:
        """``tensor``, or for MLPs d_ff and d_model words, once forward and once backward in each layer."""
        return self.tensor or (self.d_ff, self.d_model, 2 * self.layers)


@lru_cache(maxsize=256)
def load_of(model: Model) -> TrafficLoad:
    """What a model has to move in one step."""
    return TrafficLoad(
        float(model.d_model),
        float(model.d_ff),
        float(model.layers),
        float(model.params),
        float(model.batch_tokens),
        float(model.word_bytes),
        _all_reduces(model),
        float(model.attention_params),
    )


def _all_reduces(model: Model) -> tuple[float, float, float]:
    """Mean words that slices of d_model and of d_ff sum up at once, and how often in a step."""
    times = model.extras.forward_passes + 1.0  # forward, and once backward
    inside, outside = times * model.d_ff, times * model.d_model
    if model.extras.attention:
        inside += model.count(attention_messages.inside_all_reduced())
        outside += model.count(attention_messages.outside_all_reduced())
        times *= 2
    return inside / times, outside / times, times * model.layers


@dataclass(frozen=True)
class Traffic:
    """Seconds of one step that each kind of traffic takes, for each candidate."""

    tensor_bandwidth_s: Array
    tensor_latency_s: Array
    point_to_point_bandwidth_s: Array
    point_to_point_latency_s: Array
    data_bandwidth_s: Array
    data_latency_s: Array

    @property
    def bandwidth_s(self) -> Array:
        """All that bandwidth sets, together; decides between candidates that are equally fast."""
        return self.tensor_bandwidth_s + self.data_bandwidth_s + self.point_to_point_bandwidth_s


def product_above(degrees: Array) -> Array:
    """Products of the degrees at all levels above each one; of all degrees first.

    The shape is ``(levels + 1, candidates)``: row i + 1 is for level i, row 0 for below the node.
    """
    above = np.ones((len(degrees) + 1, *degrees.shape[1:]))
    for level in reversed(range(len(degrees))):
        np.multiply(above[level + 1], degrees[level], out=above[level])
    return above


def traffic(
    gpu: GPU,
    load: TrafficLoad,
    n_gpu: float | Array,
    *,
    data: Array,
    slices_of_d: Array,
    slices_of_f: Array,
    pipeline: Array,
    expert: Array,
    interleaving: Array,
) -> Traffic:
    """Seconds of each kind of traffic in one step.

    The traffic of different levels overlaps where one all-reduce crosses several, so that the slowest
    level counts; its latencies, and point-to-point transfers over different levels, add up. An array
    of shape ``(levels, candidates)`` is expected for each degree. Checks nothing.
    """
    common = {"N_GPU": n_gpu, "beta": _column(gpu, "bytes_per_s")}
    hop = _column(gpu, "latency_s")

    def all_reduce(
        peers: Array, words: float, in_sequence: float, in_parallel: float
    ) -> tuple[Array, Array]:
        bandwidth = value_of(
            all_reduce_bandwidth_time(),
            p=peers,
            u=words,
            r_seq=in_sequence,
            r_par=in_parallel * product_above(peers)[1:],
            w=load.word_bytes,
            **common,
        )
        latency = value_of(all_reduce_latency(), p=peers, r_seq=in_sequence, ell_hop=hop)
        return bandwidth, latency.sum(axis=0)

    model_words, ff_words, rounds = load.tensor_all_reduces
    model_bw, model_latency = all_reduce(slices_of_d, model_words, rounds, load.batch_tokens)
    ff_bw, ff_latency = all_reduce(slices_of_f, ff_words, rounds, load.batch_tokens)
    data_bw, data_latency = all_reduce(data, load.params - load.attention_params, 1.0, 1.0)
    if load.attention_params:
        shared_bw, data_latency = all_reduce(data * expert, load.attention_params, 1.0, 1.0)
        data_bw = data_bw + shared_bw

    pipeline_above, expert_above = product_above(pipeline), product_above(expert)

    def crossings(stay: Array) -> Array:
        above = value_of(
            boundaries_crossing(),
            L=load.layers,
            v=interleaving,
            p_above=pipeline_above,
            e_stay=stay,
        )
        return np.asarray(above[:-1] - above[1:])

    # of the words, a share stays below a level; of the waits none does: the last token decides
    word_crossings = crossings(1 / expert_above)
    wait_crossings = crossings(1.0 * (expert_above == 1))
    transfer = value_of(
        point_to_point_bandwidth_time(),
        n_cross=word_crossings,
        d=load.d_model,
        b=load.batch_tokens,
        w_A=load.word_bytes,
        **common,
    )
    wait = value_of(point_to_point_latency(), n_cross=wait_crossings, ell_hop=hop)
    return Traffic(
        tensor_bandwidth_s=(model_bw + ff_bw).max(axis=0),
        tensor_latency_s=model_latency + ff_latency,
        point_to_point_bandwidth_s=transfer.sum(axis=0),
        point_to_point_latency_s=wait.sum(axis=0),
        data_bandwidth_s=data_bw.max(axis=0),
        data_latency_s=data_latency,
    )


def _column(gpu: GPU, figure: str) -> Array:
    """A figure of each network level, to broadcast over candidates."""
    return np.array([[getattr(level, figure)] for level in gpu.network])
