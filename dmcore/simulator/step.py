"""One training step of a model split over a cluster in a given way: its time, and where that goes.

The paper's simulation. A step is one batch forward and backward, and the sum of the gradients over the
data-parallel replicas. Attention and activation memory are left out unless
:class:`~dmcore.models.model.Extras` ask for them; the optimizer's own work, failures and imbalance among
experts always, so that utilizations are upper bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from dmcore.algebra.checked import checked
from dmcore.algebra.expressions import value_of
from dmcore.algebra.numbers import largest
from dmcore.algebra.tables import html_table
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.models.model import Model
from dmcore.simulator.matmul import matmul_breakdown
from dmcore.simulator.pipeline import bubble_fraction, microbatches_needed
from dmcore.simulator.split import Parallelism
from dmcore.simulator.times import (
    activation_bytes,
    arithmetic_time,
    attention_seconds,
    attention_step_time,
    attention_tokens,
    layer_products,
    layer_seconds,
    matmul_step_time,
    score_kernels,
    score_seconds,
    shard,
    step_seconds,
    weight_bytes,
)
from dmcore.simulator.traffic import hand_overs, load_of, traffic_by_level

__all__ = ["LevelTraffic", "TrainingStep", "training_step"]

MONTH_S = SIMULATOR_YEAR_S / 12


@dataclass(frozen=True)
class LevelTraffic:
    """What one level of the network carries in a step.

    Attributes
    ----------
    tensor_bytes, point_to_point_bytes, data_bytes : float
        Bytes that all GPUs send over it: sums over slices of weights, what is passed on to stages
        and experts, and sums of gradients.
    tensor_s, point_to_point_s, data_s : float
        Seconds that this takes at half of the level's bandwidth.
    latency_s : float
        Seconds of waiting for its hops, of all three kinds.
    """

    tensor_bytes: float
    point_to_point_bytes: float
    data_bytes: float
    tensor_s: float
    point_to_point_s: float
    data_s: float
    latency_s: float


@dataclass(frozen=True, repr=False)
class TrainingStep:
    """The time of one step of a model on a cluster, and what it is made of.

    All times are seconds in one step. Bandwidth of tensor, pipeline and expert parallelism overlaps
    with the matrix products; :attr:`parts` adds up.

    Attributes
    ----------
    gpu, model, parallelism
        What was asked for.
    step_s : float
        The step.
    arithmetic_s : float
        What the arithmetic alone would take at the peak of all GPUs.
    matmul_s : float
        Matrix products.
    tensor_bandwidth_s, tensor_latency_s : float
        All-reduces of activations over the slices of the weights.
    point_to_point_bandwidth_s, point_to_point_latency_s : float
        Activations passed on to the next pipeline stage and expert.
    data_bandwidth_s, data_latency_s : float
        All-reduce of the gradients.
    bubble_fraction : float
        Share of the pipeline's time that a stage idles.
    memory_bytes : float
        Memory needed on each GPU, with its activations if the model counts them.
    zero_bubble_latency : bool
        Whether latency counts in a zero-bubble schedule; it does not in the authors' code.
    activation_bytes : float
        Activations on each GPU, 0 if the model does not count them.

    Examples
    --------
    >>> step = training_step("H100 SXM", Model(4096, 16384, 32, 256), Parallelism(data=(8,)))
    >>> step.n_gpu, step.binding
    (8, 'matmul arithmetic')
    """

    gpu: GPU
    model: Model
    parallelism: Parallelism
    step_s: float
    arithmetic_s: float
    matmul_s: float
    tensor_bandwidth_s: float
    tensor_latency_s: float
    point_to_point_bandwidth_s: float
    point_to_point_latency_s: float
    data_bandwidth_s: float
    data_latency_s: float
    bubble_fraction: float
    memory_bytes: float
    zero_bubble_latency: bool = False
    activation_bytes: float = 0.0

    @property
    def n_gpu(self) -> int:
        """GPUs in the cluster."""
        return self.parallelism.n_gpu

    @property
    def gpus_used_in_node(self) -> int:
        """GPUs of each node that are part of the cluster: a divisor of it, such as 64 of 72; 1 if flat."""
        if len(self.gpu.network) == 1:
            return 1
        return self.parallelism.level_products[0]

    @property
    def utilization(self) -> float:
        """Share of the peak arithmetic rate that is used.

        Counted with all tokens of the batch. Where experts and replicas do not divide it, nanobatches are
        rounded down to whole tokens, as in the authors' code, so that it may pass the GPU's efficiency:
        by up to 1/9 with nine experts.
        """
        return self.arithmetic_s / self.step_s

    @property
    def run_s(self) -> float:
        """Seconds of the whole training run."""
        return self.step_s * self.model.steps

    @property
    def months(self) -> float:
        """Months of the run, twelve to the simulation's year."""
        return self.run_s / MONTH_S

    @cached_property
    def matmul_parts(self) -> Mapping[str, float]:
        """``matmul_s`` by what binds each of the products: seconds for each boundary, and latency."""
        layer = dict.fromkeys(("arithmetic", "shared memory", "L2", "HBM", "latency"), 0.0)
        for count, d1, d2, tokens, gradient in layer_products(self.model, self.parallelism):
            product = matmul_breakdown(
                self.gpu, d1, d2, tokens, gradient, word_bytes=self.model.words
            )
            times = {
                "HBM": product.hbm_s,
                "L2": product.l2_s,
                "shared memory": product.shared_memory_s,
                "arithmetic": product.arithmetic_s,
            }
            slowest = largest({name: float(seconds) for name, seconds in times.items()})
            layer[slowest] += count * float(times[slowest])
            layer["latency"] += count * float(product.latency_s)
        if self.model.extras.attention:
            tokens = attention_tokens(self.model, self.parallelism)
            degree = self.parallelism.tensor_parallel
            layer["arithmetic"] += float(score_seconds(self.gpu, self.model, float(degree), tokens))
            layer["latency"] += score_kernels(self.model.extras) * self.gpu.matmul_latency_s
        passes = self.matmul_s / sum(layer.values())
        return {name: seconds * passes for name, seconds in layer.items()}

    @property
    def reduced_clock_s(self) -> float:
        """Seconds that the step's arithmetic takes longer at the useful rate than at the peak.

        No split wins them back. They are part of the matrix products' arithmetic in :attr:`parts`.
        """
        return self.arithmetic_s / self.gpu.efficiency - self.arithmetic_s

    @cached_property
    def traffic_by_level(self) -> tuple[LevelTraffic, ...]:
        """What each level of the network carries, node first.

        The times of a kind of traffic at different levels overlap where it sums something up, so that
        ``tensor_bandwidth_s`` and ``data_bandwidth_s`` are the largest of them; stages and experts
        pass on over one level after the other, so that ``point_to_point_bandwidth_s`` is their sum.
        """
        load, levels = load_of(self.model), len(self.gpu.network)
        split = self.parallelism.columns(levels)
        v = np.array([float(self.parallelism.interleaving)])
        words, _ = hand_overs(load, interleaving=v, **split)
        took = traffic_by_level(self.gpu, load, float(self.n_gpu), interleaving=v, **split)
        waits = took.tensor_latency_s + took.point_to_point_latency_s + took.data_latency_s
        seconds = took.tensor_bandwidth_s, took.point_to_point_bandwidth_s, took.data_bandwidth_s
        there_and_back = [2 * w * u for w, u in zip(load.bytes_each, words, strict=True)]
        columns = (*there_and_back, *seconds, waits)
        return tuple(
            LevelTraffic(*(float(column[level, 0]) for column in columns))
            for level in range(levels)
        )

    @cached_property
    def parts(self) -> Mapping[str, float]:
        """Seconds of the step by cause; they add up to ``step_s``."""
        bandwidth = self.tensor_bandwidth_s + self.point_to_point_bandwidth_s
        busy = max(self.matmul_s, bandwidth)
        with_bubble = busy / (1 - self.bubble_fraction)
        pipeline = self.step_s - self.data_bandwidth_s - self.data_latency_s
        return {
            **{f"matmul {name}": seconds for name, seconds in self.matmul_parts.items()},
            "tensor, pipeline and expert bandwidth": busy - self.matmul_s,
            "bubble": with_bubble - busy,
            "tensor, pipeline and expert latency": max(0.0, pipeline - with_bubble),
            "data bandwidth": self.data_bandwidth_s,
            "data latency": self.data_latency_s,
        }

    @property
    def binding(self) -> str:
        """The cause that takes most of the step, one of :attr:`parts`; the first of several equal ones.

        Network bandwidth that is slower than the matrix products binds as a whole: those only fill
        its time.
        """
        parts = dict(self.parts)
        if self.tensor_bandwidth_s + self.point_to_point_bandwidth_s > self.matmul_s:
            for name in self.matmul_parts:
                parts["tensor, pipeline and expert bandwidth"] += parts.pop(f"matmul {name}")
        return largest(parts)

    def _partly_used_nodes(self) -> list[tuple[str, str]]:
        size, used = self.gpu.network[0].size, self.gpus_used_in_node
        return [] if size in (None, used) else [("GPUs used in a node", f"{used} of {size}")]

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} on {self.n_gpu:,} x {self.gpu.name}: {self.step_s:.4g} s, "
            f"utilization {self.utilization:.1%}, run of {self.months:.3g} months, "
            f"most of it {self.binding}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("GPUs", f"{self.n_gpu:,} x {self.gpu.name}"),
            *self._partly_used_nodes(),
            ("utilization", f"{self.utilization:.1%}"),
            ("run", f"{self.months:.2f} months"),
            ("step", f"{self.step_s:.4g} s"),
            *((name, f"{seconds:.4g} s") for name, seconds in self.parts.items() if seconds),
            ("memory for each GPU", f"{self.memory_bytes / 1e9:.3g} GB"),
            ("binding", self.binding),
        ]
        return html_table(rows)


