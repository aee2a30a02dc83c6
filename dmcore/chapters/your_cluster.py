"""Sweeps for a reader to pick among, and a sweep of the reader's own cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from math import isfinite
from typing import Any

from dmcore.algebra.derivation import building_page
from dmcore.chapters.sweeps import (
    COLUMNS,
    COMPUTE,
    END,
    MIX,
    own_sweep,
    own_sweep_choices,
    sweep_grid,
)
from dmcore.hardware.catalog import GPUS, names
from dmcore.hardware.gpu import GB
from dmcore.hardware.variants import figures_of
from dmcore.models.laws import BATCH_LAWS, DEPTH_LAWS
from dmcore.show.cluster import ClusterFigure, runs_of
from dmcore.show.explorer import Menu, Slider
from dmcore.show.grid import Choice, Column, GridFigure, Runs
from dmcore.show.settings import AS_TOLD, batch_told
from dmcore.show.widgets import explore, interact
from dmcore.simulator.search import MIN_UTILIZATION
from dmcore.simulator.sweep import D_MODELS, Sweep, sweep

__all__ = ["cluster", "grid", "pick_a_sweep"]

#: Sizes of words that a reader may set, by symbol.
_WORDS = {"w_P": "a weight", "w_A": "an activation between GPUs", "w_G": "a gradient"}
#: What a reader chooses among for what is kept of the forward pass: the words of MEMORY_CHOICES.
_MEMORY_WORDS = (
    "not counted, as in the paper",
    "all",
    "all but the scores of attention",
    "the inputs of layers; the rest is computed again",
)
_LAW_WORDS = tuple(law.words for law in BATCH_LAWS.values())

#: What is told of a run of the reader's own cluster.
_OWN = (
    Column("training_flop", "the run", "FLOP"),
    Column("params", "parameters"),
    Column("batch_tokens", "tokens in a batch"),
    Column("step_s", "a step", "s"),
    Column("days", "length of the run", "days"),
    Column("utilization", "utilization of the GPUs in use", "%", 0.01),
    Column("n_gpu_idle", "idle GPUs"),
    Column("gpus_used_in_node", "GPUs used in each node"),
    Column("next_training_flop", "the next larger run", "FLOP"),
    Column("next_days", "which would take", "days"),
    Column("tokens_per_s", "tokens per second"),
    *(COLUMNS[f"{name}_parallel"] for name in ("tensor", "pipeline", "expert", "data")),
    COLUMNS["microbatches"],
    COLUMNS["binding"],
)
#: What can be asked for; the axis ends with the runs.
_COMPUTE = replace(COMPUTE, high=1e37)
_NAMES = tuple(name for name in COLUMNS if name != "memory_bytes")

# ----------------------------------------------------------------------------------------- grid

_DURATIONS = {"1 month": 1, "3 months": 3, "6 months": 6, "1 year": 12, "2 years": 24}
#: The paper's presets but the one of three levels, whose search takes longest. The cluster has all.
_GRID_GPUS = tuple(name for name in names(paper=True) if len(GPUS[name].network) < 3)
_GRID_COLUMNS = _NAMES[:12]


@cache
def grid(sparse: bool = False) -> GridFigure:
    """Utilization (%) against training compute (FLOP) for GPUs, batch laws and durations."""
    kind = "sparse" if sparse else "dense"
    runs: dict[tuple[str, ...], Runs] = {}
    for gpu in _GRID_GPUS:
        for law in BATCH_LAWS.values():
            for length, months in _DURATIONS.items():
                found = sweep(gpu, sparse, law, duration_years=months / 12)
                runs[gpu, law.words, length] = runs_of(found, _GRID_COLUMNS, _note(found, length))
    return sweep_grid(
        f"sweeps-{kind}",
        f"Utilization of {kind} models as training grows",
        f"Utilization of {kind} models against training compute for each GPU",
        (
            Choice("GPU", _GRID_GPUS, "H100 SXM"),
            Choice("Batch grows", _LAW_WORDS),
            Choice("Length of the run", tuple(_DURATIONS), "3 months"),
        ),
        _GRID_COLUMNS,
        runs,
        x=_COMPUTE,
        start=1e29,
        end_label="Largest feasible run",
        facts=(END,),
        mix=MIX,
        digits=11,
    )


def _note(found: Sweep, length: str) -> str:
    """Why there are no more runs, in the words of the page's script."""
    if not found.ended_by:
        return "The widths of the sweep end there."
    width = f"{D_MODELS[len(found)]:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return (
        f"The next model, {width} wide, ends in {length} on no cluster of which at least "
        f"{100 * MIN_UTILIZATION:g} % would be used."
    )


def pick_a_sweep(sparse: bool = False) -> Any:
    """:func:`grid` in the published page; in a kernel each choice is swept anew, which is quicker."""
    if building_page():
        return explore(grid(sparse))
    return interact(own_sweep(sparse), choices=own_sweep_choices())


# -------------------------------------------------------------------------------------- cluster


def _slider(
    symbol: str, label: str, low: float, high: float, unit: str = "", per_unit: float = 1
) -> Slider:
    default = figures_of(GPUS["H100 SXM"])[symbol]
    known = [figures_of(gpu)[symbol] for gpu in GPUS.values()]
    low, high = min(low, *known), max(high, *(value for value in known if isfinite(value)))
    whole = symbol.endswith("_size")
    log = symbol != "eta"
    return Slider(symbol, label, low, high, default, unit, per_unit, log=log, whole=whole)


