"""Figures of the chapter on the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from dmcore.algebra.numbers import readable
from dmcore.hardware.catalog import GPUS, names
from dmcore.models.model import Model
from dmcore.show.cluster import runs_of
from dmcore.show.colors import BOTTLENECKS, COLORS, INK
from dmcore.show.explorer import Axis
from dmcore.show.grid import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.labels import label_area, label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, rows_axis
from dmcore.simulator.ends import LINEAR_SCALING
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.step import TrainingStep
from dmcore.simulator.sweep import Sweep
from dmcore.studies.one_model import CAUSES, best_splits, causes, in_full, in_words

__all__ = [
    "STEP_CHOICES",
    "breakdown",
    "one_step",
    "strong_scaling",
]

_COLOR_OF = {name: BOTTLENECKS[name.removeprefix("kernel ")] for name in CAUSES}
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
    with canvas(alt, _CLUSTER, _SHARE, height=3.6) as (axes, finish):
        axes.axhline(useful, color=INK, linewidth=0.9, linestyle="--")
        label_line(axes, sizes, np.full(len(sizes), useful), f"useful rate: {useful:.0f} %", INK)
        axes.plot(sizes, percent, "o-", color=COLORS[0], markersize=4)
        for size, step in shown.items():
            label_point(axes, size, step.utilization * 100, _run_length(step), COLORS[0])
        words = "labels: length of the run"
        axes.text(_CLUSTER.low * 1.2, 6, words, color=COLORS[0], va="center")
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
    places = np.arange(len(sizes))
    with canvas(alt, height=4.0) as (axes, finish):
        axes.set_xlim(-0.6, places[-1] + 4.3)
        axes.set_ylim(0, 101)
        axes.set_ylabel("share of a step (%)")
        axes.set_xlabel("GPUs in the cluster")
        axes.set_xticks(places[::2], [_short(size) for size in sizes[::2]])
        axes.grid(visible=False)
        bottom = np.zeros(len(sizes))
        for name in CAUSES:
            part = np.array([shares[size][name] for size in sizes]) * 100
            axes.bar(places, part, bottom=bottom, color=_COLOR_OF[name], width=0.95, alpha=0.3)
            label_area(axes, places, bottom, bottom + part, name, INK)
            bottom += part
        percent = [step.utilization * 100 for step in found.values()]
        axes.plot(places, percent, "o-", color=INK, linewidth=1.4, markersize=3.5)
        label_point(axes, places[-1], percent[-1], "utilization", INK)
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
    alt, title = f"{title}. {summary}. {told}.", f"{title}\n{summary}"
    with canvas(alt, height=1.9 + 0.33 * len(parts)) as (axes, finish):
        axes.set_title(title, loc="left", x=-0.42)
        colors = {part: _COLOR_OF[name] for name, joined in CAUSES.items() for part in joined}
        labels = [
            name.replace("tensor, pipeline and expert", "network").replace("data", "gradient")
            for name in parts
        ]
        rows_axis(axes, labels)
        axes.set_xlim(0, 1.25e3 * max(parts.values()))
        axes.set_xlabel("time in a step (ms)")
        for place, (name, seconds) in enumerate(parts.items()):
            axes.barh(place, seconds * 1e3, color=colors[name])
            label_point(axes, seconds * 1e3, place, readable(seconds * 1e3), INK)
        return finish()


def _empty(title: str, reason: str) -> SvgFigure:
    with canvas(f"{title}: no split, because of {reason}.", height=1.2, title=title) as (
        axes,
        finish,
    ):
        axes.set_axis_off()
        axes.text(0, 0.5, f"No split works: {reason}.", transform=axes.transAxes)
        return finish()


_GRID_GPUS = names("H100 SXM", page_grids=True)
_GRID_WIDTHS = (12288, 24576, 98304)


_COLUMNS = (
    Column("n_gpu", "GPUs"),
    Column("utilization", "Utilization", "%", 0.01),
    Column("days", "Length of the run", "days"),
    Column("data_parallel", "Data parallel"),
    Column("tensor_parallel", "Tensor parallel"),
    Column("pipeline_parallel", "Pipeline parallel"),
    Column("microbatches", "Microbatches"),
    Column("binding", "Most of the step"),
    *(Column(f"share {name}", name, "%", 0.01, shown=False) for name in CAUSES),
)


@cache
def grid() -> GridFigure:
    """Utilization against the number of GPUs for several GPUs and widths, each at its best split."""
    runs: dict[tuple[str, ...], Runs] = {
        (gpu, f"{width}"): _runs(gpu, best_splits(gpu, width, 8, 25))
        for gpu in _GRID_GPUS
        for width in _GRID_WIDTHS
    }
    return GridFigure(
        name="one-step",
        title="One model on more and more GPUs",
        alt="Utilization against the number of GPUs, each at its fastest split",
        choices=(
            Choice("GPU", _GRID_GPUS),
            Choice("Width d_model", tuple(map(str, _GRID_WIDTHS))),
        ),
        columns=_COLUMNS,
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
            colors=tuple(_COLOR_OF.values()),
        ),
        digits=5,
    )


def _runs(gpu: str, found: Mapping[int, TrainingStep]) -> Runs:
    steps = list(found.values())
    parts = [causes(step) for step in steps]
    return runs_of(
        Sweep.from_steps(GPUS[gpu], steps),
        [column.name for column in _COLUMNS],
        "From 2⁸ to 2²⁵ GPUs; clusters that are missing cannot hold or divide the model.",
        {},
        days=[step.run_s / 86400 for step in steps],
        **{f"share {name}": [part[name] for part in parts] for name in CAUSES},
    )
