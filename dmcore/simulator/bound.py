"""Lower bounds on the time of a training step, each with its proof.

They hold in every layout over the network levels, so that the search times only those candidates that
might win and yet finds what an exhaustive one would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.expressions import value_of
from dmcore.hardware.gpu import GPU, NetworkLevel
from dmcore.models.model import Model
from dmcore.simulator.candidates import (
    Candidates,
    all_attention,
    all_layers,
    degrees_of,
    level_sizes,
)
from dmcore.simulator.times import (
    arithmetic_time,
    pipeline_seconds,
    products_in_attention,
    products_in_mlp,
)
from dmcore.simulator.traffic import (
    hand_over_latency,
    hand_over_time,
    hand_overs_leaving,
    hand_overs_with_experts,
    load_of,
)

__all__ = [
    "LeastTraffic",
    "joined_beyond",
    "latency_floor_s",
    "least_traffic",
    "lower_bound",
    "matmul_bound",
]

Floats = NDArray[np.float64]


def matmul_bound(gpu: GPU, model: Model, n_gpu: int, candidates: Candidates) -> Floats:
    """Seconds that :func:`~dmcore.simulator.candidates.matmul_times` does not go below.

    All arithmetic at the useful rate, and the latency of each product.

    Proof: a nanobatch is rounded down to whole tokens, so the products see the tokens of the batch
    that replicas and experts divide, s floor(b/s) of b with s = E N_DP (microbatches divide that
    exactly). The products of all GPUs do the arithmetic of those tokens, sides rounded up, none faster
    than the useful rate, and each takes its latency besides. With extras the step has more arithmetic,
    all that is computed again included, and more products, of which attention's see every token;
    scores take exactly the useful rate.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> from dmcore.simulator.candidates import candidates_of, matmul_times
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> found = candidates_of(gpu, model, 16)
    >>> bool(np.all(matmul_bound(gpu, model, 16, found) <= matmul_times(gpu, model, found)))
    True
    """
    shares = model.experts * candidates.data
    arithmetic = value_of(
        arithmetic_time(),
        **model.executed_work,
        b=(shares * (model.batch_tokens // shares)).astype(float),
        N_GPU=float(n_gpu),
        F_peak=gpu.useful_flop_per_s,
    )
    latency = gpu.matmul_latency_s
    waits = all_layers(model, candidates, products_in_mlp(model.extras) * latency)
    if model.extras.attention:
        products = products_in_attention(model.extras)
        waits = waits + all_attention(model, candidates, products * latency)
    return waits + arithmetic


@dataclass(frozen=True)
class LeastTraffic:
    """Seconds of a step's traffic that no layout over the network levels goes below."""

    bandwidth_s: Floats  # tensor, pipeline and expert parallelism
    latency_s: Floats
    data_s: Floats

    def take(self, which: Any) -> LeastTraffic:
        """Those rows only, by index or mask."""
        return LeastTraffic(self.bandwidth_s[which], self.latency_s[which], self.data_s[which])


