"""Figures, equations and searched runs of the chapter on the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import sympy as sp

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import simulator_symbols, symbols
from dmcore.hardware.gpu import GPUS
from dmcore.models import laws
from dmcore.models.model import Model
from dmcore.show.equation import Equation, in_pieces
from dmcore.show.explorer import Axis
from dmcore.show.page import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis
from dmcore.simulator import pipeline, traffic
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.step import TrainingStep
from dmcore.simulator.times import arithmetic_time, cluster_memory, matmul_step_time

__all__ = [
    "CAUSES",
    "STEP_CHOICES",
    "best_splits",
    "breakdown",
    "causes",
    "equations",
    "in_words",
    "one_step",
    "strong_scaling",
    "with_hops",
]

#: Width of GPT-3, the model of the chapter.
WIDTH = 12288
#: What a step's time goes to, and the parts of a step that each one joins.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "arithmetic": ("matmul arithmetic",),
    "memory": ("matmul shared memory", "matmul L2", "matmul HBM"),
    "kernel latency": ("matmul latency",),
    "network": (
        "tensor, pipeline and expert bandwidth",
        "bubble",
        "tensor, pipeline and expert latency",
    ),
    "gradients": ("data bandwidth", "data latency"),
}
_COLOR_OF = dict(zip(CAUSES, (COLORS[0], COLORS[1], COLORS[5], COLORS[3], COLORS[2]), strict=True))
_CLUSTER = Axis("GPUs in the cluster", 2**9, 2**23, log=True)
_SHARE = Axis("utilization", 0, 80, "%")


# ------------------------------------------------------------------------------------ equations


@cache
def equations() -> Mapping[str, Equation]:
    """The simulator's expressions of one training step, by label."""
    ideal, matmul, reduce, reduce_wait = simulator_symbols("t_ideal t_matmul t_reduce t_wait")
    crossings, crossed = simulator_symbols("crossings n_cross")
    transfer, hops = simulator_symbols("t_transfer t_hops")
    bubble, busy, schedule, held = simulator_symbols("x_bubble x_busy t_schedule B_cluster")
    (depth,) = symbols("L")
    found = (
        Equation("eq-sim-layers", depth, laws.layer_law().evalf(5)),
        Equation("eq-sim-ideal", ideal, arithmetic_time()),
        Equation("eq-sim-matmul", matmul, matmul_step_time()),
        Equation("eq-sim-all-reduce", reduce, sp.factor(traffic.all_reduce_bandwidth_time())),
        Equation("eq-sim-all-reduce-wait", reduce_wait, traffic.all_reduce_latency()),
        Equation("eq-sim-crossings", crossed, traffic.boundaries_crossing()),
        Equation(
            "eq-sim-transfer",
            transfer,
            traffic.point_to_point_bandwidth_time().subs(crossings, crossed),
        ),
        Equation("eq-sim-hops", hops, traffic.point_to_point_latency().subs(crossings, crossed)),
        Equation("eq-sim-bubble", bubble, pipeline.bubble_fraction()),
        Equation(
            "eq-sim-schedule",
            schedule,
            in_pieces(pipeline.pipeline_time(False), {1 - pipeline.bubble_fraction(): busy}).subs(
                busy, 1 - bubble
            ),
        ),
        Equation("eq-sim-zero-bubble", schedule, pipeline.pipeline_time(True)),
        Equation("eq-sim-zero-bubble-latency", schedule, pipeline.pipeline_time(True, True)),
        Equation("eq-sim-memory", held, cluster_memory()),
    )
    return {equation.label: equation for equation in found}


# ------------------------------------------------------------------------------- searched runs


@cache
def best_splits(
    gpu: str = "H100 SXM", d_model: int = WIDTH, low: int = 9, high: int = 23
) -> Mapping[int, TrainingStep]:
    """The fastest step of the model of a width on 2**low to 2**high GPUs; sizes that fit only."""
    shape = Model.from_laws(d_model)
    found: dict[int, TrainingStep] = {}
    for power in range(low, high + 1):
        try:
            found[2**power] = best_parallelism(gpu, shape, 2**power)
        except NothingFitsError:
            continue
    return found


def causes(step: TrainingStep) -> dict[str, float]:
    """Share of the step that goes to each of :data:`CAUSES`."""
    return {
        name: sum(step.parts[part] for part in parts) / step.step_s
        for name, parts in CAUSES.items()
    }


def with_hops(hop_s: float, n_gpu: int, *, zero_bubble_latency: bool) -> TrainingStep:
    """The fastest step on H100s whose network hops take that many seconds."""
    gpu = GPUS["H100 SXM"]
    levels = tuple(replace(level, latency_s=hop_s) for level in gpu.network)
    return best_parallelism(
        replace(gpu, network=levels),
        Model.from_laws(WIDTH),
        n_gpu,
        zero_bubble_latency=zero_bubble_latency,
    )