@checked
def training_step(
    gpu: GPU | str,
    model: Model,
    parallelism: Parallelism,
    *,
    zero_bubble_latency: bool = False,
) -> TrainingStep:
    """Seconds of one training step, and its breakdown.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    model : Model
        The model and its batch.
    parallelism : Parallelism
        How it is divided; the number of GPUs is the product of its degrees.
    zero_bubble_latency : bool
        Count latency in a zero-bubble schedule, where it hides behind the other work or the other
        work behind it. The authors' code leaves it out, which is the default here.

    Raises
    ------
    ValueError
        If the preset is unknown, or the combination impossible; the message says which rule it breaks.

    Examples
    --------
    >>> split = Parallelism(slices_of_f=(8,), pipeline=(1, 64), microbatches=64, interleaving=3)
    >>> training_step("H100 SXM", Model.from_laws(12288), split)
    <TrainingStep on 512 x H100 SXM: 38.26 s, utilization 52.7%, run of 9.2 months, ...>
    """
    gpu = get_gpu(gpu)
    _check_possible(gpu, model, parallelism)
    n_gpu, K, v = (
        float(value)
        for value in (parallelism.n_gpu, parallelism.microbatches, parallelism.interleaving)
    )
    matmul = _matmul_s(gpu, model, parallelism)
    step, moved = step_seconds(
        gpu,
        load_of(model),
        n_gpu,
        parallelism.columns(len(gpu.network)),
        np.array([K]),
        np.array([v]),
        np.array([parallelism.zero_bubble]),
        np.array([matmul]),
        zero_bubble_latency,
    )
    activations = float(_activations(model, parallelism)) / n_gpu
    ideal = value_of(
        arithmetic_time(),
        **model.work,
        b=float(model.batch_tokens),
        N_GPU=n_gpu,
        F_peak=gpu.peak_flop_per_s,
    )
    stages = float(parallelism.pipeline_parallel)
    idle = 0.0 if parallelism.zero_bubble else value_of(bubble_fraction(), N_PP=stages, K=K, v=v)
    return TrainingStep(
        gpu=gpu,
        model=model,
        parallelism=parallelism,
        step_s=float(step[0]),
        arithmetic_s=float(ideal),
        matmul_s=matmul,
        **{field.name: float(getattr(moved, field.name)[0]) for field in fields(moved)},
        bubble_fraction=float(idle),
        memory_bytes=float(_weights(model, parallelism)) / n_gpu + activations,
        zero_bubble_latency=zero_bubble_latency,
        activation_bytes=activations,
    )


