"""Runs as columns of numbers, so that a thousand are predicted at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcore.prediction.machines import FAMILIES, Machine
from dmcore.prediction.transformer import PRECISIONS, Software, Split, Transformer, styles

__all__ = ["Case", "Columns", "columns", "take"]

Column = NDArray[np.float64]
Columns = Mapping[str, Column]


@dataclass(frozen=True)
class Case:
    """One run to predict: where, what, how it is split and with which software.

    Examples
    --------
    >>> from dmcore.prediction.machines import find_machine
    >>> model = Transformer(32, 4096, 14336, 32, kv_heads=8, mlp_matrices=3, vocab=128256)
    >>> Case(find_machine("H100"), model, Split(8, 128), Software()).machine.family
    'Hopper'
    """

    machine: Machine
    model: Transformer
    split: Split
    software: Software


_MODEL = {
    "L": "layers", "d": "d_model", "f": "d_ff", "h": "heads", "h_kv": "kv_heads",
    "d_head": "head_dim", "n_mlp": "mlp_matrices", "V": "vocab", "S": "seq_len", "E": "experts",
    "k": "experts_active", "shared": "shared_experts", "L_dense": "dense_layers",
    "f_dense": "d_ff_dense", "window": "window", "latent": "latent", "ahead": "predict_ahead",
}  # fmt: skip
_SPLIT = ("n_gpu", "batch", "microbatch", "tp", "pp", "vp", "cp", "dp", "ep", "etp", "shard")


def _numbers(case: Case) -> dict[str, float]:
    machine, split, software = case.machine, case.split, case.software
    gpu, style = machine.gpu, styles()[software.style]
    word, peak = PRECISIONS[software.precision]
    narrow = getattr(machine, peak) if peak else 1.0
    if software.precision == "int8":  # the gradients of the weights stay at 16 bit
        narrow = 3 / (1 + 2 / narrow)
    tpu = machine.family == "TPU"
    graphs = tpu or (software.graphs and case.model.experts == 1)
    late = machine.family in ("Hopper", "Blackwell")
    return {
        **{name: float(getattr(case.model, field)) for name, field in _MODEL.items()},
        **{name: float(getattr(split, name)) for name in _SPLIT},
        "zero": float(split.optimizer_sharded),
        "norm": split.tp if split.sequence_parallel else 1.0,
        **{
            f"again_{kind}": float(split.recompute == kind) for kind in ("selective", "full", "fit")
        },
        "family": FAMILIES.index(machine.family),
        "relative": machine.relative,
        "peak": gpu.peak_flop_per_s,
        "sms": 0.0 if tpu else float(gpu.sms),
        "d_half": machine.half_head,
        "array": machine.array,
        "hbm": gpu.hbm_bytes_per_s,
        "room": gpu.hbm_bytes,
        "near": gpu.network[0].bytes_per_s / 2,
        "far": gpu.network[-1].bytes_per_s / 2 if not tpu else gpu.network[0].bytes_per_s / 2,
        "node": float(gpu.network[0].size or split.n_gpu),
        "word": word,
        "narrow": narrow,
        "year": software.year,
        "flash": float(software.flash),
        "host_share": 0.1 if graphs else style.host_share,
        "waits": float(style.waits),
        "hides_tensor": float(style.hides_tensor),
        "hides_gradients": float(style.hides_gradients),
        "tpu": float(tpu),
        "attention": style.attention if late else 1.0,
    }


def columns(cases: Iterable[Case]) -> Columns:
    """A column of numbers for each property, with a number for each case.

    Examples
    --------
    >>> from dmcore.prediction.machines import find_machine
    >>> case = Case(find_machine("H100"), Transformer(24, 2048, 8192, 16), Split(8, 64), Software())
    >>> columns([case, case])["L"]
    array([24., 24.])
    """
    rows: Sequence[dict[str, Any]] = [_numbers(case) for case in cases]
    names = rows[0] if rows else _numbers.__annotations__
    return {name: np.array([row[name] for row in rows], dtype=float) for name in names}


def take(c: Columns, which: Any) -> Columns:
    """Some of the rows, by index or mask.

    Examples
    --------
    >>> take({"L": np.array([1.0, 2.0])}, [1])
    {'L': array([2.])}
    """
    return {name: column[which] for name, column in c.items()}