def in_words(step: TrainingStep) -> str:
    """The split of a step: its degrees that are more than one, as a product."""
    split = step.parallelism
    degrees = {
        "data": split.data_parallel,
        "tensor": split.tensor_parallel,
        "pipeline": split.pipeline_parallel,
        "expert": split.expert_parallel,
    }
    told = [f"{_in_full(degree)} {name}" for name, degree in degrees.items() if degree > 1]
    return " × ".join(told) or "one GPU"


# -------------------------------------------------------------------------------------- figures


def strong_scaling() -> SvgFigure:
    """Utilization (%) of a GPT-3-size model against the number of H100s, each at its best split."""
    found = best_splits()
    sizes = np.array(list(found))
    percent = np.array([step.utilization for step in found.values()]) * 100
    useful = GPUS["H100 SXM"].efficiency * 100
    limit = 0.8 * useful
    end = sizes[percent > limit].max()
    shown = {size: found[size] for size in (2**11, int(end), 2**20, 2**23)}
    told = ", ".join(
        f"{_in_full(size)} GPUs {step.utilization:.0%}" for size, step in shown.items()
    )
    alt = f"Utilization of one model falls as its cluster grows: {told}."
    with canvas(alt, height=3.6) as ((axes,), finish):
        scale_axis(axes, "x", _CLUSTER)
        scale_axis(axes, "y", _SHARE)
        axes.axhline(useful, color=INK, linewidth=0.9, linestyle="--")
        axes.annotate("useful rate: 70 %", (_CLUSTER.high / 1.1, useful + 1), ha="right")
        axes.plot(sizes, percent, "o-", color=COLORS[0], markersize=4)
        first = min(shown)
        for size, step in shown.items():
            axes.annotate(
                _run_length(step),
                (size, step.utilization * 100),
                xytext=(-8, -8) if size > first else (0, -8),
                textcoords="offset points",
                ha="right" if size > first else "center",
                va="top",
                color=COLORS[0],
            )
        axes.annotate(
            "labels: length of the run", (_CLUSTER.low * 1.2, 6), color=COLORS[0], va="center"
        )
        return finish()


def _run_length(step: TrainingStep) -> str:
    days = step.run_s / 86400
    if days >= 14:
        return f"{readable(days / 7, 2)} weeks"
    return f"{readable(days, 2)} days" if days >= 2 else f"{readable(days * 24, 2)} hours"


def breakdown() -> SvgFigure:
    """Where the time of a step goes, in percent, against the number of H100s."""
    found = best_splits()
    sizes = list(found)
    shares = {size: causes(step) for size, step in found.items()}
    last = shares[sizes[-1]]
    told = ", ".join(f"{name} {share:.0%}" for name, share in last.items())
    alt = (
        "Share of a step by cause against the cluster's size: all arithmetic at first. "
        f"With {_in_full(sizes[-1])} GPUs: {told}."
    )
    with canvas(alt, height=4.0) as ((axes,), finish):
        bottom = np.zeros(len(sizes))
        places = np.arange(len(sizes))
        for name, color in _COLOR_OF.items():
            part = np.array([shares[size][name] for size in sizes]) * 100
            axes.bar(places, part, bottom=bottom, color=color, width=0.95, alpha=0.85)
            bottom += part
        percent = [step.utilization * 100 for step in found.values()]
        axes.plot(places, percent, "o-", color=INK, linewidth=1.4, markersize=3.5)
        beside = places[-1] + 0.55
        axes.annotate("utilization", (beside, percent[-1]), va="center")
        inside = {"arithmetic": (2.5, 30), "memory": (10, 30), "kernel latency": (beside, 55)}
        for name, place in {**inside, "gradients": (beside, 97)}.items():
            color = _COLOR_OF[name] if place[0] == beside else "white"
            side = "left" if place[0] == beside else "center"
            axes.annotate(name, place, va="center", ha=side, color=color)
        axes.set_xlim(-0.6, places[-1] + 4.3)
        axes.set_ylim(0, 101)
        axes.set_ylabel("share of a step (%)")
        axes.set_xlabel("GPUs in the cluster")
        axes.set_xticks(places[::2], [_short(size) for size in sizes[::2]])
        axes.grid(visible=False)
        return finish()


def _short(size: int) -> str:
    """A power of two in the way of memory sizes: 8k is 8192."""
    for unit, suffix in ((2**20, "M"), (2**10, "k")):
        if size >= unit:
            return f"{size // unit}{suffix}"
    return str(size)


#: What a reader of one step chooses; the first of each is the start.
STEP_CHOICES: Mapping[str, tuple[str, ...]] = {
    "gpu": ("H100 SXM", "A100 SXM", "V100 SXM", "H100 SXM Low Latency", "H100 SXM Global NVLink"),
    "d_model": ("12288", "24576", "49152", "98304", "196608"),
    "gpus": ("1048576", *(str(2**i) for i in range(8, 27) if i != 20)),
}


