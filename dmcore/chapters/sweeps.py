"""Figures of the chapters that sweep the simulator over growing models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.numbers import readable
from dmcore.hardware.catalog import GPUS, names
from dmcore.models.laws import BATCH_LAWS
from dmcore.show.colors import BOTTLENECKS, COLORS, INK, PARALLELISM, gpu_color
from dmcore.show.explorer import Axis
from dmcore.show.grid import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.labels import label_area, label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, rows_axis
from dmcore.simulator.ends import LINEAR_SCALING, never_linear
from dmcore.simulator.sweep import Sweep, sweep

__all__ = [
    "COLUMNS",
    "COMPUTE",
    "END",
    "MIX",
    "UTILIZATION",
    "ends",
    "gpus_needed",
    "mix",
    "one_sweep",
    "own_sweep",
    "own_sweep_choices",
    "sweep_grid",
    "time_shares",
    "utilization",
]

Floats = NDArray[np.float64]

#: Training compute, the x axis of every sweep.
COMPUTE = Axis("training compute", 1e24, 1e33, "FLOP", log=True)
#: Utilization, the y axis of most.
UTILIZATION = Axis("utilization", 0, 1, "%", 0.01)


#: Columns as a sweep names them, and what most of a step goes to.
COLUMNS = {
    column.name: column
    for column in (
        Column("training_flop", "training compute", "FLOP", shown=False),
        Column("n_gpu", "GPUs"),
        Column("utilization", "utilization", "%", 0.01),
        Column("utilization_at_deadline", "utilization at the deadline", "%", 0.01),
        Column("months", "length of the run", "months"),
        Column("tensor_parallel", "tensor parallel"),
        Column("pipeline_parallel", "pipeline parallel"),
        Column("expert_parallel", "expert parallel"),
        Column("data_parallel", "data parallel"),
        Column("microbatches", "microbatches"),
        Column("binding", "most of the step"),
        Column("d_model", "width", shown=False),
        Column("d_ff", "inner width", shown=False),
        Column("layers", "layers", shown=False),
        Column("experts", "experts", shown=False),
        Column("batch_tokens", "batch", "tokens", shown=False),
        Column("params", "parameters", shown=False),
        Column("slices_of_d", "slices of d_model", shown=False),
        Column("slices_of_f", "slices of d_ff", shown=False),
        Column("interleaving", "interleaving", shown=False),
        Column("zero_bubble", "zero bubble", shown=False),
        Column("gpus_used_in_node", "GPUs used in each node"),
        Column("memory_bytes", "memory used on each GPU", "GB", 1e9, shown=False),
    )
}
#: How each run is divided, below a figure of runs.
MIX = Mix(
    "GPUs",
    "Degrees of parallelism against training compute, which multiply to the number of GPUs",
    tuple(f"{way}_parallel" for way in ("tensor", "pipeline", "expert", "data")),
    multiply=True,
    colors=tuple(PARALLELISM[way] for way in ("tensor", "pipeline", "expert", "data")),
)
#: The end of linear scaling, as a fact of a figure of runs.
END = Column("end", "Linear scaling ends at", "FLOP")


def sweep_grid(
    name: str,
    title: str,
    alt: str,
    choices: tuple[Choice, ...],
    columns: Iterable[str],
    runs: Mapping[tuple[str, ...], Runs],
    *,
    x: Axis = COMPUTE,
    y: Axis = UTILIZATION,
    lines: str | None = None,
    shown: bool = False,
    **options: Any,
) -> GridFigure:
    """Utilization against training compute for sweeps to pick among.

    Columns are those of :data:`COLUMNS`; ``shown`` shows all of them. The last choice gives the lines.
    """
    chosen = [COLUMNS[column] for column in columns]
    return GridFigure(
        name=name,
        title=title,
        alt=alt,
        choices=choices,
        columns=tuple(replace(column, shown=shown or column.shown) for column in chosen),
        x=x,
        y=y,
        x_column="training_flop",
        y_column="utilization_at_deadline",
        runs=runs,
        lines=choices[-1].label if lines is None else lines,
        **options,
    )


def utilization(
    sweeps: Mapping[str, Sweep],
    *,
    limits_flop: Mapping[str, float] | None = None,
    last_flop: float = COMPUTE.high,
    height: float = 3.4,
    papers: bool = False,
) -> SvgFigure:
    """Utilization at the deadline (share of the peak) against training compute (FLOP), a line to a sweep.

    A dot is where linear scaling ends.

    Parameters
    ----------
    sweeps
        Sweeps by the label of their line.
    limits_flop
        Compute to mark by a vertical line of the sweep's color, such as T_crit; by label.
    last_flop
        Right end of the compute axis.
    height
        Height in inches.
    papers
        Whether a thin line has the utilization of the paper's clusters as well, of E 2**i GPUs.
    """
    told = ", ".join(
        f"{label}: {found.utilization_at_deadline[0]:.0%} at first, linear scaling "
        + (
            f"to {readable(found.end.flop, 2)} FLOP"
            if found.end.flop
            else "never"
            if never_linear(found)
            else "throughout"
        )
        for label, found in sweeps.items()
    )
    alt = f"Utilization against training compute. {told}."
    x = replace(COMPUTE, high=last_flop)
    with canvas(alt, x, UTILIZATION, height=height) as (axes, finish):
        for (label, found), color in zip(sweeps.items(), _colors(sweeps), strict=True):
            percent = found.utilization_at_deadline * 100
            axes.plot(found.training_flop, percent, color=color)
            if papers:
                axes.plot(found.training_flop, found.utilization * 100, color=color, linewidth=0.7)
            if limits_flop and label in limits_flop:
                axes.axvline(limits_flop[label], color=color, linestyle=":", linewidth=1.2)
            if found.end.flop is not None:
                level = LINEAR_SCALING * found.gpu.efficiency * 100
                axes.plot([found.end.flop], [level], "o", color=color, markersize=5)
            label_line(axes, found.training_flop, percent, label, color)
        return finish()


def _colors(labels: Iterable[str]) -> list[str]:
    """A colour for each line: that of the GPU if all labels name one, else the next of the palette."""
    labels = list(labels)
    if all(label in GPUS for label in labels):
        return [gpu_color(label) for label in labels]
    return [color for _, color in zip(labels, cycle(COLORS), strict=False)]


def ends(sweeps: Mapping[str, Sweep], closed_forms: Mapping[str, float] | None = None) -> SvgFigure:
    """Where linear scaling ends (FLOP), a row to a sweep; rings mark a closed form's T_crit.

    A line spans the ends that other sets of clusters give.
    """
    closed_forms = closed_forms or {}
    rows = {
        label: found.end_range.flop or float(found.training_flop[-1])
        for label, found in sweeps.items()
        if not never_linear(found)
    }
    told = ", ".join(
        f"{label} {sweeps[label].end_range}"
        + (f" (closed form {readable(closed_forms[label])})" if label in closed_forms else "")
        for label, end in rows.items()
    )
    alt = f"Training compute, in FLOP, at which linear scaling ends: {told}."
    everything = [*rows.values(), *(v for v in closed_forms.values() if np.isfinite(v))]
    low, high = np.log10(min(everything)), np.log10(max(everything))
    x = Axis(
        "linear scaling ends at", 10 ** np.floor(low - 1), 10 ** np.ceil(high + 1), "FLOP", log=True
    )
    with canvas(alt, x, height=0.9 + 0.5 * len(rows)) as (axes, finish):
        rows_axis(axes, list(rows), above=0.7, names=False)
        for row, (label, end) in enumerate(rows.items()):
            color = COLORS[row % len(COLORS)]
            axes.plot([end], [row], "o", color=color, markersize=7)
            if sweeps[label].end.flop:
                axes.plot(sweeps[label].end_range.span, [row, row], color=color, linewidth=2)
            closed = closed_forms.get(label, np.inf)
            if np.isfinite(closed):
                axes.plot([closed], [row], "o", color=color, markersize=9, fillstyle="none")
            label_point(axes, end, row, f"{label}: {readable(end)}", color)
        return finish()


def mix(found: Sweep) -> SvgFigure:
    """How the cluster of each run is divided: degrees of parallelism stacked as decades of GPUs."""
    degrees = {
        "data": found.data_parallel,
        "pipeline": found.pipeline_parallel,
        "tensor": found.tensor_parallel,
        "expert": found.expert_parallel,
    }
    degrees = {name: degree for name, degree in degrees.items() if degree.max() > 1}
    last = ", ".join(f"{name} {int(degree[-1]):,}" for name, degree in degrees.items())
    alt = (
        f"Degrees of parallelism on {found.gpu.name} against training compute, stacked: their "
        f"product is the number of GPUs. At {readable(found.training_flop[-1])} FLOP: {last}."
    )
    top = float(np.log10(found.n_gpu.astype(float)).max())
    return _stacked(
        alt,
        found,
        Axis("degree, stacked", 0, top * 1.05, "powers of ten"),
        {
            f"{name} parallel": (np.log10(degree), PARALLELISM[name])
            for name, degree in degrees.items()
        },
    )


def time_shares(found: Sweep) -> SvgFigure:
    """Where the time of a step goes against training compute: shares that add up to 100 %."""
    shares = _shares(found)
    told = ", ".join(
        f"{group} {share[0]:.0%} to {share[-1]:.0%}" for group, share in shares.items()
    )
    alt = f"Shares of a step's time on {found.gpu.name}, from the first run to the last: {told}."
    return _stacked(
        alt,
        found,
        Axis("share of a step's time", 0, 1, "%", 0.01),
        {name: (100 * share, BOTTLENECKS[name]) for name, share in shares.items()},
    )


def gpus_needed(sweeps: Mapping[str, Sweep]) -> SvgFigure:
    """GPUs of the smallest cluster that ends each run in time, against training compute (FLOP)."""
    told = ", ".join(
        f"{label} {readable(float(found.n_gpu[-1]))} at {readable(found.training_flop[-1])} FLOP"
        for label, found in sweeps.items()
    )
    alt = f"GPUs needed against training compute; at the end: {told}."
    with canvas(alt, COMPUTE, Axis("GPUs", 1e3, 1e12, log=True)) as (axes, finish):
        for (label, found), color in zip(sweeps.items(), _colors(sweeps), strict=True):
            axes.plot(found.training_flop, found.n_gpu, color=color)
            label_line(axes, found.training_flop, found.n_gpu, label, color)
        return finish()


def own_sweep(sparse: bool = False) -> Callable[..., SvgFigure]:
    """A function of a GPU's name and a batch law that sweeps and draws: the widget of a chapter."""

    def draw(gpu: str, batch_law: str, show: str) -> SvgFigure:
        found = sweep(gpu, sparse=sparse, batch_scaling=batch_law)
        return one_sweep(show, {gpu: found})

    return draw


