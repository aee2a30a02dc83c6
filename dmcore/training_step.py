"""One training step of a model split over a cluster in a given way: its time, and where that goes.

The paper's simulation. A step is one batch forward and backward, and the sum of the gradients over the
data-parallel replicas. Attention and activation memory are left out unless :class:`Extras` ask for them;
the optimizer's own work, failures and imbalance among experts always, so that utilizations are upper
bounds.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore import activation_memory, attention, scaling_laws
from dmcore.checks import check_choice, check_positive, check_positive_integer
from dmcore.communication import Traffic, TrafficLoad, traffic
from dmcore.hardware import GPU, get_gpu
from dmcore.matmul import matmul_breakdown, matmul_seconds
from dmcore.network import PASSES
from dmcore.numbers import largest
from dmcore.pipeline import bubble_fraction, microbatches_needed, pipeline_time
from dmcore.scaling_laws import (
    SIMULATOR_YEAR_S,
    BatchScaling,
    ShapeLaw,
    simulator_symbols,
    value_of,
)
from dmcore.symbols import FLOP_PER_MAC, symbols

__all__ = [
    "ACTIVATION_MEMORY",
    "Extras",
    "Model",
    "Parallelism",
    "TrainingStep",
    "arithmetic_time",
    "attention_step_time",
    "cluster_memory",
    "executed_macs",
    "expert_replica_memory",
    "forward_macs",
    "matmul_step_time",
    "training_step",
]

Array = NDArray[np.float64]

MONTH_S = SIMULATOR_YEAR_S / 12

#: What can be kept of the forward pass: all, all but scores, or the inputs of layers only.
ACTIVATION_MEMORY = ("full", "selective", "recompute")


# ------------------------------------------------------------------------------------ expressions


@cache
def arithmetic_time() -> sp.Expr:
    """Seconds of a step at the peak rate of all GPUs: three passes, two FLOP to a MAC."""
    P, b = symbols("P b")
    E, N_GPU, F_peak = simulator_symbols("E N_GPU F_peak")
    return 6 * (P / E) * b / (F_peak * N_GPU)


@cache
def cluster_memory() -> sp.Expr:
    """Bytes that a cluster must hold: the weights in each replica, and four words more a parameter.

    Those are gradients and optimizer state, which the replicas share out among them.
    """
    P, N_DP = symbols("P N_DP")
    (w,) = simulator_symbols("w")
    return P * w * N_DP + 4 * P * w


@cache
def expert_replica_memory() -> sp.Expr:
    """Bytes on top of :func:`cluster_memory` for attention, which each group of experts holds again."""
    (N_DP,) = symbols("N_DP")
    P_attention, N_EP, w = simulator_symbols("P_attention N_EP w")
    return P_attention * w * N_DP * (N_EP - 1)


@cache
def forward_macs() -> sp.Expr:
    """MAC of one forward pass for one token, with attention."""
    (L,) = symbols("L")
    (E,) = simulator_symbols("E")
    return scaling_laws.parameters() / E + L * attention.layer_macs()


@cache
def executed_macs(with_attention: bool) -> sp.Expr:
    """A third of the MAC of a step for one token: forward ``F_passes`` times, and twice backward.

    Scores go forward ``F_scores`` times: without being kept they are computed again.
    """
    (L,) = symbols("L")
    E, forward, score_forward = simulator_symbols("E F_passes F_scores")
    weights = scaling_laws.parameters() / E
    scores = sp.Integer(0)
    if with_attention:
        weights += L * attention.layer_parameters()
        scores = L * attention.score_macs()
    return ((forward + 2) * weights + (score_forward + 2) * scores) / 3


@cache
def attention_step_time() -> sp.Expr:
    """Seconds of attention in a step, from the seconds of one microbatch in one layer."""
    L, N_PP = symbols("L N_PP")
    K, layer = simulator_symbols("K t_attention")
    return (L / N_PP) * K * layer


@cache
def matmul_step_time() -> sp.Expr:
    """Seconds of matrix products in a step, from the seconds that one microbatch takes in one layer."""
    L, N_PP = symbols("L N_PP")
    E, N_EP, K, layer = simulator_symbols("E N_EP K t_layer")
    return (L / N_PP) * (E / N_EP) * K * layer


# ------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Extras:
    """What the paper leaves out and a model may count nevertheless; by default nothing.

    Attributes
    ----------
    attention : bool
        Attention before each MLP: its parameters, arithmetic, kernels and all-reduces
        (:mod:`dmcore.attention`). Its scores count as training compute, so that utilization is of the
        whole model's arithmetic.
    activation_memory : str, optional
        What a GPU must hold of the forward pass for the backward pass
        (:mod:`dmcore.activation_memory`): "full" keeps everything, "selective" all but attention's
        scores, which are computed again, "recompute" only the inputs of layers, whose whole forward
        pass with its all-reduces is done again. What is computed again is no training compute, so it
        lowers utilization. None leaves the memory out.

    Raises
    ------
    ValueError
        If a value is none of these.
    """

    attention: bool = False
    activation_memory: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.attention, bool):
            raise ValueError(f"attention must be True or False, got {self.attention!r}")
        if self.activation_memory is not None:
            check_choice("activation_memory", self.activation_memory, ACTIVATION_MEMORY)

    @property
    def forward_passes(self) -> int:
        """How often the forward pass is computed in a step."""
        return 2 if self.activation_memory == "recompute" else 1

    @property
    def score_passes(self) -> int:
        """How often the scores of attention are computed in a step but for their gradients."""
        return 2 if self.activation_memory in ("selective", "recompute") else 1


_NO_EXTRAS = Extras()


@dataclass(frozen=True)
class Model:
    """A model and the batch it trains on. A layer is one MLP: two matrices of d_model x d_ff.

    Attributes
    ----------
    d_model, d_ff : int
        Width of the model, and of the inside of a layer.
    layers : int
        Layers.
    batch_sequences : int
        Sequences in a batch.
    sparsity : int
        Experts in each layer, of which one is active for a token; 1 is a dense model.
    seq_len : int
        Tokens in a sequence.
    word_bytes : int
        Bytes in a word: 2 at 16 bit.
    extras : Extras
        What else is counted: nothing by default.

    Raises
    ------
    ValueError
        If a figure is not a whole number of at least 1.
    """

    d_model: int
    d_ff: int
    layers: int
    batch_sequences: int
    sparsity: int = 1
    seq_len: int = 2048
    word_bytes: int = 2
    extras: Extras = _NO_EXTRAS

    def __post_init__(self) -> None:
        for field in fields(self)[:-1]:
            value = getattr(self, field.name)
            check_positive_integer(field.name, value)
            object.__setattr__(self, field.name, int(value))  # NumPy's integers would overflow

    @classmethod
    def from_laws(
        cls,
        d_model: int,
        sparse: bool = False,
        batch_scaling: BatchScaling = "default",
        *,
        seq_len: int = 2048,
        aspect_ratio: float = 4,
        layer_law: ShapeLaw | None = None,
        sparsity_law: ShapeLaw | None = None,
        word_bytes: int = 2,
        extras: Extras = _NO_EXTRAS,
    ) -> Model:
        """The model of a width that the scaling laws make.

        Parameters
        ----------
        d_model : int
            Width.
        sparse : bool
            Whether there are experts, as many as ``sparsity_law`` says.
        batch_scaling : str or callable
            See :func:`dmcore.scaling_laws.batch_sequences`.
        seq_len, word_bytes : int
            See :class:`Model`.
        aspect_ratio : float
            d_ff / d_model.
        layer_law, sparsity_law : callable, optional
            (d_model, d_ff) -> whole number; the paper's by default.
        extras : Extras
            See :class:`Model`.

        Raises
        ------
        ValueError
            If a figure is out of range, or a law or ratio gives no whole number.
        """
        check_positive_integer("d_model", d_model)
        check_positive("aspect_ratio", aspect_ratio, finite=True)
        d_ff = aspect_ratio * d_model
        if d_ff != int(d_ff) or d_ff < 1:
            raise ValueError(
                "aspect_ratio must make d_ff a whole number, "
                f"got {aspect_ratio!r} for a d_model of {d_model!r}"
            )
        d_model, d_ff = int(d_model), int(d_ff)
        experts = (sparsity_law or scaling_laws.sparsity)(d_model, d_ff) if sparse else 1
        one_sequence = cls(
            d_model,
            d_ff,
            (layer_law or scaling_laws.layers)(d_model, d_ff),
            1,
            experts,
            seq_len,
            word_bytes,
            extras,
        )
        batch = scaling_laws.batch_sequences(
            one_sequence.training_flop, experts, seq_len, batch_scaling
        )
        return replace(one_sequence, batch_sequences=batch)

    @property
    def batch_tokens(self) -> int:
        """Tokens in a batch."""
        return self.batch_sequences * self.seq_len

    @cached_property
    def params(self) -> int:
        """Parameters, of all experts together, and of attention if that is counted."""
        mlps = value_of(
            scaling_laws.parameters(), d=self.d_model, f=self.d_ff, L=self.layers, E=self.sparsity
        )
        return int(mlps) + self.attention_params

    @property
    def attention_params(self) -> int:
        """Parameters of attention, 0 if it is not counted."""
        if not self.extras.attention:
            return 0
        return self.layers * int(value_of(attention.layer_parameters(), d=self.d_model))

    def _count(self, expr: sp.Expr) -> float:
        """The value of an expression in the model's figures."""
        known = {
            "d": float(self.d_model),
            "f": float(self.d_ff),
            "L": float(self.layers),
            "E": float(self.sparsity),
            "S": float(self.seq_len),
            "w": float(self.word_bytes),
            "F_passes": float(self.extras.forward_passes),
            "F_scores": float(self.extras.score_passes),
        }
        return float(
            value_of(expr, **{symbol.name: known[symbol.name] for symbol in expr.free_symbols})
        )

    @cached_property
    def work(self) -> Mapping[str, float]:
        """P and E for :func:`arithmetic_time`: P / E is the MAC of a token in one forward pass."""
        if not self.extras.attention:
            return {"P": float(self.params), "E": float(self.sparsity)}
        return {"P": self._count(forward_macs()), "E": 1.0}

    @cached_property
    def executed_work(self) -> Mapping[str, float]:
        """:attr:`work` with what is computed again."""
        if self.extras == _NO_EXTRAS:
            return self.work
        return {"P": self._count(executed_macs(self.extras.attention)), "E": 1.0}

    @property
    def training_tokens(self) -> int:
        """Tokens that the model is trained on."""
        return int(value_of(scaling_laws.training_tokens(), P=self.params))

    @property
    def training_flop(self) -> float:
        """Training compute in FLOP; what is computed again does not count."""
        if self.extras.attention:
            macs = PASSES * self.work["P"] * float(self.training_tokens)
            return FLOP_PER_MAC * macs
        return float(
            value_of(scaling_laws.training_flop(), P=float(self.params), E=float(self.sparsity))
        )

    @property
    def steps(self) -> float:
        """Steps of a run: batches in the training tokens."""
        return self.training_tokens / self.batch_tokens

    @cached_property
    def load(self) -> TrafficLoad:
        """What it has to move in one step."""
        return TrafficLoad(
            float(self.d_model),
            float(self.d_ff),
            float(self.layers),
            float(self.params),
            float(self.batch_tokens),
            float(self.word_bytes),
            self._all_reduces(),
            float(self.attention_params),
        )

    def _all_reduces(self) -> tuple[float, float, float]:
        """Mean words that slices of d_model and of d_ff sum up at once, and how often in a step."""
        times = self.extras.forward_passes + 1.0  # forward, and once backward
        inside, outside = times * self.d_ff, times * self.d_model
        if self.extras.attention:
            inside += self._count(attention.inside_all_reduced())
            outside += self._count(attention.outside_all_reduced())
            times *= 2
        return inside / times, outside / times, times * self.layers

    @cached_property
    def activation_words(self) -> tuple[float, float]:
        """Bytes of a token in a layer that are kept, and that come on top where it is computed again."""
        if self.extras.activation_memory is None:
            return 0.0, 0.0
        layer = activation_memory.mlp_bytes()
        if self.extras.attention:
            layer += activation_memory.attention_bytes()
            if self.extras.activation_memory == "full":
                layer += activation_memory.score_bytes()
        if self.extras.activation_memory == "recompute":
            return self._count(activation_memory.boundary_bytes()), self._count(layer)
        return self._count(layer), 0.0