def one_step(gpu: str = "H100 SXM", d_model: str = "12288", gpus: str = "1048576") -> SvgFigure:
    """Where the time of one step goes (ms), and the fastest split in words."""
    title = f"d_model {d_model} on {_in_full(int(gpus))} × {gpu}"
    try:
        step = best_parallelism(gpu, Model.from_laws(int(d_model)), int(gpus))
    except NothingFitsError as reason:
        return _empty(title, str(reason).partition(":")[0])
    parts = {name: seconds for name, seconds in step.parts.items() if seconds > 1e-9 * step.step_s}
    words = in_words(step)
    kind = "zero bubble" if step.parallelism.zero_bubble else "with bubble"
    summary = (
        f"{words}\n{step.parallelism.microbatches} microbatches, {kind}; "
        f"utilization {step.utilization:.1%}"
    )
    told = ", ".join(f"{name} {readable(seconds * 1e3)} ms" for name, seconds in parts.items())
    with canvas(f"{title}. {summary}. {told}.", height=1.9 + 0.33 * len(parts)) as (
        (axes,),
        finish,
    ):
        axes.set_title(f"{title}\n{summary}", loc="left", x=-0.42)
        colors = {part: _COLOR_OF[name] for name, joined in CAUSES.items() for part in joined}
        for place, (name, seconds) in enumerate(parts.items()):
            axes.barh(place, seconds * 1e3, color=colors[name])
            axes.annotate(
                readable(seconds * 1e3),
                (seconds * 1e3, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
            )
        labels = [
            name.replace("tensor, pipeline and expert", "network").replace("data", "gradient")
            for name in parts
        ]
        axes.set_yticks(range(len(parts)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.25e3 * max(parts.values()))
        axes.set_xlabel("time in a step (ms)")
        axes.grid(visible=False, axis="y")
        return finish()


def _in_full(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _empty(title: str, reason: str) -> SvgFigure:
    with canvas(f"{title}: no split, because of {reason}.", height=1.2) as ((axes,), finish):
        axes.set_axis_off()
        axes.set_title(title, loc="left")
        axes.text(0, 0.5, f"No split works: {reason}.", transform=axes.transAxes)
        return finish()


_GRID_GPUS = ("H100 SXM", "A100 SXM", "V100 SXM", "H100 SXM Low Latency", "H100 SXM Global NVLink")
_GRID_WIDTHS = (12288, 24576, 98304)


@cache
def grid() -> GridFigure:
    """Utilization against the number of GPUs for several GPUs and widths, each at its best split."""
    columns = (
        Column("n_gpu", "GPUs"),
        Column("utilization", "Utilization", "%", 0.01),
        Column("days", "Length of the run", "days"),
        Column("data", "Data parallel"),
        Column("tensor", "Tensor parallel"),
        Column("pipeline", "Pipeline parallel"),
        Column("microbatches", "Microbatches"),
        Column("binding", "Most of the step"),
        *(Column(f"share {name}", name, "%", 0.01, shown=False) for name in CAUSES),
    )
    runs: dict[tuple[str, ...], Runs] = {
        (gpu, f"{width}"): _runs(best_splits(gpu, width, 8, 25))
        for gpu in _GRID_GPUS
        for width in _GRID_WIDTHS
    }
    return GridFigure(
        name="one-step",
        title="One model on more and more GPUs",
        alt="Utilization against the number of GPUs, each at its fastest split",
        choices=(
            Choice("GPU", _GRID_GPUS, _GRID_GPUS[0]),
            Choice("Width d_model", tuple(map(str, _GRID_WIDTHS)), str(_GRID_WIDTHS[0])),
        ),
        columns=columns,
        x=Axis("GPUs in the cluster", 2**8, 2**25, log=True),
        y=Axis("utilization", 0, 0.9, "%", 0.01),
        x_column="n_gpu",
        y_column="utilization",
        runs=runs,
        start=2**20,
        end_label="Largest cluster",
        lines="Width d_model",
        mix=Mix(
            "share of a step",
            "Share of a step by cause against the number of GPUs",
            tuple(f"share {name}" for name in CAUSES),
        ),
        digits=5,
    )


def _runs(found: Mapping[int, TrainingStep]) -> Runs:
    steps = list(found.values())
    return Runs(
        {
            "n_gpu": list(map(float, found)),
            "utilization": [step.utilization for step in steps],
            "days": [step.run_s / 86400 for step in steps],
            "data": [float(step.parallelism.data_parallel) for step in steps],
            "tensor": [float(step.parallelism.tensor_parallel) for step in steps],
            "pipeline": [float(step.parallelism.pipeline_parallel) for step in steps],
            "microbatches": [float(step.parallelism.microbatches) for step in steps],
            "binding": [step.binding for step in steps],
            **{f"share {name}": [causes(step)[name] for step in steps] for name in CAUSES},
        },
        note="From 2⁸ to 2²⁵ GPUs; clusters that are missing cannot hold or divide the model.",
    )