def _link(level: str, where: str) -> tuple[Slider, Slider]:
    return (
        _slider(f"beta_{level}", f"Bandwidth {where}, both ways", 1e8, 1e15, "GB/s", GB),
        _slider(f"ell_{level}", f"Latency of a hop {where}", 1e-8, 0.1, "µs", 1e-6),
    )


def _whole(symbol: str, label: str, high: int, default: int, unit: str = "") -> Slider:
    return Slider(symbol, label, 1, high, default, unit, log=True, whole=True)


def _menu(label: str, symbol: str, options: Iterable[str]) -> Menu:
    counted = {name: {symbol: float(index)} for index, name in enumerate(options)}
    return Menu(label, counted, next(iter(counted)))


def _groups() -> dict[str, tuple[Slider | Menu, ...]]:
    presets = {
        name: {
            "base": float(index),
            **figures_of(gpu),
            **dict.fromkeys(_WORDS, float(gpu.word_bytes)),
        }
        for index, (name, gpu) in enumerate(GPUS.items())
    }
    batches = {
        law.words: {"law": float(index), **batch_told(law)}
        for index, law in enumerate(BATCH_LAWS.values())
    }
    batch = next(iter(batches.values()))
    return {
        "The run": (
            Menu("GPU", presets, "H100 SXM"),
            _menu("Model", "sparse", ("dense", "sparse")),
            Menu("Batch grows", batches, _LAW_WORDS[0]),
            _menu("Depth", "depth", (law.words for law in DEPTH_LAWS.values())),
            Slider("months", "Longest run", 0.01, 120, 3, "months", log=True),
        ),
        "Change the model": _model_controls(batch),
        "Change the GPU": (
            _slider("F_peak", "Peak arithmetic", 1e13, 1e17, "TFLOP/s", 1e12),
            _slider("eta", "Share of the peak in long products", 0.05, 1, "%", 0.01),
            _slider("beta_hbm", "Memory bandwidth", 1e11, 1e15, "GB/s", GB),
            _slider("C_hbm", "Memory size", 1e9, 1e13, "GB", GB),
            _slider("beta_L2", "L2 bandwidth", 1e12, 1e16, "GB/s", GB),
            _slider("ell_kernel", "Latency of a matrix product", 1e-8, 1e-4, "µs", 1e-6),
        ),
        "Change the network": (
            _slider("node_size", "GPUs in a node (1: flat)", 1, 2**14),
            *_link("node", "in the node"),
            _slider("pod_size", "Nodes in a pod (1: none)", 1, 64),
            *_link("pod", "in the pod"),
            *_link("beyond", "beyond"),
            _slider("site_size", "Pods or nodes in a site (1: one site)", 1, 2**20),
            *_link("sites", "between sites"),
            _menu(
                "Latency without a bubble",
                "zero_bubble_latency",
                ("left out, as the authors' code", "counted"),
            ),
        ),
    }


def _model_controls(batch: Mapping[str, float]) -> tuple[Slider | Menu, ...]:
    """What can be told of the model instead of the laws; ``batch`` is that of the first law."""
    return (
        _whole("experts", "Experts, one active (1: as the model says)", 2**12, AS_TOLD),
        _whole("layers", "Layers (1: as the depth says)", 2**12, AS_TOLD),
        _whole("aspect_ratio", "Inner width over model width", 16, 4),
        replace(_whole("seq_len", "Sequence length", 2**20, 2048, "tokens"), low=128),
        Slider(
            "batch_tokens",
            "Batch of a run of 10²⁶ FLOP",
            1e4,
            1e12,
            batch["batch_tokens"],
            "tokens",
            log=True,
        ),
        Slider("batch_exponent", "Growth of the batch, power", 0, 1, batch["batch_exponent"]),
        *(
            Slider(symbol, f"Bytes of {name}", 0.5, 8, 2, "bytes", log=True)
            for symbol, name in _WORDS.items()
        ),
        _menu("Attention", "attention", ("left out, as in the paper", "counted")),
        _menu("Activations kept in memory", "activation_memory", _MEMORY_WORDS),
    )


@cache
def cluster() -> ClusterFigure:
    """Utilization (%) against training compute (FLOP) on whatever cluster the reader sets."""
    found = sweep("H100 SXM")
    runs = runs_of(found, _NAMES, _note(found, "3 months"))
    start = sweep_grid(
        "your-cluster",
        "Utilization on your cluster as training grows",
        "Utilization against training compute on the cluster that the controls set",
        (Choice("GPU", ("H100 SXM",)),),
        _NAMES,
        {("H100 SXM",): runs},
        x=_COMPUTE,
        start=1e29,
        lines="",
        end_label="Largest feasible run",
        facts=(END,),
        mix=replace(MIX, high=56),
        digits=17,
    )
    own = Slider("n_gpu", "GPUs that I have", 8, 1e10, 24576, log=True, whole=True)
    compute = Slider("T_own", "Training compute of the run", 1e20, 1e33, 1e26, "FLOP", log=True)
    return ClusterFigure(_groups(), start, own, compute, _OWN)