Degrees = int | tuple[int, ...]


@dataclass(frozen=True)
class Parallelism:
    """How a step is divided over a cluster.

    A degree is a tuple over the levels of the network, node first: ``data=(1, 64)`` puts 64 replicas
    in different nodes. Levels left out have one. A number alone is for a network of one level.

    Attributes
    ----------
    data : tuple of int
        Replicas that share the batch.
    tensor_model, tensor_ff : tuple of int
        Slices of d_model and of d_ff of each weight matrix.
    pipeline : tuple of int
        Stages that share the layers.
    expert : tuple of int
        Groups that share the experts.
    microbatches : int
        Vertical microbatches K, which follow each other through the pipeline.
    interleaving : int
        Blocks of layers v that a stage holds.
    zero_bubble : bool
        Whether weight gradients fill the gaps of the pipeline.

    Raises
    ------
    ValueError
        If a degree is not a whole number of at least 1, or an interleaving goes with a zero-bubble
        schedule or with no pipeline.
    """

    data: Degrees = ()
    tensor_model: Degrees = ()
    tensor_ff: Degrees = ()
    pipeline: Degrees = ()
    expert: Degrees = ()
    microbatches: int = 1
    interleaving: int = 1
    zero_bubble: bool = False

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in _DEGREES}
        tuples = {
            name: tuple(value) if isinstance(value, (tuple, list)) else (value,)
            for name, value in given.items()
        }
        levels = max(1, *map(len, tuples.values()))
        for name, degrees in tuples.items():
            for degree in degrees:
                check_positive_integer(name, degree)
            padded = tuple(map(int, degrees)) + (1,) * (levels - len(degrees))
            object.__setattr__(self, name, padded)
        check_positive_integer("microbatches", self.microbatches)
        check_positive_integer("interleaving", self.interleaving)
        if not isinstance(self.zero_bubble, bool):
            raise ValueError(f"zero_bubble must be True or False, got {self.zero_bubble!r}")
        if self.interleaving > 1 and (self.zero_bubble or self.pipeline_parallel == 1):
            raise ValueError(
                "interleaving must be 1 without a pipeline or with zero_bubble, "
                f"got {self.interleaving!r}"
            )

    def degrees_at(self, name: str) -> tuple[int, ...]:
        """Degrees of that name, by level."""
        degrees: tuple[int, ...] = getattr(self, name)
        return degrees

    @property
    def data_parallel(self) -> int:
        """Data-parallel degree in all."""
        return math.prod(self.degrees_at("data"))

    @property
    def tensor_model_parallel(self) -> int:
        """Slices of d_model in all."""
        return math.prod(self.degrees_at("tensor_model"))

    @property
    def tensor_ff_parallel(self) -> int:
        """Slices of d_ff in all."""
        return math.prod(self.degrees_at("tensor_ff"))

    @property
    def tensor_parallel(self) -> int:
        """Tensor-parallel degree in all: shards of a weight matrix."""
        return self.tensor_model_parallel * self.tensor_ff_parallel

    @property
    def pipeline_parallel(self) -> int:
        """Pipeline-parallel degree in all."""
        return math.prod(self.degrees_at("pipeline"))

    @property
    def expert_parallel(self) -> int:
        """Expert-parallel degree in all."""
        return math.prod(self.degrees_at("expert"))

    @property
    def n_gpu(self) -> int:
        """GPUs in all."""
        return math.prod(self.level_products)

    @property
    def level_products(self) -> tuple[int, ...]:
        """GPUs, nodes, ... that each level joins."""
        by_level = zip(*(self.degrees_at(name) for name in _DEGREES), strict=True)
        return tuple(math.prod(degrees) for degrees in by_level)

    def columns(self, levels: int) -> dict[str, Array]:
        """Degrees as float arrays of shape (levels, 1), filled up with ones."""
        return {
            name: np.array(self.degrees_at(name) + (1,) * levels, dtype=float)[:levels, None]
            for name in _DEGREES
        }