def least_traffic(gpu: GPU, model: Model, n_gpu: int, candidates: Candidates) -> LeastTraffic:
    """Seconds that the traffic of each candidate takes in any layout over the network levels.

    Proof. Write p_j for one degree at level j, P_i for its product over the levels j >= i, s_i for the
    GPUs inside level i, B_i for the sum of bandwidths at levels j >= i.

    1. The levels j >= i carry P_i - 1 hand-overs of an all-reduce together. The slowest takes at
       least the time in which the sum of the words passes over the sum of the bandwidths, as
       max x_j/y_j >= sum x_j/sum y_j: (P_i - 1)/B_i.
    2. The degrees inside level i multiply to s_i, so that one of them is at most s_i there:
       P_i >= P_0/s_i. That bounds data parallelism. The gradients of attention go over groups of
       experts as well, which is no less.
    3. Tensor parallelism hands over f (M_i - 1) + d (Q_i - 1) words with M_i Q_i >= M_0 Q_0/s_i. That is at
       least 2 sqrt(f d M_0 Q_0/s_i) - f - d, as the arithmetic mean is at least the geometric. For
       i = 0 the words are known exactly. Extras put other words for f and d.
    4. Boundaries that are crossed at some level are crossed at best at the widest and the quickest.
    5. A degree above one is above one at some level, and waits there for at least the shortest hop.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> from dmcore.simulator.candidates import candidates_of
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> found = candidates_of(gpu, model, 16)
    >>> f"{least_traffic(gpu, model, 16, found).bandwidth_s.max():.2e}"
    '9.44e-05'
    """
    load = load_of(model)
    data, slices_of_d, slices_of_f, pipeline, _ = degrees_of(candidates).astype(float)
    f, d = load.over_d, load.over_f
    w, _, w_gradient = load.bytes_each
    common = {"N_GPU": float(n_gpu)}

    tensor_s = data_s = np.zeros(len(candidates))
    inside = 1
    for i, size in enumerate(level_sizes(gpu, n_gpu)):
        reach = {**common, "beta": sum(level.bytes_per_s for level in gpu.network[i:])}
        if i == 0:
            words = f * (slices_of_d - 1) + d * (slices_of_f - 1)
        else:
            words = 2 * np.sqrt(f * d / inside * (slices_of_d * slices_of_f)) - f - d
        gradients = (data / inside - 1) * load.params
        tensor_s = np.maximum(tensor_s, value_of(hand_over_time(), u=words, w=w, **reach))
        sums_s = value_of(hand_over_time(), u=gradients, w=w_gradient, **reach)
        data_s = np.maximum(data_s, sums_s)
        inside *= size

    leaving = value_of(
        hand_overs_leaving(), v=candidates.interleaving.astype(float), p_out=pipeline
    )
    share = 1 - 1 / candidates.expert
    crossed, waits = (
        value_of(hand_overs_with_experts(), L=load.layers, n_out=leaving, s_out=outside)
        for outside in (share, float(share > 0))
    )
    widest = max(level.bytes_per_s for level in gpu.network)
    transfer_s = value_of(hand_over_time(), u=crossed * load.passed, w=w, beta=widest, **common)
    hop = min(level.latency_s for level in gpu.network)
    sliced = 1.0 * (slices_of_d > 1) + (slices_of_f > 1)
    in_a_row = waits + sliced * load.rounds
    latency_s = value_of(hand_over_latency(), n_hand=in_a_row, ell_hop=hop)
    data_wait_s = value_of(hand_over_latency(), n_hand=1.0 * (data > 1), ell_hop=hop)
    return LeastTraffic(tensor_s + transfer_s, latency_s, data_s + data_wait_s)


def lower_bound(
    candidates: Candidates, least: LeastTraffic, matmul: Floats, zero_bubble_latency: bool
) -> Floats:
    """Seconds of a step that no layout of a candidate over the network levels is faster than.

    Proof. The time of a step (:func:`dmcore.simulator.times.step_seconds`) does not fall as the time of
    any kind of traffic or of the matrix products grows, and here are no more than the true ones:
    :func:`least_traffic`, and ``matmul`` from :func:`~dmcore.simulator.candidates.matmul_times` or
    :func:`matmul_bound`.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> from dmcore.simulator.candidates import candidates_of, matmul_times
    >>> gpu, model = get_gpu("H100 SXM"), Model(512, 2048, 12, 64, seq_len=16)
    >>> found = candidates_of(gpu, model, 16)
    >>> least = least_traffic(gpu, model, 16, found)
    >>> bound = lower_bound(found, least, matmul_times(gpu, model, found), False)
    >>> f"{bound.min():.2e}"
    '4.07e-04'
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


def joined_beyond(gpu: GPU, inner: int) -> GPU:
    """The GPU with the network levels beyond level ``inner`` as one, over which no step takes longer.

    Its bandwidth is the sum of theirs, and its hop the shortest.

    Proof. The hand-overs that leave level ``inner`` are those that the levels beyond carry together, in
    words and in a row (:mod:`dmcore.simulator.traffic`). Sums overlap: the slowest level takes at least
    the time in which all words pass over all bandwidths, as in :func:`least_traffic`. What levels
    pass on one after the other takes no less, and each wait at least the shortest hop. A degree above
    one waits at one of the levels at least.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> [level.bytes_per_s / 1e9 for level in joined_beyond(get_gpu("H100 SXM Superpod"), 0).network]
    [900.0, 550.0]
    """
    within, beyond = gpu.network[: inner + 1], gpu.network[inner + 1 :]
    if len(beyond) < 2:
        return gpu
    bandwidth = sum(level.bytes_per_s for level in beyond)
    hop = min(level.latency_s for level in beyond)
    return replace(gpu, network=(*within, NetworkLevel(None, bandwidth, hop)))


def latency_floor_s(gpu: GPU, model: Model) -> float:
    """Seconds that a step takes on any cluster of whole experts, for the latency of its products.

    A stage runs its products of a layer for each microbatch, of which there are as many as stages.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> f"{latency_floor_s(get_gpu('H100 SXM'), Model(512, 2048, 12, 64)):.2e}"
    '3.24e-04'
    """
    products = products_in_mlp(model.extras) + products_in_attention(model.extras)
    return products * model.layers * gpu.matmul_latency_s
