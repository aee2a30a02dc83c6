"""The whole step: layers behind their gathering, stages, the pipeline, gradients and the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_scalar, refuse
from dmcore.hardware.gpu import GPU
from dmcore.prediction.columns import Case, Column, Columns, columns
from dmcore.prediction.constants import constants, spread
from dmcore.prediction.layer import (
    Constants,
    head_time,
    layer_times,
    ring,
    software_share,
    term,
    tokens,
)
from dmcore.prediction.machines import Machine, find_machine
from dmcore.prediction.memory import expert_replicas, recomputed_share, room_taken, weights
from dmcore.prediction.transformer import Software, Split, Transformer

__all__ = ["PARTS", "Prediction", "predict", "predict_step", "step_parts", "tokens_per_s"]

#: Parts of a step, in the order in which they are told.
PARTS = (
    "matmuls", "attention", "element-wise", "host", "messages", "recomputation", "gathering",
    "output words", "uneven stages", "pipeline", "hand-over", "gradients", "optimizer", "fixed",
)  # fmt: skip


def _layers(c: Columns, k: Constants, again: Column) -> dict[str, Column]:
    """Mean of a layer over those with and without experts, with recomputation and gathering."""
    w = weights(c)
    total: dict[str, Column] = {}
    for moe, share in ((False, c["L_dense"] / c["L"]), (True, 1 - c["L_dense"] / c["L"])):
        if not share.any():
            continue
        t = layer_times(c, k, moe)
        extra = np.where(c["again_selective"] > 0, t["selective"], c["again_full"] * t["full"])
        extra = extra + again * np.maximum(0, t["full"] - extra)
        held = w["shared"] + w["routed"] if moe else w["dense"]
        send = term(
            "gather", w_P=2.0, P=held, N_shard=c["shard"], beta_ring=ring(c, c["tp"], c["shard"], k)
        )
        bare = np.where(c["tpu"] > 0, 0.0, np.minimum(1, k["x_shard"] * software_share(c, k)))
        forth = term("behind", t_work=t["forward"], t_send=send, x_shard=bare)
        back = term("behind", t_work=t["backward"] + extra, t_send=2 * send, x_shard=bare)
        both = t["forward"] + t["backward"] + extra
        t["recomputation"] = extra
        t["gathering"] = forth + back - both
        t["layer"] = forth + back
        weight = share + (c["ahead"] / c["L"] if moe else 0)
        for name, value in t.items():
            total[name] = total.get(name, 0) + weight * value
    return total


def _outside(c: Columns, k: Constants, hidden_by: Column) -> dict[str, Column]:
    """What a step takes outside the pipeline's schedule."""
    w, dp, one = weights(c), c["dp"] * c["cp"], np.ones_like(c["dp"])
    among, whole = expert_replicas(c), w["stage"] + w["words"]
    word = np.where(c["hides_gradients"] > 0, 4.0, 6.0)
    sums = term("gradients", w_G=word, P=whole, N_DP=dp, beta_ring=ring(c, c["tp"], dp, k))
    experts = ring(c, c["ep"] * c["etp"], among, k)
    sums = sums + term("gradients", w_G=4.0, P=w["experts"], N_DP=among, beta_ring=experts)
    sums = np.where(c["shard"] > 1, 0.0, sums)
    bare = term(
        "gradients_exposed", t_send=sums, t_work=hidden_by, x_hide=k["x_hide"], x_least=k["x_least"]
    )
    own = np.where(c["shard"] > 1, c["shard"], np.where(c["zero"] > 0, dp, one))
    return {
        "gradients": np.where(c["hides_gradients"] > 0, bare, sums),
        "optimizer": term(
            "optimizer", w_state=30.0, P=whole + w["experts"], N_shard=own, beta_hbm=c["hbm"]
        ),
        "fixed": k["t_fixed"] * one,
    }


