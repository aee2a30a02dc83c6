"""Seconds and bytes of a training step, from the expressions up, for one split or arrays of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.hardware.gpu import GPU
from dmcore.models import activation_memory, attention
from dmcore.models.model import Extras, Model
from dmcore.models.words import Words
from dmcore.simulator.matmul import matmul_seconds
from dmcore.simulator.pipeline import pipeline_time
from dmcore.simulator.split import Parallelism
from dmcore.simulator.traffic import Traffic, TrafficLoad, traffic

__all__ = [
    "activation_bytes",
    "arithmetic_time",
    "attention_seconds",
    "attention_step_time",
    "attention_tokens",
    "cluster_memory",
    "expert_replica_memory",
    "layer_products",
    "layer_seconds",
    "matmul_step_time",
    "pipeline_seconds",
    "products_in_attention",
    "products_in_mlp",
    "score_kernels",
    "score_seconds",
    "score_time",
    "shard",
    "step_seconds",
    "weight_bytes",
]

Array = NDArray[np.float64]


# -------------------------------------------------------------------------------------- expressions


@cache
def arithmetic_time() -> sp.Expr:
    """Seconds of a step at the peak rate of all GPUs: three passes, two FLOP to a MAC.

    Examples
    --------
    >>> arithmetic_time()
    6*P*b/(E*F_peak*N_GPU)
    """
    P, b, E, N_GPU, F_peak = symbols("P b E N_GPU F_peak")
    return 6 * (P / E) * b / (F_peak * N_GPU)


@cache
def cluster_memory() -> sp.Expr:
    """Bytes that a cluster must hold: the weights in each replica, and four words more a parameter.

    Those are gradients and optimizer state, which the replicas share out among them.

    Examples
    --------
    >>> cluster_memory()
    N_DP*P*w_P + 4*P*w_G
    """
    P, N_DP, w_P, w_G = symbols("P N_DP w_P w_G")
    return P * w_P * N_DP + 4 * P * w_G


@cache
def expert_replica_memory() -> sp.Expr:
    """Bytes on top of :func:`cluster_memory` for attention, which each group of experts holds again.

    Examples
    --------
    >>> expert_replica_memory()
    N_DP*P_attention*w_P*(N_EP - 1)
    """
    P_attention, N_DP, N_EP, w_P = symbols("P_attention N_DP N_EP w_P")
    return P_attention * w_P * N_DP * (N_EP - 1)


@cache
def attention_step_time() -> sp.Expr:
    """Seconds of attention in a step, from the seconds of one microbatch in one layer.

    Examples
    --------
    >>> attention_step_time()
    K*L*t_attention/N_PP
    """
    L, N_PP, K, layer = symbols("L N_PP K t_attention")
    return (L / N_PP) * K * layer


@cache
def score_time() -> sp.Expr:
    """Seconds of the arithmetic of one layer's scores for ``z`` tokens, at the useful rate, split by heads.

    Forward as often as they are computed, and twice backward.

    Examples
    --------
    >>> score_time()
    2*S*d*z*(F_scores + 2)/(F_useful*N_TP)
    """
    F_scores, z, N_TP, F_useful = symbols("F_scores z N_TP F_useful")
    return FLOP_PER_MAC * attention.score_macs() * (F_scores + 2) * z / (N_TP * F_useful)


@cache
def matmul_step_time() -> sp.Expr:
    """Seconds of matrix products in a step, from the seconds that one microbatch takes in one layer.

    Examples
    --------
    >>> matmul_step_time()
    E*K*L*t_layer/(N_EP*N_PP)
    """
    L, N_PP, E, N_EP, K, layer = symbols("L N_PP E N_EP K t_layer")
    return (L / N_PP) * (E / N_EP) * K * layer


# ---------------------------------------------------------------------------------------- the times


def products_in_mlp(extras: Extras) -> int:
    """Matrix products of one MLP in a step: two forward, two backward, two gradients of weights.

    Examples
    --------
    >>> products_in_mlp(Extras())
    6
    >>> products_in_mlp(Extras(activation_memory="recompute"))
    8
    """
    return 2 * (extras.forward_passes + 2)


def products_in_attention(extras: Extras) -> int:
    """Kernels of one layer's attention in a step: as many projections as products of an MLP, and scores.

    Examples
    --------
    >>> products_in_attention(Extras(attention=True))
    8
    """
    return products_in_mlp(extras) + score_kernels(extras) if extras.attention else 0


def score_kernels(extras: Extras) -> int:
    """Kernels that compute scores in a step: one forward, one backward, which also computes them again.

    Examples
    --------
    >>> score_kernels(Extras(attention=True))
    2
    """
    return extras.forward_passes + 1


def layer_seconds(
    gpu: GPU, ds: Any, fs: Any, tokens: Any, words: Words, forward_passes: int = 1
) -> Any:
    """Seconds of the matrix products of one MLP on shards of ds x fs; floats or arrays.

    Six of them, and two more with each further forward pass.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> f"{layer_seconds(get_gpu('H100 SXM'), 4096.0, 16384.0, 512.0, Words.of(2)):.2e}"
    '6.43e-04'
    """
    rows, columns = np.stack([ds, fs]), np.stack([fs, ds])
    total = sum(
        count * matmul_seconds(gpu, rows, columns, tokens, words, gradient)
        for count, gradient in ((forward_passes + 1, False), (1, True))
    )
    return total[0] + total[1]


def _projections(ds: Any, hs: Any, forward_passes: int) -> Iterator[tuple[int, Any, Any, bool]]:
    """Products of the projections on shards of ds channels outside and hs inside: count, sides, gradient."""
    for outputs, inputs in ((3 * hs, ds), (ds, hs)):
        yield forward_passes, outputs, inputs, False
        yield 1, inputs, outputs, False
        yield 1, outputs, inputs, True


def score_seconds(gpu: GPU, model: Model, tensor_parallel: Any, tokens: Any) -> Any:
    """:func:`score_time` of a model; degrees and tokens are floats or arrays.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> model = Model(4096, 16384, 32, 256, extras=Extras(attention=True))
    >>> f"{score_seconds(get_gpu('H100 SXM'), model, 8.0, 4096.0):.2e}"
    '3.72e-05'
    """
    return value_of(
        score_time(),
        d=float(model.d_model),
        S=float(model.seq_len),
        F_scores=float(model.extras.score_passes),
        z=tokens,
        N_TP=tensor_parallel,
        F_useful=gpu.useful_flop_per_s,
    )


def attention_seconds(
    gpu: GPU, model: Model, slices_of_d: Any, slices_of_f: Any, tokens: Any
) -> Any:
    """Seconds of one layer's attention on one microbatch; degrees and tokens are floats or arrays.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> model = Model(4096, 16384, 32, 256, extras=Extras(attention=True))
    >>> f"{attention_seconds(get_gpu('H100 SXM'), model, 1.0, 8.0, 4096.0):.2e}"
    '3.71e-04'
    """
    ds, hs = model.d_model / slices_of_d, model.d_model / slices_of_f
    projections = sum(
        count * matmul_seconds(gpu, d1, d2, tokens, model.words, gradient)
        for count, d1, d2, gradient in _projections(ds, hs, model.extras.forward_passes)
    )
    scores = score_seconds(gpu, model, slices_of_d * slices_of_f, tokens)
    return projections + scores + score_kernels(model.extras) * gpu.matmul_latency_s


def layer_products(
    model: Model, parallelism: Parallelism
) -> Iterator[tuple[float, float, float, float, bool]]:
    """Products of a layer and microbatch on one GPU: count, sides, tokens, whether of a gradient.

    Examples
    --------
    >>> list(layer_products(Model(4096, 16384, 32, 256), Parallelism(slices_of_f=(8,))))[0]
    (2.0, 4096, 2048, 524288, False)
    """
    ds, fs, tokens = shard(model, parallelism)
    passes = model.extras.forward_passes
    experts = model.experts / parallelism.expert_parallel
    for count, gradient in ((passes + 1, False), (1, True)):
        for d1, d2 in ((ds, fs), (fs, ds)):
            yield experts * count, d1, d2, tokens, gradient
    if model.extras.attention:
        together = attention_tokens(model, parallelism)
        hs = model.d_model / parallelism.total("slices_of_f")
        for count, d1, d2, gradient in _projections(ds, hs, passes):
            yield count, d1, d2, together, gradient


def attention_tokens(model: Model, parallelism: Parallelism) -> float:
    """Tokens of a microbatch on a GPU, of all its experts together.

    Examples
    --------
    >>> attention_tokens(Model(4096, 16384, 32, 256), Parallelism(microbatches=4))
    131072.0
    """
    groups = parallelism.data_parallel * parallelism.expert_parallel * parallelism.microbatches
    return model.batch_tokens / groups


def weight_bytes(model: Model, data: Any, expert: Any) -> Any:
    """Bytes of weights, gradients and optimizer state in a cluster; degrees are floats or arrays.

    Examples
    --------
    >>> f"{weight_bytes(Model(4096, 16384, 32, 256), 1.0, 1.0):.3g}"
    '4.29e+10'
    """
    common = {"w_P": float(model.words.weights), "N_DP": data}
    held = {"P": float(model.params), "w_G": float(model.words.gradients)}
    total = value_of(cluster_memory(), **held, **common)
    if model.extras.attention:
        again = float(model.attention_params)
        total = total + value_of(expert_replica_memory(), P_attention=again, N_EP=expert, **common)
    return total


def activation_bytes(
    model: Model, stages: Any, microbatches: Any, interleaving: Any, zero_bubble: Any
) -> Any:
    """Bytes of activations in a cluster, 0 if they are not counted; floats or arrays.

    Examples
    --------
    >>> model = Model(4096, 16384, 32, 256, extras=Extras(activation_memory="full"))
    >>> f"{activation_bytes(model, 4.0, 8.0, 1.0, False):.3g}"
    '7.22e+11'
    """
    if model.extras.activation_memory is None:
        return 0.0
    kept, again = model.activation_words
    values = {
        "b": float(model.batch_tokens),
        "L": float(model.layers),
        "N_PP": stages,
        "K": microbatches,
        "c_kept": kept,
        "c_again": again,
    }
    return np.where(
        zero_bubble,
        value_of(activation_memory.cluster_activations(True), **values),
        value_of(activation_memory.cluster_activations(False), **values, v=interleaving),
    )


def shard(model: Model, parallelism: Parallelism) -> tuple[int, int, int]:
    """Sides of a shard of a weight matrix, and tokens of a nanobatch that meets it.

    Examples
    --------
    >>> shard(Model(4096, 16384, 32, 256), Parallelism(slices_of_f=(8,), microbatches=4))
    (4096, 2048, 131072)
    """
    replicas = parallelism.data_parallel * parallelism.microbatches * model.experts
    return (
        model.d_model // parallelism.total("slices_of_d"),
        model.d_ff // parallelism.total("slices_of_f"),
        model.batch_tokens // replicas,
    )


def pipeline_seconds(
    stages: Array,
    microbatches: Array,
    interleaving: Array,
    zero_bubble: NDArray[np.bool_],
    *,
    matmul: Array,
    bandwidth: Array,
    latency: Array,
    zero_bubble_latency: bool,
) -> Array:
    """Seconds of one pass over the batch for each candidate.

    Examples
    --------
    >>> one = np.ones(1)
    >>> pipeline_seconds(
    ...     4 * one, 4 * one, one, one < 0, matmul=one, bandwidth=0 * one, latency=0 * one,
    ...     zero_bubble_latency=False,
    ... )
    array([1.75])
    """
    values = {
        "N_PP": stages,
        "K": microbatches,
        "v": interleaving,
        "t_matmul": matmul,
        "t_bandwidth": bandwidth,
        "t_latency": latency,
    }
    return np.where(
        zero_bubble,
        value_of(pipeline_time(True, zero_bubble_latency), **values),
        value_of(pipeline_time(False), **values),
    )


def step_seconds(
    gpu: GPU,
    load: TrafficLoad,
    n_gpu: float,
    degrees: Mapping[str, Array],
    microbatches: Array,
    interleaving: Array,
    zero_bubble: NDArray[np.bool_],
    matmul: Array,
    zero_bubble_latency: bool,
) -> tuple[Array, Traffic]:
    """Seconds of a step and of its traffic, for each candidate; degrees are (levels, candidates).

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> from dmcore.simulator.split import DEGREES
    >>> from dmcore.simulator.traffic import load_of
    >>> one = np.ones((2, 1))
    >>> degrees = dict.fromkeys(DEGREES, one)
    >>> load = load_of(Model(4096, 16384, 32, 256))
    >>> step_seconds(get_gpu("H100 SXM"), load, 1.0, degrees, one[0], one[0], one[0] < 0, one[0], False)[0]
    array([1.])
    """
    moved = traffic(gpu, load, n_gpu, interleaving=interleaving, **degrees)
    pipeline = pipeline_seconds(
        np.prod(degrees["pipeline"], axis=0),
        microbatches,
        interleaving,
        zero_bubble,
        matmul=matmul,
        bandwidth=moved.tensor_bandwidth_s + moved.point_to_point_bandwidth_s,
        latency=moved.tensor_latency_s + moved.point_to_point_latency_s,
        zero_bubble_latency=zero_bubble_latency,
    )
    return pipeline + moved.data_bandwidth_s + moved.data_latency_s, moved
