"""Figures of the chapter on the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from dmcore.algebra.numbers import readable
from dmcore.hardware.catalog import GPUS, names
from dmcore.models.model import Model
from dmcore.show.explorer import Axis
from dmcore.show.page import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis
from dmcore.simulator.ends import LINEAR_SCALING
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.step import TrainingStep
from dmcore.studies.one_model import CAUSES, best_splits, causes, in_full, in_words

__all__ = [
    "STEP_CHOICES",
    "breakdown",
    "one_step",
    "strong_scaling",
]

_COLOR_OF = dict(zip(CAUSES, (COLORS[0], COLORS[1], COLORS[5], COLORS[3], COLORS[2]), strict=True))
_CLUSTER = Axis("GPUs in the cluster", 2**9, 2**23, log=True)
_SHARE = Axis("utilization", 0, 80, "%")


def strong_scaling() -> SvgFigure:
    """Utilization (%) of a GPT-3-size model against the number of H100s, each at its best split."""
    found = best_splits()
    sizes = np.array(list(found))
    percent = np.array([step.utilization for step in found.values()]) * 100
    useful = GPUS["H100 SXM"].efficiency * 100
    limit = LINEAR_SCALING * useful
    end = sizes[percent > limit].max()
    shown = {size: found[size] for size in (2**11, int(end), 2**20, 2**23)}
    told = ", ".join(f"{in_full(size)} GPUs {step.utilization:.0%}" for size, step in shown.items())
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
        f"With {in_full(sizes[-1])} GPUs: {told}."
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
    "gpu": names("H100 SXM"),
    "d_model": ("12288", "24576", "49152", "98304", "196608"),
    "gpus": ("1048576", *(str(2**i) for i in range(8, 27) if i != 20)),
}


def one_step(gpu: str = "H100 SXM", d_model: str = "12288", gpus: str = "1048576") -> SvgFigure:
    """Where the time of one step goes (ms), and the fastest split in words."""
    title = f"d_model {d_model} on {in_full(int(gpus))} × {gpu}"
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


def _empty(title: str, reason: str) -> SvgFigure:
    with canvas(f"{title}: no split, because of {reason}.", height=1.2) as ((axes,), finish):
        axes.set_axis_off()
        axes.set_title(title, loc="left")
        axes.text(0, 0.5, f"No split works: {reason}.", transform=axes.transAxes)
        return finish()


_GRID_GPUS = names("H100 SXM", page_grids=True)
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