def _matmul_s(gpu: GPU, model: Model, parallelism: Parallelism) -> float:
    """Seconds of all matrix products of a step, those of attention as well."""
    ds, fs, tokens = shard(model, parallelism)
    extras = model.extras
    values = {
        "L": float(model.layers),
        "E": float(model.experts),
        "N_PP": float(parallelism.pipeline_parallel),
        "N_EP": float(parallelism.expert_parallel),
        "K": float(parallelism.microbatches),
    }
    layer = layer_seconds(
        gpu, float(ds), float(fs), float(tokens), model.words, extras.forward_passes
    )
    matmul = value_of(matmul_step_time(), **values, t_layer=layer)
    if extras.attention:
        layer = attention_seconds(
            gpu,
            model,
            float(parallelism.total("slices_of_d")),
            float(parallelism.total("slices_of_f")),
            attention_tokens(model, parallelism),
        )
        matmul += value_of(attention_step_time(), **values, t_attention=layer)
    return float(matmul)


def _weights(model: Model, parallelism: Parallelism) -> Any:
    return weight_bytes(model, float(parallelism.data_parallel), float(parallelism.expert_parallel))


def _activations(model: Model, parallelism: Parallelism) -> Any:
    return activation_bytes(
        model,
        float(parallelism.pipeline_parallel),
        float(parallelism.microbatches),
        float(parallelism.interleaving),
        parallelism.zero_bubble,
    )