def one_sweep(show: str, sweeps: Mapping[str, Sweep]) -> SvgFigure:
    """Utilization of some sweeps; of the last of them, its "parallelism" or where the "time" goes."""
    *_, found = sweeps.values()
    pictures = {"parallelism": mix, "time": time_shares}
    return pictures[show](found) if show in pictures else utilization(sweeps)


def own_sweep_choices() -> dict[str, tuple[str, ...]]:
    """What the reader of :func:`own_sweep` chooses among."""
    return {
        "gpu": names("H100 SXM"),
        "batch_law": tuple(BATCH_LAWS),
        "show": ("utilization", "parallelism", "time"),
    }


def _shares(found: Sweep) -> dict[str, Floats]:
    """Shares of a step: what arithmetic needs at the useful rate, and what each obstacle adds."""
    step = np.array([one.step_s for one in found.steps])
    parts = {
        name: np.array([one.parts[name] for one in found.steps]) for name in found.steps[0].parts
    }
    arithmetic = np.array([one.arithmetic_s for one in found.steps]) / found.gpu.efficiency
    products = np.array([one.matmul_s for one in found.steps]) - parts["matmul latency"]
    seconds = {
        "arithmetic": arithmetic,
        "memory": products - arithmetic,
        "network": parts["tensor, pipeline and expert bandwidth"] + parts["data bandwidth"],
        "latency": parts["matmul latency"]
        + parts["tensor, pipeline and expert latency"]
        + parts["data latency"],
        "bubble": parts["bubble"],
    }
    return {name: value / step for name, value in seconds.items()}


def _stacked(
    alt: str, found: Sweep, y: Axis, layers: Mapping[str, tuple[Floats, str]]
) -> SvgFigure:
    """Areas one above the other against training compute, each named inside where it is thick."""
    xs, bottom = found.training_flop, np.zeros(len(found))
    with canvas(alt, replace(COMPUTE, low=xs[0], high=xs[-1]), y) as (axes, finish):
        for name, (thickness, color) in layers.items():
            top = bottom + thickness
            axes.fill_between(xs, bottom, top, color=color, alpha=0.28, linewidth=0)
            axes.plot(xs, top, color=color, linewidth=1.2)
            label_area(axes, xs, bottom, top, name, INK)
            bottom = top
        return finish()