_DEGREES = ("data", "tensor_model", "tensor_ff", "pipeline", "expert")


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
        for count, d1, d2, tokens, gradient in _layer_products(self.model, self.parallelism):
            product = matmul_breakdown(
                self.gpu, d1, d2, tokens, gradient, word_bytes=self.model.word_bytes
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
            tokens = _attention_tokens(self.model, self.parallelism)
            degree = self.parallelism.tensor_parallel
            layer["arithmetic"] += float(score_seconds(self.gpu, self.model, degree, tokens))
            layer["latency"] += score_kernels(self.model.extras) * self.gpu.matmul_latency_s
        passes = self.matmul_s / sum(layer.values())
        return {name: seconds * passes for name, seconds in layer.items()}

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

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} on {self.n_gpu:,} x {self.gpu.name}: {self.step_s:.4g} s, "
            f"utilization {self.utilization:.1%}, run of {self.months:.3g} months, "
            f"most of it {self.binding}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("GPUs", f"{self.n_gpu:,} x {self.gpu.name}"),
            ("utilization", f"{self.utilization:.1%}"),
            ("run", f"{self.months:.2f} months"),
            ("step", f"{self.step_s:.4g} s"),
            *((name, f"{seconds:.4g} s") for name, seconds in self.parts.items() if seconds),
            ("memory for each GPU", f"{self.memory_bytes / 1e9:.3g} GB"),
            ("binding", self.binding),
        ]
        cells = "".join(
            f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in rows
        )
        return f"<table>{cells}</table>"