def _check_possible(gpu: GPU, model: Model, parallelism: Parallelism) -> None:
    levels = len(gpu.network)
    if len(parallelism.level_products) > levels:
        raise ValueError(
            f"parallelism must have at most the {levels} network levels of {gpu.name}, "
            f"got {len(parallelism.level_products)}"
        )
    for level, joined in zip(gpu.network, parallelism.level_products, strict=False):
        if level.size is not None and joined > level.size:
            raise ValueError(
                f"degrees at one network level must multiply to at most its size {level.size}, "
                f"got {joined}"
            )
    divided = {
        "slices_of_d": ("d_model", parallelism.total("slices_of_d"), model.d_model),
        "slices_of_f": ("d_ff", parallelism.total("slices_of_f"), model.d_ff),
        "pipeline": ("layers", parallelism.pipeline_parallel, model.layers),
        "expert": ("experts", parallelism.expert_parallel, model.experts),
        "data": ("batch_tokens", parallelism.data_parallel, model.batch_tokens),
    }
    for name, (whole_name, degree, whole) in divided.items():
        if whole % degree:
            raise ValueError(f"{name} must divide {whole_name} {whole}, got a degree of {degree}")
    if model.extras.attention and model.d_model % parallelism.total("slices_of_f"):
        raise ValueError(
            f"slices_of_f must divide d_model {model.d_model} for attention, "
            f"got a degree of {parallelism.total('slices_of_f')}"
        )
    tokens = model.batch_tokens // (model.experts * parallelism.data_parallel)
    if tokens == 0 or tokens % parallelism.microbatches:
        raise ValueError(
            "microbatches must divide the tokens that a replica has for each expert, "
            f"{tokens}, got {parallelism.microbatches}"
        )
    least = microbatches_needed(parallelism.pipeline_parallel, parallelism.zero_bubble)
    if parallelism.microbatches < least:
        raise ValueError(
            f"microbatches must be at least {least} for {parallelism.pipeline_parallel} pipeline "
            f"stages with zero_bubble={parallelism.zero_bubble}, got {parallelism.microbatches}"
        )
    blocks = parallelism.interleaving * parallelism.pipeline_parallel
    if model.layers % blocks:
        raise ValueError(
            f"interleaving times the pipeline stages must divide layers {model.layers}, got {blocks}"
        )
    weights, activations = _weights(model, parallelism), _activations(model, parallelism)
    if activations > parallelism.n_gpu * gpu.hbm_bytes - weights:
        needed = weights + activations
        raise ValueError(
            f"memory needed on each GPU must be at most its {gpu.hbm_bytes / 1e9:g} GB, "
            f"got {needed / parallelism.n_gpu / 1e9:.4g} GB"
        )
