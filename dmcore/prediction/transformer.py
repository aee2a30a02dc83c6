"""A transformer, its split over a cluster and the software that trains it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dmcore.algebra.checks import check_choice, check_not_negative, check_positive

__all__ = ["PRECISIONS", "RECOMPUTE", "Software", "Split", "Style", "Transformer", "styles"]

#: Words of the matrix products: bytes of one, and which peak they run at.
PRECISIONS: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "bf16": (2, ""),
        "fp16": (2, ""),
        "fp8": (1, "eight_bit"),
        "mxfp8": (1, "eight_bit"),
        "int8": (1, "eight_bit"),
        "nvfp4": (0.5, "four_bit"),
    }
)
#: What is computed again in the backward pass; "fit" is as many layers as memory demands.
RECOMPUTE = ("none", "selective", "full", "fit")


def _check_whole(it: Any, *names: str) -> None:
    for name in names:
        if getattr(it, name) % 1:
            raise ValueError(f"{name} must be a whole number, got {getattr(it, name):g}")


def _check_numbers(it: Any, zero: tuple[str, ...] = ()) -> None:
    for field in fields(it):
        value = getattr(it, field.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            (check_not_negative if field.name in zero else check_positive)(field.name, value)


@dataclass(frozen=True)
class Transformer:
    """The shape of a model.

    Attributes
    ----------
    layers, d_model, d_ff, heads : int
        Layers, width, inner width (of one expert, if there are experts) and heads.
    kv_heads, head_dim : int
        Heads of keys and values (0: as many as heads), and channels of a head (0: d_model / heads).
    mlp_matrices : int
        Two, or three of a gated MLP.
    vocab, seq_len : int
        Words of the vocabulary, and tokens in a sequence.
    experts, experts_active : int
        Routed experts of a layer, and how many of them a token is sent to.
    shared_experts : float
        Experts that all tokens pass, in units of d_ff.
    dense_layers, d_ff_dense : int
        Layers without experts, and their inner width (0: d_ff).
    window : int
        Tokens that half of the layers see (0: all layers see all).
    latent : bool
        Attention through the low ranks of DeepSeek-V2 and V3 (1536 and 512, heads of 192 and 128).
    predict_ahead : int
        Further layers, each with its output words, that predict tokens beyond the next.

    Raises
    ------
    ValueError
        If a number is negative, or zero where it must not be.

    Examples
    --------
    >>> Transformer(80, 8192, 28672, 64, kv_heads=8, mlp_matrices=3, vocab=128256).head_dim
    128.0
    """

    layers: float
    d_model: float
    d_ff: float
    heads: float
    kv_heads: float = 0
    head_dim: float = 0
    mlp_matrices: float = 2
    vocab: float = 51200
    seq_len: float = 2048
    experts: float = 1
    experts_active: float = 1
    shared_experts: float = 0
    dense_layers: float = 0
    d_ff_dense: float = 0
    window: float = 0
    latent: bool = False
    predict_ahead: float = 0

    def __post_init__(self) -> None:
        told = ("kv_heads", "head_dim", "shared_experts", "dense_layers", "d_ff_dense")
        _check_numbers(self, (*told, "window", "predict_ahead"))
        object.__setattr__(self, "kv_heads", self.kv_heads or self.heads)
        object.__setattr__(self, "head_dim", self.head_dim or self.d_model / self.heads)
        object.__setattr__(self, "d_ff_dense", self.d_ff_dense or self.d_ff)
        if self.experts == 1:
            object.__setattr__(self, "dense_layers", self.layers)


@dataclass(frozen=True)
class Split:
    """How a batch and a model are split.

    Attributes
    ----------
    n_gpu, batch, microbatch : int
        GPUs; sequences in a batch, and of one replica in a forward pass.
    tp, pp, vp, cp, dp, ep, etp : int
        Degrees of tensor, pipeline (and chunks in a stage), context, data, expert and the experts'
        tensor parallelism. ``dp`` 0 is what the others leave.
    shard : int
        GPUs that share one copy of the weights, as FSDP or ZeRO-3 do; 1 if each replica has one.
    optimizer_sharded : bool
        Whether replicas share the optimizer's state (ZeRO-1).
    recompute : str
        One of :data:`RECOMPUTE`.
    sequence_parallel : bool
        Whether the work between tensor-parallel matmuls is shared too.

    Raises
    ------
    ValueError
        If the degrees do not multiply to the GPUs, or the batch does not divide.

    Examples
    --------
    >>> Split(64, batch=128, tp=4, pp=4, cp=2).dp
    2.0
    """

    n_gpu: float
    batch: float
    microbatch: float = 1
    tp: float = 1
    pp: float = 1
    vp: float = 1
    cp: float = 1
    dp: float = 0
    ep: float = 1
    etp: float = 1
    shard: float = 1
    optimizer_sharded: bool = True
    recompute: str = "fit"
    sequence_parallel: bool = True

    def __post_init__(self) -> None:
        _check_numbers(self, ("dp",))
        check_choice("recompute", self.recompute, RECOMPUTE)
        inner = self.tp * self.pp * self.cp
        object.__setattr__(self, "dp", self.dp or self.n_gpu / inner)
        _check_whole(self, "n_gpu", "tp", "pp", "cp", "dp", "ep", "etp", "shard")
        if self.dp * inner != self.n_gpu:
            raise ValueError(
                f"tp, pp, cp and dp must multiply to n_gpu {self.n_gpu:g}, got "
                f"{self.tp:g} x {self.pp:g} x {self.cp:g} x {self.dp:g}"
            )

    def misfits(self, model: Transformer) -> Iterator[str]:
        """Why the split cannot be of that model, in words; nothing if it can.

        Examples
        --------
        >>> list(Split(16, 16, tp=16).misfits(Transformer(2, 96, 384, 8)))
        ['tp must divide the heads 8, got 16']
        """
        if model.heads % self.tp:
            yield f"tp must divide the heads {model.heads:g}, got {self.tp:g}"
        if self.pp > model.layers + 2:
            yield f"pp must be no more than the layers {model.layers:g}, got {self.pp:g}"
        if model.experts % self.ep:
            yield f"ep must divide the experts {model.experts:g}, got {self.ep:g}"
        if self.dp * self.cp * self.tp % (self.ep * self.etp):
            yield (
                f"ep times etp must divide dp times cp times tp, "
                f"{self.dp * self.cp * self.tp:g}, got {self.ep * self.etp:g}"
            )


@dataclass(frozen=True)
class Style:
    """What kinds of software hide and start; see ``software.toml``.

    Examples
    --------
    >>> styles()["PyTorch FSDP"].host_share
    1.0
    """

    words: tuple[str, ...]
    text: str
    host_share: float
    waits: bool = False
    hides_tensor: bool = True
    hides_gradients: bool = True
    interleaves: bool = False
    attention: float = 1.0


@cache
def styles() -> Mapping[str, Style]:
    """The styles of software by name, in the order in which they are looked for.

    Examples
    --------
    >>> list(styles())[-1]
    'Megatron'
    """
    text = Path(__file__).with_name("software.toml").read_text("utf-8")
    return MappingProxyType(
        {
            name: Style(**{**entry, "words": tuple(entry["words"])})
            for name, entry in tomllib.loads(text)["style"].items()
        }
    )


@dataclass(frozen=True)
class Software:
    """The software of a run.

    Attributes
    ----------
    style : str
        One of :func:`styles`.
    year : float
        Its date, as a year with its fraction.
    precision : str
        Words of the matrix products, one of :data:`PRECISIONS`.
    graphs : bool
        Whether a layer is started as one recorded graph.
    flash : bool
        Whether attention is one kernel that keeps no scores.

    Raises
    ------
    ValueError
        If style or precision is unknown.

    Examples
    --------
    >>> Software("Megatron", 2025.5, precision="fp8").graphs
    False
    """

    style: str = "Megatron"
    year: float = 2025.5
    precision: str = "bf16"
    graphs: bool = False
    flash: bool = True

    def __post_init__(self) -> None:
        check_choice("style", self.style, styles())
        check_choice("precision", self.precision, PRECISIONS)
        check_positive("year", self.year, finite=True)