# -------------------------------------------------------------------------------------- the times


def products_in_mlp(extras: Extras) -> int:
    """Matrix products of one MLP in a step: two forward, two backward, two gradients of weights."""
    return 2 * (extras.forward_passes + 2)


def products_in_attention(extras: Extras) -> int:
    """Kernels of one layer's attention in a step: as many projections as products of an MLP, and scores."""
    return products_in_mlp(extras) + score_kernels(extras) if extras.attention else 0


def score_kernels(extras: Extras) -> int:
    """Kernels that compute scores in a step: one forward, one backward, which also computes them again."""
    return extras.forward_passes + 1


def layer_seconds(
    gpu: GPU, ds: Any, fs: Any, tokens: Any, word_bytes: float, forward_passes: int = 1
) -> Any:
    """Seconds of the matrix products of one MLP on shards of ds x fs; floats or arrays.

    Six of them, and two more with each further forward pass.
    """
    rows, columns = np.stack([ds, fs]), np.stack([fs, ds])
    total = sum(
        count * matmul_seconds(gpu, rows, columns, tokens, word_bytes, gradient)
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
    """Seconds of the arithmetic of scores in one layer, at the useful rate, split by heads."""
    macs = model._count(attention.score_macs()) * (model.extras.score_passes + 2)
    return FLOP_PER_MAC * macs * tokens / (tensor_parallel * gpu.useful_flop_per_s)


def attention_seconds(
    gpu: GPU, model: Model, tensor_model: Any, tensor_ff: Any, tokens: Any
) -> Any:
    """Seconds of one layer's attention on one microbatch; degrees and tokens are floats or arrays."""
    ds, hs = model.d_model / tensor_model, model.d_model / tensor_ff
    projections = sum(
        count * matmul_seconds(gpu, d1, d2, tokens, model.word_bytes, gradient)
        for count, d1, d2, gradient in _projections(ds, hs, model.extras.forward_passes)
    )
    scores = score_seconds(gpu, model, tensor_model * tensor_ff, tokens)
    return projections + scores + score_kernels(model.extras) * gpu.matmul_latency_s


def _layer_products(
    model: Model, parallelism: Parallelism
) -> Iterator[tuple[float, float, float, float, bool]]:
    """Products of a layer and microbatch on one GPU: count, sides, tokens, whether of a gradient."""
    ds, fs, tokens = shard(model, parallelism)
    passes = model.extras.forward_passes
    experts = model.sparsity / parallelism.expert_parallel
    for count, gradient in ((passes + 1, False), (1, True)):
        for d1, d2 in ((ds, fs), (fs, ds)):
            yield experts * count, d1, d2, tokens, gradient
    if model.extras.attention:
        together = _attention_tokens(model, parallelism)
        hs = model.d_model / parallelism.tensor_ff_parallel
        for count, d1, d2, gradient in _projections(ds, hs, passes):
            yield count, d1, d2, together, gradient


def _attention_tokens(model: Model, parallelism: Parallelism) -> float:
    """Tokens of a microbatch on a GPU, of all its experts together."""
    groups = parallelism.data_parallel * parallelism.expert_parallel * parallelism.microbatches
    return model.batch_tokens / groups


def weight_bytes(model: Model, data: Any, expert: Any) -> Any:
    """Bytes of weights, gradients and optimizer state in a cluster; degrees are floats or arrays."""
    common = {"w": float(model.word_bytes), "N_DP": data}
    total = value_of(cluster_memory(), P=float(model.params), **common)
    if model.extras.attention:
        again = float(model.attention_params)
        total = total + value_of(expert_replica_memory(), P_attention=again, N_EP=expert, **common)
    return total


def activation_bytes(
    model: Model, stages: Any, microbatches: Any, interleaving: Any, zero_bubble: Any
) -> Any:
    """Bytes of activations in a cluster, 0 if they are not counted; floats or arrays."""
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
    """Sides of a shard of a weight matrix, and tokens of a nanobatch that meets it."""
    replicas = parallelism.data_parallel * parallelism.microbatches * model.sparsity
    return (
        model.d_model // parallelism.tensor_model_parallel,
        model.d_ff // parallelism.tensor_ff_parallel,
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
    """Seconds of one pass over the batch for each candidate."""
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
    """Seconds of a step and of its traffic, for each candidate; degrees are (levels, candidates)."""
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
    """
    gpu = get_gpu(gpu)
    _check_possible(gpu, model, parallelism)
    n_gpu = float(parallelism.n_gpu)
    ds, fs, tokens = shard(model, parallelism)
    extras = model.extras
    values = {
        "L": float(model.layers),
        "E": float(model.sparsity),
        "N_PP": float(parallelism.pipeline_parallel),
        "N_EP": float(parallelism.expert_parallel),
        "K": float(parallelism.microbatches),
        "v": float(parallelism.interleaving),
    }
    layer = layer_seconds(
        gpu, float(ds), float(fs), float(tokens), model.word_bytes, extras.forward_passes
    )
    matmul = value_of(matmul_step_time(), **values, t_layer=layer)
    if extras.attention:
        layer = attention_seconds(
            gpu,
            model,
            float(parallelism.tensor_model_parallel),
            float(parallelism.tensor_ff_parallel),
            _attention_tokens(model, parallelism),
        )
        matmul += value_of(attention_step_time(), **values, t_attention=layer)
    step, moved = step_seconds(
        gpu,
        model.load,
        n_gpu,
        parallelism.columns(len(gpu.network)),
        np.array([values["K"]]),
        np.array([values["v"]]),
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
    idle = 0.0 if parallelism.zero_bubble else float(value_of(bubble_fraction(), **values))
    return TrainingStep(
        gpu=gpu,
        model=model,
        parallelism=parallelism,
        step_s=float(step[0]),
        arithmetic_s=float(ideal),
        matmul_s=float(matmul),
        **{field.name: float(getattr(moved, field.name)[0]) for field in fields(moved)},
        bubble_fraction=idle,
        memory_bytes=float(_weights(model, parallelism)) / n_gpu + activations,
        zero_bubble_latency=zero_bubble_latency,
        activation_bytes=activations,
    )


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
        "tensor_model": ("d_model", parallelism.tensor_model_parallel, model.d_model),
        "tensor_ff": ("d_ff", parallelism.tensor_ff_parallel, model.d_ff),
        "pipeline": ("layers", parallelism.pipeline_parallel, model.layers),
        "expert": ("sparsity", parallelism.expert_parallel, model.sparsity),
        "data": ("batch_tokens", parallelism.data_parallel, model.batch_tokens),
    }
    for name, (whole_name, degree, whole) in divided.items():
        if whole % degree:
            raise ValueError(f"{name} must divide {whole_name} {whole}, got a degree of {degree}")
    if model.extras.attention and model.d_model % parallelism.tensor_ff_parallel:
        raise ValueError(
            f"tensor_ff must divide d_model {model.d_model} for attention, "
            f"got a degree of {parallelism.tensor_ff_parallel}"
        )
    tokens = model.batch_tokens // (model.sparsity * parallelism.data_parallel)
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