@checked
def step_parts(c: Columns, k: Constants | None = None) -> dict[str, Column]:
    """Seconds of each of :data:`PARTS` in a step, and ``step``, their sum.

    Parameters
    ----------
    c : mapping of str to array
        Cases, of :func:`~dmcore.prediction.columns.columns`.
    k : mapping of str to float, optional
        The constants, the package's if not given.

    Examples
    --------
    >>> from dmcore.prediction.columns import Case, columns
    >>> case = Case(find_machine("H100"), Transformer(24, 2048, 8192, 16), Split(8, 64), Software())
    >>> parts = step_parts(columns([case]))
    >>> bool(abs(sum(parts[name] for name in PARTS) / parts["step"] - 1) < 1e-12)
    True
    """
    k = constants() if k is None else k
    again = np.where(c["again_fit"] > 0, recomputed_share(c), 0.0)
    layer = _layers(c, k, again)
    even = c["L"] / c["pp"]
    fullest = np.ceil(c["L"] / (c["pp"] * c["vp"])) * c["vp"]
    # Stages that would leave one empty, and models whose stages are laid out by hand, are even.
    by_hand = (c["latent"] > 0) | (fullest * (c["pp"] - 1) >= c["L"])
    fullest = np.where(by_hand, even, fullest)
    slack = np.maximum(0, fullest * c["pp"] - c["L"]) * layer["layer"]
    head = np.maximum(0, head_time(c, k) - slack)
    micro = c["batch"] / (c["dp"] * c["microbatch"])
    work = fullest * layer["layer"]
    bubble = (c["pp"] - 1) / c["vp"] * work
    outside = _outside(c, k, work + bubble)
    bare = np.where(c["hides_gradients"] > 0, k["x_hand"], 1.0)
    handed = term(
        "hand_over", x_hand=bare, K=micro, v=c["vp"], w_A=2.0, z=tokens(c), d=c["d"], N_TP=c["tp"],
        beta_far=c["far"],
    ) * (c["pp"] > 1)  # fmt: skip
    exposed = handed + sum(outside.values())
    step = term(
        "step",
        K=micro,
        N_PP=c["pp"],
        v=c["vp"],
        t_stage=work + head,
        t_work=work,
        t_exposed=exposed,
    )
    times = micro * even
    told = {
        "matmuls": "products", "attention": "attention", "element-wise": "element", "host": "host",
        "messages": "messages", "recomputation": "recomputation", "gathering": "gathering",
    }  # fmt: skip
    return {
        **{name: times * layer[part] for name, part in told.items()},
        "output words": micro * head,
        "uneven stages": micro * (fullest - even) * layer["layer"],
        "pipeline": bubble,
        "hand-over": handed,
        **outside,
        "step": step,
    }


@checked
def tokens_per_s(c: Columns, k: Constants | None = None) -> Column:
    """Tokens per second and GPU of each case.

    Examples
    --------
    >>> case = Case(find_machine("A100"), Transformer(24, 2048, 8192, 16), Split(8, 64), Software())
    >>> bool(10_000 < tokens_per_s(columns([case]))[0] < 30_000)
    True
    """
    return c["batch"] * c["S"] / step_parts(c, k)["step"] / c["n_gpu"]


@dataclass(frozen=True)
class Prediction:
    """What a run is expected to reach.

    Attributes
    ----------
    step_s : float
        Seconds of a step.
    tok_s_gpu, low, high : float
        Tokens per second and GPU, and the range that holds four runs of five.
    parts : mapping of str to float
        Seconds of each of :data:`PARTS`.
    memory : float
        Share of a GPU's memory that the run needs, with all recomputation that it may use.
    """

    step_s: float
    tok_s_gpu: float
    low: float
    high: float
    parts: Mapping[str, float]
    memory: float


@checked
def predict(
    cases: list[Case], k: Constants | None = None, anchor: float | None = None
) -> list[Prediction]:
    """Predictions of many cases at once; ``anchor`` is measured over predicted of one's own runs.

    Examples
    --------
    >>> case = Case(find_machine("H100"), Transformer(24, 2048, 8192, 16), Split(8, 64), Software())
    >>> [first, second] = predict([case, case])
    >>> first.tok_s_gpu == second.tok_s_gpu
    True
    """
    if not cases:
        return []
    if anchor is not None:
        check_scalar("anchor", anchor)
    if k is not None and not set(constants()) <= set(k):
        refuse("k", dict(k), f"a number for each of {', '.join(constants())}")
    c, scale = columns(cases), anchor or 1
    parts = {name: value / scale for name, value in step_parts(c, k).items()}
    rates = c["batch"] * c["S"] / parts["step"] / c["n_gpu"]
    state, _, least = room_taken(c)
    found = []
    for i, case in enumerate(cases):
        family = "experts" if case.model.experts > 1 else "dense"
        low, high = spread(family, anchored=anchor is not None)
        rate, own = float(rates[i]), {name: float(parts[name][i]) for name in PARTS}
        seconds, memory = float(parts["step"][i]), float(state[i] + least[i])
        told = MappingProxyType(own)
        found.append(Prediction(seconds, rate, rate * low, rate * high, told, memory))
    return found


@checked
def predict_step(
    gpu: str | GPU | Machine,
    transformer: Transformer,
    split: Split,
    software: Software | None = None,
) -> Prediction:
    """What a training step takes as runs are found to go, where the simulator gives a bound.

    Parameters
    ----------
    gpu : str, GPU or Machine
        A name such as "H100", or an accelerator of the catalog.
    transformer : Transformer
        The shape of the model.
    split : Split
        How it is split.
    software : Software, optional
        Megatron of 2025 at bf16 if not given.

    Raises
    ------
    ValueError
        If the accelerator is unknown, or the split cannot be of the model.

    Examples
    --------
    >>> model = Transformer(80, 8192, 28672, 64, kv_heads=8, mlp_matrices=3, vocab=128256, seq_len=8192)
    >>> told = predict_step("H100", model, Split(64, 128, tp=4, pp=4, cp=2, vp=5))
    >>> told.low < told.tok_s_gpu < told.high
    True
    """
    if isinstance(gpu, Machine):
        machine = gpu
    elif isinstance(gpu, GPU):
        machine = find_machine(gpu.name)
        machine = Machine(gpu, machine.family, machine.relative, machine.power_W)
    else:
        machine = find_machine(gpu)
    for reason in split.misfits(transformer):
        raise ValueError(reason)
    return predict([Case(machine, transformer, split, software or Software())])[0]
